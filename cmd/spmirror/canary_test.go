package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// spy sits between the program and its tenant and writes down every secret that passes: tokens, codes, credentials and
// the queries of download addresses.
type spy struct {
	next    http.Handler
	tenant  string // id
	onLogin func(userCode string)

	mu        sync.Mutex
	secrets   map[string]string // by value: what it is
	downloads int
	answer    func(nth int, w http.ResponseWriter, r *http.Request) bool // may answer a download itself
}

func (s *spy) note(what, value string) {
	if len(value) < 8 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[value] = what
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var scope string
	s.note("bearer", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		scope = form.Get("scope")
		for _, name := range []string{"client_secret", "refresh_token", "device_code", "client_assertion"} {
			s.note(name, form.Get(name))
		}
	}
	if strings.HasSuffix(r.URL.Path, "/download.aspx") {
		s.mu.Lock()
		s.downloads++
		nth := s.downloads
		s.mu.Unlock()
		if nth < 10 || nth%10 < 3 { // the search for all of them would take long
			s.query(r.URL.RawQuery)
		}
		if s.answer != nil && s.answer(nth, w, r) {
			return
		}
		s.next.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	s.next.ServeHTTP(rec, r)
	body := s.read(rec.Body.Bytes(), scope)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// query notes the values of a download address.
func (s *spy) query(raw string) {
	values, _ := url.ParseQuery(raw)
	for name, list := range values {
		if name != "UniqueId" && name != "Translate" && name != "ApiVersion" {
			s.note("download address, "+name, list[0])
		}
	}
}

// read notes the secrets of an answer. It lets device logins go on at a quicker pace, with all scopes that were asked for
// and the account that a person has.
func (s *spy) read(body []byte, scope string) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return body
	}
	text := func(name string) (value string) { _ = json.Unmarshal(members[name], &value); return value }
	for _, name := range []string{"access_token", "refresh_token", "device_code", "id_token"} {
		s.note(name, text(name))
	}
	if code := text("user_code"); code != "" {
		s.onLogin(code)
		return bytes.Replace(body, []byte(`"interval":5`), []byte(`"interval":1`), 1)
	}
	if text("refresh_token") == "" {
		return body
	}
	members["scope"], _ = json.Marshal(text("scope") + " " + scope)
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	members["client_info"], _ = json.Marshal(raw(`{"uid":"adele","utid":"` + s.tenant + `"}`))
	members["id_token"], _ = json.Marshal(raw(`{"alg":"none"}`) + "." + raw(`{"oid":"adele","preferred_username":"adele@contoso.com","tid":"`+s.tenant+`"}`) + ".")
	body, _ = json.Marshal(members)
	return body
}

