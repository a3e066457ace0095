package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// A disk that lied about a flush, or that rots, gives other bytes under the same size
// and time. Nothing prevents that; verify and -verify=hash find each of them, and an
// apply repairs them as the plan says (F17, F18).
func TestOtherBytesUnderTheSameSizeAndTimeAreFound(t *testing.T) {
	var spec sandbox.DriveSpec
	damage := map[string]func([]byte) []byte{
		"zeros":       func(b []byte) []byte { return make([]byte, len(b)) },
		"a lost tail": func(b []byte) []byte { clear(b[4096:]); return b },
		"one bit":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"garbage":     func(b []byte) []byte { return []byte(strings.Repeat("#", len(b))) },
	}
	for name := range damage {
		spec.Files = append(spec.Files, sandbox.FileSpec{Path: "dir/" + name, Text: strings.Repeat(name, 3000)})
	}
	spec.Files = append(spec.Files, sandbox.FileSpec{Path: "dir/fine", Text: "fine"})
	w := newWorld(t, spec)
	w.run(exitOK, "apply", "-auto-approve")
	for name, spoil := range damage {
		path := w.path("mirror/dir/" + name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, spoil(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	found := w.run(exitIncomplete, "verify")
	plan := w.run(exitOK, "plan", "-verify=hash", "-verbose")
	for name := range damage {
		if !strings.Contains(found, name) || !strings.Contains(plan, name) {
			t.Errorf("%q is not found:\n%s\n%s", name, found, plan)
		}
	}
	w.run(exitOK, "apply", "-auto-approve", "-verify=hash")
	w.matchesTenant()
	w.run(exitOK, "verify")
}

// Where nothing of the environment is as usual, the mirror is the same (S08).
func TestTheEnvironmentChangesNothing(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "dir/ünïcödé \u202e", Text: "text"}, {Path: "x.sh", Text: "#!"}}})
	w.env = []string{"SPMIRROR_VAR_secret=" + sandbox.DemoSecret, "LANG=C", "LC_ALL=POSIX", "TERM=dumb", "TZ=Pacific/Kiritimati"}
	for _, mask := range []int{0, 0o077} {
		umask(t, mask, func() { w.run(exitOK, "apply", "-auto-approve") })
		w.matchesTenant()
		for name, want := range map[string]fs.FileMode{"mirror/x.sh": 0o600, "mirror/dir": 0o700 | fs.ModeDir, "spmirror.db": 0o600} {
			info, err := os.Stat(w.path(name))
			if err != nil || info.Mode() != want {
				t.Errorf("umask %o: %s has %v, want %v (%v)", mask, name, info.Mode(), want, err)
			}
		}
		for _, name := range []string{"spmirror.db", "spmirror.db-wal", "spmirror.db-shm"} {
			_ = os.Remove(w.path(name))
		}
		if err := os.RemoveAll(w.path("mirror")); err != nil {
			t.Fatal(err)
		}
	}
}

// A state that was brought back from a backup knows less than the mirror holds. It is refused as long as the target
// names the run that it does not know; a rebuild downloads nothing that is there (S02). Where nothing is named, as by a
// version that did not note it, what the state does not know is looked at and taken over, never overwritten blindly.
func TestAnOldStateBroughtBackLosesNothing(t *testing.T) {
	t.Run("refused and rebuilt", func(t *testing.T) {
		w := broughtBack(t)
		for _, args := range [][]string{{"plan"}, {"apply", "-auto-approve"}, {"apply", "-auto-approve", "-full"}, {"destroy", "-auto-approve", "-delete-files"}} {
			if out, said := w.fails(args...); !strings.Contains(out+said, "SPM0713") {
				t.Errorf("%v says\n%s%s", args, out, said)
			}
		}
		w.tenant.ResetStats()
		w.run(exitOK, "state", "rebuild", "-auto-approve")
		w.run(exitOK, "apply", "-auto-approve")
		if stats := w.tenant.Stats(); stats.ContentBytes != 0 {
			t.Errorf("%d bytes were downloaded again", stats.ContentBytes)
		}
		w.onlyMine()
	})
	t.Run("nothing is named", func(t *testing.T) {
		w := broughtBack(t)
		if err := os.Remove(w.path("mirror/.spmirror/last-run.json")); err != nil {
			t.Fatal(err)
		}
		w.run(exitOK, "apply", "-auto-approve")
		w.onlyMine()
	})
}

// A state that was brought back from within a run that was killed has steps of it open. A later run has brought them in
// order, so they stand in the way of nothing.
func TestAnOldStateWithOpenStepsIsRebuilt(t *testing.T) {
	w := broughtBack(t)
	store, err := state.Open(t.Context(), w.path("spmirror.db"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, _, err := store.MirrorByAddress(t.Context(), "mirror.docs")
	if err == nil {
		err = store.Tx(t.Context(), func(tx *state.Tx) error {
			return tx.PutIntents(row.Key, []state.Intent{{Item: "x", Kind: "delete", From: "mine", Entry: []byte("{}")}})
		})
	}
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	if out, said := w.fails("apply", "-auto-approve"); !strings.Contains(out+said, "SPM0713") {
		t.Errorf("an apply says\n%s%s", out, said)
	}
	w.run(exitOK, "state", "rebuild", "-auto-approve")
	w.run(exitOK, "apply", "-auto-approve")
	w.onlyMine()
}

// broughtBack has a state that is older than its mirror, and a file in the mirror that is not of the source.
func broughtBack(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "same", Text: "same"}, {Path: "changed", Text: "first"}, {Path: "gone", Text: "gone"}, {Path: "dir/moved", Text: "moved"}}})
	w.run(exitOK, "apply", "-auto-approve")
	old, err := os.ReadFile(w.path("spmirror.db"))
	if err != nil {
		t.Fatal(err)
	}
	drive := w.tenant.Drive("people/Documents")
	for _, edit := range []func() (sandbox.ItemID, error){
		func() (sandbox.ItemID, error) { return drive.Put("/changed", "second") },
		func() (sandbox.ItemID, error) { return drive.Put("/new", "new") },
		func() (sandbox.ItemID, error) { return drive.Delete("/gone") },
		func() (sandbox.ItemID, error) { return drive.Move("/dir/moved", "/elsewhere") },
	} {
		if _, err := edit(); err != nil {
			t.Fatal(err)
		}
	}
	w.run(exitOK, "apply", "-auto-approve")
	w.matchesTenant()
	w.write("mirror/mine", "mine")
	for _, name := range []string{"spmirror.db-wal", "spmirror.db-shm"} {
		_ = os.Remove(w.path(name))
	}
	if err := os.WriteFile(w.path("spmirror.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// onlyMine wants the mirror to be the source with the file of broughtBack, and nothing left to do.
func (w *world) onlyMine() {
	w.t.Helper()
	if got := w.differences(); len(got) != 1 || got[0] != "mine is in the mirror only" {
		w.t.Errorf("differences %q", got)
	}
	w.unchanged()
}

// fails wants a command to end with an error, and returns what it prints.
func (w *world) fails(args ...string) (out, said string) {
	w.t.Helper()
	code, out, said := w.try(args...)
	if code != exitError {
		w.t.Errorf("%v ended with %d", args, code)
	}
	return out, said
}
