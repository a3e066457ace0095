package main

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// TestWhateverBecomesOfShortcutsTheDiskHoldsWhatTheyLeadTo lets shortcuts come, move, change places and go, with the folders above
// them, while what they lead to changes, moves, goes, or may not be read for a time; renames the mirror and makes its records
// anew in between. After each run the disk is what a simple model says.
func TestWhateverBecomesOfShortcutsTheDiskHoldsWhatTheyLeadTo(t *testing.T) {
	lives, rounds := 2, 10
	if long() {
		lives, rounds = 30, 30
	}
	seed := uint64(time.Now().UnixNano())
	for i := range lives {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
			l := newShortcutLife(t, rand.New(rand.NewPCG(seed+uint64(i), 0)))
			for range rounds {
				l.swapped = false
				for range 1 + l.rand.IntN(6) {
					l.edit()
				}
				l.note("run")
				l.apply()
				l.check()
				l.run(exitOK, "plan", "-detailed-exitcode")
				l.rewrite()
				if t.Failed() {
					t.Fatalf("after\n%s", strings.Join(l.notes, "\n"))
				}
			}
		})
	}
}

const ownLibrary = "people/Documents"

// sources are the libraries to which shortcuts lead.
func sources() []string { return []string{"finance/Invoices", "hr/Files"} }

// shortcutLife is a tenant, and what the mirror of its first library has on disk.
type shortcutLife struct {
	*world
	rand      *rand.Rand
	name      string // of the mirror
	n         int
	notes     []string
	swapped   bool            // since the last run: what is deleted now might leave its directory in the place of another
	closed    map[string]bool // libraries that may not be read
	shortcuts map[sandbox.ItemID]*lead
	placed    map[sandbox.ItemID]lifePlace // of folders and shortcuts, as of the last run
}

// lead is what a shortcut leads to.
type lead struct {
	library string
	folder  sandbox.ItemID
	made    bool              // it has a directory
	files   map[string]string // in it, as of the last time that it could be read
}

type lifePlace struct {
	parent sandbox.ItemID
	name   string
}

func newShortcutLife(t *testing.T, random *rand.Rand) *shortcutLife {
	l := &shortcutLife{rand: random, name: "docs", closed: map[string]bool{}, shortcuts: map[sandbox.ItemID]*lead{}, placed: map[sandbox.ItemID]lifePlace{}}
	l.world = newWorldOf(t, sandbox.DriveSpec{}, "", func(o *sandbox.Options) {
		o.Sites = append(o.Sites,
			sandbox.SiteSpec{Path: "sites/finance", Name: "Finance", Drives: []sandbox.DriveSpec{{Name: "Invoices", Segment: "Invoices"}}},
			sandbox.SiteSpec{Path: "sites/hr", Name: "HR", Drives: []sandbox.DriveSpec{{Name: "Files", Segment: "Files"}}})
	})
	l.configure("max_change_percent        = 100", "max_change_percent        = 100\n    require_nonempty_source   = false")
	l.configure(`target = "mirror"`, "target = \"mirror\"\n  content {\n    shortcuts = \"follow\"\n  }")
	for _, library := range append(sources(), ownLibrary) {
		for range 4 {
			l.put(library)
		}
	}
	for range 3 {
		l.link()
	}
	return l
}

func (l *shortcutLife) configure(before, after string) {
	l.t.Helper()
	text, err := os.ReadFile(l.world.path("main.hcl"))
	if err != nil || !strings.Contains(string(text), before) {
		l.t.Fatal(err, before)
	}
	l.write("main.hcl", strings.Replace(string(text), before, after, 1))
}

func (l *shortcutLife) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// try makes an edit that may not fit: then nothing happens.
func (l *shortcutLife) try(e sandbox.Edit) (sandbox.ItemID, bool) {
	id, err := l.tenant.Apply(e)
	l.note("%s %s %s to %s %s (%v)", e.Op, e.Drive, e.Path, e.ToDrive, e.To, err)
	return id, err == nil
}

// unique is a name that nothing ever had: what a forgotten shortcut left on disk is in nobody's way.
func (l *shortcutLife) unique(kind string) string {
	l.n++
	return fmt.Sprintf("%s%d", kind, l.n)
}

