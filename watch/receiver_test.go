package watch

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	goodID     = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07"
	goodSecret = "s3cret-s3cret-s3cret-s3cret"
)

var docs, media = Drive{"tenant.t", "b!docs"}, Drive{"tenant.t", "b!media"}

// inbox is a receiver with two subscriptions and what it heard.
type inbox struct {
	*Receiver
	heard []heard
}

func newInbox() *inbox {
	i := &inbox{}
	i.Receiver = NewReceiver("/hook", func(d Drive, e Event) { i.heard = append(i.heard, heard{d, e}) })
	i.Expect(goodID, goodSecret, docs)
	i.Expect("other", "another secret", media)
	return i
}

func (i *inbox) send(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	return w.Result()
}

func (i *inbox) post(body string, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	return i.send(r)
}

// one is the body of a notification as the service sends it.
func one(id, secret string, more ...string) string {
	m := map[string]any{"subscriptionId": id, "clientState": secret, "changeType": "updated", "resource": "drives/b!docs/root", "tenantId": "t",
		"subscriptionExpirationDateTime": "2026-06-25T03:58:34.0880000Z", "resourceData": map[string]string{"@odata.type": "#Microsoft.Graph.DriveItem"}}
	for n := 0; n+1 < len(more); n += 2 {
		m[more[n]] = more[n+1]
	}
	data, _ := json.Marshal(m)
	return string(data)
}

func body(notifications ...string) string {
	return `{"value":[` + strings.Join(notifications, ",") + `]}`
}

// plain wants an answer that no browser takes for anything but text.
func plain(t *testing.T, name string, resp *http.Response, status int, text string) {
	t.Helper()
	got, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status || string(got) != text {
		t.Errorf("%s: %d %.60q, want %d %.60q", name, resp.StatusCode, got, status, text)
	}
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(resp.Header.Get("Content-Type"), "html") || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: headers %v", name, resp.Header)
	}
	if text != "" && resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s: the type is %q", name, resp.Header.Get("Content-Type"))
	}
}

