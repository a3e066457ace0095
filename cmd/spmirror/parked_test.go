package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// What a killed run set aside is where the state says: commands that look at the target
// find it there.
func TestWhatSteppedAsideIsFoundByCommandsThatLook(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "a"}, {Path: "d", Folder: true}, {Path: "d/b.txt", Text: "b"}}})
	w.run(exitOK, "apply", "-auto-approve")
	w.park("a.txt", "d")
	list := w.run(exitOK, "state", "list", "-items")
	for _, want := range []string{w.parked("a.txt") + "\n", w.parked("d") + "/\n", w.parked("d") + "/b.txt\n"} {
		if !strings.Contains(list, "  /"+want) {
			t.Errorf("%q is not in\n%s", want, list)
		}
	}
	if got := w.run(exitOK, "status"); !strings.Contains(got, "0 missing, 0 changed, 0 unreadable, 0 untracked") {
		t.Error(got)
	}
	w.run(exitOK, "verify")
}

// parked is where an item of the top folder is put aside.
func (w *world) parked(name string) string { return string(target.ParkName(name)) }

// park sets items of the top folder aside, as a run does that is killed then.
func (w *world) park(names ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := state.Open(ctx, w.path("spmirror.db"), state.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	row, _, err := s.MirrorByAddress(ctx, "mirror.docs")
	for _, name := range names {
		e, ok, found := s.EntryAt(ctx, row.Key, "", name)
		if !ok {
			w.t.Fatal(name, found)
		}
		e.Parent, e.Name = state.Parked, w.parked(name)
		e.Fold = e.Name + "/" + name
		err = errors.Join(err, os.MkdirAll(filepath.Dir(w.path("mirror/"+e.Name)), 0o700), os.Rename(w.path("mirror/"+name), w.path("mirror/"+e.Name)),
			s.Tx(ctx, func(tx *state.Tx) error { return tx.PutEntries(row.Key, []state.Entry{e}) }))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
