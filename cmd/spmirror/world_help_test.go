package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// world is a tenant that listens on loopback over TLS, and a directory with a
// configuration that mirrors the library Documents of /sites/people from it. The
// program signs in with a client secret, as it would at a real tenant.
type world struct {
	t      *testing.T
	tenant *sandbox.Tenant
	server *sandbox.Server
	dir    string
	prints string // directory for what a command prints
	env    []string
	folder string // of the mirror: "" or "/names"
}

// newWorld serves one library and mirrors all of it.
func newWorld(t *testing.T, library sandbox.DriveSpec) *world {
	t.Helper()
	return newWorldOf(t, library, "")
}

// newWorldOf mirrors one folder of the library.
func newWorldOf(t *testing.T, library sandbox.DriveSpec, folder string, change ...func(*sandbox.Options)) *world {
	t.Helper()
	o := sandbox.Demo(1)
	library.Name, library.Segment = "Documents", "Shared Documents"
	o.Sites = []sandbox.SiteSpec{{Path: "sites/people", Name: "People", Drives: []sandbox.DriveSpec{library}}}
	for _, f := range change {
		f(&o)
	}
	w := tenantWorld(t, o, fmt.Sprintf(`
mirror "docs" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = %q
  target = "mirror"

  guard {
    max_delete_count          = 1000000
    max_delete_percent        = 100
    max_folder_delete_percent = 100
    max_change_percent        = 100
    min_free_space            = "1MiB"
  }
}
`, folder+"/"))
	w.folder = folder
	return w
}

// tenantWorld is a world over any tenant, with its own configuration below the tenant block.
func tenantWorld(t *testing.T, o sandbox.Options, configuration string) *world {
	t.Helper()
	tenant, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	w := &world{t: t, tenant: tenant, dir: t.TempDir()}
	w.prints = w.dir
	if w.server, err = tenant.Start(context.Background(), sandbox.ServeOptions{TLS: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.server.Close() })
	w.write("ca.pem", string(w.server.CAPEM()))
	w.write("main.hcl", emulated(tenant.TenantID(), w.server.GraphURL, w.server.LoginURL, "var.secret")+`
variable "secret" {
  type      = string
  sensitive = true
}
`+configuration)
	w.env = append(os.Environ(), "SPMIRROR_VAR_secret="+sandbox.DemoSecret)
	return w
}

