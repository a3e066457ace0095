package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

func loadSlice(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/openapi-slice.json")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// conforms checks an answer against the schema that the slice gives for a path and status.
func conforms(t *testing.T, doc *openapi3.T, path string, resp *http.Response) {
	t.Helper()
	item := doc.Paths.Find(path)
	if item == nil {
		t.Fatalf("the slice has no path %s", path)
	}
	op := item.GetOperation(resp.Request.Method)
	if op == nil {
		t.Fatalf("the slice has no %s %s", resp.Request.Method, path)
	}
	ref := op.Responses.Value(fmt.Sprint(resp.StatusCode))
	if ref == nil {
		ref = op.Responses.Value(fmt.Sprintf("%dXX", resp.StatusCode/100))
	}
	body, _ := io.ReadAll(resp.Body)
	if ref == nil {
		t.Fatalf("%s: status %d is not described: %s", path, resp.StatusCode, body)
	}
	media := ref.Value.Content.Get("application/json")
	if media == nil {
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v: %s", path, err, body)
	}
	if err := media.Schema.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
		t.Errorf("%s: %v\n%s", path, err, body)
	}
}

func TestAnswersMatchThePublishedSchemas(t *testing.T) {
	openapi3.DefineStringFormatValidator("date-time", openapi3.NewCallbackValidator(func(s string) error {
		_, err := time.Parse(time.RFC3339, s)
		return err
	}))
	doc := loadSlice(t)
	o := Demo(3)
	tn := makeTenant(t, o)
	d := tn.Drive("people/Documents")
	id := mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/Handbook/Welcome.md", Text: ptr("new")})
	mustApply(t, tn, Edit{Op: OpShare, Drive: d.Address(), Path: "/Handbook/Welcome.md"})
	mustApply(t, tn, Edit{Op: OpPackage, Drive: d.Address(), Path: "/Notebook"})
	mustApply(t, tn, Edit{Op: OpShortcut, Drive: d.Address(), Path: "/Link", ToDrive: "finance/Invoices", To: "/2023"})
	mustApply(t, tn, Edit{Op: OpMalware, Drive: d.Address(), Path: "/Handbook/Read me first.txt"})
	mustApply(t, tn, Edit{Op: OpPending, Drive: d.Address(), Path: "/Handbook/empty.txt"})
	site := string(d.site.id)
	latest := text(object(t, ask(tn, driveURL(d, "/root/delta?token=latest")), 200), "@odata.deltaLink")
	mustApply(t, tn, Edit{Op: OpDelete, Drive: d.Address(), Path: "/Handbook/Archive"})
	drive, item := "/drives/"+string(d.id), "/drives/"+string(d.id)+"/items/"+string(id)
	for _, c := range []struct{ path, call string }{
		{"/sites", "/sites?search=people"},
		{"/sites", "/sites?$top=2"},
		{"/sites/getAllSites", "/sites/getAllSites"},
		{"/sites/delta", "/sites/delta"},
		{"/sites/{site-id}", "/sites/root"},
		{"/sites/{site-id}", "/sites/" + url.PathEscape(site)},
		{"/sites/{hostname}:/{server-relative-path}", "/sites/contoso.sharepoint.com:/sites/people"},
		{"/sites/{site-id}/sites", "/sites/" + site + "/sites"},
		{"/sites/{site-id}/lists", "/sites/" + site + "/lists"},
		{"/sites/{site-id}/lists/{list-id}", "/sites/" + site + "/lists/" + d.list.String()},
		{"/sites/{site-id}/lists/{list-id}/drive", "/sites/" + site + "/lists/" + d.list.String() + "/drive"},
		{"/sites/{site-id}/drive", "/sites/" + site + "/drive"},
		{"/sites/{site-id}/drives", "/sites/" + site + "/drives?$select=id,name,system,driveType"},
		{"/sites/{site-id}/permissions", "/sites/" + site + "/permissions"},
		{"/sites/{site-id}/drive/root/delta", "/sites/" + site + "/drive/root/delta"},
		{"/users/{user-id}/drive", "/users/adele@contoso.com/drive"},
		{"/users/{user-id}/drive", "/users/nobody@contoso.com/drive"},
		{"/users/{user-id}/drives", "/users/adele@contoso.com/drives"},
		{"/users/{user-id}/drive/root/delta", "/users/adele@contoso.com/drive/root/delta"},
		{"/groups/{group-id}/drive", "/groups/" + d.site.group + "/drive"},
		{"/groups/{group-id}/drives", "/groups/" + d.site.group + "/drives"},
		{"/groups/{group-id}/drive/root/delta", "/groups/" + d.site.group + "/drive/root/delta"},
		{"/drives/{drive-id}", drive},
		{"/drives/{drive-id}", drive + "/?select=quota"},
		{"/drives/{drive-id}", "/drives/b!none"},
		{"/drives/{drive-id}/root", drive + "/root"},
		{"/drives/{drive-id}/root/delta", drive + "/root/delta?$top=500&$select=*,sharepointIds"},
		{"/drives/{drive-id}/root/delta", drive + "/root/delta?token=rubbish"},
		{"/drives/{drive-id}/root/delta", drive + "/root/delta?$expand=permissions"},
		{"/drives/{drive-id}/root/delta(token='{token}')", drive + "/root/delta(token='latest')"},
		{"/drives/{drive-id}/root/delta(token='{token}')", drive + "/root/microsoft.graph.delta(token='2024-01-01T00:00:00Z')"},
		{"/drives/{drive-id}/root/delta", latest},
		{"/drives/{drive-id}/items/{item-id}/delta", item + "/delta"},
		{"/drives/{drive-id}/items/{item-id}", item},
		{"/drives/{drive-id}/items/{item-id}", item + "?$expand=listItem($expand=fields)"},
		{"/drives/{drive-id}/root:/{item-path}", drive + "/root:/handbook/welcome.md"},
		{"/drives/{drive-id}/root:/{item-path}", drive + "/root:/Notebook"},
		{"/drives/{drive-id}/root:/{item-path}", drive + "/root:/Link"},
		{"/drives/{drive-id}/root:/{item-path}", drive + "/root:/none"},
		{"/drives/{drive-id}/items/{item-id}/children", drive + "/items/root/children?$top=2"},
		{"/drives/{drive-id}/items/{item-id}/children", drive + "/root:/Handbook:/children?$select=id,name"},
		{"/drives/{drive-id}/items/{item-id}/children", drive + "/root:/Handbook:/children?$select=id&$expand=listItem($expand=fields($select=Title))"},
		{"/drives/{drive-id}/items/{item-id}/content", item + "/content"},
		{"/drives/{drive-id}/items/{item-id}/content", drive + "/root:/Handbook/Read%20me%20first.txt:/content"},
		{"/drives/{drive-id}/items/{item-id}/versions", item + "/versions"},
		{"/drives/{drive-id}/items/{item-id}/versions/{version-id}", item + "/versions/1.0"},
		{"/drives/{drive-id}/items/{item-id}/versions/{version-id}/content", item + "/versions/1.0/content"},
		{"/drives/{drive-id}/items/{item-id}/permissions", item + "/permissions"},
		{"/drives/{drive-id}/items/{item-id}/listItem", item + "/listItem"},
		{"/drives/{drive-id}/items/{item-id}/retentionLabel", item + "/retentionLabel"},
		{"/drives/{drive-id}/items/{item-id}/permissions", item + "/permissions?$top=1"},
		{"/drives/{drive-id}/items/{item-id}/listItem", item + "/listItem?$expand=fields($select=Modified)"},
		{"/drives/{drive-id}", drive + "?$expand=list($select=id,name)"},
		{"/drives/{drive-id}/root", drive + "/root?$expand=children($select=id,name),thumbnails"},
		{"/drives/{drive-id}/items/{item-id}/children", drive + "/items/root/children?$orderby=name%20desc&$count=true&$top=2&$expand=listItem"},
		{"/sites/{site-id}/lists", "/sites/" + site + "/lists?$expand=drive"},
		{"/sites/delta", "/sites/delta?$select=id,name,webUrl"},
		{"/sites/{site-id}", "/sites/root/getByPath(path='/sites/people')"},
		{"/subscriptions", "/subscriptions"},
	} {
		t.Run(strings.ReplaceAll(c.call, "/", " "), func(t *testing.T) { conforms(t, doc, c.path, ask(tn, c.call)) })
	}
}

func TestBatchAnswersEachPartOnItsOwn(t *testing.T) {
	tn, d := smallTenant(t, nil)
	body := `{"requests":[{"id":"1","method":"GET","url":"/drives/` + string(d.id) + `/root"},{"id":"2","method":"GET","url":"/drives/none/root"},` +
		`{"id":"3","method":"GET","url":"/drives/` + string(d.id) + `/root:/one.txt:/content"}]}`
	r := httptest.NewRequest(http.MethodPost, "https://graph.microsoft.com/v1.0/$batch", strings.NewReader(body))
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Authorization", "Bearer "+DemoToken)
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	var out struct {
		Responses []struct {
			ID      string
			Status  int
			Headers map[string]string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	conforms(t, loadSlice(t), "/$batch", resp)
	want := map[string]int{"1": 200, "2": 404, "3": 302}
	for _, p := range out.Responses {
		if p.Status != want[p.ID] {
			t.Errorf("part %s answered %d, want %d", p.ID, p.Status, want[p.ID])
		}
		if p.ID == "3" && p.Headers["Location"] == "" {
			t.Error("the content part has no Location")
		}
	}
	if len(out.Responses) != len(want) {
		t.Errorf("%d parts were answered", len(out.Responses))
	}
}
