package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// running starts a tenant on loopback and returns a client that follows nothing by itself.
func running(t *testing.T, tn *Tenant, o ServeOptions) (*Server, *http.Client) {
	t.Helper()
	s, err := tn.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	transport := &http.Transport{DisableCompression: true}
	if o.TLS {
		transport.TLSClientConfig = tlsConfig(s)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(t *testing.T, c *http.Client, address string, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Accept", "*/*")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func TestFaultsSpoilDownloadsAsTheySay(t *testing.T) {
	tn, d := smallTenant(t, nil)
	s, client := running(t, tn, ServeOptions{})
	content := make([]byte, 5000)
	d.body(d.walk("/dir/two.bin")).ReadAt(content, 0)
	_, _, _ = get(t, client, s.GraphURL+"/v1.0/drives", "Authorization", "Bearer "+DemoToken)
	u := func() string {
		resp, _, err := get(t, client, s.GraphURL+"/v1.0"+driveURL(d, "/root:/dir/two.bin:/content"), "Authorization", "Bearer "+DemoToken)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(resp.Header.Get("Location"), s.ContentURL) {
			t.Fatalf("the content is elsewhere: %s", s.ContentURL)
		}
		return resp.Header.Get("Location")
	}()
	for _, c := range []struct {
		fault string
		ask   string
		check func(resp *http.Response, body []byte, err error) bool
	}{
		{"action=corrupt after=100", "", func(_ *http.Response, b []byte, err error) bool {
			return err == nil && len(b) == 5000 && b[100] != content[100] && bytes.Equal(b[101:], content[101:])
		}},
		{"action=zeros after=4000", "", func(_ *http.Response, b []byte, err error) bool {
			return err == nil && bytes.Equal(b[:4000], content[:4000]) && bytes.Equal(b[4000:], make([]byte, 1000))
		}},
		{"action=truncate after=1000", "", func(_ *http.Response, b []byte, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && bytes.Equal(b, content[:1000])
		}},
		{"action=reset after=1000", "", func(_ *http.Response, b []byte, err error) bool { return err != nil && !errors.Is(err, io.EOF) }},
		{"action=short after=1000", "", func(r *http.Response, b []byte, err error) bool {
			return err == nil && len(b) == 1000 && r.ContentLength == -1
		}},
		{"action=longer", "", func(_ *http.Response, b []byte, err error) bool { return err == nil && len(b) == 5001 }},
		{"action=ignore-range", "bytes=100-", func(r *http.Response, b []byte, err error) bool {
			return r.StatusCode == 200 && len(b) == 5000
		}},
		{"action=content-range body=\"bytes {from+1}-{to}/{size}\"", "bytes=100-", func(r *http.Response, b []byte, err error) bool {
			return r.StatusCode == 206 && r.Header.Get("Content-Range") == "bytes 101-4999/5000"
		}},
		{"action=content-range", "bytes=100-", func(r *http.Response, b []byte, err error) bool {
			return r.StatusCode == 206 && r.Header.Get("Content-Range") == ""
		}},
		{"action=etag body=\"{X},9\"", "", func(r *http.Response, b []byte, err error) bool { return r.Header.Get("ETag") == "{X},9" }},
		{"action=gzip", "", func(r *http.Response, b []byte, err error) bool { return r.Header.Get("Content-Encoding") == "gzip" }},
		{"action=html", "", func(r *http.Response, b []byte, err error) bool {
			return r.StatusCode == 200 && strings.HasPrefix(r.Header.Get("Content-Type"), "text/html")
		}},
		{"action=expire-url", "", func(r *http.Response, b []byte, err error) bool { return r.StatusCode == 401 }},
		{"action=empty status=503", "", func(r *http.Response, b []byte, err error) bool { return r.StatusCode == 503 && len(b) == 0 }},
		{"action=drip chunk=2500 delay=1ms", "", func(r *http.Response, b []byte, err error) bool { return err == nil && bytes.Equal(b, content) }},
		{"status=429 header.Retry-After=0", "", func(r *http.Response, b []byte, err error) bool {
			return r.StatusCode == 429 && r.Header.Get("Retry-After") == "0"
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			if err := tn.RunScript("fault on=download path=a/Documents/dir/* times=1 " + c.fault + "\nfault on=download path=sites/a/Documents/dir/* times=1 " + c.fault); err != nil {
				t.Fatal(err)
			}
			headers := []string{}
			if c.ask != "" {
				headers = []string{"Range", c.ask}
			}
			resp, body, err := get(t, client, u, headers...)
			if resp == nil {
				resp = &http.Response{}
			}
			if !c.check(resp, body, err) {
				t.Errorf("status %d, %d bytes, headers %v, error %v", resp.StatusCode, len(body), resp.Header, err)
			}
			tn.ClearFaults()
			if _, body, err := get(t, client, u); err != nil || !bytes.Equal(body, content) {
				t.Errorf("afterwards: %d bytes, %v", len(body), err)
			}
		})
	}
}

func TestAFaultChangesTheItemInMidDownload(t *testing.T) {
	tn, d := smallTenant(t, nil)
	u := downloadURL(t, tn, d, "one.txt")
	tn.AddFault(Fault{On: []Kind{KindDownload}, Action: ActionEdit, Times: 1, Edits: []Edit{{Op: OpPut, Drive: d.Address(), Path: "/one.txt", Text: ptr("changed")}}})
	old := object(t, ask(tn, driveURL(d, "/root:/one.txt")), 200)["cTag"]
	ask(tn, u)
	if now := object(t, ask(tn, driveURL(d, "/root:/one.txt")), 200)["cTag"]; now == old {
		t.Error("the item did not change")
	}
}

func TestFaultsBendLinksOfDeltaPages(t *testing.T) {
	tn, d := smallTenant(t, nil)
	call := driveURL(d, "/root/delta?$top=2")
	for action, check := range map[Action]func(m map[string]any) bool{
		ActionLoop:      func(m map[string]any) bool { return strings.HasSuffix(text(m, "@odata.nextLink"), call) },
		ActionNoLink:    func(m map[string]any) bool { return m["@odata.nextLink"] == nil && m["@odata.deltaLink"] == nil },
		ActionBothLinks: func(m map[string]any) bool { return m["@odata.nextLink"] != nil && m["@odata.deltaLink"] != nil },
		ActionForeignLink: func(m map[string]any) bool {
			return strings.HasPrefix(text(m, "@odata.nextLink"), "https://evil.example/")
		},
	} {
		tn.AddFault(Fault{On: []Kind{KindDeltaFull}, Action: action, Body: "https://evil.example"})
		if m := object(t, ask(tn, call), 200); !check(m) {
			t.Errorf("%s: %v", action, m)
		}
		tn.ClearFaults()
	}
	link := latestLink(t, tn, d, "")
	tn.AddFault(Fault{On: []Kind{KindDelta}, Action: ActionGone, Body: "upload", Times: 1})
	wantCode(t, ask(tn, link), 410, "resyncChangesUploadDifferences")
	object(t, ask(tn, link), 200)
}

func TestFaultsStrikeWhenTheySay(t *testing.T) {
	tn, d := smallTenant(t, nil)
	tn.AddFault(Fault{On: []Kind{KindItem}, Status: 500, Skip: 1, Every: 2, Times: 2})
	var got []int
	for range 8 {
		got = append(got, ask(tn, driveURL(d, "/root")).StatusCode)
	}
	for i, want := range []int{200, 200, 500, 200, 500, 200, 200, 200} {
		if got[i] != want {
			t.Fatalf("statuses are %v", got)
		}
	}
	if n := tn.Stats().Faults["500"]; n != 2 {
		t.Errorf("%d strikes were counted", n)
	}
}

func TestTheBudgetThrottlesAndCountsRequestsInsideThePause(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, d := smallTenant(t, func(o *Options) { o.Now = func() time.Time { return now }; o.Throttle = Throttle{UnitsPerMinute: 10} })
	call := func() *http.Response { return ask(tn, driveURL(d, "/root")) }
	for i := range 10 {
		resp := call()
		if limit := resp.Header.Get("RateLimit-Limit"); resp.StatusCode != 200 || (limit != "") != (i >= 7) {
			t.Fatalf("call %d: status %d, RateLimit-Limit %q; headers come from 80 %% on (T6)", i+1, resp.StatusCode, limit)
		}
	}
	now = now.Add(10 * time.Second)
	resp := call()
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "50" || resp.Header.Get("RateLimit-Remaining") != "0" {
		t.Fatalf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	wantCode(t, resp, 429, "activityLimitReached")
	now = now.Add(100 * time.Millisecond) // may have been on its way
	call()
	if n := tn.Stats().InsidePause; n != 0 {
		t.Errorf("%d requests inside the pause, none is to blame yet", n)
	}
	now = now.Add(10 * time.Second)
	if resp := call(); resp.StatusCode != 429 || tn.Stats().InsidePause != 1 || tn.Violations()[0].Kind != "inside pause" {
		t.Errorf("status %d, stats %+v", resp.StatusCode, tn.Stats())
	}
	now = now.Add(40 * time.Second)
	if resp := call(); resp.StatusCode != 200 {
		t.Errorf("after the pause: %d", resp.StatusCode)
	}
}

func TestViolationsAreCounted(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for _, c := range []struct {
		kind, call string
		header     []string
		status     int
	}{
		{"user-agent", driveURL(d, ""), []string{"User-Agent", "Go-http-client/1.1"}, 200},
		{"no token", driveURL(d, ""), []string{"Authorization", ""}, 401},
		{"cookie", driveURL(d, ""), []string{"Cookie", "a=b"}, 200},
		{"unknown call", "/planner/tasks", nil, 400},
		{"bad link", driveURL(d, "/root/children?$skiptoken=xx"), nil, 400},
		{"bad token", driveURL(d, "/root/delta?token=xx"), nil, 410},
		{"unknown call", "https://contoso.sharepoint.com/sites/a/page.aspx", []string{"Authorization", ""}, 404},
	} {
		tn.ResetStats()
		resp := ask(tn, c.call, c.header...)
		v := tn.Violations()
		if resp.StatusCode != c.status || len(v) == 0 || v[0].Kind != c.kind {
			t.Errorf("%s: status %d, violations %v", c.call, resp.StatusCode, v)
		}
	}
	strict, d2 := smallTenant(t, func(o *Options) { o.Strict = true })
	wantCode(t, ask(strict, driveURL(d2, ""), "User-Agent", "curl"), 400, "invalidRequest")
}

func TestCallsAreCountedByKind(t *testing.T) {
	tn, d := smallTenant(t, nil)
	u := downloadURL(t, tn, d, "one.txt")
	ask(tn, u)
	link := latestLink(t, tn, d, "")
	ask(tn, link)
	ask(tn, driveURL(d, "/root/delta"))
	s := tn.Stats()
	for kind, want := range map[Kind]int64{KindContent: 1, KindDownload: 1, KindDelta: 2, KindDeltaFull: 1} {
		if s.Calls[kind] != want {
			t.Errorf("%s: %d calls, want %d", kind, s.Calls[kind], want)
		}
	}
	if s.ContentBytes != 10 || s.Status[200] != 4 || s.Status[302] != 1 || s.Units != 1+1+1+1+2 {
		t.Errorf("stats are %+v", s)
	}
}
