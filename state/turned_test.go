package state

import (
	"slices"
	"testing"
)

// turnedState has a folder d with a file in it, and a file f, as they were applied.
func turnedState(t *testing.T) (*Store, DriveKey, Mirror) {
	t.Helper()
	s := newState(t)
	drive := newDrive(t, s, "d1")
	m := newMirror(t, s, drive, "mirror.a")
	items := []Item{folder("d", "root"), file("in", "d"), file("f", "root")}
	round(t, s, drive, Round{Full: true}, append(items, rootItem())...)
	must(t, s, func(tx *Tx) error {
		var list []Entry
		for _, it := range items {
			list = append(list, entryOf(it))
		}
		return tx.PutEntries(m.Key, list)
	})
	return s, drive, m
}

func turnedIDs(t *testing.T, s *Store, m Mirror) []ItemID {
	t.Helper()
	return slices.Sorted(slices.Values(all(t, s.Turned(t.Context(), m))))
}

func TestItemsThatTurnFromFilesIntoFoldersAreFound(t *testing.T) {
	s, drive, m := turnedState(t)
	if got := turnedIDs(t, s, m); len(got) > 0 {
		t.Errorf("turned are %v", got)
	}
	round(t, s, drive, Round{}, file("d", "root"), folder("f", "root"))
	if got := turnedIDs(t, s, m); !slices.Equal(got, []ItemID{"d", "f"}) {
		t.Errorf("turned are %v", got)
	}
	unclear := folder("f", "root")
	unclear.Class = Unknown
	round(t, s, drive, Round{}, folder("d", "root"), unclear)
	if got := turnedIDs(t, s, m); len(got) > 0 {
		t.Errorf("what is there again, or lost what it was, has turned: %v", got)
	}
}

// A file is no folder above anything: what was in it has to be looked at.
func TestWhatIsInAFolderThatIsNoneAnyMoreIsLogged(t *testing.T) {
	s, drive, m := turnedState(t)
	before := all(t, s.PairsAll(t.Context(), m))
	g := round(t, s, drive, Round{}, rootItem()).Generation
	round(t, s, drive, Round{}, file("d", "root"))
	var got []ItemID
	for _, p := range all(t, s.PairsSince(t.Context(), m, g)) {
		got = append(got, p.ID())
	}
	if !slices.Equal(got, []ItemID{"d", "in"}) {
		t.Errorf("logged are %v of %v", got, names(before))
	}
}

func TestARenamedEntryTakesAlongWhatLiesInIt(t *testing.T) {
	s, _, m := turnedState(t)
	must(t, s, func(tx *Tx) error { return tx.RenameEntry(m.Key, "d", "d!") })
	if path, err := s.EntryPath(t.Context(), m.Key, "in"); err != nil || path != "folder d/file in" {
		t.Errorf("the path is %q, %v", path, err)
	}
	if _, ok, err := s.Entry(t.Context(), m.Key, "d"); ok || err != nil {
		t.Errorf("the old entry is there: %v, %v", ok, err)
	}
	must(t, s, func(tx *Tx) error { return tx.DeleteEntries(m.Key, []ItemID{"d!", "in"}) })
	if files, folders, _, err := s.EntryCount(t.Context(), m.Key); files != 1 || folders != 0 || err != nil {
		t.Errorf("%d files, %d folders, %v", files, folders, err)
	}
}
