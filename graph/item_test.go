package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// readItem reads a single item as the client does.
func readItem(t *testing.T, body string) (Item, *BadItem) {
	t.Helper()
	s := newScanner([]byte(body))
	var it Item
	bad := s.item(&it)
	s.end()
	if s.err != nil {
		t.Fatalf("%s: %v", body, s.err)
	}
	return it, bad
}

func TestItemsOfTheExamplesAreRead(t *testing.T) {
	at := func(text string) time.Time { t, _ := time.Parse(time.RFC3339, text); return t }
	for file, want := range map[string]Item{
		"delta-item-observed-documentlibrary.json": {
			Drive: "b!WxSVGq328EihzF7iX0zwBUKyOdYTcJlEvv2TELjmxGyJDapLUP3DSaOaOKHnNcJy", ID: "01NFE5UXOPTIOH6DYHX5AKR6OBKVHW7ARW",
			Parent: "01NFE5UXN6Y2GOVW7725BZO354PWSELRRZ", ParentDrive: "b!WxSVGq328EihzF7iX0zwBUKyOdYTcJlEvv2TELjmxGyJDapLUP3DSaOaOKHnNcJy",
			Name: "Exceltest.xlsx", HasName: true, Size: 11662,
			ETag: `"{7F1C9ACF-070F-40BF-A8F9-C1554F6F8236},11"`, CTag: `"c:{7F1C9ACF-070F-40BF-A8F9-C1554F6F8236},11"`,
			QuickXorHash: "t2rV9IUDbgDtRnaQbgnAQqF1HcA=", Created: at("2022-10-21T02:32:42Z"), Modified: at("2022-11-02T08:10:05Z"),
			ModifiedBy: "AdeleV@M365x88585280.OnMicrosoft.com", MimeType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
			WebURL: "https://m365x88585280.sharepoint.com/sites/TestSPOSite/_layouts/15/Doc.aspx?sourcedoc=%7B7F1C9ACF-070F-40BF-A8F9-C1554F6F8236%7D&file=Exceltest.xlsx&action=default&mobileredirect=true",
			Facets: File | Shared, Sharing: "users",
		},
		"delta-deleted-item-observed-business.json": {
			Drive: "b!qcJBW0r4DES1sbsoYYbDRqEj8dWnqFtIp1OihnL4Hoiy11pteWp5RrA1jEBuZLz4", ID: "01WHAEF4B4JHSDVNCBNFEKJ3KRFHW7PX4I",
			Parent: "01WHAEF4F6Y2GOVW7725BZO354PWSELRRZ", ParentDrive: "b!qcJBW0r4DES1sbsoYYbDRqEj8dWnqFtIp1OihnL4Hoiy11pteWp5RrA1jEBuZLz4",
			Size: SizeUnknown, Facets: Deleted, DeletedState: "deleted",
		},
		"delta-deleted-item-observed-business-2017.json": {ID: "01FLIMP2OEMFKZQUIL5NHL7OOZ6SOG6CPF", Size: SizeUnknown, Facets: Deleted},
		"driveitem-package-observed.json":                {ID: "p", Name: "Notizbuch", HasName: true, Size: SizeUnknown, Children: 3, Facets: Package | Folder, PackageType: "oneNote"},
		"driveitem-root-business.json": {
			ID: "01NKDM7HMOJTVYMDOSXFDK2QJDXCDI3WUK", Name: "OneDrive", HasName: true, Size: 157286400, Children: 120,
			ETag: `"{86EB4C8E-D20D-46B9-AD41-23B8868DDA8A},1"`, CTag: `"c:{86EB4C8E-D20D-46B9-AD41-23B8868DDA8A},0"`,
			Created: at("2016-03-21T20:01:37Z"), Modified: at("2016-03-21T20:01:37Z"), ModifiedBy: "Ryan Gregg",
			WebURL: "https://contoso-my.sharepoint.com/personal/rgregg_contoso_com/Documents", Facets: Folder | Root,
		},
	} {
		got, bad := readItem(t, string(example(t, file)))
		if bad != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\n got %#v\nwant %#v", file, bad, got, want)
		}
	}
	full, bad := readItem(t, string(example(t, "driveitem-full-documentlibrary.json")))
	if bad != nil || full.DownloadURL.Reveal() != "..." || full.ModifiedBy != "t-james@contososd.org" || full.Class() != ClassFile {
		t.Errorf("%+v %+v", full, bad)
	}
}