func TestAGenuineNotificationIsHeardOnceForEachDrive(t *testing.T) {
	i := newInbox()
	plain(t, "one", i.post(body(one(goodID, goodSecret))), 202, "")
	plain(t, "doubled and mixed", i.post(body(one(goodID, goodSecret), one("other", "another secret"), one(goodID, goodSecret),
		one(goodID, goodSecret, "lifecycleEvent", "reauthorizationRequired"))), 202, "")
	count := map[heard]int{}
	for _, h := range i.heard {
		count[h]++
	}
	if count[heard{docs, Changed}] != 2 || count[heard{media, Changed}] != 1 || count[heard{docs, Reauthorize}] != 1 || len(count) != 3 {
		t.Errorf("heard %v", count)
	}
	if c := i.Counts(); c.Accepted != 5 || c.Forged+c.Unknown+c.Malformed != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestExamplesOfTheServiceAreUnderstood(t *testing.T) {
	for name, text := range map[string]string{
		"drive": `{"value":[{"subscriptionId":"` + goodID + `","resource":"/me/drive/root","changeType":"updated","clientState":"` + goodSecret + `"}]}`,
		"lifecycle": `{"value":[{"subscriptionId":"` + goodID + `","subscriptionExpirationDateTime":"2019-03-20T11:00:00.0000000Z","tenantId":"x","clientState":"` + goodSecret +
			`","lifecycleEvent":"subscriptionRemoved"}]}`,
		"an event nobody knows yet": `{"value":[{"subscriptionId":"` + goodID + `","clientState":"` + goodSecret + `","lifecycleEvent":"somethingNew"}],"more":{"a":[1]}}`,
	} {
		i := newInbox()
		plain(t, name, i.post(text), 202, "")
		if len(i.heard) != 1 || i.heard[0].drive != docs {
			t.Errorf("%s: heard %v", name, i.heard)
		}
	}
}

// H-81
func TestValidationIsAnsweredAsPlainTextAndOnlyWhenSomethingWasAsked(t *testing.T) {
	ask := func(i *inbox, token string) *http.Response {
		return i.send(httptest.NewRequest(http.MethodPost, "/hook?validationToken="+url.QueryEscape(token), nil))
	}
	genuine := "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7"
	script := `<script>alert(1)</script>`
	i := newInbox()
	for _, token := range []string{genuine, script, strings.Repeat("x", 1<<20), "a\r\nSet-Cookie: b", ""} {
		plain(t, fmt.Sprintf("nobody asked: %.30q", token), ask(i, token), 400, "")
	}
	if c := i.Counts(); c.Unasked != 5 || c.Validations != 0 {
		t.Errorf("counts %+v", c)
	}
	first, second := i.Asking(), i.Asking()
	first()
	first() // is not counted twice
	for token, status := range map[string]int{
		genuine: 200, script: 200, strings.Repeat("x", maxToken): 200,
		strings.Repeat("x", maxToken+1): 400, "a\r\nSet-Cookie: b": 400, "\x00": 400, "ä": 400, "\u2028": 400, "": 400,
	} {
		text := token
		if status != 200 {
			text = ""
		}
		plain(t, fmt.Sprintf("asked: %.30q", token), ask(i, token), status, text)
	}
	plain(t, "two tokens", i.send(httptest.NewRequest(http.MethodPost, "/hook?validationToken=a&validationToken=b", nil)), 400, "")
	plain(t, "a query that is none", i.send(httptest.NewRequest(http.MethodPost, "/hook?validationToken=%zz", nil)), 400, "")
	plain(t, "further parameters", i.send(httptest.NewRequest(http.MethodPost, "/hook?a=b&validationToken=t", nil)), 200, "t")
	second()
	plain(t, "afterwards", ask(i, genuine), 400, "")
	if len(i.heard) != 0 {
		t.Errorf("heard %v", i.heard)
	}
}

// H-82
func TestWhatIsNotGenuineIsAnsweredAlikeIgnoredAndCounted(t *testing.T) {
	for name, test := range map[string]struct {
		body            string
		forged, unknown int64
	}{
		"wrong":                      {body(one(goodID, "guess")), 1, 0},
		"missing":                    {`{"value":[{"subscriptionId":"` + goodID + `"}]}`, 1, 0},
		"empty":                      {body(one(goodID, "")), 1, 0},
		"null":                       {`{"value":[{"subscriptionId":"` + goodID + `","clientState":null}]}`, 1, 0},
		"a prefix":                   {body(one(goodID, goodSecret[:8])), 1, 0},
		"right for another":          {body(one("other", goodSecret)), 1, 0},
		"unknown subscription":       {body(one("nobody", goodSecret)), 0, 1},
		"no subscription":            {`{"value":[{}]}`, 0, 1},
		"of an event hub":            {body(one("NA", "NA")), 0, 1},
		"many":                       {body(one(goodID, "x"), one("a", "b"), one("other", "y")), 2, 1},
		"forged, with an event":      {body(one(goodID, "x", "lifecycleEvent", "subscriptionRemoved")), 1, 0},
		"nothing at all in the list": {`{"value":[]}`, 0, 0},
	} {
		i := newInbox()
		plain(t, name, i.post(test.body), 202, "")
		if c := i.Counts(); len(i.heard) != 0 || c.Forged != test.forged || c.Unknown != test.unknown || c.Accepted != 0 {
			t.Errorf("%s: heard %v, counts %+v", name, i.heard, c)
		}
	}
	i := newInbox()
	i.Forget(goodID)
	plain(t, "forgotten", i.post(body(one(goodID, goodSecret))), 202, "")
	if c := i.Counts(); len(i.heard) != 0 || c.Unknown != 1 {
		t.Errorf("forgotten: heard %v, counts %+v", i.heard, c)
	}
}

// H-83
func TestTenThousandNotificationsInOneBodyAreOneDrive(t *testing.T) {
	i := newInbox()
	many := strings.Repeat(one(goodID, goodSecret)+",", 9_999) + one(goodID, goodSecret)
	plain(t, "ten thousand", i.post(body(many)), 202, "")
	if len(i.heard) != 1 || i.Counts().Accepted != 10_000 {
		t.Errorf("heard %d, counts %+v", len(i.heard), i.Counts())
	}
	plain(t, "too many", i.post(body(strings.Repeat("{},", maxNotifications)+"{}")), 413, "")
	if c := i.Counts(); c.Malformed != 1 || c.Unknown != 0 {
		t.Errorf("counts %+v", c)
	}
}

// H-83: a flood finds no more than a bounded number of readers.
func TestTooManyRequestsAtOnceAreTurnedAway(t *testing.T) {
	i := newInbox()
	gates := make(chan *io.PipeWriter, maxAtOnce)
	answers := make(chan int, maxAtOnce)
	for range maxAtOnce {
		r, w := io.Pipe()
		go func() {
			req := httptest.NewRequest(http.MethodPost, "/hook", r)
			rec := httptest.NewRecorder()
			i.ServeHTTP(rec, req)
			answers <- rec.Code
		}()
		if _, err := w.Write([]byte(`{`)); err != nil { // returns when the reader is at work
			t.Fatal(err)
		}
		gates <- w
	}
	resp := i.post(body(one(goodID, goodSecret)))
	plain(t, "one too many", resp, 503, "")
	if resp.Header.Get("Retry-After") == "" || i.Counts().Overflow != 1 {
		t.Errorf("headers %v, counts %+v", resp.Header, i.Counts())
	}
	for range maxAtOnce {
		w := <-gates
		_, _ = w.Write([]byte(`"value":[]}`))
		w.Close()
	}
	for range maxAtOnce {
		if status := <-answers; status != 202 {
			t.Errorf("one of the readers answered %d", status)
		}
	}
	plain(t, "afterwards", i.post(body(one(goodID, goodSecret))), 202, "")
}

// H-84, but for the slow ones: see TestASlowClientIsCutOff.
func TestBodiesAreBoundedAndNeverUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.CopyN(z, zeros{}, 16<<20)
	z.Close()
	i := newInbox()
	plain(t, "a bomb", i.post(bomb.String(), "Content-Encoding", "gzip"), 415, "")
	plain(t, "a bomb that does not say so", i.post(bomb.String()), 400, "")
	plain(t, "a body said to be plain", i.post(body(one(goodID, goodSecret)), "Content-Encoding", "identity"), 202, "")
	r := httptest.NewRequest(http.MethodPost, "/hook", io.MultiReader(strings.NewReader(`{"value":[],"x":"`), zeros{'a'}))
	r.ContentLength = -1
	plain(t, "without end, without length", i.send(r), 413, "")
	r = httptest.NewRequest(http.MethodPost, "/hook", iotest.ErrReader(io.ErrUnexpectedEOF))
	plain(t, "cut off", i.send(r), 400, "")
	if c := i.Counts(); c.Malformed != 4 || c.Accepted != 1 {
		t.Errorf("counts %+v", c)
	}
}

