package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
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

// A state that was brought back from a backup knows less than the mirror holds: what
// it does not know is looked at and taken over, never overwritten blindly (S02).
func TestAnOldStateBroughtBackLosesNothing(t *testing.T) {
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
	if err := os.WriteFile(w.path("mirror/mine"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spmirror.db-wal", "spmirror.db-shm"} {
		_ = os.Remove(w.path(name))
	}
	if err := os.WriteFile(w.path("spmirror.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "apply", "-auto-approve")
	if got := w.differences(); len(got) != 1 || got[0] != "mine is in the mirror only" {
		t.Errorf("differences %q", got)
	}
	w.unchanged()
}
