package plan

import (
	"context"
	"slices"
	"testing"
)

func TestAPathThatIsNamedBringsTheFoldersItLiesIn(t *testing.T) {
	w := newWorld()
	for _, dir := range [][3]string{{"5", "root", "a"}, {"4", "5", "b"}, {"3", "4", "c"}, {"2", "root", "other"}} {
		w.put(Item{ID: ItemID(dir[0]), Parent: ItemID(dir[1]), Name: dir[2], Class: ClassFolder, Size: -1})
	}
	for _, file := range [][3]string{{"7", "4", "x.txt"}, {"8", "5", "y.txt"}, {"9", "2", "z.txt"}} {
		w.put(Item{ID: ItemID(file[0]), Parent: ItemID(file[1]), Name: file[2], Class: ClassFile, Size: 1, Hash: "h"})
	}
	for _, test := range []struct {
		only string
		want []RelPath
	}{
		{"a/b/x.txt", []RelPath{"a", "a/b", "a/b/x.txt"}},
		{"a/b/**", []RelPath{"a", "a/b", "a/b/c", "a/b/x.txt"}},
		{"a/b/c/", []RelPath{"a", "a/b", "a/b/c"}},
		{"other", []RelPath{"other", "other/z.txt"}},
		{"nothing", nil},
	} {
		for _, full := range []bool{true, false} {
			var got []RelPath
			req := Request{
				Mirror:   &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}},
				Previous: &Select{}, PreviousFolder: w.root, Full: full, Verify: VerifyNone, Names: foldingNames{}, Only: []string{test.only},
				Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
				Emit: func(c Change) error {
					if c.Mirror != "mirror.a" {
						t.Errorf("%s is of mirror %q", c.Path, c.Mirror)
					}
					got = append(got, c.Path)
					return nil
				},
				Drift: func(Drift) error { return nil },
			}
			if err := req.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("-target-path=%s (full %v) plans %q, want %q", test.only, full, got, test.want)
			}
		}
	}
}
