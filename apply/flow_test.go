package apply

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

func TestEditsOfTheSourceArriveAsThePlanSays(t *testing.T) {
	start := []string{"a/1", "a/2", "b/3", "b/sub/4", "c", "d", "e"}
	for _, test := range []struct {
		name  string
		edit  func(s *tenant)
		opens int
		trash []string
	}{
		{"adds", func(s *tenant) { s.put("new/deep/x", "x"); s.put("y", "y"); s.mkdir("empty") }, 2, nil},
		{"an empty file needs no request", func(s *tenant) { s.put("empty", "") }, 0, nil},
		{"updates", func(s *tenant) { s.put("c", "second c"); s.put("a/1", "second 1") }, 2, []string{"text of a/1", "text of c"}},
		{"renames", func(s *tenant) { s.move(s.find("c"), "C2"); s.move(s.find("a"), "z") }, 0, nil},
		{"only the case of a name", func(s *tenant) { s.move(s.find("c"), "C"); s.move(s.find("a"), "A") }, 0, nil},
		{"a swap", func(s *tenant) {
			c, d := s.find("c"), s.find("d")
			s.move(c, "t")
			s.move(d, "c")
			s.move(c, "d")
		}, 0, nil},
		{"a swap of folders", func(s *tenant) {
			a, b := s.find("a"), s.find("b")
			s.move(a, "t")
			s.move(b, "a")
			s.move(a, "b")
		}, 0, nil},
		{"a circle of three", func(s *tenant) {
			c, d, e := s.find("c"), s.find("d"), s.find("e")
			s.move(c, "t")
			s.move(d, "c")
			s.move(e, "d")
			s.move(c, "e")
		}, 0, nil},
		{"into a new folder", func(s *tenant) { s.move(s.find("c"), "fresh/inner/c"); s.move(s.find("a"), "fresh/a") }, 0, nil},
		{"a folder into its former child", func(s *tenant) {
			b, sub := s.find("b"), s.find("b/sub")
			s.move(sub, "top")
			s.move(b, "top/b")
		}, 0, nil},
		{"a folder and its child change places", func(s *tenant) {
			b, sub := s.find("b"), s.find("b/sub")
			s.move(sub, "t")
			s.move(b, "t/sub")
			s.move(sub, "b")
		}, 0, nil},
		{"a new folder below one that moves", func(s *tenant) { s.put("b/sub/new/x", "x"); s.move(s.find("b"), "0") }, 1, nil},
		{"a folder in the place of a file", func(s *tenant) { s.remove("c"); s.put("c/x", "x") }, 1, []string{"text of c"}},
		{"a file in the place of a folder", func(s *tenant) { s.remove("b"); s.put("b", "a file") }, 1, []string{"text of b/3", "text of b/sub/4"}},
		{"deleted and made again", func(s *tenant) { s.remove("c"); s.put("c", "another c") }, 1, []string{"text of c"}},
		{"a new one in the place of one that moved", func(s *tenant) { s.move(s.find("c"), "moved"); s.put("c", "another c") }, 1, nil},
		{"a moved and changed one in the place of a deleted", func(s *tenant) {
			s.remove("c")
			s.move(s.find("d"), "c")
			s.put("c", "d that moved")
		}, 1, []string{"text of c", "text of d"}},
		{"deletes", func(s *tenant) { s.remove("b"); s.remove("c") }, 0, []string{"text of b/3", "text of b/sub/4", "text of c"}},
		{"a folder that goes while its file moves out", func(s *tenant) { s.move(s.find("b/3"), "3"); s.remove("b") }, 0, []string{"text of b/sub/4"}},
		{"times", func(s *tenant) {
			n := s.find("c")
			n.modified, n.change = n.modified.Add(time.Hour), n.change+1
		}, 0, nil},
		{"moved with other times", func(s *tenant) {
			n := s.find("c")
			n.modified = n.modified.Add(time.Hour)
			s.move(n, "a/c")
		}, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			for _, p := range start {
				w.tenant.put(p, "text of "+p)
			}
			w.sync()
			test.edit(w.tenant)
			w.tenant.resetCounts()
			w.sync()
			if w.tenant.opens != test.opens {
				t.Errorf("%d downloads, want %d", w.tenant.opens, test.opens)
			}
			w.same()
			if got := w.trashed(); !slices.Equal(got, test.trash) {
				t.Errorf("the trash holds %q, want %q", got, test.trash)
			}
		})
	}
}

func TestThousandsOfMovesTakeFewQueriesAndEndWell(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		w.tenant.put(fmt.Sprintf("f%d/x", i), "x")
	}
	w.sync()
	var list []*node
	for i := range 40 {
		list = append(list, w.tenant.find(fmt.Sprintf("f%d", i)))
	}
	for i, n := range list {
		n.name = fmt.Sprintf("f%d", (i+1)%40) // one circle of forty
	}
	w.sync()
	w.same()
}

