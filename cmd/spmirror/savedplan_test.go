package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Saved plans that are as they were made are carried out, whatever situation they were
// made in and whatever stopped an earlier run of them.

func (w *world) script(text string) {
	w.t.Helper()
	if err := w.tenant.RunScript(text); err != nil {
		w.t.Fatal(err)
	}
}

// says wants a text in what the last command wrote to stderr.
func (w *world) says(want string) {
	w.t.Helper()
	said, err := os.ReadFile(w.path("stderr.txt"))
	if err != nil || !strings.Contains(string(said), want) {
		w.t.Errorf("it does not say %q: %v\n%s", want, err, said)
	}
}

// reads wants a file with a text.
func (w *world) reads(name, want string) {
	w.t.Helper()
	if got, err := os.ReadFile(w.path(name)); err != nil || string(got) != want {
		w.t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
	}
}

// lockTarget takes the lock of a target as another process does, until the returned
// function is called.
func (w *world) lockTarget(address, at string) (unlock func()) {
	w.t.Helper()
	ctx := w.t.Context()
	store, err := state.Open(ctx, w.path("spmirror.db"), state.Options{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	row, _, err := store.MirrorByAddress(ctx, address)
	if err != nil {
		w.t.Fatal(err)
	}
	dir, err := target.Open(w.path(at), target.Marker{UUID: row.Marker, Lineage: store.Lineage()})
	if err != nil {
		w.t.Fatal(err)
	}
	lock, err := lockTarget(ctx, dir, address)
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := lock.Unlock(); err != nil {
			w.t.Error(err)
		}
		dir.Close()
		store.Close()
	}
}

func TestASavedPlanIsCarriedOutWithoutTheMirrorThatCouldNotBePlanned(t *testing.T) {
	w, _ := twoMirrors(t)
	w.script("rename people/Documents /a to=b")
	w.run(exitIncomplete, "plan", "-out=p.spplan")
	out := w.run(exitIncomplete, "apply", "p.spplan")
	if !strings.Contains(out, "1 changed") || !strings.Contains(out, "Nothing was done for mirror.second, which could not be planned: Folder") {
		t.Errorf("it says\n%s", out)
	}
	w.matchesTenant()
	w.reads("second/y.txt", "y")
}

func TestASavedPlanOfWhatChangedHasNothingToApply(t *testing.T) {
	w, one := twoMirrors(t)
	w.write("main.hcl", one+`
mirror "third" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "third"
}
`)
	w.script("delete people/Documents /a/y.txt\nrename people/Documents /a to=b\nput people/Documents /new.txt text=new\nmove people/Documents /z.txt to=/moved.txt")
	if err := os.Remove(w.path("mirror/z.txt")); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan", "-refresh-only", "-out=p.spplan")
	if out := w.run(exitOK, "apply", "p.spplan"); !strings.Contains(out, "Resources: 0 added, 0 changed, 0 destroyed.") {
		t.Errorf("it says\n%s", out)
	}
	w.reads("mirror/a/y.txt", "y")
	if _, err := os.Stat(w.path("third")); err == nil {
		t.Error("a target was made")
	}
}

func TestASavedPlanThatRenamesAMirrorIsTriedAgain(t *testing.T) {
	w, one := twoMirrors(t)
	w.write("main.hcl", strings.Replace(one, `mirror "docs"`, `mirror "aaa"`, 1)+`
mirror "second" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = "/a"
  target = "second"
}
moved {
  from = mirror.docs
  to   = mirror.aaa
}
`)
	w.script("put people/Documents /a/new.txt text=new")
	w.run(exitOK, "plan", "-out=p.spplan")
	unlock := w.lockTarget("mirror.second", "second")
	w.run(exitLocked, "apply", "p.spplan") // the first mirror has its new address already
	unlock()
	w.run(exitOK, "apply", "p.spplan")
	w.reads("mirror/a/new.txt", "new")
	w.reads("second/new.txt", "new")
	w.run(exitOK, "plan", "-detailed-exitcode")
}

func TestASavedPlanThatEndsMirrorsIsResumedWhenOneHasGone(t *testing.T) {
	w, _ := twoMirrors(t)
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", string(data)+"\nguard {\n  max_delete_percent = 100\n}\n")
	w.run(exitOK, "plan", "-destroy", "-delete-files", "-target=mirror.docs", "-target=mirror.second", "-out=p.spplan")
	w.write("mirror/a/y.txt", "edited here")
	w.run(exitIncomplete, "apply", "p.spplan")
	if out := w.run(exitOK, "state", "list"); strings.TrimSpace(out) != "mirror.docs" {
		t.Errorf("the state has\n%s", out)
	}
	if err := os.Remove(w.path("mirror/a/y.txt")); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "apply", "p.spplan")
	if out := w.run(exitOK, "state", "list"); strings.TrimSpace(out) != "" {
		t.Errorf("the state still has\n%s", out)
	}
}

