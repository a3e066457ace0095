package apply

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
)

func TestDeletesThatTheSourceDoesNotConfirmDoNotRun(t *testing.T) {
	refuse := func(status int) error { return &graph.Error{Op: "get item", Status: status, Code: "scripted"} }
	for _, test := range []struct {
		name    string
		answer  func(id string) (graph.Item, error, bool) // to questions for what is asked before deletes
		deletes bool
	}{
		{"everything is as the plan says", nil, true},
		{"an item is back", func(id string) (graph.Item, error, bool) {
			return graph.Item{ID: graph.ItemID(id), Facets: graph.File}, nil, id == "i0001"
		}, false},
		{"an item is told with a tombstone", func(id string) (graph.Item, error, bool) {
			return graph.Item{ID: graph.ItemID(id), Facets: graph.File | graph.Deleted}, nil, id == "i0001"
		}, true},
		{"an item is gone for good", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(410), id == "i0001" }, true},
		{"an item may not be read", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(403), id == "i0001" }, false},
		{"an item cannot be read now", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(500), id == "i0001" }, false},
		{"the network fails", func(id string) (graph.Item, error, bool) { return graph.Item{}, errLine, id == "i0001" }, false},
		{"the folder may not be read", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(403), id == "root" }, false},
		{"the folder is not found", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(404), id == "root" }, false},
		{"what ought to be there may not be read", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(403), id == "i0004" }, false},
		{"one that ought to be there is gone since", func(id string) (graph.Item, error, bool) { return graph.Item{}, refuse(404), id == "i0005" }, true},
		{"nothing that ought to be there is found", afterFolder(func(string) (graph.Item, error, bool) { return graph.Item{}, refuse(404), true }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			for _, p := range []string{"old", "dir/old", "stays", "too"} { // i0001, i0002/i0003, i0004, i0005
				w.tenant.put(p, "text of "+p)
			}
			w.sync()
			w.tenant.remove("old")
			w.tenant.remove("dir")
			w.tenant.put("new", "text of new")
			p := w.plan()
			w.source = &questioned{Source: w.tenant, answer: test.answer}
			r := w.execute(p)
			w.source = nil
			if test.deletes {
				w.equal(map[string]string{"stays": "text of stays", "too": "text of too", "new": "text of new"})
				return
			}
			wantProblems(t, r, map[string]string{"old": CodeSuspect, "dir/old": CodeSuspect, "dir": CodeSuspect})
			if !r.Counts.Incomplete() {
				t.Error("the run calls itself complete")
			}
			w.equal(map[string]string{"stays": "text of stays", "too": "text of too", "new": "text of new", "old": "text of old", "dir": "/", "dir/old": "text of dir/old"})
			// The next run, in front of a source that confirms, makes up for it.
			w.sync()
			w.same()
		})
	}
}

// afterFolder is an answer to what is asked after the mirror's folder.
func afterFolder(answer func(id string) (graph.Item, error, bool)) func(id string) (graph.Item, error, bool) {
	asked := false
	return func(id string) (graph.Item, error, bool) {
		if !asked {
			asked = id == "root"
			return graph.Item{}, nil, false
		}
		return answer(id)
	}
}

// questioned is a source that answers some questions for items itself, and counts all.
type questioned struct {
	Source
	answer func(id string) (graph.Item, error, bool)
	mu     sync.Mutex
	asked  []string
}

func (q *questioned) Item(ctx context.Context, d graph.DriveID, id graph.ItemID) (graph.Item, error) {
	q.mu.Lock()
	q.asked = append(q.asked, string(id))
	q.mu.Unlock()
	if q.answer != nil {
		if it, err, mine := q.answer(string(id)); mine {
			return it, err
		}
	}
	return q.Source.Item(ctx, d, id)
}

func TestAnItemGivesItsPlaceUpOnlyIfTheSourceConfirmsThatItIsGone(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("place", "first")
	w.sync()
	first := w.tenant.find("place").id
	w.tenant.remove("place")
	w.tenant.put("place", "second")
	p := w.plan()
	w.source = &questioned{Source: w.tenant, answer: func(id string) (graph.Item, error, bool) {
		return graph.Item{ID: graph.ItemID(id), Facets: graph.File}, nil, id == first
	}}
	r := w.execute(p)
	if r.Counts.Destroyed+r.Counts.Added != 0 {
		t.Errorf("the run did %+v", r.Counts)
	}
	w.equal(map[string]string{"place": "first"})
	w.source = nil
	w.sync()
	w.same()
}

func TestTheQuestionsBeforeDeletesAreFew(t *testing.T) {
	for deletes, most := range map[int]int{1: 1, 16: 16, 17: 16, 1000: 16} {
		w := newWorld(t)
		for i := range deletes {
			w.tenant.put(fmt.Sprintf("f%04d", i), "x")
		}
		for i := range 10 {
			w.tenant.put(fmt.Sprintf("stays%d", i), "x")
		}
		w.sync()
		for i := range deletes {
			w.tenant.remove(fmt.Sprintf("f%04d", i))
		}
		p := w.plan()
		source := &questioned{Source: w.tenant}
		w.source = source
		if r := w.execute(p); r.Counts.Destroyed != int64(deletes) {
			t.Errorf("%d deletes: the run did %+v", deletes, r.Counts)
		}
		questions := len(source.asked) - 1 - canaryPresent // the folder, and what stays
		if questions > most || questions < min(deletes, most/2) {
			t.Errorf("%d deletes: %d of them were asked for", deletes, questions)
		}
		if last := source.asked[len(source.asked)-1]; deletes == 1000 && last < "i0800" {
			t.Errorf("the sample ends at %s", last)
		}
	}
}

func TestDeletesThatTheConfigurationWantsAskNothing(t *testing.T) {
	var s canaries
	for _, c := range []plan.Change{
		{Actions: []plan.Action{plan.Delete}, Cause: plan.ByConfig, Reason: plan.Deselected, Remote: &plan.Remote{}},
		{Actions: []plan.Action{plan.Delete}, Cause: plan.ByConfig, Reason: plan.DestroyRequested},
		{Actions: []plan.Action{plan.Forget}, Cause: plan.BySource, Reason: plan.Removed},
	} {
		s.offer(&c)
	}
	if s.bySource || len(s.list) > 0 {
		t.Errorf("the sample is %+v", s)
	}
	s.offer(&plan.Change{Actions: []plan.Action{plan.Delete}, Cause: plan.BySource, Reason: plan.LeftFolder, Remote: &plan.Remote{}})
	if !s.bySource || len(s.list) > 0 {
		t.Errorf("what has only moved away is asked for: %+v", s)
	}
}
