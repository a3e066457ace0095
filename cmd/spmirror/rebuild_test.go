package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// TestARebuiltStateCostsNoDownload loses the state of a tree with nasty names and makes it anew: no
// content is asked for, no file is touched, and nothing is left to do.
func TestARebuiltStateCostsNoDownload(t *testing.T) {
	dir := realTree(t)
	w := newWorld(t, sandbox.DriveSpec{Directory: dir})
	w.run(exitOK, "apply", "-auto-approve")
	before := filesOf(t, w.path("mirror"))
	marker, err := os.ReadFile(w.path("mirror/.spmirror/marker.json"))
	if err != nil {
		t.Fatal(err)
	}
	lineage := regexp.MustCompile(`"lineage": "([0-9a-f-]+)"`).FindSubmatch(marker)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(w.path("spmirror.db" + suffix)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	w.tenant.ResetStats()
	out := w.run(exitOK, "state", "rebuild", "-auto-approve", "-adopt="+string(lineage[1]))
	if !strings.Contains(out, "0 differ, 0 are missing, 0 are held back") {
		t.Errorf("the rebuild says\n%s", out)
	}
	stats := w.tenant.Stats()
	if stats.ContentBytes != 0 || stats.Calls[sandbox.KindDownload]+stats.Calls[sandbox.KindContent] != 0 {
		t.Errorf("the rebuild asked for content: %v, %d bytes", stats.Calls, stats.ContentBytes)
	}
	after := filesOf(t, w.path("mirror"))
	for name, was := range before {
		if now := after[name]; now != was {
			t.Errorf("%s was touched: %v, before %v", name, now, was)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files are in the target, %d were", len(after), len(before))
	}
	w.unchanged()
	w.unchanged()
	w.matchesTenant()
	if out := w.run(exitOK, "plan", "-full", "-verify=hash", "-detailed-exitcode"); !strings.Contains(out, "\nNo changes.") {
		t.Errorf("a full plan says\n%s", out)
	}
	w.run(exitOK, "verify")
	w.wellBehaved()
}

// stamp identifies a file as it is.
type stamp struct {
	size, modified int64
	mode           os.FileMode
}

// filesOf are the files of a target, its marker aside.
func filesOf(t *testing.T, dir string) map[string]stamp {
	t.Helper()
	found := map[string]stamp{}
	root := os.DirFS(dir)
	names, err := kinds(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range names {
		f, err := root.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		s := stamp{mode: info.Mode(), modified: info.ModTime().UnixNano()}
		if kind == "file" {
			s.size = info.Size()
		}
		found[name] = s
	}
	return found
}