func (l *shortcutLife) pick(library string, fits func(sandbox.Truth) bool) (sandbox.Truth, bool) {
	list := l.tenant.Drive(library).Tree()
	list = slices.DeleteFunc(list, func(x sandbox.Truth) bool { return !fits(x) })
	if len(list) == 0 {
		return sandbox.Truth{}, false
	}
	return list[l.rand.IntN(len(list))], true
}

func isFolder(x sandbox.Truth) bool   { return x.Folder }
func isNoRoot(x sandbox.Truth) bool   { return x.Path != "/" }
func isFile(x sandbox.Truth) bool     { return !x.Folder && !x.Remote }
func isShortcut(x sandbox.Truth) bool { return x.Remote }

// put makes a file, often in a new folder, or writes one anew.
func (l *shortcutLife) put(library string) {
	at, _ := l.pick(library, isFolder)
	name := path.Join(at.Path, l.unique("f"))
	switch l.rand.IntN(3) {
	case 0:
		name = path.Join(at.Path, l.unique("d"), l.unique("f"))
	case 1:
		if file, ok := l.pick(library, isFile); ok {
			name = file.Path
		}
	}
	text := l.unique("text ")
	l.try(sandbox.Edit{Op: sandbox.OpPut, Drive: library, Path: name, Text: &text})
}

// link makes a shortcut to a folder, now and then one within the library, which is not followed.
func (l *shortcutLife) link() {
	library := sources()[l.rand.IntN(2)]
	if l.rand.IntN(8) == 0 {
		library = ownLibrary
	}
	at, _ := l.pick(ownLibrary, isFolder)
	to, _ := l.pick(library, isFolder)
	id, ok := l.try(sandbox.Edit{Op: sandbox.OpShortcut, Drive: ownLibrary, Path: path.Join(at.Path, l.unique("s")), ToDrive: library, To: to.Path})
	if ok && library != ownLibrary {
		l.shortcuts[id] = &lead{library: library, folder: to.ID}
	}
}

// edit does one thing to one of the libraries.
func (l *shortcutLife) edit() {
	library := append(sources(), ownLibrary, ownLibrary)[l.rand.IntN(4)]
	some := isNoRoot
	if library == ownLibrary && l.rand.IntN(2) == 0 {
		some = isShortcut
	}
	switch l.rand.IntN(12) {
	case 0, 1, 2:
		l.put(library)
	case 3, 4:
		l.link()
	case 5, 6:
		if x, ok := l.pick(library, some); ok {
			l.try(sandbox.Edit{Op: sandbox.OpRename, Drive: library, Path: x.Path, To: l.unique("r")})
		}
	case 7, 8:
		x, ok := l.pick(library, some)
		to, _ := l.pick(library, isFolder)
		if ok {
			l.try(sandbox.Edit{Op: sandbox.OpMove, Drive: library, Path: x.Path, To: path.Join(to.Path, l.unique("m"))})
		}
	case 9:
		x, ok := l.pick(library, some)
		y, _ := l.pick(library, some)
		if ok && x.ID != y.ID {
			l.try(sandbox.Edit{Op: sandbox.OpSwap, Drive: library, Path: x.Path, To: y.Path})
			l.swapped = true
		}
	case 10:
		if x, ok := l.pick(library, some); ok && !(l.swapped && library == ownLibrary) {
			l.try(sandbox.Edit{Op: sandbox.OpDelete, Drive: library, Path: x.Path})
		}
	default:
		closing := sources()[l.rand.IntN(2)]
		status := int64(403)
		if l.closed[closing] = !l.closed[closing]; !l.closed[closing] {
			status = 0
		}
		l.note("site %s %d", closing, status)
		l.try(sandbox.Edit{Op: sandbox.OpSite, Drive: closing, Size: &status})
	}
}

// apply carries out what is to be done, in one of the ways in which that can be done.
func (l *shortcutLife) apply() {
	l.t.Helper()
	switch l.rand.IntN(4) {
	case 0:
		l.run(exitOK, "plan", "-out=p.spplan")
		l.run(exitOK, "apply", "p.spplan")
	case 1:
		l.run(exitOK, "apply", "-auto-approve", "-full")
	default:
		l.run(exitOK, "apply", "-auto-approve")
	}
}

