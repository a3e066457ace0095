package plan

import (
	"context"
	"iter"
	"testing"
	"time"
)

// fewEntries is an applied side of a folder with two files.
type fewEntries struct{ Applied }

func (fewEntries) list() []Entry {
	return []Entry{
		{Item: "d", Name: "dir", Fold: "dir", Folder: true},
		{Item: "a", Name: "a.txt", Fold: "a.txt", Size: 3},
		{Item: "b", Parent: "d", Name: "b.txt", Fold: "b.txt", Size: 4},
	}
}

func (f fewEntries) ByParent(context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range f.list() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (f fewEntries) Folders(context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { yield(f.list()[0], nil) }
}

func (f fewEntries) Entry(_ context.Context, id ItemID) (Entry, bool, error) {
	for _, e := range f.list() {
		if e.Item == id {
			return e, true, nil
		}
	}
	return Entry{}, false, nil
}

func destroyed(t *testing.T, policy Policy) (*Plan, []Change) {
	t.Helper()
	d, err := NewDraft(&Header{Mode: ModeDestroy}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &Mirror{Address: "mirror.m", Policy: policy, ActionReason: string(DestroyRequested)}
	d.Mirror(m)
	if err := DestroyMirror(t.Context(), d, fewEntries{}, m); err != nil {
		t.Fatal(err)
	}
	p := d.Finish(time.Unix(0, 0), nil, nil)
	t.Cleanup(func() { p.Close() })
	var list []Change
	for c, err := range p.Changes() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return p, list
}

func TestDestroyDeletesWhatIsTracked(t *testing.T) {
	for name, c := range map[string]struct {
		policy   Policy
		disposal string
	}{
		"to the trash":    {Policy{TrashEnabled: true, OnRemoteDelete: "trash"}, DisposeTrash},
		"kept otherwise":  {Policy{TrashEnabled: true, OnRemoteDelete: "keep"}, DisposeTrash},
		"for good":        {Policy{TrashEnabled: true, OnRemoteDelete: "delete"}, DisposeDelete},
		"without a trash": {Policy{OnRemoteDelete: "trash"}, DisposeDelete},
	} {
		t.Run(name, func(t *testing.T) {
			p, list := destroyed(t, c.policy)
			if s := p.Totals.Actions[Delete]; len(list) != 3 || s.Files != 2 || s.Folders != 1 || s.Bytes != 7 {
				t.Errorf("%d changes, sum %+v", len(list), s)
			}
			for _, change := range list {
				if change.Disposal != c.disposal || change.Reason != DestroyRequested || change.Cause != ByConfig {
					t.Errorf("change %+v", change)
				}
				if !change.Folder && change.Local == nil {
					t.Errorf("%s would be deleted whatever lies there", change.Path)
				}
			}
		})
	}
}

func TestDestroyHoldsBackWhatMayNotBeDeleted(t *testing.T) {
	p, list := destroyed(t, Policy{PreventDelete: true, TrashEnabled: true})
	if p.Totals.Changes() != 0 || p.Totals.Count(Blocked) != 3 {
		t.Errorf("totals %+v", p.Totals)
	}
	for _, c := range list {
		if c.Wanted != Delete || c.Reason != BlockedPreventDelete {
			t.Errorf("change %+v", c)
		}
	}
}
