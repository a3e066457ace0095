package apply

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// stoppedWith wants a run that ended in order before its end.
func stoppedWith(t *testing.T, r *Report, err error, code, why string) MirrorReport {
	t.Helper()
	if err != nil || r.Interrupted || !r.Incomplete() || !r.Stopped() {
		t.Fatalf("%+v, %v", r, err)
	}
	m := r.Mirrors[0]
	if m.Code != code || !strings.Contains(m.Problem, why) || m.Left == 0 {
		t.Errorf("%+v", m)
	}
	return m
}

func TestFailFastStopsAtTheFirstFailureInOrder(t *testing.T) {
	w := newWorld(t)
	w.fast, w.workers = true, 1
	for i := range 50 {
		w.tenant.put(fmt.Sprintf("f%02d", i), "x")
	}
	w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, n.name == "f10"
	}
	r, _, err := w.apply(t.Context(), w.plan(), 0)
	m := stoppedWith(t, r, err, CodeLocked, "-fail-fast: /f10 of mirror.m failed")
	if r.Counts.Failed != 1 || r.Counts.Added < 9 || r.Counts.Added > 12 || m.Left != 50-1-r.Counts.Added {
		t.Errorf("%+v, %+v", r.Counts, m)
	}
	rows := collect(t, w.store.RunItems(t.Context(), state.RunID(r.Run)))
	if !slices.ContainsFunc(rows, func(i state.RunItem) bool { return i.Outcome == string(Failed) }) {
		t.Error("the failure is not recorded")
	}
	w.tenant.onOpen = nil
	w.sync()
	w.same()
}

// diskFault is a target.Faults made of a function.
type diskFault func(op, path string) error

func (f diskFault) Before(op, path string) error { return f(op, path) }

func TestFailFastStopsAtFailuresThatAreNoDownloads(t *testing.T) {
	w := newWorld(t)
	w.fast = true
	w.policy.OnRemoteDelete = "delete"
	for i := range 3 * batchFiles {
		w.tenant.put(fmt.Sprintf("f%04d", i), "x")
	}
	w.sync()
	for i := range 3 * batchFiles {
		w.tenant.remove(fmt.Sprintf("f%04d", i))
	}
	p := w.plan()
	unlinks := 0
	w.diskFaults = diskFault(func(op, _ string) error {
		if op == target.OpUnlink {
			if unlinks++; unlinks == 4 {
				return syscall.EIO
			}
		}
		return nil
	})
	w.reopen()
	r, _, err := w.apply(t.Context(), p, 0)
	w.diskFaults = nil
	w.reopen()
	m := stoppedWith(t, r, err, CodeDisk, "-fail-fast: /f")
	if r.Counts.Failed != 1 || r.Counts.Destroyed >= 2*batchFiles || m.Left < batchFiles {
		t.Errorf("%+v, %+v", r.Counts, m)
	}
	w.sync()
	w.same()
}

func TestARunWhoseTenantGivesUpEndsInOrderInsteadOfFailingItemByItem(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code string
	}{
		"network":   {fmt.Errorf("open content: %w: %w", graph.ErrGaveUp, graph.ErrOffline), CodeNetwork},
		"throttled": {fmt.Errorf("open content: %w: %w", graph.ErrGaveUp, graph.ErrThrottled), CodeThrottled},
		"sign-in":   {fmt.Errorf("get item: %w: AADSTS7000222", graph.ErrToken), CodeSignIn},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.put("old", "x")
			w.sync()
			w.tenant.remove("old")
			for i := range 200 {
				w.tenant.put(fmt.Sprintf("dir/f%03d", i), random(i, 100))
			}
			w.tenant.onItem = func(_ *node, nth int) (graph.Item, error, bool) { return graph.Item{}, test.err, nth > 60 }
			w.tenant.resetCounts()
			r, _, err := w.apply(t.Context(), w.plan(), 0)
			m := stoppedWith(t, r, err, test.code, test.err.Error())
			if r.Counts.Failed != 0 || r.Counts.Added < 50 || r.Counts.Destroyed != 0 || len(r.Problems) != 0 || w.tenant.items > 60+w.workers {
				t.Errorf("%+v after %d requests", r.Counts, w.tenant.items)
			}
			if want := 202 - r.Counts.Added; m.Left != want { // 200 files, a folder, a delete
				t.Errorf("%d are left, want %d", m.Left, want)
			}
			w.tenant.onItem = nil
			w.sync()
			w.same()
		})
	}
}

func TestARunThatGaveUpGoesOnWithTheSamePlan(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.tenant.put(fmt.Sprintf("f%03d", i), random(i, 100))
	}
	gone := fmt.Errorf("get item: %w: %w", graph.ErrGaveUp, graph.ErrOffline)
	w.tenant.onItem = func(_ *node, nth int) (graph.Item, error, bool) { return graph.Item{}, gone, nth > 30 }
	w.tenant.resetCounts()
	p := w.plan()
	first, since, err := w.apply(t.Context(), p, 0)
	stoppedWith(t, first, err, CodeNetwork, "given up")
	w.tenant.onItem = nil
	w.tenant.resetCounts()
	w.reopen()
	second, _, err := w.apply(t.Context(), p, since)
	if err != nil || second.Incomplete() || second.Counts.Added != 100 {
		t.Errorf("%+v, %v", second, err)
	}
	if want := 100 - int(first.Counts.Added); w.tenant.opens != want {
		t.Errorf("%d files were downloaded again, want %d", w.tenant.opens, want)
	}
	w.same()
}

// A tenant that gives up while the deletes are looked up says nothing of them: they are not
// called doubtful one by one, they wait with the rest of the mirror.
func TestATenantThatGivesUpBeforeDeletesEndsTheMirrorInOrder(t *testing.T) {
	for name, replaced := range map[string]bool{"before the first phase": true, "before the deletes": false} {
		for _, asked := range []string{"root", "i0001", "i0003"} { // the folder, what leaves, what stays
			t.Run(name+"/"+asked, func(t *testing.T) {
				w := newWorld(t)
				for _, p := range []string{"place", "old", "stays"} {
					w.tenant.put(p, "text of "+p)
				}
				w.sync()
				w.tenant.remove("place")
				w.tenant.remove("old")
				if replaced {
					w.tenant.put("place", "another item")
				}
				w.source = &questioned{Source: w.tenant, answer: func(id string) (graph.Item, error, bool) {
					return graph.Item{}, fmt.Errorf("get item: %w: %w", graph.ErrGaveUp, graph.ErrOffline), id == asked
				}}
				r, _, err := w.apply(t.Context(), w.plan(), 0)
				stoppedWith(t, r, err, CodeNetwork, "given up")
				if len(r.Problems) > 0 || r.Counts.Destroyed > 0 {
					t.Errorf("%+v, %+v", r.Counts, r.Problems)
				}
				w.source = nil
				w.sync()
				w.same()
			})
		}
	}
}