func TestOddItemsAreReportedAndTombstonesNeedOnlyAnID(t *testing.T) {
	for _, c := range []struct{ body, reason string }{
		{`{"id":"1","name":"a"}`, ""},
		{`{"id":"1","name":"a","size":9223372036854775807,"file":{}}`, ""},
		{`{"id":"1","name":"a","size":null,"file":{}}`, ""},
		{`{"id":"1"}`, ""}, // no name at all: the caller keeps the one it has
		{`{"id":"1","name":null,"root":{}}`, ""},
		{`{"root":{},"id":"1","name":"","folder":{}}`, ""},
		{`{"id":"1","deleted":{}}`, ""},
		{`{"id":"1","name":null,"size":-1,"deleted":{"state":"x"}}`, ""},
		{`{"id":"1","name":"a","size":-1,"folder":{}}`, ""}, // seen on folders (Q35)
		{`{"id":"1","name":"a","ID":"2","Size":-1}`, ""},
		{`{"id":"1","name":"a","unknown":{"deep":[1,{"id":"\ud800"}]}}`, ""},
		{`{"id":"1","name":"\ud83d\ude00"}`, ""},
		{`"text"`, "not an object"},
		{`null`, "not an object"},
		{`{}`, "no id"},
		{`{"ID":"1"}`, "no id"},
		{`{"id":""}`, "no id"},
		{`{"id":null,"name":"a"}`, "no id"},
		{`{"id":7,"name":"a"}`, "no id"},
		{`{"id":["1"],"deleted":{}}`, "no id"},
		{`{"id":"1","name":"a","id":"2"}`, "twice"},
		{`{"id":"1","name":"a","\u0069d":"2"}`, "twice"},
		{`{"id":"1","name":"a","parentReference":{"id":"2","id":"3"}}`, "twice"},
		{`{"id":"1","deleted":{},"deleted":null}`, "twice"},
		{`{"id":"1","name":""}`, "empty"},
		{`{"id":"1","name":null}`, "not a text"},
		{`{"id":"1","name":5}`, "not a text"},
		{`{"id":"1","name":"\ud800"}`, "Unicode"},
		{`{"id":"1","name":"\udc00\ud800x"}`, "Unicode"},
		{"{\"id\":\"1\",\"name\":\"caf\xe9\"}", "Unicode"},
		{"{\"id\":\"1\",\"name\":\"\\u0041\xed\xa0\x80\"}", "Unicode"},
		{"{\"id\":\"1\",\"name\":\"a\",\"f\xffle\":{}}", "Unicode"},
		{"{\"id\":\"1\",\"name\":\"\ufffd\",\"unknown\":\"\xff\"}", ""},
		{`{"id":"1","name":"` + strings.Repeat("n", 1<<20) + `"}`, "too long"},
		{`{"id":"` + strings.Repeat("n", 1<<20) + `","name":"x"}`, "too long"},
		{`{"id":"1","name":"a","size":-1}`, "size"},
		{`{"id":"1","name":"a","size":1.5}`, "size"},
		{`{"id":"1","name":"a","size":"12"}`, "size"},
		{`{"id":"1","name":"a","size":9223372036854775808}`, "size"},
		{`{"id":"1","name":"a","size":123456789012345678901234567890}`, "size"},
		{`{"id":"1","name":"a","size":1e3}`, "size"},
		{`{"id":"1","name":"a","size":true}`, "size"},
		{`{"id":"1","name":"a","size":{}}`, "size"},
		{`{"id":"1","name":"a","file":true}`, "type"},
		{`{"id":"1","name":"a","parentReference":"x"}`, "type"},
		{`{"id":"1","deleted":"yes"}`, "type"},
	} {
		it, bad := readItem(t, c.body)
		reason := ""
		if bad != nil {
			reason = bad.Reason
		}
		if (c.reason == "") != (reason == "") || !strings.Contains(reason, c.reason) {
			t.Errorf("%.80s: %q, want %q", c.body, reason, c.reason)
		}
		if bad == nil && it.ID != "1" {
			t.Errorf("%.80s: id %q", c.body, it.ID)
		}
	}
}