// forms are the ways in which a secret may be written down. Long ones are also looked for by their middle, as a page of
// the state may break them.
func forms(secret string) []string {
	parts := []string{secret}
	if len(secret) > 80 {
		parts = append(parts, secret[len(secret)/2-20:len(secret)/2+20], secret[len(secret)-40:])
	}
	var all []string
	for _, p := range parts {
		quoted, _ := json.Marshal(p)
		all = append(all, p, url.QueryEscape(p), url.PathEscape(p), hex.EncodeToString([]byte(p)), strings.Trim(string(quoted), `"`))
		for shift := range 3 { // a piece of a longer text begins anywhere
			padded := append(make([]byte, shift), p...)
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := enc.EncodeToString(padded)
				all = append(all, text[4*((shift+2)/3):len(text)-4])
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// artefacts are all bytes that lie in a directory, archives unpacked, but for files that may hold secrets.
func artefacts(t *testing.T, dir string, except ...string) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(except, d.Name()) {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found[name] = data
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil // no archive
		}
		for _, member := range z.File {
			if found[name+"!"+member.Name], err = readMember(member); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// searched wants none of the secrets in any of the artefacts.
func (s *spy) searched(t *testing.T, found map[string][]byte) {
	t.Helper()
	s.mu.Lock()
	secrets := maps.Clone(s.secrets)
	s.mu.Unlock()
	for secret, what := range secrets {
		for _, form := range forms(secret) {
			for name, data := range found {
				if at := bytes.Index(data, []byte(form)); at >= 0 {
					t.Errorf("%s holds the %s as %.60q: …%.200q…", filepath.Base(name), what, form, data[max(0, at-80):min(len(data), at+80)])
				}
			}
		}
	}
}

// kinds of secrets that were seen.
func (s *spy) kinds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Sorted(maps.Values(s.secrets)))
}

// TestNoSecretThatPassesTheWireIsWrittenDown runs a story full of failures with everything written down that the program can write, and
// looks for every secret that passed the wire in every byte of it (I-61).
func TestNoSecretThatPassesTheWireIsWrittenDown(t *testing.T) {
	for _, method := range []string{"client_secret", "device_code"} {
		t.Run(method, func(t *testing.T) {
			s := &spy{secrets: map[string]string{sandbox.DemoSecret: "client_secret"}}
			w, l := newLinedWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 60, Size: 3000}}, func(*line, int64) {})
			l.wrap(func(next http.Handler) http.Handler { s.next, s.tenant = next, w.tenant.TenantID(); return s })
			s.onLogin = func(code string) { w.tenant.AuthorizeDevice(code, true) }
			snapshot := sync.OnceFunc(func() { w.snapshot() })
			s.answer = func(nth int, rw http.ResponseWriter, r *http.Request) bool {
				switch {
				case nth == 20:
					snapshot()
				case nth == 30 || nth == 31: // a service that says too much
					rw.Header().Set("Content-Type", "application/json")
					rw.WriteHeader(http.StatusLocked)
					_, _ = fmt.Fprintf(rw, `{"error":{"code":"locked","message":"cannot serve http://%s%s to you"}}`, r.Host, r.URL.RequestURI())
					return true
				case nth == 33: // a redirect to nowhere, with a secret in it
					s.note("redirect", "redirect-canary-0123456789")
					rw.Header().Set("Location", "https://evil.example/?tempauth=redirect-canary-0123456789")
					rw.WriteHeader(http.StatusFound)
					return true
				}
				return false
			}
			for _, f := range []sandbox.Fault{
				{Skip: 3, Times: 2, Action: sandbox.ActionReset, After: 100}, {Skip: 8, Times: 2, Action: sandbox.ActionExpireURL},
				{Skip: 12, Times: 1, Status: 429, Header: map[string]string{"Retry-After": "1"}}, {Skip: 13, Times: 8, Status: 403},
				{Skip: 16, Times: 1, Action: sandbox.ActionHTML}, {Skip: 20, Times: 2, Action: sandbox.ActionCorrupt, After: 5},
			} {
				f.On = []sandbox.Kind{sandbox.KindDownload}
				w.tenant.AddFault(f)
			}
			w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindItem}, Skip: 1, Times: 1, Action: sandbox.ActionRevoke})
			c := w.collect()
			w.env = append(w.env, "SPMIRROR_LOG=debug", "SPMIRROR_LOG_PATH="+w.path("debug.log"), "SPMIRROR_NETWORK_WAIT=2s")
			if method == "device_code" {
				w.signInAsAPerson()
			}
			w.tell(exitOK, "plan", "-out=saved.spplan", "-html-into=plan.html", "-md-into=plan.md", "-json-into=plan.jsonl", "-metrics-file=m.prom")
			w.tell(exitIncomplete, "apply", "-report=report.json", "-json-into=apply.jsonl", "-metrics-file=m.prom", "saved.spplan")
			w.tell(exitOK, "runs", "show", "-json", "1")
			w.tell(exitOK, "runs", "show", "-csv", "1")
			w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Status: 404})
			w.tell(exitIncomplete, "apply", "-auto-approve", "-json", "-report=report.md")
			w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDelta, sandbox.KindDeltaFull}, Status: 403, Message: "no"})
			w.tell(exitError, "plan", "-json")
			w.tenant.ClearFaults()
			l.cut()
			w.tell(exitError, "apply", "-auto-approve", "-report=report.csv")
			l.mend()
			w.tell(exitOK, "apply", "-auto-approve", "-report=report.csv")
			w.tell(exitOK, "status", "-json")
			w.tell(exitOK, "state", "export", "-out=export.db")
			for _, form := range []string{"-json", "-jsonl", "-md", "-html", "-csv"} {
				w.tell(exitOK, "show", form, "saved.spplan")
			}

			found := artefacts(t, w.dir, "cache.json")
			c.mu.Lock()
			found["the trace"] = c.bytes
			c.mu.Unlock()
			for _, want := range []string{"debug.log", "m.prom", "report.json", "report.md", "report.csv", "saved.spplan!plan.json", "spmirror.db", "snapshot/spmirror.db-wal", "plan.html", "apply.jsonl", "export.db"} {
				if len(found[w.path(want)]) == 0 {
					t.Errorf("%s is not searched", want)
				}
			}
			if len(found["the trace"]) == 0 || len(found) < 60+40 {
				t.Errorf("only %d things are searched", len(found))
			}
			kinds := strings.Join(s.kinds(), ", ")
			for _, want := range map[string][]string{
				"client_secret": {"bearer", "client_secret", "download address, tempauth", "redirect"},
				"device_code":   {"bearer", "refresh_token", "device_code", "download address, tempauth", "redirect"},
			}[method] {
				if !strings.Contains(kinds, want) {
					t.Errorf("no %s passed: %s", want, kinds)
				}
			}
			if report := string(found[w.path("report.json")]); !strings.Contains(report, "cannot serve") {
				t.Error("what the service said too much of did not reach the report")
			}
			s.searched(t, found)
		})
	}
}

