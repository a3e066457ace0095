package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEntriesMayExchangePlacesInOneCall(t *testing.T) {
	s := newState(t)
	m := newMirror(t, s, newDrive(t, s, "d"), "m")
	a, b := entryOf(file("a", "root")), entryOf(file("b", "root"))
	must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{a, b}) })
	a.Fold, b.Fold = b.Fold, a.Fold
	must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{a, b}) })
	for _, want := range []Entry{a, b} {
		got, ok, err := s.EntryAt(t.Context(), m.Key, "", want.Fold)
		if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
			t.Error(diff, ok, err)
		}
	}
	c := entryOf(file("c", "root"))
	c.Fold = a.Fold
	err := s.Tx(t.Context(), func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{c}) })
	if !errors.Is(err, ErrOccupied) {
		t.Error(err)
	}
	files, folders, bytes, err := s.EntryCount(t.Context(), m.Key)
	if files != 2 || folders != 0 || bytes != 14 || err != nil {
		t.Error(files, folders, bytes, err)
	}
}

func TestPathsAreBuiltFromTheTreeAndCyclesAreDamage(t *testing.T) {
	s := newState(t)
	m := newMirror(t, s, newDrive(t, s, "d"), "m")
	must(t, s, func(tx *Tx) error {
		return tx.PutEntries(m.Key, []Entry{
			{Item: "a", Name: "A", Fold: "a", Folder: true}, {Item: "b", Parent: "a", Name: "B", Fold: "b", Folder: true},
			{Item: "c", Parent: "b", Name: "c.txt", Fold: "c.txt"},
			{Item: "p", Parent: Parked, Name: "p", Fold: "p", Folder: true}, {Item: "q", Parent: "p", Name: "q", Fold: "q"},
			{Item: "x", Parent: "y", Name: "x", Fold: "x", Folder: true}, {Item: "y", Parent: "x", Name: "y", Fold: "y", Folder: true},
		})
	})
	for item, want := range map[ItemID]string{"a": "A", "c": "A/B/c.txt", "q": "p/q"} {
		if got, err := s.EntryPath(t.Context(), m.Key, item); got != want || err != nil {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	if _, err := s.EntryPath(t.Context(), m.Key, "x"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if _, err := s.EntryPath(t.Context(), m.Key, "nobody"); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if got := names(all(t, s.EntrySubtree(t.Context(), m, "a"))); fmt.Sprint(got) != "[b:e c:e]" {
		t.Error(got)
	}
	if got := names(all(t, s.EntrySubtree(t.Context(), m, "x"))); fmt.Sprint(got) != "[y:e]" {
		t.Error(got)
	}
	var folders []string
	for _, e := range all(t, s.EntryFolders(t.Context(), m.Key)) {
		folders = append(folders, string(e.Item))
	}
	slices.Sort(folders)
	if fmt.Sprint(folders) != "[a b p x y]" {
		t.Error(folders)
	}
}

// anyEntry draws entries of few items in few places.
func anyEntry(t *rapid.T) Entry {
	name := rapid.SampledFrom([]string{"x", "y", "z", "u"}).Draw(t, "name")
	return Entry{
		Item: ItemID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "item")), Name: name, Fold: name,
		Parent: ItemID(rapid.SampledFrom([]string{"", "", "b"}).Draw(t, "parent")),
		Folder: rapid.IntRange(0, 2).Draw(t, "folder") == 0, Size: int64(rapid.IntRange(0, 3).Draw(t, "size")),
		RemoteSize: int64(rapid.IntRange(0, 1).Draw(t, "remote size")), RemoteHash: rapid.SampledFrom([]string{"", "h"}).Draw(t, "hash"),
		CTag: rapid.SampledFrom([]string{"", "1"}).Draw(t, "ctag"), Modified: testTime.AddDate(0, 0, rapid.IntRange(0, 1).Draw(t, "modified")),
	}
}

func TestEntriesCountersAndPairsAgreeWithAMap(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		ctx := context.Background()
		var m Mirror
		items := map[ItemID]Item{}
		err := s.Tx(ctx, func(tx *Tx) error {
			address := fmt.Sprint("m", n)
			key, err := tx.PutMirror(Mirror{Address: address, Drive: drive})
			m = Mirror{Key: key, Address: address, Drive: drive}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		list := []Item{rootItem()}
		for _, it := range rapid.SliceOf(rapid.Custom(anyItem)).Draw(t, "observed") {
			if !it.Deleted && !(it.Unread && it.ID == rootItem().ID) { // an enumeration without a root is none
				list = append(list, it)
			}
		}
		if _, err := tryRound(s, drive, Round{Full: true}, list...); err != nil {
			t.Fatal(err)
		}
		for p, err := range s.PairsAll(ctx, Mirror{Drive: drive}) {
			if err != nil {
				t.Fatal(err)
			}
			items[p.ID()] = *p.Item
		}
		model := map[ItemID]Entry{}
		for range rapid.IntRange(1, 5).Draw(t, "calls") {
			putOrDelete(t, s, m, model)
		}
		checkEntries(t, s, m, model)
		checkPairs(t, s, m, items, model)
	})
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
}

func putOrDelete(t *rapid.T, s *Store, m Mirror, model map[ItemID]Entry) {
	if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
		id := ItemID(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "deleted"))
		if err := s.Tx(context.Background(), func(tx *Tx) error { return tx.DeleteEntries(m.Key, []ItemID{id, "nobody", id}) }); err != nil {
			t.Fatal(err)
		}
		delete(model, id)
		return
	}
	entries := rapid.SliceOfN(rapid.Custom(anyEntry), 1, 4).Draw(t, "entries")
	next := map[ItemID]Entry{}
	for id, e := range model {
		next[id] = e
	}
	for _, e := range entries {
		next[e.Item] = e
	}
	places := map[string]bool{}
	for _, e := range next {
		places[string(e.Parent)+"/"+e.Fold] = true
	}
	err := s.Tx(context.Background(), func(tx *Tx) error { return tx.PutEntries(m.Key, entries) })
	if len(places) != len(next) {
		if !errors.Is(err, ErrOccupied) {
			t.Fatalf("two entries in one place: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for id, e := range next {
		model[id] = e
	}
}

func checkEntries(t *rapid.T, s *Store, m Mirror, model map[ItemID]Entry) {
	got := map[ItemID]Entry{}
	var want counters
	for e, err := range s.EntriesByParent(context.Background(), m.Key) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Item] = e
		want.count(e.Folder, e.Size)
	}
	if diff := cmp.Diff(model, got); diff != "" {
		t.Fatal(diff)
	}
	files, folders, bytes, err := s.EntryCount(context.Background(), m.Key)
	if c := (counters{files, folders, bytes}); c != want || err != nil {
		t.Fatal(c, want, err)
	}
}

