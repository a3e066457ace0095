package state

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestUnreadItemsAreOfferedUntilSomethingBetterIsToldOfThem(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	round(t, s, drive, Round{Full: true}, rootItem(), file("a", "root"), file("b", "root"), file("c", "root"))
	round(t, s, drive, Round{}, unreadItem("a"), unreadItem("new"), unreadItem(""))
	for _, step := range []struct {
		name   string
		round  Round
		items  []Item
		staged string // offered before the merge
		after  string // remembered after it
	}{
		{"nothing is told", Round{}, nil, "a new", " a new"},
		{"one is told again, no better", Round{}, []Item{unreadItem("a")}, "a new", " a new"},
		{"another one", Round{}, []Item{unreadItem("b")}, "a b new", " a b new"},
		{"one is told better before", Round{}, []Item{file("b", "root"), unreadItem("b")}, "a b new", " a b new"},
		{"one is told better after", Round{}, []Item{unreadItem("b"), file("b", "root")}, "a new", " a new"},
		{"one is deleted", Round{}, []Item{tombstone("new")}, "a", " a"},
		{"a listing that keeps, without those that have no id", Round{Full: true, Keep: true}, []Item{rootItem(), unreadItem("b")}, "b", "a b"},
		{"a listing with neither", Round{Full: true}, []Item{rootItem(), file("c", "root")}, "", ""},
	} {
		must(t, s, func(tx *Tx) error {
			if err := tx.BeginRound(drive, step.round); err != nil {
				return err
			}
			return tx.StagePage(drive, step.items, "")
		})
		staged, err := s.StagedUnread(t.Context(), drive, 10)
		if err != nil {
			t.Fatal(err)
		}
		if got := unreadIDs(staged); got != step.staged {
			t.Errorf("%s: offered are %q, want %q", step.name, got, step.staged)
		}
		must(t, s, func(tx *Tx) error {
			_, err := tx.MergeRound(drive, Merge{DeltaLink: "l", At: testTime})
			return err
		})
		after, err := s.Unread(t.Context(), drive, 10)
		if err != nil {
			t.Fatal(err)
		}
		if got := unreadIDs(after); got != step.after {
			t.Errorf("%s: remembered are %q, want %q", step.name, got, step.after)
		}
	}
	if got := fmt.Sprint(observed(t, s, drive)); got != "[c root]" {
		t.Errorf("left are %s", got)
	}
}

func TestAStateOfTheFirstFormatGoesOnWithUnreadItems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	old, err := Create(t.Context(), path, Options{formats: migrations[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	drive := newDrive(t, s, "d")
	round(t, s, drive, Round{Full: true}, rootItem(), unreadItem("a"))
	if list, err := s.Unread(t.Context(), drive, 10); err != nil || unreadIDs(list) != "a" || list[0].Reason != "odd" || !list[0].At.Equal(testTime) {
		t.Errorf("unread are %+v, %v", list, err)
	}
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
}

// unreadIDs in their order, each after a space but the first.
func unreadIDs(list []Unread) (ids string) {
	for i, u := range list {
		if i > 0 {
			ids += " "
		}
		ids += string(u.ID)
	}
	return ids
}