func TestAFailureLeavesTheRestAndHoldsDeletesBack(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"old", "dir/x", "change", "ok"} {
		w.tenant.put(p, "text of "+p)
	}
	w.sync()
	w.tenant.remove("old")
	w.tenant.remove("dir")
	w.tenant.put("change", "second")
	w.tenant.put("ok", "second ok")
	bad := w.tenant.find("change")
	w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, n == bad
	}
	r := w.run()
	wantProblems(t, r, map[string]string{"change": CodeLocked, "old": CodePostponed, "dir": CodePostponed, "dir/x": CodePostponed})
	want := map[string]string{"old": "text of old", "dir": "/", "dir/x": "text of dir/x", "change": "text of change", "ok": "second ok"}
	w.equal(want)
	if got := w.pending(); len(got) != 4 || got["change"] != CodeLocked || got["old"] != CodePostponed {
		t.Errorf("pending is %v", got)
	}
	r = w.run()
	for p := range w.store.PendingItems(t.Context(), w.key) {
		if p.Attempts != 2 {
			t.Errorf("%s has %d attempts", p.Path, p.Attempts)
		}
	}
	w.tenant.onOpen = nil
	w.sync()
	w.same()
	if got := w.pending(); len(got) != 0 {
		t.Errorf("pending is %v", got)
	}
	_ = r
}

func TestAFileThatWaitsForItsDeleteInTheParkIsDeletedLater(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"place", "mover", "folder/x", "bad"} {
		w.tenant.put(p, "text of "+p)
	}
	w.sync()
	w.tenant.remove("place")
	w.tenant.move(w.tenant.find("mover"), "place")
	w.tenant.remove("folder")
	w.tenant.put("folder", "a file")
	w.tenant.put("bad", "second")
	w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, n.name == "bad"
	}
	if r := w.run(); r.Counts.Postponed != 3 {
		t.Errorf("results are %+v", r.Problems)
	}
	w.equal(map[string]string{"place": "text of mover", "folder": "a file", "bad": "text of bad"})
	w.tenant.onOpen = nil
	w.sync()
	w.same()
	originals := []string{}
	for row, err := range w.store.Trash(t.Context(), w.key) {
		w.check(err)
		originals = append(originals, row.Original)
	}
	slices.Sort(originals)
	if want := []string{"bad", "folder/x", "place"}; !slices.Equal(originals, want) {
		t.Errorf("the trash knows %q, want %q", originals, want)
	}
}

// Two files exchange their names while a person changes one: where it stepped aside,
// its bytes do not stay where nobody would look for them.
func TestKeptBytesDoNotStayAside(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprint("gone at the source: ", gone), func(t *testing.T) {
			w := newWorld(t)
			w.policy.OnLocalChange = "keep"
			for _, name := range []string{"a", "b", "c"} {
				w.tenant.put(name, "text of "+name)
			}
			w.sync()
			a, b := w.tenant.find("a"), w.tenant.find("b")
			w.tenant.move(a, "x")
			w.tenant.move(b, "a")
			w.tenant.move(a, "b")
			p := w.plan()
			w.check(os.WriteFile(filepath.Join(w.root(), "a"), []byte("a person's"), 0o600))
			w.execute(p)
			w.reopen()
			if gone {
				w.tenant.remove("b")
			}
			w.run()
			w.run()
			w.tidy()
			found := w.trashed()
			for _, text := range w.disk() {
				found = append(found, text)
			}
			for _, text := range []string{"a person's", "text of b", "text of c"} {
				if !slices.Contains(found, text) {
					t.Errorf("%q is neither in the mirror nor in the trash", text)
				}
			}
		})
	}
}

// Two files exchange their names while a person puts a folder in the place of one. Stepped aside it would be out of
// sight, and hold the file back for good.
func TestAPersonsFolderInThePlaceOfAFileDoesNotStepAside(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		w := newWorld(t)
		for _, file := range []string{"a", "b"} {
			w.tenant.put(file, "text of "+file)
		}
		w.sync()
		a, b := w.tenant.find("a"), w.tenant.find("b")
		w.tenant.move(a, "x")
		w.tenant.move(b, "a")
		w.tenant.move(a, "b")
		p := w.plan()
		place := filepath.Join(w.root(), name)
		w.check(os.Remove(place))
		w.check(os.Mkdir(place, 0o700))
		w.check(os.WriteFile(filepath.Join(place, "mine"), []byte("a person's"), 0o600))
		w.execute(p)
		w.reopen()
		w.run()
		if text, err := os.ReadFile(filepath.Join(place, "mine")); err != nil || string(text) != "a person's" {
			t.Errorf("%q in the place of %s: %v", text, name, err)
		}
		w.check(os.RemoveAll(place))
		w.sync()
		w.same()
		w.tidy()
	}
}

