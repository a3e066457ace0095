package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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

// No artefact of any command holds a secret, a token or a download address: states,
// plans, logs, reports, outputs (I-61, T-10).
func TestNoArtefactHoldsASecret(t *testing.T) {
	spec := sandbox.DriveSpec{Files: []sandbox.FileSpec{
		{Path: "fine", Text: "fine"}, {Path: "refused", Text: "refused"}, {Path: "cut", Text: strings.Repeat("cut", 100_000)}, {Path: "gone", Text: "gone"},
	}}
	w := newWorld(t, spec)
	w.env = append(w.env, "SPMIRROR_LOG=debug", "SPMIRROR_LOG_PATH="+w.path("log.jsonl"))
	for path, f := range map[string]sandbox.Fault{
		"refused": {Status: 423}, "gone": {Status: 404, Body: "<html>tempauth</html>"}, "cut": {Action: sandbox.ActionReset, After: 1000, Times: 1},
	} {
		f.On, f.Path = []sandbox.Kind{sandbox.KindDownload}, "sites/people/Documents/"+path
		w.tenant.AddFault(f)
	}
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{"graph"}, Skip: 3, Times: 1, Action: sandbox.ActionRevoke})
	w.run(exitOK, "plan", "-out=p.spplan")
	outputs := []string{w.run(exitOK, "show", "-json", "p.spplan")}
	outputs = append(outputs, w.run(exitIncomplete, "apply", "-report=report.json", "p.spplan"))
	outputs = append(outputs, w.run(exitIncomplete, "apply", "-auto-approve", "-json", "-report=report.md"))
	outputs = append(outputs, w.run(exitOK, "status", "-json"), w.run(exitOK, "runs", "list"), w.run(exitOK, "plan", "-json"))
	secret := regexp.MustCompile(`(?i)tempauth=|bearer [a-z0-9]|eyJ[a-z0-9_-]{20}|` + regexp.QuoteMeta(sandbox.DemoSecret))
	look := func(name string, text []byte) {
		if at := secret.FindIndex(text); at != nil {
			t.Errorf("%s: …%q…", name, text[max(0, at[0]-60):min(len(text), at[1]+20)])
		}
	}
	for i, text := range outputs {
		look("output "+string(rune('1'+i)), []byte(text))
	}
	files := 0
	err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if filepath.Ext(name) == ".spplan" {
			text = append(text, []byte(w.run(exitOK, "show", "-json", name))...) // it is compressed
		}
		files++
		look(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(w.path("log.jsonl")); err != nil || len(log) == 0 || files < 8 {
		t.Errorf("%d files, a log of %d bytes, %v", files, len(log), err)
	}
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
