package plan

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// disk is the target of a world: what it applied, what people did to that, and what they
// put beside it.
type disk struct {
	*world
	harmed    map[ItemID]harm
	strangers map[spot]stranger
}

// harm is what became of an applied file or folder.
type harm string

const (
	missing  harm = "missing"
	changed  harm = "changed"  // other bytes
	touched  harm = "touched"  // another time alone
	replaced harm = "replaced" // by a directory, or a folder by a file
)

// spot is a name in an applied folder. What lies there moves with the folder.
type spot struct {
	parent ItemID
	name   string
}

// stranger is something that is not ours: a directory, or a file by its hash.
type stranger struct {
	dir  bool
	hash string
}

func (s stranger) found(name string) Found {
	if s.dir {
		return Found{Name: name, Kind: FoundDir}
	}
	return Found{Name: name, Size: sizeOf(s.hash), MTime: time.Unix(7, 0)}
}

// sizeOf is the size of the files that a world makes with a hash.
func sizeOf(hash string) (n int64) {
	_, _ = fmt.Sscanf(hash, "h%d", &n)
	return n
}

// dirAt finds the applied folder at a path, or a stranger.
func (d *disk) dirAt(path RelPath) (id ItemID, ours bool, err error) {
	if path == "" {
		return "", true, nil
	}
	up, name, _ := splitLocal(path)
	parent, ours, err := d.dirAt(up)
	if err != nil || !ours {
		return "", false, cmp.Or(err, fs.ErrNotExist)
	}
	for _, e := range d.entries {
		if e.Parent == parent && e.Name == name && e.Folder && d.harmed[e.Item] == "" {
			return e.Item, true, nil
		}
	}
	if d.strangers[spot{parent, name}].dir {
		return "", false, nil
	}
	return "", false, fs.ErrNotExist
}

func (d *disk) ReadDir(_ context.Context, dir RelPath) (list []Found, err error) {
	id, ours, err := d.dirAt(dir)
	if err != nil || !ours {
		return nil, err
	}
	for _, e := range d.entries {
		if f, ok := d.found(e); ok && e.Parent == id {
			list = append(list, f)
		}
	}
	for at, s := range d.strangers {
		if at.parent == id {
			list = append(list, s.found(at.name))
		}
	}
	return list, nil
}

// found is what lies in the place of an entry.
func (d *disk) found(e Entry) (f Found, ok bool) {
	f = Found{Name: e.Name, Size: e.Size, MTime: e.MTime}
	if e.Folder {
		f.Kind = FoundDir
	}
	switch d.harmed[e.Item] {
	case missing:
		return f, false
	case changed:
		f.Size, f.MTime = e.Size+100, time.Unix(9, 0)
	case touched:
		f.MTime = time.Unix(9, 0)
	case replaced:
		f.Kind = map[bool]FoundKind{true: FoundFile, false: FoundDir}[e.Folder]
	}
	return f, true
}

func (d *disk) Hash(_ context.Context, file RelPath) (int64, string, string, error) {
	up, name, _ := splitLocal(file)
	id, ours, err := d.dirAt(up)
	if err != nil || !ours {
		return 0, "", "", cmp.Or(err, fs.ErrNotExist)
	}
	for _, e := range d.entries {
		if f, ok := d.found(e); ok && e.Parent == id && e.Name == name {
			if d.harmed[e.Item] == changed {
				return f.Size, "local", "", nil
			}
			return f.Size, e.RemoteHash, "", nil
		}
	}
	if s, ok := d.strangers[spot{id, name}]; ok && !s.dir {
		return sizeOf(s.hash), s.hash, "", nil
	}
	return 0, "", "", fs.ErrNotExist
}