func TestTheIDOfABadItemIsToldOnlyIfItIsCertain(t *testing.T) {
	for body, want := range map[string]ItemID{
		`{"id":"1","name":7}`:                       "1",
		`{"id":"1","name":"a","name":"b"}`:          "1",
		`{"parentReference":"x","id":"1"}`:          "1",
		`{"name":"a","name":"b","id":"1","id":"1"}`: "",
		`{"id":"1","name":"a","id":"2"}`:            "",
		`{"id":"\ud800","name":"a"}`:                "",
		"{\"id\":\"\xff\",\"name\":\"a\"}":          "",
		"{\"id\":\"1\",\"name\":\"\xff\"}":          "1",
		`{"name":"a","name":"b","id":"\ud800"}`:     "",
		`{"id":7,"name":"a"}`:                       "",
		`{"name":7}`:                                "",
	} {
		if _, bad := readItem(t, body); bad == nil || bad.ID != want {
			t.Errorf("%s: %+v, want the id %q", body, bad, want)
		}
	}
}

func TestFacetsSayWhatAnItemIs(t *testing.T) {
	for members, want := range map[string]Class{
		`"file":{}`: ClassFile, `"folder":{}`: ClassFolder, `"folder":{},"root":{}`: ClassRoot, `"root":{}`: ClassRoot,
		`"package":{"type":"oneNote"}`: ClassPackage, `"folder":{"childCount":1},"package":{}`: ClassPackage,
		`"remoteItem":{"id":"r"},"folder":{}`: ClassShortcut, `"bundle":{},"folder":{}`: ClassBundle,
		`"file":{},"folder":{}`: ClassUnknown, `"size":1`: ClassUnknown, `"file":null,"folder":{}`: ClassFolder, `"image":{}`: ClassUnknown,
	} {
		it, bad := readItem(t, `{"id":"1","name":"a",`+members+`}`)
		if bad != nil || it.Class() != want {
			t.Errorf("%s: %v, %+v", members, it.Class(), bad)
		}
	}
	it, _ := readItem(t, `{"id":"1","name":"a","file":{"processingMetadata":true,"hashes":null},"malware":{"description":"Eicar"},
		"pendingOperations":{"pendingContentUpdate":{"queuedDateTime":"2020-01-01T00:00:00Z"}},"@microsoft.graph.sharedChanged":"True",
		"remoteItem":{"id":"r","parentReference":{"driveId":"d"},"file":{}},"content.downloadUrl":"https://x","specialFolder":{"name":"music"}}`)
	if !it.Facets.Has(File|Malware|PendingContent|Processing|SharedChanged|RemoteItem|SpecialFolder) || it.MalwareDescription != "Eicar" ||
		it.RemoteDrive != "d" || it.RemoteItem != "r" || !it.RemoteFile || it.DownloadURL.Reveal() != "https://x" {
		t.Errorf("%+v", it)
	}
	if it, _ = readItem(t, `{"id":"1","name":"a","remoteItem":{"file":null,"folder":{},"id":"r"}}`); it.RemoteFile || it.RemoteItem != "r" {
		t.Errorf("a folder of another drive is %+v", it)
	}
	it, _ = readItem(t, `{"id":"1","name":"a","pendingOperations":{"pendingContentUpdate":null},"deleted":null,"malware":null}`)
	if it.Facets != 0 {
		t.Errorf("null facets count: %b", it.Facets)
	}
}