// zeros is an endless row of one byte.
type zeros [1]byte

func (z zeros) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = z[0]
	}
	return len(p), nil
}

func TestBodiesThatAreNotUnderstoodChangeNothing(t *testing.T) {
	good := one(goodID, goodSecret)
	for _, text := range []string{
		"", "null", "1", `"x"`, "[]", "{", "{}", `{"value":null}`, `{"value":{}}`, `{"value":[1]}`, `{"value":[[]]}`, `{"value":["x"]}`,
		body(good) + "x", body(good) + body(good), `{"value":[` + good + `,]}`, `{"value":[` + good + `]`, `{"value":[` + good,
		`{"value":[{"subscriptionId":1}]}`, "\xff\xfe", strings.Repeat("[", 20_000), `{"value":[` + good + `],"x":` + strings.Repeat("[", 20_000) + `}`, "<html></html>",
	} {
		i := newInbox()
		plain(t, fmt.Sprintf("%.40q", text), i.post(text), 400, "")
		if c := i.Counts(); len(i.heard) != 0 || c.Malformed != 1 || c.Accepted != 0 {
			t.Errorf("%.40q: heard %v, counts %+v", text, i.heard, c)
		}
	}
}

// H-85: rich notifications are not asked for, so none is believed, however it is signed.
func TestRichNotificationsAreRejectedAndCounted(t *testing.T) {
	good := one(goodID, goodSecret)
	none := "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0."
	for name, text := range map[string]string{
		"alg none":         `{"value":[` + good + `],"validationTokens":["` + none + `"]}`,
		"tokens first":     `{"validationTokens":["a.b.c"],"value":[` + good + `]}`,
		"encrypted":        `{"value":[{"subscriptionId":"` + goodID + `","clientState":"` + goodSecret + `","encryptedContent":{"data":"x"}}]}`,
		"encrypted second": `{"value":[` + good + `,{"subscriptionId":"x","encryptedContent":{}}]}`,
	} {
		i := newInbox()
		plain(t, name, i.post(text), 202, "")
		if c := i.Counts(); len(i.heard) != 0 || c.Rich != 1 || c.Accepted != 0 {
			t.Errorf("%s: heard %v, counts %+v", name, i.heard, c)
		}
	}
	i := newInbox()
	plain(t, "none there", i.post(`{"value":[`+good+`],"validationTokens":[]}`), 202, "")
	plain(t, "null", i.post(`{"value":[{"subscriptionId":"`+goodID+`","clientState":"`+goodSecret+`","encryptedContent":null}],"validationTokens":null}`), 202, "")
	if len(i.heard) != 2 {
		t.Errorf("heard %v", i.heard)
	}
}

