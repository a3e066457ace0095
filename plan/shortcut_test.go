package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// linked is a world with shortcuts: those that were made as such, and those whose target may not be read.
type linked struct {
	*world
	made, refused map[ItemID]bool
}

// followed are the shortcuts as a session finds them: in the folder of the mirror, reached by its selection, readable
// or there already; and those that have a directory and are not found.
func (l linked) followed(t *rapid.T, sel Select) Shortcuts {
	compiled, err := sel.Compile()
	if err != nil {
		t.Fatal(err)
	}
	list := Shortcuts{}
	for id := range l.made {
		e, has := l.entries[id]
		if has && e.Folder {
			list[id] = "gone"
		}
		path, inside := l.pathOf(id)
		if !inside {
			continue
		}
		switch {
		case !compiled.Reaches(path):
			list[id] = "left out"
		case l.refused[id] && !has:
			list[id] = "refused"
		default:
			list[id] = ""
		}
	}
	return list
}

// pathOf is where an item is below the folder of the mirror.
func (l linked) pathOf(id ItemID) (RemotePath, bool) {
	var names []string
	for range len(l.items) + 1 {
		if id == l.root {
			slices.Reverse(names)
			return RemotePath(strings.Join(names, "/")), true
		}
		it, ok := l.items[id]
		if !ok {
			break
		}
		names = append(names, it.Name)
		id = it.Parent
	}
	return "", false
}

// edit makes a shortcut, changes whether one can be read, or does what someEdit does.
func (l linked) edit(t *rapid.T, next *int) {
	switch rapid.SampledFrom([]string{"shortcut", "access", "other", "other", "other", "other"}).Draw(t, "kind of edit") {
	case "shortcut":
		var folders []ItemID
		for id, it := range l.items {
			if it.Class.container() {
				folders = append(folders, id)
			}
		}
		slices.Sort(folders)
		*next++
		id := ItemID(fmt.Sprintf("i%02d", *next))
		l.made[id] = true
		l.put(Item{ID: id, Parent: rapid.SampledFrom(folders).Draw(t, "folder"), Name: rapid.SampledFrom(folderNames).Draw(t, "name"), Class: ClassShortcut, Size: -1})
	case "access":
		for _, id := range sortedIDs(l.made) {
			if rapid.Bool().Draw(t, "refused") {
				l.refused[id] = !l.refused[id]
			}
		}
	default:
		someEdit(t, l.world, next)
		for id := range l.made { // nothing turns a shortcut into something else
			if it, there := l.items[id]; there {
				it.Class = ClassShortcut
				l.put(it)
			}
		}
	}
}

func TestAFollowedShortcutIsAFolderThatIsNeverDeleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, next := linked{newWorld(), map[ItemID]bool{}, map[ItemID]bool{}}, 0
		sel, policy := someSelect(t), somePolicy(t)
		for range rapid.IntRange(1, 12).Draw(t, "items at first") {
			l.edit(t, &next)
		}
		for range rapid.IntRange(1, 5).Draw(t, "plans") {
			l.shortcuts = l.followed(t, sel)
			full := l.plan(t, sel, policy, true)
			full.conserved(t, l.world)
			some := l.plan(t, sel, policy, false)
			some.addsUp(t)
			if d := difference(full.lines, some.lines); d != "" {
				t.Fatalf("the incremental plan differs from the full one:\n%s\nshortcuts %v\nitems %+v\nentries %+v", d, l.shortcuts, l.items, l.entries)
			}
			l.checkDirectories(t, full)
			if err := l.apply(full.changes); err != nil {
				t.Fatalf("after applying %s: %v", strings.Join(full.lines, "\n"), err)
			}
			for range rapid.IntRange(0, 6).Draw(t, "edits") {
				l.edit(t, &next)
			}
		}
	})
}