func TestHashesAreCanonicalAndIgnoredOnTombstones(t *testing.T) {
	item := func(hash, more string) string {
		it, bad := readItem(t, `{"id":"1","name":"a","file":{"hashes":{"quickXorHash":"`+hash+`"}}`+more+`}`)
		if bad != nil {
			t.Fatal(bad)
		}
		return it.QuickXorHash
	}
	const plain = "t2rV9IUDbgDtRnaQbgnAQqF1HcA="
	if got := item(plain, ""); got != plain {
		t.Errorf("base64: %q", got)
	}
	if got := item("b76ad5f485036e00ed4676906e09c042a1751dc0", ""); got != plain {
		t.Errorf("hexadecimal: %q", got)
	}
	if got := item("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", `,"deleted":{}`); got != "" {
		t.Errorf("tombstone: %q", got)
	}
	for _, odd := range []string{"", "abc", "====", strings.Repeat("A", 28)} {
		if got := item(odd, ""); got != "" {
			t.Errorf("%q: %q", odd, got)
		}
	}
}

func TestTimesAreReadTolerantlyAndPreferTheFileSystemOnes(t *testing.T) {
	for text, want := range map[string]string{
		"2021-03-11T18:49:47Z": "2021-03-11T18:49:47Z", "2021-03-11T18:49:47.5Z": "2021-03-11T18:49:47.5Z",
		"2017-09-14T12:34:53.9123456Z": "2017-09-14T12:34:53.9123456Z", "2021-03-11T20:49:47+02:00": "2021-03-11T18:49:47Z",
		"2021-03-11T18:49:47": "2021-03-11T18:49:47Z", "1601-01-01T00:00:00Z": "1601-01-01T00:00:00Z", "9999-12-31T23:59:59Z": "9999-12-31T23:59:59Z",
		"2024-02-29T00:00:00Z": "2024-02-29T00:00:00Z", "0001-01-01T00:00:00Z": "", "0001-01-01T00:00:00-08:00": "", "0001-01-01T00:00:00+08:00": "",
		"": "", "yesterday": "", "2023-02-29T00:00:00Z": "", "2021-13-01T00:00:00Z": "", "2021-00-10T00:00:00Z": "", "2021-03-11T24:00:00Z": "",
	} {
		got := parseTime([]byte(text))
		shown := ""
		if !got.IsZero() {
			shown = got.Format(time.RFC3339Nano)
		}
		if shown != want || got.Location() != time.UTC {
			t.Errorf("%q: %s", text, shown)
		}
	}
	it, _ := readItem(t, `{"id":"1","name":"a","fileSystemInfo":{"lastModifiedDateTime":"2001-01-01T00:00:00Z","createdDateTime":"0001-01-01T00:00:00Z"},
		"lastModifiedDateTime":"2002-01-01T00:00:00Z","createdDateTime":"2003-01-01T00:00:00Z"}`)
	if it.Modified.Year() != 2001 || it.Created.Year() != 2003 {
		t.Errorf("%s, %s", it.Modified, it.Created)
	}
}

func TestASecretAddressNeverPrintsItself(t *testing.T) {
	secret := NewSecretURL("https://host/canary")
	it := Item{DownloadURL: secret}
	raw, err := json.Marshal(it)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := secret.MarshalText()
	for _, shown := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q %x %d", secret, secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", it, it, it), fmt.Sprintf("%v %+v %#v", &it, &it, &it), string(raw), string(text), secret.LogValue().String(),
		fmt.Sprintf("%v %+v %#v", struct{ inner SecretURL }{secret}, struct{ inner SecretURL }{secret}, struct{ inner *Item }{&it}),
		secret.GoString(), secret.String(),
	} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, fmt.Sprintf("%x", "canary")) {
			t.Errorf("%s", shown)
		}
	}
	if secret.Reveal() != "https://host/canary" {
		t.Error("it does not reveal itself either")
	}
}

