package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/sandbox"
)

// load reads the configuration of a world.
func (w *world) load() *config.Config {
	w.t.Helper()
	cfg, diags := config.Load(config.Options{Dir: w.dir, Env: w.env})
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	return cfg
}

// TestAListThatBreaksOffIsNoList lets the second page of all sites fail.
func TestAListThatBreaksOffIsNoList(t *testing.T) {
	o := withRoles("Sites.Read.All")
	o.Sites = nil
	for i := range 450 {
		o.Sites = append(o.Sites, sandbox.SiteSpec{Path: fmt.Sprintf("sites/s%03d", i), Name: fmt.Sprint("Site ", i), Drives: []sandbox.DriveSpec{{Name: "Documents", Segment: "Shared Documents"}}})
	}
	w := tenantWorld(t, o, "")
	out := w.run(exitOK, "discover", "sites", "-generate-config-out="+w.path("all.hcl"))
	if !strings.Contains(out, "\n451 found, 0 not readable.\n") || w.tenant.Stats().Calls[sandbox.KindSites] < 3 {
		t.Errorf("not all pages were read: %s", out[max(0, len(out)-200):])
	}
	if cfg := w.load(); len(cfg.Mirrors) != 451 {
		t.Errorf("%d mirrors were written", len(cfg.Mirrors))
	}
	if err := os.Remove(w.path("all.hcl")); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"sites", "drives"} {
		w.tenant.AddFault(sandbox.Fault{Name: "cut-" + command, On: []sandbox.Kind{sandbox.KindSites}, Skip: 1, Times: 100, Status: 404})
		out := w.run(exitError, "discover", command, "-generate-config-out="+w.path("cut.hcl"))
		if strings.Contains(out, "found,") {
			t.Errorf("a list that broke off was counted: %s", out[max(0, len(out)-200):])
		}
		if _, err := os.Stat(w.path("cut.hcl")); !os.IsNotExist(err) {
			t.Errorf("a list that broke off was written: %v", err)
		}
		w.tenant.ClearFaults()
	}
	w.wellBehaved()
}

func TestDiscoveryWithSitesSelectedSaysWhatToDo(t *testing.T) {
	w := tenantWorld(t, withRoles("Sites.Selected"), "")
	for _, command := range []string{"sites", "drives", "users"} {
		w.run(exitError, "discover", command)
		said, err := os.ReadFile(w.path("stderr.txt"))
		if err != nil || !strings.Contains(string(said), "[SPM0618]") || !strings.Contains(string(said), "Grant the application permission ") {
			t.Errorf("discover %s says %s (%v)", command, said, err)
		}
	}
	out := w.run(exitOK, "discover", "drives", "https://contoso.sharepoint.com/sites/finance")
	if !strings.Contains(out, "  Invoices\n") {
		t.Errorf("a site that is named is not read: %s", out)
	}
}

func TestDiscoveryFindsOneDrivesAndThoseWithout(t *testing.T) {
	o := withRoles("Files.Read.All", "User.ReadBasic.All")
	o.Users = append(o.Users, sandbox.User{UPN: "newcomer@contoso.com", DisplayName: "New Comer"}, sandbox.User{UPN: "guest_fabrikam.com#EXT#@contoso.com", DisplayName: "Guest"})
	w := tenantWorld(t, o, "")
	out := w.run(exitOK, "discover", "users", "-generate-config-out="+w.path("users.hcl"))
	for _, want := range []string{"adele@contoso.com  Adele Vance\n", "newcomer@contoso.com  New Comer (no OneDrive)\n", "\n4 found, 0 not readable.\n", "with 2 mirrors"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if cfg := w.load(); len(cfg.Mirrors) != 2 || cfg.Mirrors[0].Source.User != "adele@contoso.com" {
		t.Errorf("the mirrors are %+v", cfg.Mirrors)
	}
}

func TestALibraryIsNamedByItsSiteOnlyWhereThatIsPlain(t *testing.T) {
	site := graph.Site{WebURL: "https://contoso.sharepoint.com/sites/x"}
	drives := []graph.Drive{
		{ID: "1", Name: "Documents", WebURL: site.WebURL + "/Shared%20Documents"}, {ID: "2", Name: "documents", WebURL: site.WebURL + "/documents2"},
		{ID: "3", Name: "Plain", WebURL: site.WebURL + "/Plain"}, {ID: "4", Name: "Shared Documents", WebURL: site.WebURL + "/Other"}, {ID: "5"},
	}
	for i, want := range []string{"", "", "Plain", "", ""} {
		ways := driveWays(site, drives, i, "/f")
		if got := ways[0].Drive; got != want || ways[len(ways)-1].DriveID != string(drives[i].ID) {
			t.Errorf("library %d is named by %+v, want %q", i+1, ways, want)
		}
	}
}
