package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What foreign clients of Graph (the generated ones of Microsoft, rclone, abraunegg/onedrive, scripts with curl) ask for
// and a mirror of ours does not.

// tell posts JSON to Graph as the application itself, in the coding that is given.
func tell(t *testing.T, tn *Tenant, path, coding, body string) *http.Response {
	t.Helper()
	payload := []byte(body)
	if coding == "gzip" {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(payload)
		z.Close()
		payload = b.Bytes()
	}
	r := httptest.NewRequest(http.MethodPost, "https://graph.microsoft.com/v1.0"+path, bytes.NewReader(payload))
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Content-Type", "application/json")
	if coding != "" {
		r.Header.Set("Content-Encoding", coding)
	}
	token, err := tn.AccessToken("")
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp
}

func namesOf(list []map[string]any) []string {
	var out []string
	for _, m := range list {
		out = append(out, text(m, "name"))
	}
	return out
}

func TestPathsOfTheServiceAreTakenInAnyCaseAndForm(t *testing.T) {
	tn, d := smallTenant(t, nil)
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/Root/items('x')/Content/it's.txt", Text: ptr("odd")})
	want := text(object(t, ask(tn, driveURL(d, "/root:/dir/two.bin")), 200), "id")
	for _, path := range []string{"/Drives/" + string(d.id) + "/Root:/dir/two.bin", driveURL(d, "/Items/"+want), "/drives('" + string(d.id) + "')/items('" + want + "')",
		"/Sites/contoso.sharepoint.com:/sites/a:/Drive/root:/DIR/TWO.BIN:", "/sites/" + string(d.site.id) + "/getByPath(path='/sites/a')/drive/root:/dir/two.bin"} {
		if m := object(t, ask(tn, path), 200); m["id"] != want {
			t.Errorf("%s is %v", path, m["name"])
		}
	}
	if m := object(t, ask(tn, driveURL(d, "/root:/Root/items('x')/Content/it's.txt")), 200); m["name"] != "it's.txt" {
		t.Errorf("a path with words of the service in it is %v", m)
	}
	object(t, ask(tn, "https://graph.microsoft.com/V1.0"+driveURL(d, "/root/Microsoft.Graph.Delta(token='latest')")), 200)
	object(t, ask(tn, driveURL(d, "/root:/one.txt:/Versions('1.0')")), 200)
	if m := object(t, ask(tn, driveURL(d, "/list?$expand=drive")), 200); m["id"] != d.list.String() || m["drive"] == nil {
		t.Errorf("the list of the drive is %v (S10)", m)
	}
}