// pageItems reads a page and returns what came of it.
func pageItems(body []byte) (items []Item, bad []BadItem, p page, err error) {
	p, err = readPage("test", body, http.Header{}, func(s *scanner) {
		var it Item
		if b := s.item(&it); b != nil {
			bad = append(bad, *b)
			return
		}
		items = append(items, it)
	})
	return items, bad, p, err
}

func TestPagesThatAreNoPagesAreRefused(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for _, body := range []string{
		``, ` `, `{}`, `[]`, `null`, `true`, `"x"`, `7`, "\ufeff" + `{"value":[]}`, `{"value":null}`, `{"value":{}}`, `{"value":"x"}`, `{"value":[}`,
		`{"value":[]`, `{"value":[],}`, `{"value":[,]}`, `{"value":[{}],]}`, `{"value":[]}{"value":[]}`, `{"value":[]} x`, `{"value":[]}` + "\x00",
		`{"value":[],"value":[]}`, `{"VALUE":[]}`, `{"value":[],"@odata.nextLink":"a","@odata.nextLink":"b"}`,
		`{"value":[],"@odata.nextLink":"a","@odata.deltaLink":"b"}`, `{"value":[{"id":"1","x":` + deep + `}]}`, `{"value":[{"id":"a` + "\n" + `b"}]}`,
		`{"value":[{"id":"\x"}]}`, `{"value":[{"id":"\u12g4"}]}`, `{"value":[{"n":01}]}`, `{"value":[{"n":1.}]}`, `{"value":[{"n":-}]}`, `{"value":[{"n":+1}]}`,
		`{"value":[{"n":.5}]}`, `{"value":[{"n":1e}]}`, `{"value":[nul]}`, `{"value":[{"a" 1}]}`, `{"value":[{a:1}]}`, `{'value':[]}`, `{"value":[NaN]}`,
		`{"value":[` + strings.Repeat(`{},`, maxPageItems) + `{}]}`, `{"value":[],"@odata.nextLink":7}`,
	} {
		if _, _, _, err := pageItems([]byte(body)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%.60q: %v", body, err)
		}
	}
}

func TestAnErrorInsideASuccessIsAnError(t *testing.T) {
	_, _, _, err := pageItems([]byte(`{"error":{"code":"generalException","innerError":{"code":"brandNew","request-id":"r1"}}}`))
	e, ok := AsError(err)
	if !ok || e.Code != "generalException" || e.InnerCode != "brandNew" || e.RequestID != "r1" {
		t.Fatalf("%v", err)
	}
}

func TestAnOddItemDoesNotSpoilItsPage(t *testing.T) {
	items, bad, p, err := pageItems([]byte(`{"value":[{"id":"1","name":"a"},{"id":"2","name":"\udfff"},null,{"id":"3","size":-1,"name":"x"},{"id":"4","name":"d"},` +
		"{\"id\":\"5\",\"name\":\"caf\xe9\"},{\"id\":\"\xff\",\"name\":\"e\"}" + `],"@odata.deltaLink":"l"}`))
	if err != nil || len(items) != 2 || len(bad) != 5 || p.delta != "l" || p.count != 7 {
		t.Fatalf("%v, %v, %+v, %v", items, bad, p, err)
	}
	if bad[0].ID != "2" || bad[1].ID != "" || bad[2].ID != "3" || bad[3].ID != "5" || bad[4].ID != "" {
		t.Errorf("%+v", bad)
	}
}

func TestALinkThatIsNoUnicodeIsNotFollowed(t *testing.T) {
	if _, _, _, err := pageItems([]byte("{\"value\":[],\"@odata.nextLink\":\"https://x/\xff\"}")); !errors.Is(err, ErrProtocol) {
		t.Errorf("%v", err)
	}
}

