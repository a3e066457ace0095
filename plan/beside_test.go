package plan

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
)

// needs are those of a list of items, each as "ID word word".
func needs(list ...string) iter.Seq2[Need, error] {
	return func(yield func(Need, error) bool) {
		for _, text := range list {
			words := strings.Fields(text)
			n := Need{Item: ItemID(words[0])}
			for _, w := range words[1:] {
				n.Permissions = n.Permissions || w == BesidePermissions
				n.Columns = n.Columns || w == BesideColumns
				n.Inherits = n.Inherits || w == BesideInherits
				n.Versions = n.Versions || w == BesideVersions
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}

// What comes or changes brings what is kept beside it along; what goes or is held back brings nothing.
func TestChangesBringWhatIsKeptBesideTheirItem(t *testing.T) {
	for _, test := range []struct {
		name              string
		columns, versions bool
		needs             []string
		change            Change
		want              string
	}{
		{name: "new with permissions", needs: []string{"i permissions"}, change: Change{Actions: []Action{Add}}, want: "permissions"},
		{name: "new in a mirror with columns", columns: true, change: Change{Actions: []Action{Add}}, want: "columns"},
		{name: "new in a mirror with versions", versions: true, change: Change{Actions: []Action{Add}}, want: "versions"},
		{name: "a folder has no versions", columns: true, versions: true, change: Change{Actions: []Action{Add}, Folder: true}, want: "columns"},
		{name: "taken over", columns: true, versions: true, change: Change{Actions: []Action{Adopt}}, want: "columns versions"},
		{name: "new content", columns: true, versions: true, change: Change{Actions: []Action{Update}}, want: "versions"},
		{name: "renamed", columns: true, versions: true, change: Change{Actions: []Action{Move}}, want: ""},
		{name: "renamed and shared", needs: []string{"i permissions", "i columns"}, change: Change{Actions: []Action{Move}}, want: "columns permissions"},
		{name: "deleted", needs: []string{"i permissions"}, change: Change{Actions: []Action{Delete}}, want: ""},
		{name: "held back", needs: []string{"i permissions"}, change: Change{Actions: []Action{Blocked}}, want: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Sidecars{Columns: test.columns, Versions: test.versions}
			if err := s.Load(needs(test.needs...)); err != nil {
				t.Fatal(err)
			}
			var got Change
			test.change.ItemID = "i"
			if err := s.Attach(func(c Change) error { got = c; return nil })(test.change); err != nil {
				t.Fatal(err)
			}
			if words := strings.Join(got.Beside, " "); words != test.want {
				t.Errorf("it brings %q, want %q", words, test.want)
			}
			if len(s.needs) > 0 {
				t.Errorf("left over are %v", s.needs)
			}
		})
	}
}

func TestAChangeThatAsksForSomethingUnknownBesideItsItemIsRefused(t *testing.T) {
	c := Change{Actions: []Action{Metadata}, Path: "a", Beside: []string{BesidePermissions, "passwords"}}
	if err := c.check(); !errors.Is(err, ErrAltered) {
		t.Errorf("it gave %v", err)
	}
	c.Beside = c.Beside[:1]
	if err := c.check(); err != nil {
		t.Error(err)
	}
}

// An item of which something is kept beside it is a change, and no longer what it counted as before: unchanged, or changed on disk and kept so (I-51).
func TestAnItemThatChangesInWhatIsBesideItIsInOneClass(t *testing.T) {
	for _, full := range []bool{true, false} {
		w := newWorld()
		for _, id := range []ItemID{"kept", "same", "kept too"} {
			it := Item{ID: id, Parent: "root", Name: string(id), Class: ClassFile, Size: 1, Hash: "h"}
			w.put(it)
			w.entries[id] = Entry{Item: id, Name: it.Name, Fold: it.Name, Size: 1, Hash: "h", RemoteSize: 1, RemoteHash: "h"}
		}
		var drift []Drift
		for _, id := range []ItemID{"kept", "kept too"} {
			drift = append(drift, Drift{Mirror: "mirror.a", Path: RelPath(id), ItemID: id, Kind: DriftChanged, Found: &Local{Size: 2}})
		}
		side := &Sidecars{}
		if err := side.Load(needs("kept columns", "same columns")); err != nil {
			t.Fatal(err)
		}
		m := &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Policy: Policy{OnLocalChange: "keep"}, Tracked: w.tracked()}
		changes := 0
		req := Request{
			Mirror: m, Previous: &Select{}, PreviousFolder: w.root, Full: full, Verify: VerifyStat, Names: foldingNames{}, Drifted: values(drift),
			Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
			Emit:  side.Attach(func(Change) error { changes++; return nil }),
			Drift: func(Drift) error { return nil },
			Kept:  side.Keep,
		}
		if err := errors.Join(req.Run(context.Background()), side.Rest(context.Background(), req)); err != nil {
			t.Fatal(err)
		}
		if changes != 2 || m.Skipped[SkipKept] != 1 || m.Unchanged != 1 || m.Compared != 4 { // the mirror's folder is unchanged
			t.Errorf("full %v: %d changes, %v left out, %d unchanged of %d", full, changes, m.Skipped, m.Unchanged, m.Compared)
		}
	}
}