func TestWhatIsNotAnsweredIsRefusedInsteadOfLeftOut(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for _, path := range []string{"/root/delta?$filter=name%20eq%20'one.txt'", "/root/children?$skip=1", "/root/children?$orderby=size", "/root/children?$filter=size%20eq%20'1'",
		"/root/children?$filter=name%20eq", "/root?$orderby=name", "/root/children?$search=x", "/root:/one.txt:/content?format=pdf", "?$expand=root", "/list?$expand=items", "/root/versions?$filter=id"} {
		wantCode(t, ask(tn, driveURL(d, path)), 400, "notSupported")
	}
	object(t, ask(tn, driveURL(d, "/root/children?$format=json")), 200)
	if v := tn.Violations(); len(v) > 0 {
		t.Errorf("a client was blamed for what the sandbox does not answer: %v", v)
	}
	object(t, ask(tn, driveURL(d, "/root/children?cache=no")), 200)
	if v := tn.Violations(); len(v) != 1 || v[0].Kind != "unknown option" {
		t.Errorf("a parameter that nobody knows is let pass and noted, not %v", v)
	}
	wantCode(t, ask(tn, driveURL(d, "/root/children?$nonsense=1")), 400, "invalidRequest")
	r := httptest.NewRequest(http.MethodPost, "https://graph.microsoft.com/v1.0"+driveURL(d, "/root:/new.txt:/createUploadSession"), nil)
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("an upload is answered by %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestChildrenAreSortedSelectedAndCounted(t *testing.T) {
	tn, d := smallTenant(t, nil)
	var got []string
	for link := driveURL(d, "/root/children?$orderby=name%20desc&$top=2&$count=true&$select=name"); link != ""; {
		m := object(t, ask(tn, link), 200)
		if m["@odata.count"] != 3.0 {
			t.Errorf("the count is %v", m["@odata.count"])
		}
		got = append(got, namesOf(values(m))...)
		link = text(m, "@odata.nextLink")
	}
	if want := []string{"one.txt", "empty.txt", "dir"}; !slices.Equal(got, want) {
		t.Errorf("sorted by name they are %v, want %v", got, want)
	}
	if got := namesOf(values(object(t, ask(tn, driveURL(d, "/root/children?$filter=startswith(name,'o')%20or%20name%20eq%20'DIR'")), 200))); !slices.Equal(got, []string{"one.txt", "dir"}) &&
		!slices.Equal(got, []string{"dir", "one.txt"}) {
		t.Errorf("the filter lets %v pass", got)
	}
	if got := namesOf(values(object(t, ask(tn, driveURL(d, "/root/search(q='T')?$top=10")), 200))); len(got) != 4 {
		t.Errorf("the search found %v", got)
	}
	var found []string
	for link := driveURL(d, "/search(q='t')?$top=1"); link != ""; {
		m := object(t, ask(tn, link), 200)
		found = append(found, namesOf(values(m))...)
		link = text(m, "@odata.nextLink")
	}
	if len(found) != 4 {
		t.Errorf("the search found %v on its pages", found)
	}
}

func TestRelationsAreExpanded(t *testing.T) {
	tn, d := smallTenant(t, nil)
	mustApply(t, tn, Edit{Op: OpColumn, Drive: d.Address(), Path: "/one.txt", To: "Status=Final"})
	root := object(t, ask(tn, driveURL(d, "/root?$select=name&$expand=children($select=id,name),thumbnails")), 200)
	children, _ := root["children"].([]any)
	if len(children) != 3 || len(children[0].(map[string]any)) != 2 || root["thumbnails"] == nil || root["size"] != nil {
		t.Errorf("the root with its children is %v", root)
	}
	for _, m := range values(object(t, ask(tn, driveURL(d, "/root/children?$expand=listItem($expand=fields($select=Status))")), 200)) {
		fields := m["listItem"].(map[string]any)["fields"].(map[string]any)
		if m["name"] == "one.txt" && (len(fields) != 1 || fields["Status"] != "Final") {
			t.Errorf("the columns are %v (V4)", fields)
		}
	}
	for _, m := range values(object(t, ask(tn, "/sites/"+string(d.site.id)+"/lists?$select=id&$expand=drive($select=id)"), 200)) {
		if drive, _ := m["drive"].(map[string]any); drive["id"] != string(d.id) || len(drive) != 1 || len(m) != 2 {
			t.Errorf("the list with its drive is %v (S10)", m)
		}
	}
	object(t, ask(tn, driveURL(d, "/root:/one.txt:/thumbnails")), 200)
	one := object(t, ask(tn, driveURL(d, "/root:/one.txt:/permissions/owner")), 200)
	if one["id"] != "owner" {
		t.Errorf("the permission is %v", one)
	}
	wantCode(t, ask(tn, driveURL(d, "/root:/one.txt:/permissions/none")), 404, "itemNotFound")
}

func TestAFolderWithManyChildrenIsExpandedInPart(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for i := range defaultPage + 5 {
		mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: fmt.Sprintf("/many/%d", i), Text: ptr("x")})
	}
	m := object(t, ask(tn, driveURL(d, "/root:/many?$expand=children")), 200)
	n := len(m["children"].([]any))
	rest := values(object(t, ask(tn, text(m, "children@odata.nextLink")), 200))
	if n != defaultPage || len(rest) != 5 {
		t.Errorf("%d children came along and %d behind the link", n, len(rest))
	}
}

func TestASharedAddressLeadsToWhatHangsOnTheItem(t *testing.T) {
	tn, d := smallTenant(t, nil)
	token := func(address string) string {
		return "/shares/u!" + base64.RawURLEncoding.EncodeToString([]byte("https://contoso.sharepoint.com/sites/a/Shared%20Documents"+address))
	}
	if m := object(t, ask(tn, token("/one.txt")), 200); m["name"] != "one.txt" || m["id"] != strings.TrimPrefix(token("/one.txt"), "/shares/") {
		t.Errorf("the share is %v", m)
	}
	if n := len(values(object(t, ask(tn, token("/dir")+"/driveItem/children"), 200))); n != 2 {
		t.Errorf("%d children", n)
	}
	if resp := ask(tn, token("/one.txt")+"/root/content"); resp.StatusCode != http.StatusFound {
		t.Errorf("the content answered %d", resp.StatusCode)
	}
	if m := object(t, ask(tn, token("/dir")+"/site"), 200); m["id"] != string(d.site.id) {
		t.Errorf("the site is %v", m)
	}
	if m := object(t, ask(tn, token("/dir")+"/list"), 200); m["id"] != d.list.String() {
		t.Errorf("the list is %v", m)
	}
	object(t, ask(tn, token("/one.txt")+"/listItem"), 200)
	wantCode(t, ask(tn, token("/none")+"/driveItem"), 404, "itemNotFound")
	wantCode(t, ask(tn, "/shares/s!abc/driveItem"), 400, "invalidRequest")
}