// oracleItem reads what it can of an item through encoding/json.
func oracleItem(v any) (Item, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return Item{}, false
	}
	text := func(m map[string]any, name string) string { s, _ := m[name].(string); return s }
	object := func(name string) map[string]any { o, _ := m[name].(map[string]any); return o }
	it := Item{ID: ItemID(text(m, "id")), Name: text(m, "name"), ETag: text(m, "eTag"), CTag: text(m, "cTag"), WebURL: text(m, "webUrl"), Size: SizeUnknown}
	if n, ok := m["size"].(json.Number); ok {
		if size, err := n.Int64(); err == nil && size >= 0 {
			it.Size = size
		}
	}
	it.ParentDrive, it.Parent = DriveID(text(object("parentReference"), "driveId")), ItemID(text(object("parentReference"), "id"))
	it.MimeType = text(object("file"), "mimeType")
	it.PackageType, it.DeletedState = text(object("package"), "type"), text(object("deleted"), "state")
	for name, f := range map[string]Facets{"file": File, "folder": Folder, "root": Root, "package": Package, "remoteItem": RemoteItem, "bundle": Bundle, "deleted": Deleted, "malware": Malware} {
		if m[name] != nil {
			it.Facets |= f
		}
	}
	if it.Facets.Has(Root) {
		it.Parent = ""
	}
	return it, true
}

