package apply

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestADirectoryWithForeignFilesStays(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("dir/sub/x", "x")
	w.tenant.put("other/y", "y")
	w.sync()
	w.write("dir/sub/mine", "mine")
	w.write("other/mine", "mine too")
	w.tenant.remove("dir")
	w.tenant.remove("other")
	w.tenant.put("other", "a file now")
	w.sync()
	want := map[string]string{"dir": "/", "dir/sub": "/", "dir/sub/mine": "mine", "other": "a file now"}
	beside := "other.local-" + w.clock.UTC().Format("20060102T150405")
	want[beside], want[beside+"/mine"] = "/", "mine too"
	w.equal(want)
	w.settled()
}

// Something that stays is never left where nobody looks because its name has no room for a mark.
func TestWhatStaysUnderAnotherNameFindsRoomForIt(t *testing.T) {
	w := newWorld(t)
	w.policy.OnUntracked = "rename"
	folder, file := strings.Repeat("é", 125), strings.Repeat("x", 250)+".txt"
	w.tenant.put(folder+"/x", "x")
	w.sync()
	w.write(folder+"/mine", "mine")
	w.write(file, "mine too")
	w.tenant.remove(folder)
	w.tenant.put(folder, "a file now")
	w.tenant.put(file, "theirs")
	w.sync()
	mark := ".local-" + w.clock.UTC().Format("20060102T150405")
	beside := strings.Repeat("é", 116) + mark
	w.equal(map[string]string{
		folder: "a file now", beside: "/", beside + "/mine": "mine",
		file: "theirs", strings.Repeat("x", 255-len(mark+".txt")) + mark + ".txt": "mine too",
	})
	w.settled()
}

func TestLocalChangesBetweenPlanAndApplySurvive(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"update", "delete", "move", "meta", "replaced"} {
		w.tenant.put(p, "text of "+p)
	}
	w.sync()
	w.tenant.put("update", "second")
	w.tenant.remove("delete")
	w.tenant.move(w.tenant.find("move"), "moved")
	w.tenant.find("meta").modified = testTime.Add(99 * time.Hour)
	w.tenant.find("meta").change++
	w.tenant.remove("replaced")
	w.tenant.put("replaced", "another")
	w.tenant.put("late", "late")
	p := w.plan()
	for _, name := range []string{"update", "delete", "move", "meta", "replaced", "late"} {
		w.write(name, "local "+name)
	}
	r := w.execute(p)
	want := map[string]string{}
	for _, name := range []string{"update", "delete", "move", "meta", "replaced", "late"} {
		want[name] = "local " + name
	}
	w.equal(want)
	if r.Counts.Added+r.Counts.Changed+r.Counts.Destroyed != 0 {
		t.Errorf("something was changed: %+v", r.Counts)
	}
	got := problems(r)
	if got["update"] != CodeLocalChanged || got["moved"] != CodeLocalChanged || got["meta"] != CodeLocalChanged || got["late"] != CodeOccupied {
		t.Errorf("problems are %v", got)
	}
	w.tidy()
}

func TestLocalFilesInTheWayAreTreatedAsThePolicySays(t *testing.T) {
	t.Run("equal bytes are adopted", func(t *testing.T) {
		w := newWorld(t)
		w.tenant.put("dir/a", "equal")
		w.write("dir/a", "equal")
		if r := w.sync(); r.Counts.Adopted != 2 || w.tenant.opens != 0 {
			t.Errorf("%+v after %d downloads", r.Counts, w.tenant.opens)
		}
		w.sync() // gives it the time of the source
		w.same()
	})
	t.Run("a change before the adoption is seen", func(t *testing.T) {
		w := newWorld(t)
		w.tenant.put("a", "equal")
		w.write("a", "equal")
		p := w.plan()
		w.write("a", "other")
		wantProblems(t, w.execute(p), map[string]string{"a": CodeLocalChanged})
		w.equal(map[string]string{"a": "other"})
	})
	t.Run("others are blocked", func(t *testing.T) {
		w := newWorld(t)
		w.tenant.put("a", "theirs")
		w.write("a", "mine")
		r := w.run()
		wantProblems(t, r, map[string]string{"a": CodeBlocked})
		if r.Counts.Incomplete() {
			t.Error("what the plan held back was no part of it")
		}
		w.equal(map[string]string{"a": "mine"})
	})
	t.Run("or get another name", func(t *testing.T) {
		w := newWorld(t)
		w.policy.OnUntracked = "rename"
		w.tenant.put("a.txt", "theirs")
		w.write("a.txt", "mine")
		w.sync()
		w.equal(map[string]string{"a.txt": "theirs", "a.local-" + w.clock.Format("20060102T150405") + ".txt": "mine"})
		w.settled()
	})
}

func TestDriftIsRepairedWithoutLosingLocalBytes(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"missing", "changed", "touched", "dir/x", "moved"} {
		w.tenant.put(p, "text of "+p)
	}
	w.sync()
	w.check(os.Remove(filepath.Join(w.root(), "missing")))
	w.check(os.Remove(filepath.Join(w.root(), "dir/x")))
	w.check(os.Remove(filepath.Join(w.root(), "dir")))
	w.write("changed", "local")
	w.write("moved", "local moved")
	w.tenant.move(w.tenant.find("moved"), "dir/moved")
	w.check(os.Chtimes(filepath.Join(w.root(), "touched"), testTime, testTime.Add(77*time.Hour)))
	w.tenant.resetCounts()
	w.sync()
	w.same()
	if got := w.trashed(); !slices.Equal(got, []string{"local", "local moved"}) {
		t.Errorf("the trash holds %q", got)
	}
	if w.tenant.opens != 4 {
		t.Errorf("%d downloads", w.tenant.opens)
	}
}

func TestWhatChangedAtTheSourceSinceThePlanIsSuperseded(t *testing.T) {
	for _, policy := range []string{"skip", "latest"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.policy.OnSuperseded = policy
			for _, p := range []string{"changed", "gone", "infected", "folder"} {
				w.tenant.put(p, "text of "+p)
			}
			w.sync()
			for _, p := range []string{"changed", "gone", "infected", "folder"} {
				w.tenant.put(p, "second "+p)
			}
			w.tenant.put("fine", "fine")
			p := w.plan()
			w.tenant.put("changed", "third")
			w.tenant.find("gone").gone = true
			w.tenant.find("infected").malware = true
			w.tenant.find("folder").folder = true
			r := w.execute(p)
			want := map[string]string{"gone": CodeVanished, "infected": CodeMalware, "folder": CodeSuperseded}
			text := map[string]string{"changed": "third", "gone": "text of gone", "infected": "text of infected", "folder": "text of folder", "fine": "fine"}
			if policy == "skip" {
				want["changed"], text["changed"] = CodeSuperseded, "text of changed"
			}
			wantProblems(t, r, want)
			w.equal(text)
			w.tidy()
		})
	}
}