func TestThereIsNobodyBehindAnApplicationsOwnToken(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	token, err := tn.AccessToken("")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/me", "/me/drive", "/me/drives", "/me/drive/root/children"} {
		wantCode(t, ask(tn, path, "Authorization", "Bearer "+token), 400, "BadRequest")
		object(t, ask(tn, path), 200) // somebody who signed in
	}
}

func TestCompressedBodiesAreRead(t *testing.T) {
	tn, d := smallTenant(t, nil)
	body := `{"requests":[{"id":"1","method":"GET","url":"` + driveURL(d, "/root") + `"}]}`
	for coding, status := range map[string]int{"": 200, "gzip": 200, "br": 415} {
		if resp := tell(t, tn, "/$batch", coding, body); resp.StatusCode != status {
			t.Errorf("coding %q answered %d, want %d", coding, resp.StatusCode, status)
		}
	}
}

func TestPartsOfABatchWaitForThoseTheyDependOn(t *testing.T) {
	tn, d := smallTenant(t, nil)
	part := func(id, path, after string) string {
		return `{"id":"` + id + `","method":"GET","url":"` + driveURL(d, path) + `","dependsOn":[` + after + `]}`
	}
	resp := tell(t, tn, "/$batch", "", `{"requests":[`+strings.Join([]string{part("last", "/root", `"lost"`), part("lost", "/items/none", `"first"`), part("first", "/root", ""),
		part("beside", "", `"first"`)}, ",")+`]}`)
	var out struct {
		Responses []struct {
			ID     string
			Status int
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range out.Responses {
		got[r.ID] = r.Status
	}
	for id, want := range map[string]int{"first": 200, "beside": 200, "lost": 404, "last": 424} {
		if got[id] != want {
			t.Errorf("%s answered %d, want %d (T23)", id, got[id], want)
		}
	}
	for what, body := range map[string]string{"a circle": part("1", "", `"2"`) + "," + part("2", "", `"1"`), "nobody": part("1", "", `"9"`),
		"one id twice": part("1", "", "") + "," + part("1", "", ""), "no id": part("", "", "")} {
		if resp := tell(t, tn, "/$batch", "", `{"requests":[`+body+`]}`); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("a batch with %s answered %d", what, resp.StatusCode)
		}
	}
}

func TestSitesOfADeltaAreSelectedAndTakeAToken(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	m := object(t, ask(tn, "/sites/delta?$select=id"), 200)
	if list := values(m); len(list) != 5 || len(list[0]) != 1 {
		t.Errorf("the sites are %v", list)
	}
	if n := len(values(object(t, ask(tn, text(m, "@odata.deltaLink")), 200))); n != 0 {
		t.Errorf("%d sites are new", n)
	}
	if n := len(values(object(t, ask(tn, "/sites/microsoft.graph.delta(token='latest')"), 200))); n != 0 {
		t.Errorf("the function form shows %d sites", n)
	}
}

func TestAListIsSubscribedLikeTheRootOfItsDrive(t *testing.T) {
	got := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, token)
			return
		}
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		got <- b.String()
	}))
	defer hook.Close()
	tn, d := smallTenant(t, nil)
	subscribe := func(resource string) *http.Response {
		return tell(t, tn, "/subscriptions", "gzip", `{"changeType":"updated","notificationUrl":"`+hook.URL+`","resource":"`+resource+`","expirationDateTime":"2024-05-02T00:00:00Z"}`)
	}
	for _, resource := range []string{"sites/" + string(d.site.id) + "/lists/none", "drives/" + string(d.id) + "/root/children", "me/drive/root", "sites/none/lists/" + d.list.String()} {
		wantCode(t, subscribe(resource), 400, "ExtensionError")
	}
	if m := object(t, subscribe("sites/"+string(d.site.id)+"/lists/"+d.list.String()), 201); text(m, "@odata.context") == "" || m["id"] == "" {
		t.Errorf("the subscription is %v", m)
	}
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/new.txt", Text: ptr("x")})
	if body := <-got; !strings.Contains(body, "#Microsoft.Graph.ListItem") || !strings.Contains(body, "/lists/") {
		t.Errorf("the notification is %s", body)
	}
}

// stuck is a reader that takes nothing until it is let go.
type stuck struct {
	*httptest.ResponseRecorder
	reached, release chan struct{}
}

func (s stuck) Write(p []byte) (int, error) {
	close(s.reached)
	<-s.release
	return len(p), nil
}