// Folders exchange their names, and what is in them their folders: every path is as it
// was, and nothing is where it was.
func TestWhatChangesItsFolderMovesAlsoWhereItsPathStays(t *testing.T) {
	for _, changed := range []bool{false, true} {
		t.Run(fmt.Sprint("changed: ", changed), func(t *testing.T) {
			w := newWorld(t)
			w.changes = true
			for _, p := range []string{"a/file", "a/stays", "b/other", "a/sub/x", "b/y"} {
				w.tenant.put(p, "text of "+p)
			}
			w.sync()
			a, b, file, sub := w.tenant.find("a"), w.tenant.find("b"), w.tenant.find("a/file"), w.tenant.find("a/sub")
			w.tenant.move(a, "c")
			w.tenant.move(b, "a")
			w.tenant.move(a, "b")
			w.tenant.move(file, "a/file")
			w.tenant.move(sub, "a/sub")
			if changed {
				w.tenant.put("a/file", "another text")
			}
			w.sync()
			w.same()
		})
	}
}

// A file that nobody finds gives its place up like any other, and only its row steps
// aside. A run that ends there leaves a row without a file.
func TestARowThatSteppedAsideWithoutItsFileIsMadeGoodLater(t *testing.T) {
	for _, kind := range []string{"missing", "changed"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.put("place", "text of place")
			w.tenant.put("mover", "text of mover")
			w.sync()
			w.check(os.Remove(filepath.Join(w.root(), "place")))
			w.tenant.move(w.tenant.find("place"), "elsewhere")
			w.tenant.move(w.tenant.find("mover"), "place")
			w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
				return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, n.name == "elsewhere"
			}
			wantProblems(t, w.run(), map[string]string{"elsewhere": CodeLocked})
			w.equal(map[string]string{"place": "text of mover"})
			w.tenant.onOpen = nil
			w.reopen()
			if kind == "changed" { // whoever did it
				name := filepath.Join(w.root(), string(target.ParkName(w.tenant.find("elsewhere").id)))
				w.check(os.MkdirAll(filepath.Dir(name), 0o700))
				w.check(os.WriteFile(name, []byte("a person's"), 0o600))
			}
			w.sync()
			w.same()
			if got := w.trashed(); kind == "changed" && !slices.Equal(got, []string{"a person's"}) {
				t.Errorf("the trash holds %q", got)
			}
		})
	}
}

