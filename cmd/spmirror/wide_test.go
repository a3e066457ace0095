package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// wideWorld is a tenant of so many sites, each with one library of one file, and a configuration that mirrors all of them.
func wideWorld(t *testing.T, sites int, mirror string) *world {
	t.Helper()
	o := sandbox.Demo(1)
	o.Sites = nil
	for i := range sites {
		o.Sites = append(o.Sites, sandbox.SiteSpec{Path: fmt.Sprintf("sites/s%03d", i), Name: fmt.Sprintf("Site %d", i), Drives: []sandbox.DriveSpec{
			{Name: "Documents", Segment: "Shared Documents", Files: []sandbox.FileSpec{{Path: "a.txt", Text: "a"}}},
		}})
	}
	return tenantWorld(t, o, fmt.Sprintf(`
mirror "all" {
  for_each = toset([for n in range(%d) : format("s%%03d", n)])
  site     = "https://contoso.sharepoint.com/sites/${each.key}"
  target   = "./mirror/${each.key}"
%s}
`, sites, mirror))
}

// allocations counts what a command allocates.
func allocations(t *testing.T, w *world, args ...string) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.run(exitOK, args...)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// Twice the mirrors need twice the work: what 32 more cost is compared with what 16 more cost, so that the
// constant part of a command hides nothing.
func TestWhatCommandsDoGrowsWithTheNumberOfMirrorsAndNotWithItsSquare(t *testing.T) {
	w := wideWorld(t, 64, "  metadata {\n    permissions = \"sidecar\"\n  }\n")
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string][]float64{}
	count := func(c string) { counts[c] = append(counts[c], float64(allocations(t, w, strings.Fields(c)...))) }
	for _, sites := range []int{16, 32, 64} {
		main := strings.ReplaceAll(string(data), "range(64)", fmt.Sprintf("range(%d)", sites))
		w.write("main.hcl", main)
		w.run(exitOK, "apply", "-auto-approve", "-compact")
		for _, c := range []string{"status", "show", "show -json", "state list -json", "plan", "plan -refresh=false"} {
			count(c)
		}
		renamed := strings.ReplaceAll(main, `mirror "all"`, `mirror "renamed"`)
		w.write("main.hcl", renamed+"moved {\n  from = mirror.all\n  to   = mirror.renamed\n}\n")
		count("plan -refresh=false -compact")
	}
	for c, n := range counts {
		if grown := (n[2] - n[1]) / (n[1] - n[0]); grown > 2.2 {
			t.Errorf("%s: allocations of 16, 32 and 64 mirrors are %.0f: the second step is %.1f times the first", c, n, grown)
		}
	}
}

func TestASourceOfManyMirrorsIsLookedUpOnce(t *testing.T) {
	o := sandbox.Demo(1)
	o.Sites = []sandbox.SiteSpec{{Path: "sites/one", Name: "One", Drives: []sandbox.DriveSpec{
		{Name: "Documents", Segment: "Shared Documents", Files: []sandbox.FileSpec{{Path: "a/1.txt", Text: "1"}, {Path: "b/2.txt", Text: "2"}}},
		{Name: "Plans", Files: []sandbox.FileSpec{{Path: "a/3.txt", Text: "3"}}},
	}}}
	w := tenantWorld(t, o, `
data "site" "one" {
  url = "https://contoso.sharepoint.com/sites/one"
}

data "drives" "all" {
  for_each = toset(["x", "y"])
  site_id  = data.site.one.id
}

mirror "default" {
  for_each = toset(["a", "b"])
  site     = "https://contoso.sharepoint.com/sites/one"
  folder   = each.key
  target   = "default/${each.key}"
}

mirror "named" {
  for_each = data.drives.all["x"].drives
  site     = "https://contoso.sharepoint.com/sites/one"
  drive    = each.key
  target   = "named/${each.key}"
}

mirror "id" {
  site_id = data.site.one.id
  target  = "id"
}
`)
	w.run(exitOK, "plan", "-compact")
	// The data: one site, the libraries for x and for y. The plan: the site by its address, its default library, its libraries;
	// by its id, which is another source, the default library again.
	stats := w.tenant.Stats()
	if got := [...]int64{stats.Calls[sandbox.KindSite], stats.Calls[sandbox.KindDrives], stats.Calls[sandbox.KindDrive]}; got != [...]int64{2, 3, 2} {
		t.Errorf("%d requests for sites, %d for lists of libraries, %d for libraries", got[0], got[1], got[2])
	}
	w.tenant.ResetStats()
	w.run(exitOK, "plan", "-compact", "-refresh=false")
	stats = w.tenant.Stats()
	if got := [...]int64{stats.Calls[sandbox.KindSite], stats.Calls[sandbox.KindDrives], stats.Calls[sandbox.KindDrive]}; got != [...]int64{1, 2, 0} {
		t.Errorf("planned again: %d requests for sites, %d for lists of libraries, %d for libraries", got[0], got[1], got[2])
	}
}

func TestMoreMirrorsThanDescriptorsAreChanged(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("a limit of descriptors is set by a shell")
	}
	w := wideWorld(t, 40, "  guard {\n    max_change_percent = 100\n    max_delete_percent = 100\n    require_nonempty_source = false\n  }\n")
	for _, c := range []struct{ edit, says string }{
		{"", "Resources: 40 added, 0 changed, 0 destroyed."},
		{"put", "Resources: 0 added, 40 changed, 0 destroyed."},
		{"delete", "Resources: 0 added, 0 changed, 40 destroyed."},
	} {
		for _, d := range w.tenant.Drives() {
			if text := "b"; c.edit != "" && d.Address() != "Documents" {
				if _, err := w.tenant.Apply(sandbox.Edit{Op: c.edit, Drive: string(d.ID()), Path: "/a.txt", Text: &text}); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command("sh", "-c", `ulimit -n 96 && exec spmirror "$@"`, "sh", "-chdir="+w.dir, "apply", "-auto-approve", "-compact") // this test binary, see TestMain
		cmd.Env = w.env
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), c.says) {
			t.Fatalf("%s: %v\n%s", c.says, err, out[max(0, len(out)-2000):])
		}
	}
}