// checkDirectories makes sure that no directory of a shortcut is deleted or given to another item, and that the layout
// of the plan is where the directories are once it is carried out.
func (l linked) checkDirectories(t *rapid.T, p planned) {
	after := linked{newWorld(), l.made, l.refused}
	after.items = l.items
	for id, e := range l.entries {
		after.entries[id] = e
	}
	layout := NewLayout(appliedWorld{l.world})
	for i := range p.changes {
		c := &p.changes[i]
		layout.See(c)
		if l.made[c.ItemID] && c.Folder && (c.Action() == Delete || c.Wanted == Delete) {
			t.Fatalf("the directory of a shortcut is deleted: %+v", c)
		}
		if l.shortcuts[c.Replaces] != "" && !c.Folder {
			t.Fatalf("%+v takes the place of a directory that stays", c)
		}
	}
	if err := after.apply(p.changes); err != nil {
		t.Fatal(err)
	}
	for id := range l.made {
		want, ok := RelPath(""), false
		if e, there := after.entries[id]; there && e.Folder {
			ok = true
			for at := e; ; at = after.entries[at.Parent] {
				want = RelPath(strings.TrimSuffix(at.Name+"/"+string(want), "/"))
				if at.Parent == "" {
					break
				}
			}
		}
		got, found, err := layout.Path(context.Background(), id)
		if err != nil || found != ok || got != want {
			t.Fatalf("the layout has %s at %q (%v, %v), it is at %q (%v)", id, got, found, err, want, ok)
		}
	}
}

func TestASelectionReachesFoldersInWhichItMayNameSomething(t *testing.T) {
	for _, c := range []struct {
		name             string
		include, exclude []string
		folder           RemotePath
		want             bool
	}{
		{"everything", nil, nil, "Team/Specs", true},
		{"excluded", nil, []string{"Specs/"}, "Team/Specs", false},
		{"excluded above", nil, []string{"/team"}, "Team/Specs", false},
		{"excluded below", nil, []string{"Team/Specs/sub/"}, "Team/Specs", true},
		{"named", []string{"Team/Specs/"}, nil, "Team/Specs", true},
		{"named above", []string{"Team/"}, nil, "Team/Specs", true},
		{"files of any folder", []string{"*.pdf"}, nil, "Team/Specs", true},
		{"something below", []string{"team/specs/2023/*.pdf"}, nil, "Team/Specs", true},
		{"any depth below", []string{"Team/**/*.pdf"}, nil, "Team/Specs", true},
		{"a file beside", []string{"Team/*.pdf"}, nil, "Team/Specs", false},
		{"another folder", []string{"Other/**"}, nil, "Team/Specs", false},
		{"alternatives", []string{"{Team/Specs,Other}/x"}, nil, "Team/Specs", true},
	} {
		s, err := Select{Include: c.include, Exclude: c.exclude}.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Reaches(c.folder); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestPatternsReachThroughAShortcut(t *testing.T) {
	w := newWorld()
	w.put(Item{ID: "sub", Parent: "root", Name: "sub", Class: ClassFolder, Size: -1})
	for _, dir := range []ItemID{"root", "sub"} {
		for _, name := range []string{"a.txt", "b.txt"} {
			w.put(Item{ID: dir + ItemID(name), Parent: dir, Name: name, Class: ClassFile, Size: 1, Hash: "h"})
		}
	}
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             []string
	}{
		{"the folder itself", []string{"Team/Specs/"}, nil, []string{"roota.txt", "rootb.txt", "sub", "suba.txt", "subb.txt"}},
		{"one above", []string{"Team/"}, nil, []string{"roota.txt", "rootb.txt", "sub", "suba.txt", "subb.txt"}},
		{"files in it", []string{"Team/Specs/*.txt"}, nil, []string{"roota.txt", "rootb.txt"}},
		{"a folder in it", []string{"Team/Specs/sub/a.*"}, nil, []string{"sub", "suba.txt"}},
		{"its own paths are none of the mirror's", []string{"sub/a.txt"}, nil, nil},
		{"left out", nil, []string{"Specs/sub/", "/Team/Specs/sub/"}, []string{"roota.txt", "rootb.txt"}},
	} {
		got, _ := w.planOnce(t, Select{Include: c.include, Exclude: c.exclude, Below: "Team/Specs"})
		var ids []string
		for id := range got {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, want %v", c.name, ids, c.want)
		}
	}
}
