package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// agent is a decorated User-Agent.
const agent = "NONISV|Test|sandbox-test/1.0"

// tenantOf makes a tenant or ends the test.
func makeTenant(t *testing.T, o Options) *Tenant {
	t.Helper()
	tn, err := New(o)
	if err != nil {
		t.Fatalf("make the tenant: %v", err)
	}
	t.Cleanup(func() { tn.Close() })
	return tn
}

// ask makes a Graph call in process, with what a good client sends unless headers say otherwise.
func ask(tn *Tenant, address string, headers ...string) *http.Response {
	if strings.HasPrefix(address, "/") {
		address = "https://graph.microsoft.com/v1.0" + address
	}
	method := http.MethodGet
	var body io.Reader
	r := httptest.NewRequestWithContext(context.Background(), method, address, body)
	r.RequestURI = ""
	r.Header.Set("User-Agent", agent)
	if !strings.Contains(r.URL.Path, "/_layouts/") {
		r.Header.Set("Authorization", "Bearer "+DemoToken)
	} else {
		r.Header.Set("Accept", "*/*")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp
}

// object decodes an answer and wants its status.
func object(t testing.TB, resp *http.Response, status int) map[string]any {
	t.Helper()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		t.Fatalf("%s answered %d, want %d: %s", resp.Request.URL.Path, resp.StatusCode, status, body)
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%s is not JSON: %v: %s", resp.Request.URL.Path, err, body)
	}
	return m
}

func wantCode(t *testing.T, resp *http.Response, status int, code string) {
	t.Helper()
	m := object(t, resp, status)
	e, _ := m["error"].(map[string]any)
	if e["code"] != code {
		t.Errorf("the code is %v, want %s", e["code"], code)
	}
}

func values(m map[string]any) []map[string]any {
	var out []map[string]any
	for _, v := range m["value"].([]any) {
		out = append(out, v.(map[string]any))
	}
	return out
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func mustApply(t testing.TB, tn *Tenant, e Edit) ItemID {
	t.Helper()
	id, err := tn.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ptr[T any](v T) *T { return &v }

func driveURL(d *Drive, rest string) string {
	return "/drives/" + url.PathEscape(string(d.ID())) + rest
}

// smallTenant has one library with a handful of items.
func smallTenant(t *testing.T, change func(*Options)) (*Tenant, *Drive) {
	t.Helper()
	o := Options{Seed: 7, StaticTokens: []string{DemoToken}, Users: []User{{UPN: "ann@contoso.com", DisplayName: "Ann"}},
		Now:  func() time.Time { return time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC) },
		Apps: []App{{ClientID: DemoClientID, Secret: DemoSecret, Public: true}},
		Sites: []SiteSpec{{Path: "sites/a", Name: "A", Drives: []DriveSpec{{Name: "Documents", Segment: "Shared Documents", Files: []FileSpec{
			{Path: "one.txt", Text: "first file"}, {Path: "dir/two.bin", Size: 5000}, {Path: "dir/sub/three.docx", Size: 777}, {Path: "empty.txt"}}}}},
			{Path: "sites/b", Name: "B", Drives: []DriveSpec{{Name: "Documents", Segment: "Shared Documents"}}}}}
	if change != nil {
		change(&o)
	}
	tn := makeTenant(t, o)
	return tn, tn.Drive("sites/a/Documents")
}