// H-86, but for what the server itself refuses: see TestTheServerRefusesWhatIsNoRequest.
func TestOtherMethodsAndPathsAreRefused(t *testing.T) {
	i := newInbox()
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"} {
		resp := i.send(httptest.NewRequest(method, "/hook", nil))
		plain(t, method, resp, 405, "")
		if resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %v", method, resp.Header)
		}
	}
	for _, path := range []string{"/", "/..", "/hook/", "/hook/..", "//hook", "/HOOK", "/%2e%2e/hook", "/hook%00", "/.env", "/metrics", "/debug/pprof/"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body(one(goodID, goodSecret))))
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		plain(t, path, i.send(r), 404, "")
	}
	if len(i.heard) != 0 {
		t.Errorf("heard %v", i.heard)
	}
	root := NewReceiver("", func(Drive, Event) {})
	w := httptest.NewRecorder()
	root.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"value":[]}`)))
	if w.Code != 202 {
		t.Errorf("an address without a path: %d", w.Code)
	}
}

func FuzzARequestIsAnsweredAndOnlyGenuineOnesAreHeard(f *testing.F) {
	f.Add("", body(one(goodID, "guess")))
	f.Add("validationToken=%3Cscript%3E", "")
	f.Add("", `{"value":[{"subscriptionId":"`+goodID+`"}],"validationTokens":["a.b.c"]}`)
	f.Add("%zz", "{")
	f.Fuzz(func(t *testing.T, query, text string) {
		i := newInbox()
		defer i.Asking()()
		r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(text))
		r.URL.RawQuery = query
		resp := i.send(r)
		switch resp.StatusCode {
		case 200, 202, 400, 413:
		default:
			t.Errorf("the answer is %d", resp.StatusCode)
		}
		if strings.Contains(resp.Header.Get("Content-Type"), "html") {
			t.Errorf("the type is %q", resp.Header.Get("Content-Type"))
		}
		if len(i.heard) > 0 && !strings.Contains(text, "s3cret") && !strings.Contains(text, `\`) && !strings.Contains(text, "another secret") {
			t.Errorf("heard %v of %q", i.heard, text)
		}
	})
}