func TestASavedPlanThatWasBegunDoesNotAskForSpaceAgain(t *testing.T) {
	w, _ := twoMirrors(t)
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(data), `"1MiB"`, `"1024TiB"`, 1))
	w.script("put people/Documents /new.txt text=new")
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Status: 403})
	w.env = append(w.env, "CI=", "SPMIRROR_IN_AUTOMATION=") // there the hint is left out
	out := w.run(exitBlocked, "plan", "-out=p.spplan")
	if want := "spmirror apply -dangerous-override-guard=min_free_space -reason=TEXT"; !strings.Contains(out, want) {
		t.Errorf("it does not say %q:\n%s", want, out)
	}
	w.run(exitBlocked, "apply", "p.spplan")
	w.says("min_free_space of mirror.docs: ")
	w.says("iB free after, limit 1.0 PiB (main.hcl:")
	w.says("-dangerous-override-guard=min_free_space -reason=TEXT")
	w.run(exitIncomplete, "apply", "-dangerous-override-guard=min_free_space", "-reason=test", "p.spplan")
	w.tenant.ClearFaults()
	w.run(exitOK, "apply", "p.spplan")
	w.matchesTenant()
	if out := w.run(exitOK, "runs", "show", "3"); !strings.Contains(out, "iB free after, limit 1.0 PiB: test") {
		t.Errorf("the record says\n%s", out)
	}
}