// checkPairs compares the joins with loops: PairsAll yields everything, PairsOf what is asked.
func checkPairs(t *rapid.T, s *Store, m Mirror, items map[ItemID]Item, entries map[ItemID]Entry) {
	ctx := context.Background()
	var everything []ItemID
	for _, id := range []ItemID{"a", "b", "c", "d", "e", "f", "g", "root"} {
		_, seen := items[id]
		_, applied := entries[id]
		if seen || applied {
			everything = append(everything, id)
		}
	}
	var got, gotOf []ItemID
	for p, err := range s.PairsAll(ctx, m) {
		if err != nil {
			t.Fatal(err)
		}
		checkSides(t, p, items, entries)
		got = append(got, p.ID())
	}
	for p, err := range s.PairsOf(ctx, m, slices.Values(append([]ItemID{"nobody"}, everything...))) {
		if err != nil {
			t.Fatal(err)
		}
		checkSides(t, p, items, entries)
		gotOf = append(gotOf, p.ID())
	}
	if !slices.Equal(got, everything) || !slices.Equal(gotOf, everything) {
		t.Fatalf("all %v of %v\nof %v", got, everything, gotOf)
	}
}

func checkSides(t *rapid.T, p Pair, items map[ItemID]Item, entries map[ItemID]Entry) {
	it, seen := items[p.ID()]
	e, applied := entries[p.ID()]
	if (p.Item != nil) != seen || (p.Entry != nil) != applied || seen && *p.Item != it || applied && *p.Entry != e {
		t.Fatalf("pair %+v, want %+v and %+v", p, it, e)
	}
}

func TestClearMirrorForgetsTheFilesAndKeepsTheMirror(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	m, other := newMirror(t, s, drive, "m"), newMirror(t, s, drive, "other")
	must(t, s, func(tx *Tx) error {
		for _, key := range []MirrorKey{m.Key, other.Key} {
			if err := tx.PutEntries(key, []Entry{{Item: "f", Name: "f", Fold: "f", Size: 3}, {Item: "d", Name: "d", Fold: "d", Folder: true}}); err != nil {
				return err
			}
			if err := tx.PutPending(key, []Pending{{Item: "p", Action: "add"}}); err != nil {
				return err
			}
		}
		return tx.AdvanceMirror(m.Key)
	})
	must(t, s, func(tx *Tx) error { return tx.ClearMirror(m.Key) })
	for _, want := range []struct {
		mirror                         MirrorKey
		files, folders, bytes, pending int64
	}{{m.Key, 0, 0, 0, 0}, {other.Key, 1, 1, 3, 1}} {
		files, folders, bytes, err := s.EntryCount(t.Context(), want.mirror)
		var pending int64
		for range s.PendingItems(t.Context(), want.mirror) {
			pending++
		}
		if err != nil || files != want.files || folders != want.folders || bytes != want.bytes || pending != want.pending {
			t.Errorf("mirror %d has %d files, %d folders, %d bytes, %d pending: %v", want.mirror, files, folders, bytes, pending, err)
		}
	}
	row, ok, err := s.MirrorByAddress(t.Context(), m.Address)
	if err != nil || !ok || row.Generation != 1 || row.Settled != 0 || row.Select != "" {
		t.Errorf("the mirror is %+v, %v, %v", row, ok, err)
	}
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
}