// harm does something to what is on disk.
func (d *disk) harm(t *rapid.T) {
	var ids []ItemID
	folders := []ItemID{""}
	for id, e := range d.entries {
		ids = append(ids, id)
		if e.Folder && d.harmed[id] == "" {
			folders = append(folders, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(folders)
	if how := rapid.SampledFrom([]harm{missing, changed, touched, replaced, "stranger", "stranger", "cleared"}).Draw(t, "harm"); how == "stranger" {
		at := spot{rapid.SampledFrom(folders).Draw(t, "in"), rapid.SampledFrom(append(fileNames, folderNames...)).Draw(t, "name")}
		dir, hash := rapid.Bool().Draw(t, "a directory"), fmt.Sprint("h", rapid.IntRange(0, 9).Draw(t, "version"))
		if d.free(at) {
			d.strangers[at] = stranger{dir: dir, hash: hash}
		}
	} else if how == "cleared" {
		clear(d.strangers)
	} else if len(ids) > 0 {
		d.harmOne(rapid.SampledFrom(ids).Draw(t, "harmed"), how)
	}
}

// free reports whether nothing is at a place, as far as the target tells names apart.
func (d *disk) free(at spot) bool {
	fold := foldingNames{}.Fold(at.name)
	for other := range d.strangers {
		if other.parent == at.parent && (foldingNames{}).Fold(other.name) == fold {
			return false
		}
	}
	for _, e := range d.entries {
		if e.Parent == at.parent && e.Fold == fold {
			return false
		}
	}
	return true
}

func (d *disk) harmOne(id ItemID, how harm) {
	folder := d.entries[id].Folder
	if folder && how != missing && how != replaced || d.harmed[id] != "" {
		return
	}
	d.harmed[id] = how
	if !folder {
		return
	}
	for below := range maps.Keys(d.entries) {
		if d.below(below, id) {
			d.harmed[below] = missing
		}
	}
	maps.DeleteFunc(d.strangers, func(at spot, _ stranger) bool { return at.parent == id || d.below(at.parent, id) })
}

// below reports whether an entry is in a folder, or in one that is in it.
func (d *disk) below(id, folder ItemID) bool {
	for at := d.entries[id].Parent; at != ""; at = d.entries[at].Parent {
		if at == folder {
			return true
		}
	}
	return false
}

func (d *disk) plan(t *rapid.T, sel Select, policy Policy, full bool) planned {
	p := planned{mirror: &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: d.root}, Policy: policy, Select: sel, Tracked: d.tracked()}}
	return d.run(t, p, Request{Previous: &sel, PreviousFolder: d.root, Full: full, Verify: VerifyStat, Disk: d})
}

// apply does what a plan says. Nothing may be lost by it that is not ours, or that the
// policy keeps.
func (d *disk) apply(t *rapid.T, p planned, policy Policy) {
	for item, as := range d.rename(p.changes) {
		if how, ok := d.harmed[item]; ok {
			delete(d.harmed, item)
			d.harmed[as] = how
		}
		for at, s := range maps.Clone(d.strangers) {
			if at.parent == item {
				delete(d.strangers, at)
				d.strangers[spot{as, at.name}] = s
			}
		}
	}
	d.vacate(t, p.changes, policy)
	if err := d.world.apply(p.changes); err != nil {
		t.Fatalf("after applying %s: %v", strings.Join(p.lines, "\n"), err)
	}
	for _, c := range p.changes {
		d.settle(t, c, policy)
	}
	for at := range d.strangers {
		if e, ok := d.entries[at.parent]; at.parent != "" && (!ok || !e.Folder) {
			t.Fatalf("%q is in %s, which is no applied folder; the plan is\n%s", at.name, at.parent, strings.Join(p.lines, "\n"))
		}
	}
}

// vacate takes what leaves from the disk, the deepest first.
func (d *disk) vacate(t *rapid.T, changes []Change, policy Policy) {
	makeRoom := map[ItemID]bool{}
	for _, c := range changes {
		makeRoom[c.Replaces] = true
	}
	for _, c := range slices.SortedFunc(slices.Values(changes), func(a, b Change) int { return strings.Compare(string(b.Path), string(a.Path)) }) {
		if c.Action() != Delete && c.Action() != Forget {
			continue
		}
		e, how := d.entries[c.ItemID], d.harmed[c.ItemID]
		stays := c.Action() == Forget && how != missing || how == replaced
		if c.Action() == Delete && how == changed && policy.OnLocalChange == "keep" {
			t.Fatalf("%s is deleted, which was changed on disk", c.Path)
		}
		for at := range d.strangers {
			stays = stays || at.parent == e.Item
		}
		maps.DeleteFunc(d.strangers, func(at spot, _ stranger) bool { return at.parent == e.Item })
		delete(d.harmed, e.Item)
		at := spot{e.Parent, e.Name}
		if makeRoom[e.Item] {
			at.name += "~"
		}
		if stays {
			d.strangers[at] = stranger{dir: e.Folder != (how == replaced), hash: "h0"}
		}
	}
}

// settle does on disk what a change says of it.
func (d *disk) settle(t *rapid.T, c Change, policy Policy) {
	how := d.harmed[c.ItemID]
	lands := c.Action() == Add || c.Action() == Adopt || c.Moves() && c.Action() != Blocked
	if lands {
		d.land(t, c)
	}
	switch c.Action() {
	case Add, Adopt, Metadata:
		delete(d.harmed, c.ItemID)
	case Move:
		if how == missing || how == replaced {
			t.Fatalf("%s is moved, and is %s on disk", c.PreviousPath, how)
		}
	case Update:
		if how == replaced || how == missing || how == changed && policy.OnLocalChange == "keep" {
			t.Fatalf("%s is updated, and is %s on disk", c.Path, how)
		}
		if how == changed && c.Disposal == DisposeRename {
			d.strangers[spot{c.Parent, c.Name + "~"}] = stranger{hash: "h0"}
		}
		delete(d.harmed, c.ItemID)
	}
}

// land puts an item in its place, which must be free of what is not ours.
func (d *disk) land(t *rapid.T, c Change) {
	fold := foldingNames{}.Fold(c.Name)
	for at, s := range d.strangers {
		if at.parent != c.Parent || (foldingNames{}).Fold(at.name) != fold {
			continue
		}
		switch {
		case c.Folder && s.dir && c.Action() != Move, c.Action() == Adopt && !c.Folder && !s.dir && s.hash == d.items[c.ItemID].Hash:
		case c.Disposal == DisposeRename && c.Action() == Add:
			d.strangers[spot{at.parent, at.name + "~"}] = s
		default:
			t.Fatalf("%s of %s, where something lies that is not ours: %+v", c.Action(), c.Path, s)
		}
		delete(d.strangers, at)
	}
}

// Whatever people do to a target: what the plan of everything says is what the plan of
// what has changed says, nothing that is not ours is in its way, and it comes to an end.
func TestPlansOfATargetThatPeopleWorkInAreSoundAndEnd(t *testing.T) {
	more := map[bool]int{false: 10, true: 500}[os.Getenv("SPMIRROR_LONG") == "1"]
	for range more {
		rapid.Check(t, peopleProperty)
	}
}

func peopleProperty(t *rapid.T) {
	d, next := &disk{world: newWorld(), harmed: map[ItemID]harm{}, strangers: map[spot]stranger{}}, 0
	sel, policy := someSelect(t), somePolicy(t)
	policy.OnLocalChange = rapid.SampledFrom([]string{"restore", "keep", "rename"}).Draw(t, "on local change")
	policy.OnUntracked = rapid.SampledFrom([]string{"adopt", "block", "rename"}).Draw(t, "on untracked")
	for range rapid.IntRange(0, 15).Draw(t, "items at first") {
		someEdit(t, d.world, &next)
	}
	for range rapid.IntRange(1, 5).Draw(t, "plans") {
		d.planBoth(t, sel, policy)
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			someEdit(t, d.world, &next)
		}
		for range rapid.IntRange(0, 3).Draw(t, "harms") {
			d.harm(t)
		}
	}
	for range 6 {
		if p := d.planBoth(t, sel, policy); !slices.ContainsFunc(p.changes, func(c Change) bool { return c.Action() != Blocked }) {
			return
		}
	}
	t.Fatalf("six plans in a row find something to do:\n%s", strings.Join(d.plan(t, sel, policy, true).lines, "\n"))
}

// planBoth plans in full and incrementally, wants the same, and applies it.
func (d *disk) planBoth(t *rapid.T, sel Select, policy Policy) planned {
	full, some := d.plan(t, sel, policy, true), d.plan(t, sel, policy, false)
	full.conserved(t, d.world)
	some.addsUp(t)
	if diff := difference(full.lines, some.lines); diff != "" {
		t.Fatalf("the incremental plan differs from the full one:\n%s\nall of it:\n%s\nentries %+v\nitems %+v\nharmed %v\nstrangers %v",
			diff, strings.Join(full.lines, "\n"), d.entries, d.items, d.harmed, d.strangers)
	}
	d.apply(t, full, policy)
	return full
}