func TestASlowReaderKeepsNoEditWaiting(t *testing.T) {
	tn, d := smallTenant(t, nil)
	mustApply(t, tn, Edit{Op: OpShare, Drive: d.Address(), Path: "/one.txt"})
	share := "/shares/u!" + base64.RawURLEncoding.EncodeToString([]byte("https://contoso.sharepoint.com/sites/a/Shared%20Documents/one.txt"))
	site := "/sites/" + string(d.site.id)
	for _, path := range []string{"/sites", "/sites/delta", site, site + "/drives", site + "/lists", site + "/lists?$expand=drive", site + "/drive", "/users", "/groups", driveURL(d, ""), driveURL(d, "/list"),
		driveURL(d, "/root"), driveURL(d, "/root?$expand=children"), driveURL(d, "/root/children"), driveURL(d, "/root/children?$orderby=name"), driveURL(d, "/root/search(q='o')"),
		driveURL(d, "/root/delta"), driveURL(d, "/root:/one.txt:/versions"), driveURL(d, "/root:/one.txt:/permissions"), driveURL(d, "/root:/one.txt:/listItem"), share, "/subscriptions"} {
		w := stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		r := httptest.NewRequest(http.MethodGet, "https://graph.microsoft.com/v1.0"+path, nil)
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Authorization", "Bearer "+DemoToken)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			tn.Handler().ServeHTTP(w, r)
		}()
		<-w.reached
		if tn.mu.TryLock() {
			tn.mu.Unlock()
		} else {
			t.Errorf("%s holds the tenant while its answer is read", path)
		}
		close(w.release)
		<-ended
	}
}

func TestNoCallBreaksTheSandbox(t *testing.T) {
	tn, d := smallTenant(t, nil)
	one := text(object(t, ask(tn, driveURL(d, "/root:/one.txt")), 200), "id")
	parts := append(slices.Clone(words), string(d.id), one, string(d.site.id), "contoso.sharepoint.com:", "sites/a:", "root:", "dir", "one.txt:", ":", "", "ann@contoso.com", "1.0", "owner",
		"delta(token='latest')", "delta(token='", "search(q='t')", "search(q='')", "getByPath(path='/sites/a')", "drives('", "items('x')", "u!aHR0cHM6Ly9h", "u!", "none", "$count", "(", "')", "..", "é")
	share := "shares/u!" + base64.RawURLEncoding.EncodeToString([]byte("https://contoso.sharepoint.com/sites/a/Shared%20Documents/dir"))
	heads := []string{"", "drives/" + string(d.id), "drives/" + string(d.id) + "/root", "drives/" + string(d.id) + "/items/" + one, "sites/" + string(d.site.id), "sites/" + string(d.site.id) + "/lists", share,
		share + "/driveItem", "drives/" + string(d.id) + "/root:/dir:", "users/ann@contoso.com/drive", "subscriptions", "$batch", "sites", "me/drive"}
	options := []string{"$select=id,name", "$select=*", "$select=x", "$top=1", "$top=0", "$expand=children($select=id;$expand=children)", "$expand=listItem($expand=fields($select=", "$expand=drive($select=id)",
		"$expand=list", "$expand=thumbnails,children", "$orderby=name desc", "$orderby= ", "$filter=name eq 'x'", "$filter=(((", "$count=true", "$skiptoken=MQ", "$skiptoken=~", "$skiptoken=LTE", "token=latest", "token=AQ",
		"search=a", "format=json", "%zz"}
	rapid.Check(t, func(rt *rapid.T) {
		path := "/" + strings.Join(append([]string{rapid.SampledFrom(heads).Draw(rt, "head")}, rapid.SliceOfN(rapid.SampledFrom(parts), 0, 4).Draw(rt, "path")...), "/")
		query := strings.Join(rapid.SliceOfN(rapid.SampledFrom(options), 0, 3).Draw(rt, "query"), "&")
		r := httptest.NewRequest(rapid.SampledFrom([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete}).Draw(rt, "method"),
			"https://graph.microsoft.com/v1.0/", strings.NewReader(rapid.SampledFrom([]string{"", "{}", `{"requests":[{"id":"1","dependsOn":["1"]}]}`, `{"requests":[{"id":"1","url":"","method":""}]}`, "["}).Draw(rt, "body")))
		r.URL.Path, r.URL.RawQuery = "/v1.0"+path, query
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Authorization", "Bearer "+DemoToken)
		w := httptest.NewRecorder()
		tn.Handler().ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			rt.Fatalf("%s %s?%s answered %d: %s", r.Method, path, query, w.Code, w.Body)
		}
		body, empty := w.Body.Bytes(), r.Method == http.MethodHead || w.Code < 400 && w.Body.Len() == 0 // a redirect, no content
		if !empty && !json.Valid(body) {
			rt.Fatalf("%s %s?%s answered %d with %q", r.Method, path, query, w.Code, body)
		}
	})
}
