package plan

import (
	"context"
	"slices"
	"testing"
)

func TestAGlobThatNamesNothingIsFoundOut(t *testing.T) {
	w := newWorld()
	for _, dir := range [][3]string{{"5", "root", "a"}, {"4", "5", "b"}, {"3", "root", "Empty"}, {"2", "elsewhere", "orphan"}} {
		w.put(Item{ID: ItemID(dir[0]), Parent: ItemID(dir[1]), Name: dir[2], Class: ClassFolder, Size: -1})
	}
	for _, file := range [][3]string{{"7", "4", "X.txt"}, {"8", "5", "y.tmp"}, {"9", "2", "z.txt"}} {
		w.put(Item{ID: ItemID(file[0]), Parent: ItemID(file[1]), Name: file[2], Class: ClassFile, Size: 1, Hash: "h"})
	}
	w.entries["1"] = Entry{Item: "1", Name: "on disk.txt", Fold: "on disk.txt"} // gone at the source
	names := []string{"a", "a/b/x.txt", "a/b/", "**/*.txt", "x.txt", "on disk.*", "empty"}
	nothing := []string{"nothing", "x.txt/", "a/*.tmp", "y.tmp", "orphan", "z.txt", "root", "/x.txt", "b/x.txt"}
	p, err := NewPatterns(slices.Concat(names, nothing)...)
	if err != nil {
		t.Fatal(err)
	}
	req := Request{
		Mirror: &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Select: Select{Exclude: []string{"*.tmp"}}, Tracked: w.tracked()},
		Names:  foldingNames{}, Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
	}
	if err := req.Look(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if got := p.Unnamed(); !slices.Equal(got, nothing) {
		t.Errorf("these name nothing: %q, want %q", got, nothing)
	}
	if len(req.Mirror.Skipped) > 0 || req.Mirror.Unchanged > 0 {
		t.Errorf("looking has counted: %+v", req.Mirror)
	}
	p.See(&Change{Path: "new/place", PreviousPath: "nothing/old"})
	if got := p.Unnamed(); !slices.Equal(got, nothing[1:]) {
		t.Errorf("after a change these name nothing: %q", got)
	}
	if _, err := NewPatterns("[", "x"); err == nil {
		t.Error("a bad glob is taken")
	}
}