// tell runs a command and keeps what it says.
func (w *world) tell(want int, args ...string) {
	w.t.Helper()
	out := w.run(want, args...)
	said, err := os.ReadFile(w.path("stderr.txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	name := strings.NewReplacer("/", "_", "=", "_").Replace(strings.Join(args, " "))
	w.write("said "+name+".txt", out+string(said))
}

// snapshot copies the state as it is in the middle of a run, with its log.
func (w *world) snapshot() {
	if err := os.Mkdir(w.path("snapshot"), 0o700); err != nil {
		w.t.Error(err)
	}
	for _, name := range []string{"spmirror.db", "spmirror.db-wal"} {
		data, err := os.ReadFile(w.path(name))
		if err == nil {
			err = os.WriteFile(w.path("snapshot/"+name), data, 0o600)
		}
		if err != nil {
			w.t.Error(err)
		}
	}
}

// signInAsAPerson turns the world's tenant into one with a device login, and logs in.
func (w *world) signInAsAPerson() {
	w.t.Helper()
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		w.t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), `auth "client_secret" {`)
	_, after, _ = strings.Cut(after, "}")
	w.write("main.hcl", before+"auth \"device_code\" {\n    client_id = \""+sandbox.DemoClientID+"\"\n    token_cache_path = \"cache.json\"\n  }"+after)
	w.tell(exitOK, "login")
	cache, err := os.ReadFile(w.path("cache.json"))
	if err != nil || len(cache) == 0 {
		w.t.Fatalf("the login is not kept: %v", err)
	}
}

func TestTheSearchForSecretsFindsThemInAnyForm(t *testing.T) {
	secret := "a+b/c=d \"quoted\" " + strings.Repeat("0123456789abcdef", 8)
	quoted, _ := json.Marshal("before " + secret)
	for name, text := range map[string]string{
		"raw": "x" + secret + "y", "escaped": url.QueryEscape("?" + secret), "path": url.PathEscape("/" + secret), "hex": hex.EncodeToString([]byte("-" + secret)),
		"JSON": string(quoted), "base64": base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "base64 further": base64.URLEncoding.EncodeToString([]byte("users:" + secret + ".")),
		"a part": "…" + secret[len(secret)/2-25:len(secret)/2+25],
	} {
		if !slices.ContainsFunc(forms(secret), func(form string) bool { return strings.Contains(text, form) }) {
			t.Errorf("%s is not found in %q", name, text)
		}
	}
}
