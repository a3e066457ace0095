package plan

import (
	"slices"
	"testing"
)

// TestWhatLivesOnLeavesAFolderThatIsGone has folders that are gone and whose places are wanted by what lay in them, as when somebody
// flattens Foo/Foo by moving the inner folder up.
func TestWhatLivesOnLeavesAFolderThatIsGone(t *testing.T) {
	for _, test := range []struct {
		name    string
		start   []string
		edit    func(w *world)
		want    []string
		blocked bool
	}{
		{"the inner folder takes the place of the outer one", []string{"Foo/", "Foo/y", "Foo/Foo/", "Foo/Foo/x"}, func(w *world) {
			w.to("Foo/Foo", "root", "Foo")
			w.remove("Foo/y")
			w.remove("Foo")
		}, []string{"Foo/", "Foo/x"}, false},
		{"a file takes the place of its folder", []string{"a/", "a/b/", "a/b/x"}, func(w *world) {
			w.to("a/b/x", "root", "a")
			w.remove("a/b")
			w.remove("a")
		}, []string{"a"}, false},
		{"what lay in two folders takes the place of the other one", []string{"a/", "b/", "a/x", "b/y"}, func(w *world) {
			w.to("a/x", "root", "b")
			w.to("b/y", "root", "a")
			w.remove("a")
			w.remove("b")
		}, []string{"a", "b"}, false},
		{"a circle through two folders that are gone and a new one", []string{"a/", "b/", "c/", "d", "a/in/", "b/x"}, func(w *world) {
			w.put(Item{ID: "new", Parent: "root", Name: "b", Class: ClassFolder, Size: -1})
			w.to("a/in", "c", "in")
			w.to("c", "root", "d")
			w.to("d", "new", "d")
			w.to("b/x", "root", "a")
			w.remove("a")
			w.remove("b")
		}, []string{"a", "b/", "b/d", "d/", "d/in/"}, false},
		{"what is in it is not selected any more and stays", []string{"a.txt/", "a.txt/1.txt", "b.txt"}, func(w *world) {
			w.to("a.txt/1.txt", "root", "1.bak")
			w.to("b.txt", "root", "a.txt")
			w.remove("a.txt")
		}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			sel := Select{}
			if test.blocked {
				sel.Include = []string{"*.txt"}
			}
			w := forest(t, sel, test.start...)
			test.edit(w)
			first, _ := w.planOnce(t, sel)
			if test.blocked {
				if first["b.txt"] != "blocked "+string(BlockedCollision) {
					t.Errorf("the plan is %v", first)
				}
				return
			}
			plans, blocked := w.synchronise(t, sel)
			if len(blocked) > 0 || plans > 2 {
				t.Errorf("after %d plans these are blocked: %v; the first was %v", plans, blocked, first)
			}
			if got := w.onDisk(); !slices.Equal(got, test.want) {
				t.Errorf("on disk are %q, want %q; the first plan was %v", got, test.want, first)
			}
		})
	}
}