func TestAFinishedSavedPlanSaysSoInEveryForm(t *testing.T) {
	w, _ := twoMirrors(t)
	w.script("put people/Documents /new.txt text=new")
	w.run(exitOK, "plan", "-out=p.spplan")
	w.run(exitOK, "apply", "p.spplan")
	out := w.run(exitOK, "apply", "-json", "-report=r.json", "p.spplan")
	said := false
	for line := range strings.Lines(out) {
		var event struct {
			Type   string `json:"type"`
			Report struct {
				AlreadyApplied int64 `json:"already_applied"`
			} `json:"report"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Errorf("%v in %q", err, line)
		}
		said = said || event.Report.AlreadyApplied == 3
	}
	if data, err := os.ReadFile(w.path("r.json")); !said || !strings.Contains(string(data), `"already_applied":3`) {
		t.Errorf("the events have it: %v; the report is %q, %v", said, data, err)
	}
}

func TestFlagsThatNameAReviewedPlanNeedOne(t *testing.T) {
	w, _ := twoMirrors(t)
	w.run(exitError, "apply", "-auto-approve", "-expect-digest=sha256:00")
	w.says("-expect-digest goes with a saved plan or -within")
	w.run(exitError, "apply", "-auto-approve", "-within-tolerance=any")
	w.says("-within-tolerance goes with -within")
	w.run(exitOK, "plan", "-out=p.spplan")
	w.run(exitError, "apply", "-within-tolerance=any", "p.spplan")
}

// A file that was taken over by size and time has no hash of its own, so that the one of
// the source shows that only its time was changed.
func TestASavedPlanKnowsAFileThatWasTakenOverUnread(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "one.txt", Text: "one"}, {Path: "two.txt", Text: "two"}}})
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", string(data)+"\nimport {\n  to     = mirror.docs\n  verify = \"size_time\"\n}\n")
	if err := os.Mkdir(w.path("mirror"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, item := range w.tenant.Drive("people/Documents").Tree() {
		if item.Folder {
			continue
		}
		w.write("mirror"+item.Path, strings.TrimSuffix(filepath.Base(item.Path), ".txt"))
		if err := os.Chtimes(w.path("mirror"+item.Path), item.Modified, item.Modified); err != nil {
			t.Fatal(err)
		}
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	if out := w.run(exitOK, "apply", "p.spplan"); !strings.Contains(out, "2 imported") {
		t.Fatalf("it says\n%s", out)
	}
	later := time.Now().Add(-time.Hour)
	for _, name := range []string{"mirror/one.txt", "mirror/two.txt"} {
		if err := os.Chtimes(w.path(name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	w.script("move people/Documents /one.txt to=/dir/one.txt")
	w.run(exitOK, "plan", "-out=p.spplan")
	w.tenant.ResetStats()
	w.run(exitOK, "apply", "p.spplan")
	if n := w.tenant.Stats().Calls[sandbox.KindDownload]; n > 0 {
		t.Errorf("%d files were downloaded", n)
	}
	w.matchesTenant()
}

// A file that is missing where it was has moved at the source, and something lies at its
// new place.
func TestASavedPlanKnowsWhatLiesWhereAMissingFileBelongs(t *testing.T) {
	for name, test := range map[string]struct {
		text, lifecycle string
		did             string
	}{
		"an equal file":                 {"z", "", "1 imported, 0 added"},
		"another file, which gives way": {"mine", "lifecycle {\n    on_untracked = \"rename\"\n  }\n", "Resources: 1 added"},
	} {
		t.Run(name, func(t *testing.T) {
			w, one := twoMirrors(t)
			w.write("main.hcl", strings.Replace(one, "  guard {", test.lifecycle+"  guard {", 1))
			w.script("move people/Documents /z.txt to=/a/z.txt")
			if err := os.Rename(w.path("mirror/z.txt"), w.path("mirror/a/z.txt")); err != nil {
				t.Fatal(err)
			}
			w.write("mirror/a/z.txt", test.text)
			w.run(exitOK, "plan", "-target=mirror.docs", "-out=p.spplan")
			if out := w.run(exitOK, "apply", "p.spplan"); !strings.Contains(out, test.did) {
				t.Errorf("it says\n%s", out)
			}
			w.reads("mirror/a/z.txt", "z")
			w.run(exitOK, "plan", "-target=mirror.docs", "-detailed-exitcode")
		})
	}
}

func TestAFileIsTakenOverOnlyIfItStillHasTheBytesOfThePlan(t *testing.T) {
	w, _ := twoMirrors(t)
	w.script("put people/Documents /new.txt text=new")
	w.write("mirror/new.txt", "new")
	info, err := os.Stat(w.path("mirror/new.txt"))
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	w.write("mirror/new.txt", "NEW")
	if err := os.Chtimes(w.path("mirror/new.txt"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if out := w.run(exitIncomplete, "apply", "p.spplan"); !strings.Contains(out, "the local file changed since the plan") {
		t.Errorf("it says\n%s", out)
	}
	w.reads("mirror/new.txt", "NEW")
	w.run(exitOK, "verify")
}

func TestASavedPlanOfNoMirrorIsAPlan(t *testing.T) {
	w, _ := twoMirrors(t)
	w.run(exitOK, "plan", "-target=mirror.docs", "-exclude=mirror.docs", "-out=p.spplan")
	w.run(exitOK, "apply", "p.spplan")
}
