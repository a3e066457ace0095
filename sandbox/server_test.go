package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func tlsConfig(s *Server) *tls.Config { return &tls.Config{RootCAs: s.RootCAs()} }

func TestTheCertificateNamesTheKeyOfItsAuthority(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	s, err := tn.Start(t.Context(), ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.GraphURL, "https://"), tlsConfig(s))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	chain := conn.ConnectionState().VerifiedChains[0]
	if leaf, ca := chain[0], chain[1]; len(ca.SubjectKeyId) == 0 || !bytes.Equal(leaf.AuthorityKeyId, ca.SubjectKeyId) {
		t.Errorf("the certificate names the key %x, the authority has %x: strict clients refuse that", leaf.AuthorityKeyId, ca.SubjectKeyId)
	}
}

func TestOneListenerServesTheRealHostsThroughTheProxy(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	s, err := tn.Start(context.Background(), ServeOptions{TLS: true, Proxy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	proxy, _ := url.Parse(s.ProxyURL)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: tlsConfig(s)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm("https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token", secretForm())
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	json.NewDecoder(resp.Body).Decode(&token)
	resp.Body.Close()
	d := tn.Drive("people/Documents")
	auth := []string{"Authorization", "Bearer " + token.AccessToken}
	_, body, err := get(t, client, "https://graph.microsoft.com/v1.0"+driveURL(d, "/root/delta?$top=5"), auth...)
	if err != nil || !bytes.Contains(body, []byte(`"@odata.nextLink":"https://graph.microsoft.com/v1.0/drives/`)) {
		t.Fatalf("%v: %.300s", err, body)
	}
	resp, _, err = get(t, client, "https://graph.microsoft.com/v1.0"+driveURL(d, "/root:/Handbook/Read me first.txt:/content"), auth...)
	if err != nil {
		t.Fatal(err)
	}
	to := resp.Header.Get("Location")
	if !strings.HasPrefix(to, "https://contoso.sharepoint.com/sites/people/_layouts/15/download.aspx?UniqueId=") {
		t.Fatalf("the redirect leads to %.60s", to)
	}
	if _, body, err = get(t, client, to); err != nil || string(body) != "Everything about working at Contoso.\n" {
		t.Errorf("%v: %q", err, body)
	}
	if v := tn.Violations(); len(v) != 0 {
		t.Errorf("violations %v", v)
	}
}

func TestContentHasAPortOfItsOwn(t *testing.T) {
	tn, d := smallTenant(t, nil)
	s, client := running(t, tn, ServeOptions{})
	if s.ContentURL == s.GraphURL {
		t.Fatal("content and Graph share a host")
	}
	resp, _, err := get(t, client, s.ContentURL+"/v1.0"+driveURL(d, "/root"), "Authorization", "Bearer "+DemoToken)
	if err != nil || resp.StatusCode != 404 {
		t.Errorf("Graph at the content host: %v, %v", resp, err)
	}
}

func TestNothingListensBeyondLoopback(t *testing.T) {
	tn, _ := smallTenant(t, nil)
	for _, withTLS := range []bool{false, true} {
		for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
			if s, err := tn.Start(context.Background(), ServeOptions{Listen: address, TLS: withTLS}); err == nil {
				s.Close()
				t.Errorf("it listens on %q, TLS %v", address, withTLS)
			}
		}
	}
}

func TestTheAdminEndpointAnswersOnLoopbackOnly(t *testing.T) {
	tn, d := smallTenant(t, nil)
	s, client := running(t, tn, ServeOptions{})
	do := func(method, what, body string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest(method, s.GraphURL+"/_sandbox/"+what, strings.NewReader(body))
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if status, body := do("POST", "edit", `{"op":"put","drive":"a/Documents","path":"/admin.txt","text":"x"}`); status != 200 || !strings.Contains(body, "items") {
		t.Errorf("edit: %d %s", status, body)
	}
	if d.walk("/admin.txt") == nil {
		t.Error("the edit was not made")
	}
	if status, body := do("POST", "edit", `{"op":"delete","drive":"a/Documents","path":"/none"}`); status != 400 {
		t.Errorf("a bad edit: %d %s", status, body)
	}
	if status, _ := do("POST", "fault", `{"on":["item"],"status":503}`); status != 204 {
		t.Errorf("fault: %d", status)
	}
	if resp := ask(tn, driveURL(d, "/root")); resp.StatusCode != 503 {
		t.Errorf("the fault does not strike: %d", resp.StatusCode)
	}
	if status, body := do("GET", "stats", ""); status != 200 || !strings.Contains(body, `"item":1`) {
		t.Errorf("stats: %d %s", status, body)
	}
	for _, what := range []string{"violations"} {
		if status, _ := do("GET", what, ""); status != 200 {
			t.Errorf("%s: %d", what, status)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/_sandbox/stats", nil)
	r.RemoteAddr = "198.51.100.7:1234"
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("from elsewhere: %d", w.Code)
	}
	r = httptest.NewRequest(http.MethodGet, "http://attacker.example/_sandbox/stats", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	w = httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("under another name: %d", w.Code)
	}
}

func TestSubscribersAreAskedFirstAndToldLater(t *testing.T) {
	told := make(chan string, 10)
	answer := "text/plain"
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", answer)
			io.WriteString(w, token)
			return
		}
		b, _ := io.ReadAll(r.Body)
		told <- string(b)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer hook.Close()
	tn, d := smallTenant(t, func(o *Options) { o.Notifier = hook.Client() })
	send := func(method, path, body string) *http.Response {
		r := httptest.NewRequest(method, "https://graph.microsoft.com/v1.0/subscriptions"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DemoToken)
		r.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		tn.Handler().ServeHTTP(w, r)
		resp := w.Result()
		resp.Request = r
		return resp
	}
	body := func(resource, change, until string) string {
		return `{"changeType":"` + change + `","notificationUrl":"` + hook.URL + `?a=b","resource":"` + resource + `","expirationDateTime":"` + until + `","clientState":"s3cret"}`
	}
	root := "drives/" + string(d.id) + "/root"
	for name, bad := range map[string]string{
		"created (W3)":    body(root, "created", "2024-05-02T00:00:00Z"),
		"a folder (W1)":   body("drives/"+string(d.id)+"/items/x", "updated", "2024-05-02T00:00:00Z"),
		"too long (W4)":   body(root, "updated", "2024-06-02T00:00:00Z"),
		"in the past":     body(root, "updated", "2024-04-02T00:00:00Z"),
		"no such drive":   body("drives/none/root", "updated", "2024-05-02T00:00:00Z"),
		"not an endpoint": strings.Replace(body(root, "updated", "2024-05-02T00:00:00Z"), hook.URL, "http://198.51.100.1", 1),
	} {
		if resp := send("POST", "", bad); resp.StatusCode != 400 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	answer = "text/html"
	if resp := send("POST", "", body(root, "updated", "2024-05-02T00:00:00Z")); resp.StatusCode != 400 {
		t.Errorf("an endpoint that answers HTML: %d (W5)", resp.StatusCode)
	}
	answer = "text/plain"
	resp := send("POST", "", body(root, "updated", "2024-05-02T00:00:00Z"))
	var raw bytes.Buffer
	resp.Body = io.NopCloser(io.TeeReader(resp.Body, &raw))
	conforms(t, loadSlice(t), "/subscriptions", resp)
	var sub struct{ ID string }
	json.Unmarshal(raw.Bytes(), &sub)
	mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
	select {
	case got := <-told:
		if !strings.Contains(got, `"clientState":"s3cret"`) || !strings.Contains(got, sub.ID) || strings.Contains(got, "one.txt") {
			t.Errorf("the notification is %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	if resp := send("PATCH", "/"+sub.ID, `{"expirationDateTime":"2024-05-20T00:00:00Z"}`); resp.StatusCode != 200 {
		t.Errorf("renewal: %d", resp.StatusCode)
	}
	if resp := send("POST", "/"+sub.ID+"/reauthorize", ""); resp.StatusCode != 204 {
		t.Errorf("reauthorize: %d", resp.StatusCode)
	}
	if resp := send("DELETE", "/"+sub.ID, ""); resp.StatusCode != 204 {
		t.Errorf("delete: %d", resp.StatusCode)
	}
	if resp := send("GET", "/"+sub.ID, ""); resp.StatusCode != 404 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

// TestARealClientMirrorsTheTenant runs rclone where it is installed: a client that nobody here wrote.
func TestARealClientMirrorsTheTenant(t *testing.T) {
	rclone, err := exec.LookPath("rclone")
	if err != nil {
		t.Skip("rclone is not installed")
	}
	tn := makeTenant(t, Demo(1))
	tn.SetBehaviour(Behaviour{AcceptContentAuthorization: true}) // rclone 1.60 sends its token along (CLIENTS 5)
	s, err := tn.Start(context.Background(), ServeOptions{TLS: true, Proxy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := t.TempDir()
	d := tn.Drive("people/Documents")
	config := "[sp]\ntype = onedrive\nregion = global\ndrive_id = " + string(d.ID()) + "\ndrive_type = documentLibrary\n" +
		`token = {"access_token":"` + DemoToken + `","token_type":"Bearer","refresh_token":"r","expiry":"2099-01-01T00:00:00Z"}` + "\n"
	for name, content := range map[string][]byte{"rclone.conf": []byte(config), "ca.pem": s.CAPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(rclone, append([]string{"--config", filepath.Join(dir, "rclone.conf"), "--ca-cert", filepath.Join(dir, "ca.pem"), "--retries", "1"}, args...)...)
		cmd.Env = append(os.Environ(), "HTTPS_PROXY="+s.ProxyURL, "NO_PROXY=", "no_proxy=", "https_proxy="+s.ProxyURL)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("rclone %s: %v\n%s", args[0], err, out)
		}
		return string(out)
	}
	to := filepath.Join(dir, "mirror")
	run("sync", "sp:", to)
	run("check", "sp:", to)
	files := 0
	filepath.WalkDir(to, func(_ string, e os.DirEntry, _ error) error {
		if !e.IsDir() {
			files++
		}
		return nil
	})
	want := 0
	for _, it := range d.items {
		if it.kind == kindFile {
			want++
		}
	}
	if files != want {
		t.Errorf("rclone has %d files, the library %d", files, want)
	}
	for _, v := range tn.Violations() {
		if !slices.Contains([]string{"user-agent", "authorization", "referer"}, v.Kind) {
			t.Errorf("violation %+v", v)
		}
	}
}