// rewrite edits the state in ways that change nothing on disk.
func (l *shortcutLife) rewrite() {
	l.t.Helper()
	switch l.rand.IntN(5) {
	case 0:
		was := l.name
		l.name = l.unique("docs")
		l.note("state mv %s %s", was, l.name)
		l.run(exitOK, "state", "mv", "mirror."+was, "mirror."+l.name)
		l.configure(`mirror "`+was+`"`, `mirror "`+l.name+`"`)
	case 1:
		if l.allRead() {
			l.note("state rebuild")
			l.run(exitOK, "state", "rebuild", "-auto-approve")
		}
	case 2:
		if l.allRead() {
			l.note("state rm")
			l.run(exitOK, "state", "rm", "mirror."+l.name)
			l.run(exitOK, "apply", "-auto-approve")
		}
	default:
		return
	}
	l.run(exitOK, "plan", "-detailed-exitcode")
	l.check()
}

// allRead reports whether everything that shortcuts lead to can be read: what cannot is not known to new records.
func (l *shortcutLife) allRead() bool {
	for _, x := range l.tenant.Drive(ownLibrary).Tree() {
		if s := l.shortcuts[x.ID]; s != nil {
			if _, readable := l.behind(s); !readable {
				return false
			}
		}
	}
	return true
}

// behind is what a shortcut leads to now.
func (l *shortcutLife) behind(s *lead) (files map[string]string, readable bool) {
	drive := l.tenant.Drive(s.library)
	tree := drive.Tree()
	i := slices.IndexFunc(tree, func(x sandbox.Truth) bool { return x.ID == s.folder })
	if i < 0 || l.closed[s.library] {
		return nil, false
	}
	files = map[string]string{}
	for _, x := range tree {
		if rest, inside := strings.CutPrefix(x.Path, strings.TrimSuffix(tree[i].Path, "/")+"/"); inside && isFile(x) {
			files[rest] = l.content(s.library, x.Path)
		}
	}
	return files, true
}

func (l *shortcutLife) content(library, name string) string {
	l.t.Helper()
	data, err := l.tenant.Drive(library).Content(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// expected is what the disk has to hold, and takes note of where everything is.
func (l *shortcutLife) expected() map[string]string {
	want := map[string]string{}
	paths, ids := map[sandbox.ItemID]string{}, map[string]sandbox.ItemID{}
	for _, x := range l.tenant.Drive(ownLibrary).Tree() {
		name := strings.TrimPrefix(x.Path, "/")
		if isFile(x) {
			want[name] = l.content(ownLibrary, x.Path)
			continue
		}
		paths[x.ID], ids[name] = name, x.ID
	}
	for id, s := range l.shortcuts {
		if _, live := paths[id]; !live {
			continue
		}
		if files, readable := l.behind(s); readable {
			s.files, s.made = files, true
		}
	}
	for id, name := range paths {
		up := path.Dir(name)
		if up == "." {
			up = ""
		}
		if s := l.shortcuts[id]; s == nil || s.made {
			l.placed[id] = lifePlace{ids[up], path.Base(name)}
		}
	}
	for id, s := range l.shortcuts {
		for name, text := range s.files {
			want[path.Join(l.directory(id, paths), name)] = text
		}
	}
	return want
}

// directory is where a folder or shortcut is; one that is gone at the source and had to stay is where the folder that it was in is
// now.
func (l *shortcutLife) directory(id sandbox.ItemID, live map[sandbox.ItemID]string) string {
	if name, ok := live[id]; ok {
		return name
	}
	at := l.placed[id]
	return path.Join(l.directory(at.parent, live), at.name)
}

// check compares every file below the target, but for those of spmirror itself.
func (l *shortcutLife) check() {
	l.t.Helper()
	want, got := l.expected(), map[string]string{}
	root := l.world.path("mirror")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".spmirror":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(root, name)
		got[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have, ok := got[name]; !ok || have != want[name] {
			l.t.Errorf("%s holds %q (%v), want %q", name, have, ok, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			l.t.Errorf("%s is there with %q", name, got[name])
		}
	}
}
