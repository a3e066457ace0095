package plan

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
)

// forest makes a world of folders and files by their paths, folders ending in a slash;
// the id of each is its first path. What want selects of it is applied.
func forest(t *testing.T, sel Select, paths ...string) *world {
	t.Helper()
	w := newWorld()
	for _, path := range paths {
		w.grow(path)
	}
	w.synchronise(t, sel)
	return w
}

func (w *world) grow(path string) {
	class, size := ClassFile, int64(1)
	trimmed := strings.TrimSuffix(path, "/")
	if trimmed != path {
		class, size = ClassFolder, -1
	}
	parent, name := ItemID("root"), trimmed
	if i := strings.LastIndexByte(trimmed, '/'); i >= 0 {
		parent, name = ItemID(trimmed[:i]), trimmed[i+1:]
	}
	w.put(Item{ID: ItemID(trimmed), Parent: parent, Name: name, Class: class, Size: size, Hash: strings.Repeat("h", int(max(0, size)))})
}

// to gives an item the place that a path names; the folder of the path is named by its id.
func (w *world) to(id, parent, name string) {
	it := w.items[ItemID(id)]
	it.Parent, it.Name = ItemID(parent), name
	w.put(it)
}

// planOnce plans in full and incrementally, wants the same, and returns action and reason by id.
func (w *world) planOnce(t *testing.T, sel Select) (map[string]string, []Change) {
	t.Helper()
	var results [2]map[string]string
	var changes []Change
	for i, full := range []bool{true, false} {
		results[i] = map[string]string{}
		m := &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Select: sel, Tracked: w.tracked(),
			Policy: Policy{OnRemoteDelete: "trash", OnDeselect: "forget", TrashEnabled: true}}
		req := Request{
			Mirror: m, Previous: &sel, PreviousFolder: w.root, Full: full, Verify: VerifyNone, Names: foldingNames{},
			Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
			Emit: func(c Change) error {
				results[i][string(c.ItemID)] = string(c.Action())
				if c.Action() == Blocked {
					results[i][string(c.ItemID)] += " " + string(c.Reason)
				}
				if full {
					changes = append(changes, c)
				}
				return nil
			},
			Drift: func(Drift) error { return nil },
		}
		if err := req.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(results[0], results[1]) {
		t.Errorf("the full plan is %v, the incremental one %v", results[0], results[1])
	}
	return results[0], changes
}

// synchronise plans and applies until there is nothing to do, and returns how many plans
// that took and what stays blocked.
func (w *world) synchronise(t *testing.T, sel Select) (plans int, blocked []string) {
	t.Helper()
	for plans = range 6 {
		got, changes := w.planOnce(t, sel)
		blocked = nil
		for id, action := range got {
			if strings.HasPrefix(action, "blocked") {
				blocked = append(blocked, id)
			}
		}
		if len(blocked) == len(got) {
			slices.Sort(blocked)
			return plans, blocked
		}
		if err := w.apply(changes); err != nil {
			t.Fatalf("%v: %v", got, err)
		}
	}
	t.Fatal("it does not settle")
	return 0, nil
}

// onDisk are the paths of the entries.
func (w *world) onDisk() (paths []string) {
	for _, e := range w.entries {
		path := e.Name
		for at := e; at.Parent != ""; {
			at = w.entries[at.Parent]
			path = at.Name + "/" + path
		}
		if e.Folder {
			path += "/"
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func TestFoldersThatOnlyHoldSelectedFilesAreSwappedToo(t *testing.T) {
	txt := Select{Include: []string{"*.txt"}}
	for _, test := range []struct {
		name  string
		start []string
		edit  func(w *world)
		want  []string
	}{
		{"two names in one folder", []string{"x/", "x/a/", "x/b/", "x/a/1.txt", "x/b/2.txt"}, func(w *world) {
			w.to("x/a", "x", "b")
			w.to("x/b", "x", "a")
		}, []string{"x/", "x/a/", "x/a/2.txt", "x/b/", "x/b/1.txt"}},
		{"two places in different folders", []string{"x/", "y/", "x/a/", "y/b/", "x/a/1.txt", "y/b/2.txt"}, func(w *world) {
			w.to("x/a", "y", "b")
			w.to("y/b", "x", "a")
		}, []string{"x/", "x/a/", "x/a/2.txt", "y/", "y/b/", "y/b/1.txt"}},
		{"two places in different folders that hold other files", []string{"x/", "y/", "x/0.txt", "y/0.txt", "x/a/", "y/b/", "x/a/1.txt", "y/b/2.txt"}, func(w *world) {
			w.to("x/a", "y", "b")
			w.to("y/b", "x", "a")
		}, []string{"x/", "x/0.txt", "x/a/", "x/a/2.txt", "y/", "y/0.txt", "y/b/", "y/b/1.txt"}},
		{"three places in a circle", []string{"x/", "y/", "z/", "x/a/", "y/b/", "z/c/", "x/a/1.txt", "y/b/2.txt", "z/c/3.txt"}, func(w *world) {
			w.to("x/a", "y", "b")
			w.to("y/b", "z", "c")
			w.to("z/c", "x", "a")
		}, []string{"x/", "x/a/", "x/a/3.txt", "y/", "y/b/", "y/b/1.txt", "z/", "z/c/", "z/c/2.txt"}},
		{"a folder and one deep in it change places", []string{"x/", "x/a/", "x/0.txt", "x/a/1.txt"}, func(w *world) {
			w.to("x/a", "root", "x")
			w.to("x", "x/a", "a")
		}, []string{"x/", "x/1.txt", "x/a/", "x/a/0.txt"}},
		{"a swap, and what is in one is not selected any more", []string{"x/", "y/", "x/a/", "y/b/", "x/a/1.txt", "y/b/2.txt"}, func(w *world) {
			w.to("x/a", "y", "b")
			w.to("y/b", "x", "a")
			w.to("x/a/1.txt", "x/a", "1.bak")
		}, []string{"x/", "x/a/", "x/a/2.txt"}},
		{"a swap into a folder that was not there", []string{"x/", "y/", "x/a/", "y/b/", "x/a/1.txt", "y/b/2.txt"}, func(w *world) {
			w.grow("n/")
			w.to("x/a", "n", "a")
			w.to("y/b", "x", "a")
		}, []string{"n/", "n/a/", "n/a/1.txt", "x/", "x/a/", "x/a/2.txt"}},
		{"a new folder takes the place of one that moves away", []string{"x/", "y/", "x/a/", "y/0.txt", "x/a/1.txt"}, func(w *world) {
			w.to("x/a", "y", "b")
			w.put(Item{ID: "new", Parent: "x", Name: "a", Class: ClassFolder, Size: -1})
			w.put(Item{ID: "new/1", Parent: "new", Name: "1.txt", Class: ClassFile, Size: 1, Hash: "n"})
		}, []string{"x/", "x/a/", "x/a/1.txt", "y/", "y/0.txt", "y/b/", "y/b/1.txt"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := forest(t, txt, test.start...)
			test.edit(w)
			first, _ := w.planOnce(t, txt)
			plans, blocked := w.synchronise(t, txt)
			if len(blocked) > 0 || plans > 2 {
				t.Errorf("after %d plans these are blocked: %v; the first was %v", plans, blocked, first)
			}
			if got := w.onDisk(); !slices.Equal(got, test.want) {
				t.Errorf("on disk are %q, want %q; the first plan was %v", got, test.want, first)
			}
		})
	}
}
