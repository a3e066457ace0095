package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// What is kept beside items costs requests by what changed: columns two units a page of a folder in which many of them are new, and
// one a file else; permissions five for each item whose sharing changed (T10, D51).
func TestWhatIsKeptBesideItemsIsAskedForByWhatChanged(t *testing.T) {
	var library sandbox.DriveSpec
	for i := range 250 {
		library.Files = append(library.Files, sandbox.FileSpec{Path: fmt.Sprintf("large/%d.txt", i), Text: "text"})
	}
	w := newWorld(t, library)
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(text), `target = "mirror"`, "target = \"mirror\"\n  metadata {\n    columns     = [\"Status\", \"FileLeafRef\"]\n    permissions = \"sidecar\"\n  }", 1))
	wants := func(estimate string, items, lists, permissions int64) {
		t.Helper()
		if out := w.run(exitOK, "plan"); !strings.Contains(out, "\nEstimate: "+estimate+".\n") {
			t.Errorf("the plan does not say %s:\n%s", estimate, out)
		}
		w.tenant.ResetStats()
		w.run(exitOK, "apply", "-auto-approve")
		calls := w.tenant.Stats().Calls
		if i, c, p := calls[sandbox.KindItem], calls[sandbox.KindChildren], calls[sandbox.KindPermissions]; i != items || c != lists || p != permissions {
			t.Errorf("%d reads of items, %d of children and %d of permissions, want %d, %d and %d", i, c, p, items, lists, permissions)
		}
		w.unchanged()
	}
	// 250 downloads, each with an item read for its address, two pages of the large folder, that folder itself, and the permissions of the mirror.
	wants("504 requests, 510 resource units", 250+1, 2, 1)
	lines, err := os.ReadFile(w.path("mirror/.spmirror/metadata.jsonl"))
	if err != nil || strings.Count(string(lines), `"columns":{"FileLeafRef":"`) != 251 {
		t.Errorf("columns are not listed (%v):\n%.2000s", err, lines)
	}
	for _, e := range []sandbox.Edit{
		{Op: sandbox.OpColumn, Path: "/large/7.txt", To: "Status=Final"}, {Op: sandbox.OpColumn, Path: "/large/8.txt", To: "Status=Draft"},
		{Op: sandbox.OpShare, Path: "/large/9.txt", To: "users"},
	} {
		e.Drive = "people/Documents"
		if _, err := w.tenant.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	wants("3 requests, 7 resource units", 2, 0, 1)
	lines, err = os.ReadFile(w.path("mirror/.spmirror/metadata.jsonl"))
	if err != nil || !strings.Contains(string(lines), `"columns":{"FileLeafRef":"7.txt","Status":"Final"}`) || !strings.Contains(string(lines), `"path":"/large/9.txt"`) {
		t.Errorf("the edits are not listed (%v)", err)
	}
	w.wellBehaved()
}
