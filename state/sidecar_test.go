package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// needs is what Needs says, in a fixed order and each once.
func needs(t *testing.T, s *Store, m Mirror, permissions bool, columns string) string {
	t.Helper()
	var list []string
	for _, n := range all(t, s.Needs(t.Context(), m, Wants{Permissions: permissions, Columns: columns})) {
		what := map[bool]string{n.Permissions: "permissions", n.Columns: "columns", n.Inherits: "inherits"}[true]
		list = append(list, string(n.Item)+" "+what)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// sharedMirror is a mirror of a folder "f" with the files a and b in it.
func sharedMirror(t *testing.T) (*Store, Mirror) {
	t.Helper()
	s := newState(t)
	drive := newDrive(t, s, "b!one")
	a, b := file("a", "f"), file("b", "f")
	round(t, s, drive, Round{Full: true}, rootItem(), folder("f", "root"), a, b)
	must(t, s, func(tx *Tx) error {
		_, err := tx.PutMirror(Mirror{Address: "mirror.m", Drive: drive, Folder: "f", Target: "/srv/m", Created: testTime})
		return err
	})
	m := mirrorOf(t, s, "mirror.m")
	must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{entryIn(a, ""), entryIn(b, "")}) })
	return s, m
}

func entryIn(it Item, parent ItemID) Entry {
	e := entryOf(it)
	e.Parent = parent
	return e
}

func note(t *testing.T, s *Store, m Mirror, version int64, list ...Shared) {
	t.Helper()
	must(t, s, func(tx *Tx) error { return tx.NoteSharing(m.Drive, version, list) })
}

// Permissions are read for the folder itself, and for what has its own and was named since.
func TestPermissionsAreNeededOnceForEachChangeOfSharing(t *testing.T) {
	s, m := sharedMirror(t)
	read := func(ids ...ItemID) {
		must(t, s, func(tx *Tx) error {
			var list []Sidecar
			for _, id := range ids {
				list = append(list, Sidecar{Item: id, Permissions: "[]"})
			}
			return tx.PutPermissions(m, list)
		})
	}
	a := Shared{ID: "a", Own: true, Facet: "users"}
	for i, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "f permissions"},
		{func() { note(t, s, m, 10, a, Shared{ID: "b"}) }, "a permissions, f permissions"},
		{func() { read("a", "f") }, ""},
		{func() { note(t, s, m, 20, a) }, ""},
		{func() { changed := a; changed.Changed = true; note(t, s, m, 30, changed) }, "a permissions"},
		{func() { read("a") }, ""},
		{func() { wide := a; wide.Facet = "anonymous"; note(t, s, m, 40, wide) }, "a permissions"},
		{func() { read("a"); note(t, s, m, 50, Shared{ID: "f", Own: true, Facet: "", ETag: "other"}) }, "f permissions"},
		{func() { read("f"); note(t, s, m, 60, Shared{ID: "f", Own: true, Facet: "", ETag: ""}) }, ""},
		{func() { note(t, s, m, 70, Shared{ID: "f", Own: true, ETag: "moved on"}) }, "f permissions"},
		{func() { read("f"); note(t, s, m, 80, Shared{ID: "a"}) }, "a inherits"},
		{func() { must(t, s, func(tx *Tx) error { return tx.DropPermissions(m.Key, []ItemID{"a"}) }) }, ""},
		{func() { note(t, s, m, 90, Shared{ID: "b", Own: true}); read("b") }, ""},
		{func() { must(t, s, func(tx *Tx) error { return tx.DropUnshared(m.Drive, 100) }) }, "b inherits"},
	} {
		step.do()
		if got := needs(t, s, m, true, ""); got != step.want {
			t.Fatalf("step %d: needed are %q, want %q", i, got, step.want)
		}
	}
	if got := needs(t, s, m, false, ""); got != "" {
		t.Errorf("nobody wants permissions, and needed are %q", got)
	}
}

// Columns are read of every entry, and again when the tag of its item or the choice of columns changes.
// An item may come several times in the pages that are noted together (D15).
func TestTheLastWordOnSharingCounts(t *testing.T) {
	s, m := sharedMirror(t)
	own, inherits := Shared{ID: "a", Own: true, Facet: "users"}, Shared{ID: "a"}
	note(t, s, m, 10, inherits, own)
	if got := needs(t, s, m, true, ""); got != "a permissions, f permissions" {
		t.Errorf("of an item that was shared in the end: %s", got)
	}
	note(t, s, m, 20, own, inherits)
	if got := needs(t, s, m, true, ""); got != "f permissions" {
		t.Errorf("of an item that was not shared in the end: %s", got)
	}
}

func TestColumnsAreNeededForEachTagAndChoice(t *testing.T) {
	s, m := sharedMirror(t)
	read := func(choice string) {
		must(t, s, func(tx *Tx) error {
			return tx.PutColumns(m, []Sidecar{{Item: "a", Columns: "{}"}, {Item: "b", Columns: "{}"}}, choice)
		})
	}
	if got := needs(t, s, m, false, "one"); got != "a columns, b columns" {
		t.Errorf("at first needed are %q", got)
	}
	read("one")
	if got := needs(t, s, m, false, "one"); got != "" {
		t.Errorf("after reading, needed are %q", got)
	}
	b := file("b", "f")
	b.ETag = "another"
	round(t, s, m.Drive, Round{}, b)
	if got := needs(t, s, m, false, "one"); got != "b columns" {
		t.Errorf("after a change needed are %q", got)
	}
	read("one")
	if got := needs(t, s, m, false, "two"); got != "a columns, b columns" {
		t.Errorf("for another choice needed are %q", got)
	}
}

// What is kept ends with the entry, with the wish for it, and with the mirror.
func TestSidecarsEndWithTheirItemTheirSettingAndTheirMirror(t *testing.T) {
	s, m := sharedMirror(t)
	fill := func() {
		must(t, s, func(tx *Tx) error {
			list := []Sidecar{{Item: "f", Permissions: "[1]"}, {Item: "a", Permissions: "[2]", Columns: "{3}"}, {Item: "b", Columns: "{4}"}}
			return orElse(tx.PutPermissions(m, list[:2]), tx.PutColumns(m, list[1:], "c"))
		})
	}
	kept := func() string {
		var list []string
		for _, b := range all(t, s.Sidecars(t.Context(), m)) {
			list = append(list, fmt.Sprintf("%s %s%s", b.Item, b.Permissions, b.Columns))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	fill()
	if got := kept(); got != "a [2]{3}, b {4}, f [1]" {
		t.Fatalf("kept are %q", got)
	}
	must(t, s, func(tx *Tx) error {
		return orElse(tx.DeleteEntries(m.Key, []ItemID{"b"}), tx.TrimSidecars(m, true, true))
	})
	if got := kept(); got != "a [2]{3}, f [1]" {
		t.Errorf("without the entry of b, kept are %q", got)
	}
	must(t, s, func(tx *Tx) error { return tx.TrimSidecars(m, true, false) })
	if got := kept(); got != "a [2], f [1]" {
		t.Errorf("without columns, kept are %q", got)
	}
	must(t, s, func(tx *Tx) error { return tx.TrimSidecars(m, false, false) })
	if has, err := s.HasSidecars(t.Context(), m.Key); err != nil || has {
		t.Errorf("without both, something is kept: %v %v", has, err)
	}
	fill()
	must(t, s, func(tx *Tx) error { return tx.ForgetMirror(m.Key) })
	if has, err := s.HasSidecars(t.Context(), m.Key); err != nil || has {
		t.Errorf("without the mirror, something is kept: %v %v", has, err)
	}
}
