package plan

import (
	"context"
	"errors"
	"iter"
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
	p.See("", &Change{Path: "new/place", PreviousPath: "nothing/old"})
	if got := p.Unnamed(); !slices.Equal(got, nothing[1:]) {
		t.Errorf("after a change these name nothing: %q", got)
	}
	if _, err := NewPatterns("[", "x"); err == nil {
		t.Error("a bad glob is taken")
	}
}

// wholeRefused is an inventory of which nobody may read everything.
type wholeRefused struct{ *world }

func (wholeRefused) All(context.Context) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) { yield(Pair{}, errors.New("everything is read")) }
}

func TestWhatAGlobBeginsWithIsFoundWithoutReadingEverything(t *testing.T) {
	w := newWorld()
	for _, path := range []string{"A/", "A/b/", "A/b/x.txt", "A/b/[y].txt", "c/", "c/z.txt"} {
		w.grow(path)
	}
	w.entries["1"] = Entry{Item: "1", Name: "on disk.txt", Fold: "on disk.txt"} // gone at the source
	names := []string{"a", "a/b/x.txt", "a/b/", "A/**", "a/b/*.txt", `a/b/\[y].txt`, "c", "on disk.txt"}
	rest := []string{"*.txt", "b/x.txt", "a/nothing", "c/z", "x.txt", "nothing/**", "c/z.txt/"}
	globs, err := NewPatterns(slices.Concat(names, rest)...)
	if err != nil {
		t.Fatal(err)
	}
	req := Request{
		Mirror: &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Tracked: w.tracked()},
		Names:  foldingNames{}, Store: Store{Inventory: wholeRefused{w}, Observed: observedWorld{w}, Applied: appliedWorld{w}},
	}
	for _, glob := range globs.list { // each alone: what one names must not come from the way of another
		one := &Patterns{list: []pattern{glob}}
		if err := req.Glance(context.Background(), one); err != nil {
			t.Fatal(err)
		}
		if got, want := one.list[0].named, slices.Contains(names, glob.text); got != want {
			t.Errorf("%q is found: %v, want %v", glob.text, got, want)
		}
	}
	if err := req.Look(context.Background(), globs); err == nil {
		t.Error("a look has not read everything")
	}
}
