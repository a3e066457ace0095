package plan

import (
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
