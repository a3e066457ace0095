package plan

import (
	"context"
	"maps"
	"strings"
	"testing"
)

func TestPathsThatAreTooLongAreHeldBackAndNothingElseIs(t *testing.T) {
	name := func(n int) string { return strings.Repeat("n", n) }
	dir := func(id, parent, name string) Item {
		return Item{ID: ItemID(id), Parent: ItemID(parent), Name: name, Class: ClassFolder, Size: -1}
	}
	file := func(id, parent, name string) Item {
		return Item{ID: ItemID(id), Parent: ItemID(parent), Name: name, Class: ClassFile, Size: 1, Hash: "h"}
	}
	renamed := dir("d", "root", name(maxPath-1))
	for _, test := range []struct {
		name    string
		items   []Item
		applied []Entry
		rename  *Item
		include string
		want    map[string]string // by id
	}{
		{"a file just short enough", []Item{file("f", "root", name(maxPath))}, nil, nil, "", map[string]string{"f": "add"}},
		{"a file one byte too long", []Item{file("f", "root", name(maxPath+1))}, nil, nil, "", map[string]string{"f": "blocked path_too_long"}},
		{"a folder just short enough", []Item{dir("d", "root", name(maxPath))}, nil, nil, "", map[string]string{"d": "add"}},
		{"a folder one byte too long", []Item{dir("d", "root", name(maxPath+1))}, nil, nil, "", map[string]string{"d": "blocked path_too_long"}},
		{"bytes count, not characters", []Item{dir("d", "root", strings.Repeat("ä", maxPath/2+1))}, nil, nil, "", map[string]string{"d": "blocked path_too_long"}},
		{"only what is in the folder is too long", []Item{dir("d", "root", name(maxPath-2)), file("f", "d", "f"), file("g", "d", "gg")}, nil, nil, "",
			map[string]string{"d": "add", "f": "add", "g": "blocked path_too_long"}},
		{"what is below a folder that is too long", []Item{dir("d", "root", name(maxPath-2)), dir("e", "d", "ee"), file("f", "e", "f")}, nil, nil, "",
			map[string]string{"d": "add", "e": "blocked path_too_long", "f": "blocked path_too_long"}},
		{"a folder that is not selected is no matter", []Item{dir("d", "root", name(maxPath+1)), file("f", "root", "f.txt")}, nil, nil, "*.txt",
			map[string]string{"f": "add"}},
		{"a file that is selected below one", []Item{dir("d", "root", name(maxPath+1)), file("f", "d", "f.txt")}, nil, nil, "*.txt",
			map[string]string{"f": "blocked path_too_long"}},
		{"an applied folder gets too long a name", []Item{dir("d", "root", "d"), file("f", "d", "f")},
			[]Entry{{Item: "d", Name: "d", Fold: "d", Folder: true}, {Item: "f", Parent: "d", Name: "f", Fold: "f", Size: 1, RemoteSize: 1, RemoteHash: "h"}},
			&Item{ID: "d", Parent: "root", Name: name(maxPath + 1), Class: ClassFolder, Size: -1}, "", map[string]string{"d": "blocked path_too_long"}},
		{"an applied file gets too long a path by its folder's name", []Item{dir("d", "root", "d"), file("f", "d", "f"), file("g", "d", "g")},
			[]Entry{{Item: "d", Name: "d", Fold: "d", Folder: true}, {Item: "f", Parent: "d", Name: "f", Fold: "f", Size: 1, RemoteSize: 1, RemoteHash: "h"}},
			&renamed, "", map[string]string{"d": "move", "f": "blocked path_too_long", "g": "blocked path_too_long"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, full := range []bool{true, false} {
				w := newWorld()
				for _, it := range test.items {
					w.put(it)
				}
				for _, e := range test.applied {
					w.entries[e.Item] = e
				}
				if test.rename != nil {
					clear(w.log)
					w.put(*test.rename)
					if _, ok := w.entries["g"]; !ok {
						w.log["g"] = true
					}
				}
				got := map[string]string{}
				var sel Select
				if test.include != "" {
					sel.Include = []string{test.include}
				}
				m := &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Select: sel, Tracked: w.tracked()}
				req := Request{
					Mirror: m, Previous: &sel, PreviousFolder: w.root, Full: full, Verify: VerifyNone, Names: foldingNames{},
					Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
					Emit: func(c Change) error {
						got[string(c.ItemID)] = string(c.Action())
						if c.Action() == Blocked {
							got[string(c.ItemID)] += " " + string(c.Reason)
						}
						return nil
					},
					Drift: func(Drift) error { return nil },
				}
				if err := req.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				if !maps.Equal(got, test.want) {
					t.Errorf("full %v: planned %v, want %v", full, got, test.want)
				}
			}
		})
	}
}
