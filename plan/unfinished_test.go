package plan

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// do carries out one change if the target allows for it as it is.
func (w *world) do(c Change) bool {
	before, pending, log := maps.Clone(w.entries), w.pending, w.log
	err := w.apply([]Change{c})
	w.pending, w.log = pending, log // nothing is settled by it
	if err != nil || c.Action() == Blocked {
		w.entries = before
		return false
	}
	w.unfinished = true
	return true
}

// applyPart carries out some changes of a plan, as an apply does that is interrupted,
// or narrowed to some paths: nothing is settled.
func (w *world) applyPart(t *rapid.T, changes []Change) {
	left := slices.DeleteFunc(slices.Clone(changes), func(Change) bool { return rapid.Bool().Draw(t, "left over") })
	for again := true; again; { // what waits for another change has its turn after it
		again = false
		left = slices.DeleteFunc(left, func(c Change) bool {
			done := w.do(c)
			again = again || done
			return done
		})
	}
}

// applyFailing carries out a plan of which some changes fail: these are pending, and
// so is what cannot be done without them.
func (w *world) applyFailing(t *rapid.T, p planned, sel Select) {
	failed := map[ItemID]bool{}
	for _, c := range p.changes {
		failed[c.ItemID] = rapid.IntRange(0, 3).Draw(t, "fails") == 0
	}
	left := slices.Clone(p.changes)
	for again := true; again; {
		again = false
		left = slices.DeleteFunc(left, func(c Change) bool {
			done := !failed[c.ItemID] && w.do(c)
			again = again || done
			return done
		})
	}
	pending := map[ItemID]Pending{}
	for _, c := range left {
		pending[c.ItemID] = Pending{Item: c.ItemID, Action: string(c.Action()), Reason: string(c.Reason), Path: c.Path}
	}
	w.settle(sel)
	w.pending = pending
}

// settle records that what there is belongs to a plan that was carried out.
func (w *world) settle(sel Select) {
	w.log, w.pending, w.previous, w.unfinished = map[ItemID]bool{}, map[ItemID]Pending{}, &sel, false
}

// Runs that do a part of a plan do not hide the rest of it from the plans that look at
// what has changed only.
func TestWhatUnfinishedRunsLeaveOverIsPlannedAgain(t *testing.T) {
	more := map[bool]int{false: 10, true: 500}[os.Getenv("SPMIRROR_LONG") == "1"]
	for range more {
		rapid.Check(t, unfinishedProperty)
	}
}

func unfinishedProperty(t *rapid.T) {
	w, next := newWorld(), 0
	sel, policy := someSelect(t), somePolicy(t)
	if rapid.Bool().Draw(t, "mirror of a folder") {
		w.put(Item{ID: "f", Parent: "root", Name: "f", Class: ClassFolder, Size: -1})
		w.root = "f"
	}
	for range rapid.IntRange(0, 15).Draw(t, "items at first") {
		someEdit(t, w, &next)
	}
	for range rapid.IntRange(1, 6).Draw(t, "plans") {
		now := sel
		if rapid.IntRange(0, 3).Draw(t, "another selection") == 0 {
			now = someSelect(t)
		}
		full, some := w.plan(t, now, policy, true), w.plan(t, now, policy, false)
		some.addsUp(t)
		if d := difference(full.lines, some.lines); d != "" {
			t.Fatalf("the incremental plan differs from the full one:\n%s\nall of it:\n%s\nentries %+v\nitems %+v", d, strings.Join(full.lines, "\n"), w.entries, w.items)
		}
		switch rapid.SampledFrom([]string{"a part", "a part", "with failures", "all"}).Draw(t, "run") {
		case "a part":
			w.applyPart(t, full.changes)
		case "with failures":
			w.applyFailing(t, full, now)
		case "all":
			if err := w.apply(full.changes); err != nil {
				t.Fatalf("after applying %s: %v", strings.Join(full.lines, "\n"), err)
			}
			pending := w.pending
			w.settle(now)
			w.pending = pending
		}
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			someEdit(t, w, &next)
		}
	}
	w.settles(t, sel, policy)
}

// A folder may be made for an item whose turn never comes; it leaves when the item does.
func TestAFolderThatWasMadeForWhatFailedDoesNotStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, sel := newWorld(), Select{Include: []string{"*.txt"}}
		policy := Policy{OnRemoteDelete: "trash", OnDeselect: "forget", TrashEnabled: true}
		w.put(Item{ID: "d", Parent: "root", Name: "d", Class: ClassFolder, Size: -1})
		w.put(Item{ID: "e", Parent: "d", Name: "e", Class: ClassFolder, Size: -1})
		w.put(Item{ID: "f", Parent: "e", Name: "f.txt", Class: ClassFile, Size: 1, Hash: "h"})
		for _, c := range w.plan(t, sel, policy, true).changes {
			if c.Folder && !w.do(c) {
				t.Fatalf("%s is not made", c.Path)
			}
		}
		w.settle(sel)
		w.pending["f"] = Pending{Item: "f", Action: string(Add), Path: "d/e/f.txt"}
		switch rapid.SampledFrom([]string{"removed", "moved", "not selected any more"}).Draw(t, "f.txt is") {
		case "removed":
			w.remove("f")
		case "moved":
			w.put(Item{ID: "f", Parent: "root", Name: "f.txt", Class: ClassFile, Size: 1, Hash: "h"})
		case "not selected any more":
			w.put(Item{ID: "f", Parent: "e", Name: "f", Class: ClassFile, Size: 1, Hash: "h"})
		}
		full, some := w.plan(t, sel, policy, true), w.plan(t, sel, policy, false)
		leave := slices.IndexFunc(some.changes, func(c Change) bool { return c.Path == "d" && c.Action() == Delete })
		if d := difference(full.lines, some.lines); d != "" || leave < 0 {
			t.Fatalf("the incremental plan differs, or keeps the folder:\n%s", d)
		}
	})
}
