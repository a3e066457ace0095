package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// forgery is what somebody who knows the program makes of a saved plan: everything that
// can be computed from the file alone is right, down to its digests.
type forgery struct {
	header  func(*plan.Header)                // before the numbers are made
	changes func([]plan.Change) []plan.Change // all of them
	drift   func([]plan.Drift) []plan.Drift   // what was found on disk
	after   func(*plan.Header)                // after the numbers are made
}

func (f forgery) write(name string) error {
	in, err := plan.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	h := *in.Header
	h.Mirrors = nil
	draft, err := plan.NewDraft(&h, os.TempDir())
	if err != nil {
		return err
	}
	defer draft.Close()
	for _, m := range in.Mirrors {
		draft.Mirror(m)
	}
	if f.header != nil {
		f.header(&h)
	}
	var changes []plan.Change
	for c, err := range in.Changes() {
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	before := len(changes)
	if f.changes != nil {
		changes = f.changes(changes)
	}
	h.Mirrors[0].Unchanged -= int64(len(changes) - before)
	var drift []plan.Drift
	for d, err := range in.Drifts() {
		if err != nil {
			return err
		}
		drift = append(drift, d)
	}
	if f.drift != nil {
		drift = f.drift(drift)
	}
	for _, c := range changes {
		err = errors.Join(err, draft.Add(c))
	}
	for _, d := range drift {
		err = errors.Join(err, draft.AddDrift(d))
	}
	if err != nil {
		return err
	}
	p := draft.Finish(in.Created, slices.Clone(h.Guards), slices.Clone(h.Checks))
	if f.after != nil {
		f.after(p.Header)
	}
	return p.WriteFile(name)
}

// reviewed has a plan of every kind of change, p.spplan, and the files it is about.
func reviewed(t *testing.T) *world {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{
		{Path: "a", Folder: true}, {Path: "a/kept.txt", Text: "kept"}, {Path: "a/gone.txt", Text: "gone"}, {Path: "moved.txt", Text: "moved"},
		{Path: "updated.txt", Text: "old"}, {Path: "edited.txt", Text: "mine"}, {Path: "missing.txt", Text: "missing"}, {Path: "touched.txt", Text: "touched"},
		{Path: "secret/not-selected.txt", Text: "secret"}, {Path: "empty", Folder: true},
	}})
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(data), "guard {", "select {\n    exclude = [\"secret/\"]\n  }\n  guard {\n    max_download_bytes = \"1GiB\"", 1))
	w.run(exitOK, "apply", "-auto-approve")
	err = w.tenant.RunScript("delete people/Documents /a/gone.txt\nmove people/Documents /moved.txt to=/a/moved.txt\nput people/Documents /updated.txt text=new\nput people/Documents /new.txt text=new\ndelete people/Documents /empty")
	later := time.Now().Add(-time.Hour)
	err = errors.Join(err, os.WriteFile(w.path("mirror/edited.txt"), []byte("edited"), 0o600), os.Remove(w.path("mirror/missing.txt")),
		os.Chtimes(w.path("mirror/touched.txt"), later, later), os.WriteFile(w.path("mirror/new.txt"), []byte("new"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	return w
}

// change finds a change of a plan by its path.
func changeAt(t *testing.T, list []plan.Change, path plan.RelPath) *plan.Change {
	t.Helper()
	i := slices.IndexFunc(list, func(c plan.Change) bool { return c.Path == path })
	if i < 0 {
		t.Fatalf("the plan has no change of %s: %v", path, list)
	}
	return &list[i]
}

// tracked is the line that deletes a file which the plan does not touch.
func tracked(t *testing.T, w *world, path string) plan.Change {
	t.Helper()
	info, err := os.Stat(w.path("mirror/" + path))
	if err != nil {
		t.Fatal(err)
	}
	var id plan.ItemID
	for l := range strings.Lines(w.run(exitOK, "state", "list", "-items", "-json")) {
		var item struct {
			Path string      `json:"path"`
			ID   plan.ItemID `json:"item_id"`
		}
		if json.Unmarshal([]byte(l), &item) == nil && strings.Trim(item.Path, "/") == path {
			id = item.ID
		}
	}
	if id == "" {
		t.Fatalf("%s is not tracked", path)
	}
	return plan.Change{
		Mirror: "mirror.docs", Path: plan.RelPath(path), ItemID: id, Actions: []plan.Action{plan.Delete}, Cause: plan.BySource, Reason: plan.Removed,
		Local: &plan.Local{Size: info.Size(), MTime: info.ModTime().UTC()}, Name: info.Name(), Fold: info.Name(), Disposal: plan.DisposeDelete,
	}
}

func TestAPlanThatWasNotForgedIsCarriedOut(t *testing.T) {
	w := reviewed(t)
	if err := (forgery{}).write(w.path("p.spplan")); err != nil { // written again, as it is
		t.Fatal(err)
	}
	p, err := plan.Open(w.path("p.spplan"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, a := range []plan.Action{plan.Add, plan.Adopt, plan.Update, plan.Move, plan.Metadata, plan.Delete} {
		if p.Totals.Count(a) == 0 {
			t.Errorf("the plan has no %s: the test proves less than it says", a)
		}
	}
	w.run(exitOK, "apply", "p.spplan")
	for name, want := range map[string]string{"a/kept.txt": "kept", "a/moved.txt": "moved", "updated.txt": "new", "edited.txt": "mine", "missing.txt": "missing"} {
		if got, err := os.ReadFile(w.path("mirror/" + name)); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

// edit changes one change of the plan.
func edit(t *testing.T, path plan.RelPath, do func(*plan.Change)) forgery {
	return forgery{changes: func(list []plan.Change) []plan.Change {
		do(changeAt(t, list, path))
		return list
	}}
}

func TestAForgedPlanIsRefused(t *testing.T) {
	add := func(c plan.Change) forgery {
		return forgery{changes: func(list []plan.Change) []plan.Change { return append(list, c) }}
	}
	for name, test := range map[string]struct {
		forge func(*testing.T, *world) forgery
		says  string
	}{
		"a delete more": {func(t *testing.T, w *world) forgery { return add(tracked(t, w, "a/kept.txt")) }, "It has delete of mirror.docs, /a/kept.txt"},
		"a delete as if the file were edited on disk": {func(t *testing.T, w *world) forgery {
			c := tracked(t, w, "a/kept.txt")
			c.Cause, c.Reason = plan.ByDrift, plan.ChangedOnDisk
			f := add(c)
			f.drift = func(list []plan.Drift) []plan.Drift {
				return append(list, plan.Drift{Mirror: c.Mirror, Path: c.Path, ItemID: c.ItemID, Kind: plan.DriftChanged, Applied: c.Local, Found: c.Local})
			}
			return f
		}, "It has delete of mirror.docs, /a/kept.txt"},
		"a file forgotten": {func(t *testing.T, w *world) forgery {
			c := tracked(t, w, "a/kept.txt")
			c.Actions, c.Disposal = []plan.Action{plan.Forget}, ""
			return add(c)
		}, "It has forget"},
		"an update more": {func(t *testing.T, w *world) forgery {
			c := tracked(t, w, "a/kept.txt")
			c.Actions, c.Disposal = []plan.Action{plan.Update}, ""
			return add(c)
		}, "It has update"},
		"one change twice": {func(t *testing.T, _ *world) forgery {
			return forgery{changes: func(list []plan.Change) []plan.Change { return append(list, *changeAt(t, list, "a/gone.txt")) }}
		}, "It has delete"},
		"bytes that go for good": {func(t *testing.T, _ *world) forgery {
			return edit(t, "a/gone.txt", func(c *plan.Change) { c.Disposal = plan.DisposeDelete })
		}, "/a/gone.txt"},
		"a local edit lost for good": {func(t *testing.T, _ *world) forgery {
			return edit(t, "edited.txt", func(c *plan.Change) { c.Disposal = plan.DisposeDelete })
		}, "/edited.txt"},
		"another place": {func(t *testing.T, _ *world) forgery {
			return edit(t, "a/moved.txt", func(c *plan.Change) { c.Path, c.Name = "a/kept2.txt", "kept2.txt" })
		}, "It has move"},
		"another folder": {func(t *testing.T, _ *world) forgery {
			return edit(t, "a/moved.txt", func(c *plan.Change) { c.Parent = "" })
		}, "It has move"},
		"the place of another": {func(t *testing.T, w *world) forgery {
			return edit(t, "a/moved.txt", func(c *plan.Change) { c.Replaces = tracked(t, w, "a/kept.txt").ItemID })
		}, "It has move"},
		"a local file that nobody planned for": {func(t *testing.T, _ *world) forgery {
			return edit(t, "updated.txt", func(c *plan.Change) { c.Local.Size++ })
		}, "It has update"},
		"another version": {func(t *testing.T, _ *world) forgery {
			return edit(t, "updated.txt", func(c *plan.Change) { c.Remote.CTag = "other" })
		}, "It has update"},
		"an item that is not selected": {func(t *testing.T, w *world) forgery {
			return edit(t, "new.txt", func(c *plan.Change) { c.ItemID += "0" })
		}, "/new.txt"},
		"another selection": {func(*testing.T, *world) forgery {
			return forgery{header: func(h *plan.Header) { h.Mirrors[0].Select.Exclude = nil }}
		}, "is not the one that is configured"},
		"another policy": {func(*testing.T, *world) forgery {
			return forgery{header: func(h *plan.Header) { h.Mirrors[0].Policy.TrashEnabled = false }}
		}, "is not the one that is configured"},
		"the end of the mirror": {func(*testing.T, *world) forgery {
			return forgery{header: func(h *plan.Header) {
				h.Mirrors[0].Actions, h.Mirrors[0].ActionReason = []string{"forget"}, "mirror_removed"
			}}
		}, "is not the one that is configured"},
		"a mirror that nobody declared": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) {
				m := *h.Mirrors[0]
				m.Address, m.Unchanged, m.Compared, m.Summary, m.Causes = "mirror.other", 0, 0, map[plan.Action]plan.Sum{}, map[plan.Cause]int64{}
				m.Reasons, m.Skipped, m.Folders, m.Samples, m.Generation.Base = nil, nil, nil, nil, 0
				h.Mirrors, h.Totals.Observed = append(h.Mirrors, &m), 2*h.Totals.Observed
			}}
		}, "nothing to plan for mirror.other"},
		"an update that is only noted": {func(t *testing.T, _ *world) forgery {
			return edit(t, "updated.txt", func(c *plan.Change) { c.Actions = []plan.Action{plan.Metadata} })
		}, "It has metadata of mirror.docs, /updated.txt"},
		"a delete that the source is not asked about": {func(t *testing.T, _ *world) forgery {
			return edit(t, "a/gone.txt", func(c *plan.Change) { c.Cause = plan.ByConfig })
		}, "It has delete"},
		"a name that is told apart from others": {func(t *testing.T, _ *world) forgery {
			return edit(t, "a/moved.txt", func(c *plan.Change) { c.Fold = "other" })
		}, "It has move"},
		"a change left out": {func(*testing.T, *world) forgery {
			return forgery{changes: func(list []plan.Change) []plan.Change {
				return slices.DeleteFunc(list, func(c plan.Change) bool { return c.Path == "updated.txt" })
			}}
		}, "It lacks update of mirror.docs, /updated.txt"},
		"a file taken over unread": {func(t *testing.T, _ *world) forgery {
			return edit(t, "new.txt", func(c *plan.Change) { c.Local.SHA256 = "" })
		}, "does not let"},
		"a file that has to give way": {func(t *testing.T, _ *world) forgery {
			return edit(t, "new.txt", func(c *plan.Change) { c.Actions, c.Disposal = []plan.Action{plan.Add}, plan.DisposeRename })
		}, "does not let"},
		"other numbers of what is tracked": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) { h.Mirrors[0].Tracked.Files += 1000 }}
		}, "tracks other items"},
		"numbers that hide a delete": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) { delete(h.Mirrors[0].Summary, plan.Delete) }}
		}, "does not say of mirror.docs what its items say"},
		"totals that hide a delete": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) { delete(h.Totals.Actions, plan.Delete) }}
		}, "the totals are not those of the items"},
		"an item in no class": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) { h.Mirrors[0].Unchanged++ }}
		}, "do not add up"},
		"samples that show something else": {func(*testing.T, *world) forgery {
			return forgery{after: func(h *plan.Header) { h.Mirrors[0].Samples[plan.Delete][0].Path = "harmless.txt" }}
		}, "does not say of mirror.docs"},
	} {
		t.Run(name, func(t *testing.T) {
			w := reviewed(t)
			if err := test.forge(t, w).write(w.path("p.spplan")); err != nil {
				t.Fatal(err)
			}
			w.run(exitRefused, "apply", "p.spplan")
			said, err := os.ReadFile(w.path("stderr.txt"))
			if !strings.Contains(string(said), "[SPM0412]") || !strings.Contains(string(said), test.says) {
				t.Errorf("it says %s %v", said, err)
			}
			for _, kept := range []string{"a/kept.txt", "a/gone.txt", "moved.txt"} {
				if _, err := os.Stat(w.path("mirror/" + kept)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAForgedPlanCannotPassItsGuards(t *testing.T) {
	w := reviewed(t)
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(data), "max_delete_count          = 1000000", "max_delete_count          = 0", 1)+`
check "no_deletes" {
  enforcement = "mandatory"
  assert {
    condition     = plan.totals.delete == 0
    error_message = "It deletes."
  }
}
`)
	w.run(exitBlocked, "plan", "-out=p.spplan")
	w.run(exitBlocked, "apply", "p.spplan")
	original, err := os.ReadFile(w.path("p.spplan"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		forge func(*plan.Header)
		says  string
	}{
		"passed":     {func(h *plan.Header) { h.Guards[0].Status = plan.GuardPass }, "guard max_delete_count"},
		"overridden": {func(h *plan.Header) { h.Guards[0].Status = plan.GuardOverridden }, "guard max_delete_count"},
		"left out":   {func(h *plan.Header) { h.Guards = h.Guards[1:] }, "guard max_delete_count"},
		"held":       {func(h *plan.Header) { h.Checks[0].Status = "pass" }, "check no_deletes"},
		"advisory":   {func(h *plan.Header) { h.Checks[0].Enforcement = "advisory" }, "check no_deletes"},
	} {
		w.write("p.spplan", string(original))
		if err := (forgery{header: test.forge}).write(w.path("p.spplan")); err != nil {
			t.Fatal(err)
		}
		w.run(exitRefused, "apply", "-dangerous-override-guard=max_delete_count", "-reason=x", "p.spplan")
		if said, err := os.ReadFile(w.path("stderr.txt")); !strings.Contains(string(said), test.says) {
			t.Errorf("%s: it says %s %v", name, said, err)
		}
	}
}

func TestAPlanOfAnotherTimeIsStale(t *testing.T) {
	for name, test := range map[string]struct {
		forge func(*plan.Header)
		code  string
	}{
		"a listing that is still to come": {func(h *plan.Header) { h.Mirrors[0].Generation.Observed += 1000 }, "SPM0401"},
		"another drive":                   {func(h *plan.Header) { h.Mirrors[0].Source.DriveID += "x" }, "SPM0401"},
		"another folder":                  {func(h *plan.Header) { h.Mirrors[0].Source.FolderID += "x" }, "SPM0401"},
		"another generation":              {func(h *plan.Header) { h.Mirrors[0].Generation.Base++ }, "SPM0401"},
		"made long ago":                   {func(h *plan.Header) { h.Created = h.Created.Add(-1000 * time.Hour) }, "SPM0408"},
		"expired":                         {func(h *plan.Header) { h.Expires = h.Created.Add(-time.Hour) }, "SPM0408"},
	} {
		t.Run(name, func(t *testing.T) {
			w := reviewed(t)
			if err := (forgery{after: test.forge}).write(w.path("p.spplan")); err != nil {
				t.Fatal(err)
			}
			w.run(exitRefused, "apply", "p.spplan")
			if said, err := os.ReadFile(w.path("stderr.txt")); !strings.Contains(string(said), test.code) {
				t.Errorf("it says %s %v", said, err)
			}
		})
	}
}

func TestAPlanOfAnotherVersionIsNotCalledEdited(t *testing.T) {
	w := reviewed(t)
	f := edit(t, "updated.txt", func(c *plan.Change) { c.Remote.Size++ })
	f.after = func(h *plan.Header) { h.SpmirrorVersion = "0.0.1" }
	if err := f.write(w.path("p.spplan")); err != nil {
		t.Fatal(err)
	}
	w.run(exitRefused, "apply", "p.spplan")
	w.says("It was made by spmirror 0.0.1. This is " + version)
}

func TestAPlanLivesNoLongerThanItsAge(t *testing.T) {
	w := reviewed(t)
	err := forgery{after: func(h *plan.Header) {
		h.Created, h.Expires = h.Created.Add(-100*time.Hour), h.Expires.Add(1000*time.Hour)
	}}.write(w.path("p.spplan"))
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitRefused, "apply", "p.spplan")
}

func TestWhatTheSourceHasOvertakenIsLeftOut(t *testing.T) {
	w := reviewed(t)
	if err := (forgery{changes: func(list []plan.Change) []plan.Change { return append(list, tracked(t, w, "a/kept.txt")) }}).write(w.path("p.spplan")); err != nil {
		t.Fatal(err)
	}
	// The deleted file comes back, and another plan reads that: what the saved one deletes is left out, whoever put it there.
	if err := w.tenant.RunScript("restore people/Documents /a/gone.txt"); err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan")
	out := w.run(exitIncomplete, "apply", "p.spplan")
	for _, kept := range []string{"a/kept.txt", "a/gone.txt"} {
		if _, err := os.Stat(w.path("mirror/" + kept)); err != nil || !strings.Contains(out, "/"+kept) {
			t.Errorf("%v, and it says\n%s", err, out)
		}
	}
	if got, err := os.ReadFile(w.path("mirror/updated.txt")); string(got) != "new" {
		t.Errorf("the rest was not done: %q %v", got, err)
	}
	w.run(exitOK, "apply", "-auto-approve")
}

func TestAPlanMadeBeforeAKilledRunIsResolvedIsNoForgery(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "a"}, {Path: "b.txt", Text: "b"}}})
	w.run(exitOK, "apply", "-auto-approve")
	if err := w.tenant.RunScript("move people/Documents /a.txt to=/moved.txt"); err != nil {
		t.Fatal(err)
	}
	killedAfterMoving(t, w, "a.txt", "moved.txt")
	w.run(exitOK, "plan", "-out=p.spplan") // it adopts what has been moved, for it resolves nothing; apply resolves it first
	w.run(exitOK, "apply", "p.spplan")
	w.run(exitOK, "plan", "-detailed-exitcode")
	if _, err := os.Stat(w.path("mirror/moved.txt")); err != nil {
		t.Error(err)
	}
}

// killedAfterMoving leaves state and disk as a run does that is killed between moving a
// file and saying so.
func killedAfterMoving(t *testing.T, w *world, from, to string) {
	t.Helper()
	ctx := t.Context()
	store, err := state.Open(ctx, w.path("spmirror.db"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows, err := store.Mirrors(ctx)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d mirrors, %v", len(rows), err)
	}
	for e, err := range store.EntriesByParent(ctx, rows[0].Key) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Name != from {
			continue
		}
		e.Name, e.Fold = to, to
		data, err := json.Marshal(e)
		if err == nil {
			err = store.Tx(ctx, func(tx *state.Tx) error {
				return tx.PutIntents(rows[0].Key, []state.Intent{{Item: e.Item, Kind: "move", From: from, To: to, Inode: e.Inode, Entry: data}})
			})
		}
		if err = errors.Join(err, os.Rename(w.path("mirror/"+from), w.path("mirror/"+to))); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%s is not tracked", from)
}