// emulated is the block of a tenant that a sandbox serves over TLS. The secret is an expression.
func emulated(id, graph, login, secret string) string {
	return fmt.Sprintf(`
tenant "emulated" {
  tenant_id   = %q
  environment = "custom"

  endpoints {
    graph   = %q
    login   = %q
    ca_file = "ca.pem"
  }

  auth "client_secret" {
    client_id     = %q
    client_secret = %s
  }
}
`, id, graph, login, sandbox.DemoClientID, secret)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// run runs a command of the program that must end with a code, and returns what it printed.
func (w *world) run(want int, args ...string) string {
	w.t.Helper()
	code, out, said := w.try(args...)
	if code != want {
		w.t.Fatalf("spmirror %s ended with %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, out, said)
	}
	return out
}

// try runs a command of the program in this process, whatever it ends with.
func (w *world) try(args ...string) (code int, out, said string) {
	w.t.Helper()
	env := &environment{environ: w.env, now: time.Now, stdin: strings.NewReader("")}
	env.stdout, env.stderr = w.file("stdout"), w.file("stderr")
	here, err := os.Getwd()
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := os.Chdir(here); err != nil {
			w.t.Fatal(err)
		}
	}()
	code = run(context.Background(), append([]string{"spmirror", "-chdir=" + w.dir}, args...), env)
	return code, w.text(env.stdout), w.text(env.stderr)
}

func (w *world) file(name string) *os.File {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.prints, name+".txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) text(f *os.File) string {
	w.t.Helper()
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// unchanged plans, wants nothing to do, and wants it for one delta request.
func (w *world) unchanged() {
	w.t.Helper()
	w.tenant.ResetStats()
	out := w.run(exitOK, "plan", "-detailed-exitcode")
	if !strings.Contains(out, "\nNo changes. Your mirrors match the configuration.\n") {
		w.t.Fatalf("the plan says\n%s", out)
	}
	calls := w.tenant.Stats().Calls
	if calls[sandbox.KindDelta] != 1 || calls[sandbox.KindDeltaFull]+calls[sandbox.KindDownload]+calls[sandbox.KindItem]+calls[sandbox.KindChildren] != 0 {
		w.t.Errorf("a plan without changes called %v, want one delta request", calls)
	}
}

// planned are the changes of a saved plan by item.
func (w *world) planned(file string) map[sandbox.ItemID]string {
	w.t.Helper()
	found := make(map[sandbox.ItemID]string)
	for line := range strings.Lines(w.run(exitOK, "show", "-jsonl", file)) {
		var change struct {
			ID      sandbox.ItemID `json:"item_id"`
			Actions []string       `json:"actions"`
			Path    string         `json:"path"`
		}
		if err := json.Unmarshal([]byte(line), &change); err != nil {
			w.t.Fatalf("%v in %s", err, line)
		}
		if was, twice := found[change.ID]; twice {
			w.t.Errorf("%s is planned twice: %s and %v", change.Path, was, change.Actions)
		}
		found[change.ID] = strings.Join(change.Actions, "+")
	}
	return found
}

// matchesTenant compares the mirror with the truth of the tenant, byte for byte.
func (w *world) matchesTenant() {
	w.t.Helper()
	for _, d := range w.differences() {
		w.t.Error(d)
	}
}

// differences between the truth of the tenant and the mirror.
func (w *world) differences() []string {
	w.t.Helper()
	drive := w.tenant.Drive("people/Documents")
	have, err := kinds(w.path("mirror"))
	if err != nil {
		w.t.Fatal(err)
	}
	var diff []string
	for _, item := range drive.Tree() {
		name, inside := strings.CutPrefix(item.Path, w.folder+"/")
		if name == "" || !inside {
			continue
		}
		kind := have[filepath.FromSlash(name)]
		delete(have, filepath.FromSlash(name))
		if item.Folder != (kind == "folder") || kind == "" {
			diff = append(diff, fmt.Sprintf("%s is %q in the mirror", name, kind))
			continue
		}
		if item.Folder {
			continue
		}
		want, err := drive.Content(item.Path)
		if err != nil {
			w.t.Fatal(err)
		}
		got, err := os.ReadFile(w.path("mirror/" + name))
		if err != nil {
			w.t.Fatal(err)
		}
		if string(want) != string(got) {
			diff = append(diff, name+" has other bytes")
		}
	}
	for name := range have {
		diff = append(diff, name+" is in the mirror only")
	}
	slices.Sort(diff)
	return diff
}

// wellBehaved checks that the program did nothing a client of the service must not do.
func (w *world) wellBehaved() {
	w.t.Helper()
	for _, v := range w.tenant.Violations() {
		w.t.Errorf("violation: %s: %s (%s)", v.Kind, v.Detail, v.Request)
	}
}

// library reads a directory into the files of a library.
func library(t *testing.T, dir string) sandbox.DriveSpec {
	t.Helper()
	var spec sandbox.DriveSpec
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(dir, name)
		if err != nil || relErr != nil || rel == "." {
			return err
		}
		f := sandbox.FileSpec{Path: filepath.ToSlash(rel), Folder: d.IsDir()}
		if !f.Folder {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			f.Text = string(data)
		}
		spec.Files = append(spec.Files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// plant makes a small tree with names that give trouble: about 300 files.
func plant(t *testing.T, dir string) {
	t.Helper()
	put := func(name, text string) {
		t.Helper()
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 280 {
		put(fmt.Sprintf("area %d/team %d/file %03d.txt", i%7, i%23, i), strings.Repeat(fmt.Sprintf("line %d\n", i), i*3))
	}
	for i, name := range nastyNames {
		put(path.Join("names", name), fmt.Sprintf("nasty %d", i))
		put(path.Join("names", "folder "+name, name), name)
	}
	put("big.bin", strings.Repeat("0123456789abcdef", 1<<17))
	if err := os.MkdirAll(filepath.Join(dir, "nothing", "in", "here"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// nastyNames are names that SharePoint allows and that trip programs up.
var nastyNames = []string{
	"-rf", "~x.txt", "$HOME", "a b", "%41", "%2F", "#1", "a&b", "it's", "`id`", "$(id)", "=1+1", "+x", "@y",
	"ünïcödé", "u\u0308nicode", "日本語", "👩‍💻", "a;b", "[x]", "{y}", "100%", ".hidden", "..double",
	strings.Repeat("l", 150), "CamelCase", "\u202egnp.exe",
}

// trashed wants every local edit in the trash.
func (w *world) trashed(edits int) {
	w.t.Helper()
	found := 0
	err := filepath.WalkDir(w.path("mirror/.spmirror/trash"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if strings.HasPrefix(string(data), "edited here: ") {
			found++
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if found != edits {
		w.t.Errorf("%d local edits are in the trash, want %d", found, edits)
	}
}