func FuzzPagesAreReadAsEncodingJSONReadsThem(f *testing.F) {
	matches, _ := filepath.Glob("testdata/examples/*.json")
	for _, m := range matches {
		raw, _ := os.ReadFile(m)
		f.Add(raw)
		f.Add([]byte(`{"value":[` + string(raw) + `],"@odata.nextLink":"https://x"}`))
	}
	f.Add([]byte(`{"value":[{"id":"\u00e9\ud83d\ude00","name":"a\/b\n","size":12,"parentReference":{"id":"p"},"file":{"mimeType":"x"}}]}`))
	f.Add([]byte("{\"value\":[{\"id\":\"1\",\"name\":\"caf\xe9\"},{\"id\":\"2\",\"name\":\"\xed\xa0\x80\"},{\"id\":\"3\",\"name\":\"c\"}]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, bad, p, err := pageItems(body)
		for _, it := range items {
			if !utf8.ValidString(string(it.ID) + it.Name + it.ETag + it.CTag + string(it.Parent)) {
				t.Fatalf("%q: an item was read that is no Unicode: %+v", body, it)
			}
		}
		if !json.Valid(body) {
			if err == nil {
				t.Fatalf("broken JSON was read: %q", body)
			}
			return
		}
		if err != nil {
			return // stricter than encoding/json by intent
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var whole struct {
			Value []any  `json:"value"`
			Next  string `json:"@odata.nextLink"`
			Delta string `json:"@odata.deltaLink"`
		}
		var exact map[string]json.RawMessage
		if json.Unmarshal(body, &exact) != nil || dec.Decode(&whole) != nil {
			return // names in another case, which encoding/json takes and we do not
		}
		for name := range exact {
			if strings.EqualFold(name, "value") != (name == "value") || strings.EqualFold(name, "@odata.nextLink") != (name == "@odata.nextLink") ||
				strings.EqualFold(name, "@odata.deltaLink") != (name == "@odata.deltaLink") {
				return
			}
		}
		if len(whole.Value) != len(items)+len(bad) || string(p.next) != whole.Next || string(p.delta) != whole.Delta {
			t.Fatalf("%q: %d items and %d bad of %d, links %q %q", body, len(items), len(bad), len(whole.Value), p.next, p.delta)
		}
		next := 0
		for _, v := range whole.Value {
			want, ok := oracleItem(v)
			if !ok || next == len(items) || items[next].ID != want.ID {
				continue // it must be among the bad ones; counted above
			}
			got := items[next]
			const compared = File | Folder | Root | Package | RemoteItem | Bundle | Deleted | Malware
			if got.Name != want.Name || got.Size != want.Size || got.ETag != want.ETag || got.CTag != want.CTag || got.WebURL != want.WebURL ||
				got.Parent != want.Parent || got.ParentDrive != want.ParentDrive || got.MimeType != want.MimeType ||
				got.Facets&compared != want.Facets || got.PackageType != want.PackageType || got.DeletedState != want.DeletedState {
				if len(bad) == 0 {
					t.Fatalf("%q:\n got %+v\nwant %+v", body, got, want)
				}
			}
			next++
		}
		if next != len(items) && len(bad) == 0 {
			t.Fatalf("%q: %d of %d items matched", body, next, len(items))
		}
	})
}

// madePage builds a page as the service would send it.
func madePage(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#Collection(driveItem)","value":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"@odata.type":"#microsoft.graph.driveItem","@microsoft.graph.downloadUrl":"https://contoso.sharepoint.com/sites/people/_layouts/15/download.aspx?UniqueId=%032x&Translate=false&tempauth=v1.eyJzaXRlaWQiOiI0YzE2ZGQ4ZS1hYjY4LTRhN2YtODQ3Zi0zZDlmN2VhYzg2YzEifQ.CgoKBHNuaWQSAjY0Eg&ApiVersion=2.0","createdDateTime":"2022-10-21T02:32:42Z","eTag":"\"{7F1C9ACF-070F-40BF-A8F9-%012X},11\"","id":"01NFE5UXOPTIOH6DYHX5AK%010d","lastModifiedDateTime":"2022-11-02T08:10:05Z","name":"Quarterly report %d.xlsx","webUrl":"https://contoso.sharepoint.com/sites/people/_layouts/15/Doc.aspx?sourcedoc=%%7B7F1C9ACF%%7D&file=x.xlsx","cTag":"\"c:{7F1C9ACF-070F-40BF-A8F9-%012X},11\"","size":%d,"createdBy":{"user":{"email":"admin@contoso.onmicrosoft.com","id":"f3ee6f6d-b606-4fad-bed8-488f79b5afb9","displayName":"MOD Administrator"}},"lastModifiedBy":{"user":{"email":"adele@contoso.onmicrosoft.com","id":"1798dfb0-7c66-47b3-92f3-12ff9df21864","displayName":"Adele Vance"}},"parentReference":{"driveType":"documentLibrary","driveId":"b!WxSVGq328EihzF7iX0zwBUKyOdYTcJlEvv2TELjmxGyJDapLUP3DSaOaOKHnNcJy","id":"01NFE5UXN6Y2GOVW7725BZO354PWSELRRZ","path":"/drives/b!WxSVGq328EihzF7iX0zwBUKyOdYTcJlEvv2TELjmxGyJDapLUP3DSaOaOKHnNcJy/root:"},"file":{"mimeType":"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet","hashes":{"quickXorHash":"t2rV9IUDbgDtRnaQbgnAQqF1HcA="}},"fileSystemInfo":{"createdDateTime":"2022-10-21T02:32:42Z","lastModifiedDateTime":"2022-11-02T08:10:05Z"},"shared":{"scope":"users"}}`,
			i, i, i, i, i, 1000+i)
	}
	b.WriteString(`],"@odata.nextLink":"https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=2"}`)
	return b.Bytes()
}

func BenchmarkPageOf200Items(b *testing.B) {
	body := madePage(200)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		items, bad, _, err := pageItems(body)
		if err != nil || len(items) != 200 || len(bad) != 0 {
			b.Fatal(err, len(items), bad)
		}
	}
}

func BenchmarkPageOf200ItemsByEncodingJSON(b *testing.B) {
	body := madePage(200)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var p struct{ Value []map[string]json.RawMessage }
		if err := json.Unmarshal(body, &p); err != nil {
			b.Fatal(err)
		}
	}
}
