package state

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSmoke(t *testing.T) {
	s := newState(t)
	d := newDrive(t, s, "d")
	m := newMirror(t, s, d, "m")
	a, b := folder("a", "root"), file("b", "a")
	t.Logf("%+v", round(t, s, d, Round{Full: true}, rootItem(), a, b))
	must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{entryOf(a), entryOf(b)}) })
	t.Log(names(all(t, s.PairsAll(t.Context(), m))))
	t.Log(names(all(t, s.PairsDiffering(t.Context(), m))))
	for p := range s.PairsAll(t.Context(), m) {
		if p.ID() == "b" {
			if diff := cmp.Diff(b, *p.Item); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(entryOf(b), *p.Entry); diff != "" {
				t.Error(diff)
			}
		}
	}
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
}