func TestForgettingKeepsFilesAndNeverOrphansRows(t *testing.T) {
	w := newWorld(t)
	w.policy.OnRemoteDelete = "keep"
	for i := range 600 { // more than a batch
		w.tenant.put(fmt.Sprintf("dir/sub%d/f%d", i%3, i), "x")
	}
	w.sync()
	before := w.disk()
	w.tenant.remove("dir")
	p := w.plan()
	k := &killer{at: 3}
	w.rowFaults = rowKiller{k}
	w.reopen()
	_, since, _ := w.apply(t.Context(), p, 0)
	w.rowFaults = nil
	w.reopen()
	w.planOnly() // fails where a row has lost its folder
	if _, _, err := w.apply(t.Context(), p, since); err != nil {
		t.Fatal(err)
	}
	w.equal(before)
	if n := len(collect(t, w.store.EntriesByParent(t.Context(), w.key))); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestDeletesOfAFolderWaitForWhatIsStillTrackedInIt(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("dir/x", "x")
	w.tenant.put("dir/y", "y")
	w.sync()
	w.tenant.remove("dir")
	p := w.plan()
	w.write("dir/x", "changed here") // between plan and apply
	r := w.execute(p)
	wantProblems(t, r, map[string]string{"dir/x": CodeLocalChanged, "dir": CodePostponed})
	w.equal(map[string]string{"dir": "/", "dir/x": "changed here"})
	w.sync()
	w.same()
	if got := w.trashed(); !slices.Equal(got, []string{"changed here", "y"}) {
		t.Errorf("the trash holds %q", got)
	}
}

func TestANarrowedPlanDisplacesNothingOutsideIt(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("place", "old")
	w.sync()
	w.tenant.move(w.tenant.find("place"), "elsewhere")
	w.tenant.put("place", "new")
	w.narrow = []string{"place"}
	p := w.plan()
	var only []plan.Change
	for c, err := range p.Changes() {
		w.check(err)
		only = append(only, c)
	}
	r := w.execute(p)
	if r.Counts.Incomplete() { // the move may be outside: then the place is not free
		w.equal(map[string]string{"place": "old"})
	}
	w.narrow = nil
	w.sync()
	w.same()
	if len(w.trashed()) != 0 {
		t.Errorf("the trash holds %q after %+v", w.trashed(), only)
	}
}

func TestASavedPlanThatWasInterruptedGoesOn(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("meta", "meta")
	w.tenant.put("drift", "drift")
	for i := range 30 {
		w.tenant.put(fmt.Sprintf("d/f%d", i), random(i, 500))
	}
	w.sync()
	for i := range 30 {
		w.tenant.put(fmt.Sprintf("d/f%d", i), random(100+i, 500))
	}
	w.tenant.find("meta").modified = testTime.Add(5 * time.Hour)
	w.tenant.find("meta").change++
	w.write("drift", "changed here")
	w.tenant.move(w.tenant.find("drift"), "zz/drift") // the last to be downloaded
	p := w.plan()
	ctx, stop := context.WithCancel(t.Context())
	w.tenant.onOpen = func(_ *node, _ graph.ContentRequest, nth int) (*graph.Content, error, bool) {
		if nth == 45 {
			stop()
		}
		return nil, nil, false
	}
	r, since, err := w.apply(ctx, p, 0)
	if err != nil || !r.Interrupted {
		t.Fatal(r, err)
	}
	w.clock = testTime.Add(-time.Hour) // another machine, whose clock is behind
	w.reopen()
	r, _, err = w.apply(t.Context(), p, since)
	if err != nil || r.Counts.Incomplete() || r.Interrupted {
		t.Fatal(r, err)
	}
	w.clock = testTime.Add(2 * time.Hour)
	w.conserved(p, r)
	w.same()
}

func TestAnItemWhosePlaceIsNotGivenUpWaits(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("x", "first")
	w.sync()
	w.tenant.move(w.tenant.find("x"), "y")
	w.tenant.put("x", "another")
	p := w.plan()
	w.write("y", "came late")
	r := w.execute(p)
	wantProblems(t, r, map[string]string{"x": CodeOccupied, "y": CodeOccupied})
	w.equal(map[string]string{"x": "first", "y": "came late"})
	w.check(os.Remove(filepath.Join(w.root(), "y")))
	w.sync()
	w.same()
	if got := w.trashed(); len(got) != 0 {
		t.Errorf("the trash holds %q", got)
	}
}

func TestAPublisherThatFailsEndsTheRun(t *testing.T) {
	w := newWorld(t)
	for i := range 700 {
		w.tenant.put(fmt.Sprintf("f%d", i), "x")
	}
	p := w.plan()
	w.rowFaults = rowKiller{&killer{at: 5}}
	w.reopen()
	if _, _, err := w.apply(t.Context(), p, 0); err == nil {
		t.Error("the run ended well without a state")
	}
}

func TestATargetThatIsReplacedStopsItsMirrorOnly(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "a")
	p := w.plan()
	w.check(os.Rename(w.root(), w.root()+".away"))
	w.check(os.Mkdir(w.root(), 0o700))
	r, _, err := w.apply(t.Context(), p, 0)
	if err == nil || r == nil || r.Mirrors[0].Problem == "" {
		t.Errorf("report %+v, error %v", r, err)
	}
	if list, _ := os.ReadDir(w.root()); len(list) != 0 {
		t.Error("something was written into the other directory")
	}
}

func TestEveryRowSaysWhatWasVerified(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("hash", "with hash")
	w.tenant.put("none", "without hash").noHash = true
	w.sync()
	for _, e := range collect(t, w.store.EntriesByParent(t.Context(), w.key)) {
		want := map[string]state.Verdict{"hash": state.Verified, "none": state.SizeOnly}[e.Name]
		sha, quick := hashes(w.tenant.find(e.Name).text)
		if e.Verdict != want || e.SHA256 != sha || e.Hash != quick {
			t.Errorf("the row of %s says %+v", e.Name, e)
		}
	}
}

// Migrated files are often dated 1601 or 1970, the first days of two calendars. On disk both are the first of 1970.
func TestFilesOfTheFirstDayOfACalendarHaveNoDrift(t *testing.T) {
	for _, policy := range []bool{true, false} {
		w := newWorld(t)
		w.policy.Times = policy
		for name, at := range map[string]time.Time{
			"windows": time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), "unix": time.Unix(0, 0), "last": time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		} {
			w.tenant.put(name, "content of "+name).modified = at
		}
		w.sync()
		if r := w.run(); r.Counts.Changed != 0 || r.Counts.Added != 0 {
			t.Errorf("the second run made %+v", r.Counts)
		}
		w.tenant.put("unix", "other content").modified = time.Unix(0, 0)
		w.sync()
		w.same()
		w.close()
	}
}
