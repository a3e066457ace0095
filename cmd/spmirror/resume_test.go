package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// twoMirrors has mirrored a small library and one folder of it once more.
func twoMirrors(t *testing.T) (w *world, one string) {
	t.Helper()
	w = newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{
		{Path: "a", Folder: true}, {Path: "a/y.txt", Text: "y"}, {Path: "z.txt", Text: "z"},
	}})
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	one = string(data)
	w.write("main.hcl", one+`
mirror "second" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = "/a"
  target = "second"
}
`)
	w.run(exitOK, "apply", "-auto-approve")
	return w, one
}

func TestASavedPlanThatForgetsAMirrorSaysThatItWasApplied(t *testing.T) {
	w, one := twoMirrors(t)
	w.write("main.hcl", one)
	w.run(exitOK, "plan", "-out=p.spplan")
	w.run(exitOK, "apply", "p.spplan")
	if out := w.run(exitOK, "apply", "p.spplan"); !strings.Contains(out, "was already applied by run 3.") {
		t.Errorf("the second time it says\n%s", out)
	}
}

func TestASavedPlanThatForgetsAMirrorIsResumed(t *testing.T) {
	w, one := twoMirrors(t)
	w.write("main.hcl", one)
	if err := os.Remove(w.path("mirror/z.txt")); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	if err := os.Mkdir(w.path("mirror/z.txt"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.run(exitIncomplete, "apply", "p.spplan")
	if err := os.Remove(w.path("mirror/z.txt")); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "apply", "p.spplan")
	w.matchesTenant()
	w.unchanged()
}

func TestASavedPlanIsStaleWhenItsMirrorWasForgottenOtherwise(t *testing.T) {
	w, one := twoMirrors(t)
	w.write("main.hcl", one)
	w.run(exitOK, "plan", "-out=p.spplan")
	w.run(exitOK, "state", "rm", "mirror.second")
	w.run(exitRefused, "apply", "p.spplan")
}

func TestARunThatItsFirstFailureStoppedIsReported(t *testing.T) {
	w, _ := twoMirrors(t)
	for _, name := range []string{"mirror/z.txt", "second/y.txt"} {
		if err := os.Remove(w.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	if err := w.tenant.RunScript("malware people/Documents /z.txt"); err != nil {
		t.Fatal(err)
	}
	out := w.run(exitIncomplete, "apply", "-fail-fast", "-report=r.json", "p.spplan")
	if !strings.Contains(out, "Apply incomplete.") || !strings.Contains(out, "SPM0512 -fail-fast: /z.txt of mirror.docs failed") {
		t.Errorf("it says\n%s", out)
	}
	if said, err := os.ReadFile(w.path("stderr.txt")); err != nil || strings.Contains(string(said), "Nothing was changed") {
		t.Errorf("it says %v\n%s", err, said)
	}
	if data, err := os.ReadFile(w.path("r.json")); err != nil || !strings.Contains(string(data), "z.txt") {
		t.Errorf("the report has %q, %v", data, err)
	}
}

func TestWhatAKilledRunLeftIsNotTouchedWhileAnotherHoldsTheTarget(t *testing.T) {
	w, _ := twoMirrors(t)
	ctx := context.Background()
	store, err := state.Open(ctx, w.path("spmirror.db"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, _, err := store.MirrorByAddress(ctx, "mirror.docs")
	if err != nil {
		t.Fatal(err)
	}
	err = store.Tx(ctx, func(tx *state.Tx) error {
		return tx.PutIntents(row.Key, []state.Intent{{Item: "gone", Kind: "rmdir", From: "no such folder", Entry: []byte("{}")}})
	})
	if err != nil {
		t.Fatal(err)
	}
	marker := target.Marker{UUID: row.Marker, Lineage: store.Lineage()}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := target.Open(w.path("mirror"), marker)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	lock, err := lockTarget(ctx, dir, "mirror.docs")
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitLocked, "apply", "-auto-approve")
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "apply", "-auto-approve")
}

func TestOnlyASaneNumberOfDownloadsIsAccepted(t *testing.T) {
	w, _ := twoMirrors(t)
	for _, n := range []string{"0", "-1", "1025", "1000000"} {
		w.run(exitError, "apply", "-auto-approve", "-parallelism="+n)
	}
	w.run(exitOK, "apply", "-auto-approve", "-parallelism=1")
}
