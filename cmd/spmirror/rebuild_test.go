package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/target"
)

// TestARebuiltStateCostsNoDownload loses the state of a tree with nasty names and makes it anew: no
// content is asked for, no file is touched, and nothing is left to do.
func TestARebuiltStateCostsNoDownload(t *testing.T) {
	dir := realTree(t)
	w := newWorld(t, sandbox.DriveSpec{Directory: dir})
	w.run(exitOK, "apply", "-auto-approve")
	before := filesOf(t, w.path("mirror"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(w.path("spmirror.db" + suffix)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	w.tenant.ResetStats()
	out := w.run(exitOK, "state", "rebuild", "-auto-approve", "-adopt="+w.lineage())
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

// TestAKilledRebuildIsFinishedByTheSameCommand loses the state again and again, or puts an older one back, kills the
// program while it makes its records anew, and lets the same command finish. No content is ever asked for.
func TestAKilledRebuildIsFinishedByTheSameCommand(t *testing.T) {
	points := 4
	if long() {
		points = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	plant(t, dir)
	k := &killer{t: t, w: newWorld(t, library(t, dir)), bin: buildBinary(t), rand: rand.New(rand.NewPCG(seed, 0))}
	k.finish("apply", "-auto-approve")
	k.w.tenant.ResetStats()
	rebuild := func(old bool) []string {
		if old {
			k.age()
			return []string{"state", "rebuild", "-auto-approve"}
		}
		k.lose()
		return []string{"state", "rebuild", "-auto-approve", "-adopt=" + k.w.lineage()}
	}
	length := k.finish(rebuild(false)...)
	for i := range points {
		again := rebuild(i%2 == 1)
		k.kill(length, again...)
		k.finish(again...)
		if calls := k.w.tenant.Stats().Calls; calls[sandbox.KindDownload]+calls[sandbox.KindContent] != 0 {
			t.Fatalf("content was asked for: %v\n%s", calls, k.last)
		}
		k.check()
		k.w.tenant.ResetStats()
	}
	t.Logf("%d of %d runs were killed before they ended", k.killed, k.runs)
	if k.killed < k.runs/3 {
		t.Errorf("only %d of %d runs were killed before they ended: the test proves little", k.killed, k.runs)
	}
}

// lose removes the state and leaves the mirror.
func (k *killer) lose() {
	k.t.Helper()
	names, err := filepath.Glob(k.w.path("spmirror.db*"))
	if err != nil {
		k.t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			k.t.Fatal(err)
		}
	}
}

// age puts the state back that there is now, after another run has changed the mirror.
func (k *killer) age() {
	k.t.Helper()
	old, err := os.ReadFile(k.w.path("spmirror.db"))
	if err != nil {
		k.t.Fatal(err)
	}
	k.edit()
	k.finish("apply", "-auto-approve")
	k.lose()
	k.w.write("spmirror.db", string(old))
	if out, said := k.w.fails("plan"); !strings.Contains(out+said, "SPM0713") {
		k.t.Errorf("a plan with an old state says\n%s%s", out, said)
	}
	k.w.tenant.ResetStats()
}

// lineage is that of the state which the mirror belongs to.
func (w *world) lineage() string {
	w.t.Helper()
	marker, err := target.ReadMarker(w.path("mirror"))
	if err != nil {
		w.t.Fatal(err)
	}
	return marker.Lineage
}
