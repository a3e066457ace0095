package state

import (
	"slices"
	"strings"
	"testing"
)

// versionsNeeded are the files whose earlier versions are to be listed.
func versionsNeeded(t *testing.T, s *Store, m Mirror, choice string) string {
	t.Helper()
	var list []string
	for _, n := range all(t, s.Needs(t.Context(), m, Wants{Versions: choice})) {
		if n.Versions {
			list = append(list, string(n.Item))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// Versions are listed once for each content of a file and each choice of how many are kept, never for a rename.
func TestVersionsAreNeededOnceForEachContent(t *testing.T) {
	s, m := sharedMirror(t)
	complete := func(choice string, ids ...ItemID) {
		must(t, s, func(tx *Tx) error { return tx.CompleteVersions(m, ids, choice) })
	}
	change := func(edit func(*Entry)) {
		e := entryIn(file("a", "f"), "")
		edit(&e)
		must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{e}) })
	}
	for i, step := range []struct {
		do           func()
		choice, want string
	}{
		{func() {}, "5", "a b"},
		{func() {}, "", ""},
		{func() { complete("5", "a", "b") }, "5", ""},
		{func() { change(func(e *Entry) { e.Name, e.Fold, e.CTag = "other", "other", "moved" }) }, "5", ""},
		{func() { change(func(e *Entry) { e.RemoteHash = "new bytes" }) }, "5", "a"},
		{func() { complete("5", "a") }, "5", ""},
		{func() {}, "all", "a b"},
	} {
		step.do()
		if got := versionsNeeded(t, s, m, step.choice); got != step.want {
			t.Fatalf("step %d: needed are %q, want %q", i, got, step.want)
		}
	}
}

// A version that was fetched stays when its file leaves, and goes with the mirror alone.
func TestVersionsOutliveTheirFile(t *testing.T) {
	s, m := sharedMirror(t)
	v := Version{Item: "a", ID: "1.0", Path: "a.txt", File: "A/1.0.txt", Size: 3, SHA256: "ff", Modified: testTime, By: "adele", Verdict: SizeOnly, Run: 7}
	must(t, s, func(tx *Tx) error { return tx.PutVersions(m.Key, []Version{v}) })
	got, err := s.VersionsOf(t.Context(), m.Key, "a")
	if err != nil || len(got) != 1 || got[0] != v {
		t.Errorf("kept are %+v, want %+v (%v)", got, v, err)
	}
	name := func() string {
		list := all(t, s.Versions(t.Context(), m.Key))
		if len(list) != 1 {
			t.Fatalf("%d versions", len(list))
		}
		return list[0].Name
	}
	if name() == "" {
		t.Error("the file has no name")
	}
	must(t, s, func(tx *Tx) error { return tx.DeleteEntries(m.Key, []ItemID{"a"}) })
	if got := name(); got != "" {
		t.Errorf("the file that left has the name %q", got)
	}
	must(t, s, func(tx *Tx) error { return tx.ForgetMirror(m.Key) })
	if list := all(t, s.Versions(t.Context(), m.Key)); len(list) != 0 {
		t.Errorf("a forgotten mirror keeps %+v", list)
	}
}
