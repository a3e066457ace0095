package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// matching tells which item of a library is which entry of its directory now. Identity is the inode,
// backed by something that a reused inode would not have; where there is none it is the place.
type matching struct {
	items map[string]*item // shown items by their path before
	found map[string]scanned
	from  map[string]string // path now → path before, of what is the same
	taken map[string]bool   // paths before that are in from
}

// diskItems lists the live items that a directory gave, by path.
func (d *Drive) diskItems() map[string]*item {
	at := map[string]*item{}
	for _, it := range d.items[1:] {
		if !it.deleted && it.more != nil && it.more.disk != "" {
			at[it.more.disk] = it
		}
	}
	return at
}

// match pairs what a scan found with what the library shows. The order of the rules matters: what did
// not move first (hard links share an inode), then what carries its inode elsewhere, and places last,
// so that two folders that changed places are told from two folders whose content changed.
func (d *Drive) match(found []scanned) *matching {
	m := &matching{items: d.diskItems(), found: make(map[string]scanned, len(found)),
		from: map[string]string{"": ""}, taken: map[string]bool{}}
	inodes := map[uint64][]*item{}
	for _, s := range found {
		m.found[s.Path] = s
		if it := m.items[s.Path]; it != nil && s.Inode != 0 && it.more.inode == s.Inode && s.Folder == it.kind.hasChildren() {
			m.pair(s.Path, s.Path)
		}
	}
	for _, it := range m.items {
		if it.more.inode != 0 && !m.taken[it.more.disk] {
			inodes[it.more.inode] = append(inodes[it.more.inode], it)
		}
	}
	for _, s := range found {
		if _, done := m.from[s.Path]; done || s.Inode == 0 {
			continue
		}
		for _, it := range slices.SortedFunc(slices.Values(inodes[s.Inode]), byOrdinal) {
			if !m.taken[it.more.disk] && m.same(it, s) {
				m.pair(s.Path, it.more.disk)
				break
			}
		}
	}
	for _, s := range found { // folders come before what they hold
		if _, done := m.from[s.Path]; done {
			continue
		}
		parent, known := m.from[parentPath(s.Path)]
		before := path.Join(parent, path.Base(s.Path))
		if it := m.items[before]; known && it != nil && !m.taken[before] && s.Folder == it.kind.hasChildren() {
			m.pair(s.Path, before)
		}
	}
	return m
}

func (m *matching) pair(now, before string) {
	m.from[now] = before
	m.taken[before] = true
}

// same reports whether an entry with the inode of an item is that item and no later one that the
// filesystem gave a used inode. A file kept size and time; a folder kept its time, as a rename does
// not move it, or at least one child.
func (m *matching) same(it *item, s scanned) bool {
	if s.Folder != it.kind.hasChildren() {
		return false
	}
	if it.more.mod == s.Mod {
		return s.Folder || it.size == s.Size
	}
	if !s.Folder {
		return false
	}
	return slices.ContainsFunc(it.folder.children, func(c *item) bool {
		if c.more == nil || c.more.inode == 0 || parentPath(c.more.disk) != it.more.disk {
			return false
		}
		return m.found[path.Join(s.Path, path.Base(c.more.disk))].Inode == c.more.inode
	})
}

// moved reports whether an entry left its folder or its name. What only lies in a folder that moved
// did not (D21).
func (m *matching) moved(now, before string) bool {
	parent, known := m.from[parentPath(now)]
	return !known || parent != parentPath(before) || path.Base(now) != path.Base(before)
}

// differences compares a scan with what the library shows: folders that came and moved from the top
// down, files that moved, what is gone, files that changed, files that came.
func (d *Drive) differences(found []scanned) []scanned {
	m := d.match(found)
	var folders, moved, gone, changed, added, kept []scanned
	for _, s := range found {
		before, known := m.from[s.Path]
		if !known {
			if s.Folder {
				folders = append(folders, s)
			} else {
				added = append(added, s)
			}
			continue
		}
		it := m.items[before]
		content := !s.Folder && (it.size != s.Size || it.more.mod != s.Mod)
		if m.moved(s.Path, before) {
			to := s
			to.MovedTo, to.Path = s.Path, before
			if s.Folder {
				folders = append(folders, to)
			} else {
				moved = append(moved, to)
			}
		}
		switch {
		case content:
			changed = append(changed, s)
		case s.Inode != 0 && (s.Inode != it.more.inode || s.Mod != it.more.mod):
			s.Kept = true
			kept = append(kept, s)
		}
	}
	for before := range m.items {
		if !m.taken[before] {
			gone = append(gone, scanned{Path: before, Gone: true})
		}
	}
	slices.SortFunc(gone, func(a, b scanned) int { return comparePaths(a.Path, b.Path) })
	return slices.Concat(folders, moved, gone, changed, added, kept)
}

// scanEdit applies the differences of one scan. Paths before and paths now are different maps: a path
// may have passed from one item to another.
type scanEdit struct {
	d      *Drive
	e      Edit
	before map[string]*item
	now    map[string]*item
	placed []*item // whose names an index may have lost to what was there before
}

// editScan applies the differences of a scan.
func (d *Drive) editScan(e Edit) error {
	edit := &scanEdit{d: d, e: e, before: d.diskItems()}
	edit.carry()
	for _, s := range e.Scan {
		if err := edit.apply(s); err != nil {
			return err
		}
	}
	for _, it := range edit.placed {
		if f := it.parent.folder; f.index != nil && !it.deleted {
			f.index[foldName(it.name)] = true
		}
	}
	return nil
}

// carry gives the items in moved folders their new paths on the disk, and those that do not move
// themselves their places among the paths now.
func (s *scanEdit) carry() {
	folders, leave := map[string]string{"": ""}, map[string]bool{}
	for _, c := range s.e.Scan {
		if c.Folder && c.MovedTo != "" {
			folders[c.Path] = c.MovedTo
		}
		leave[c.Path] = leave[c.Path] || c.Gone || c.MovedTo != ""
	}
	var now func(p string) string
	now = func(p string) string {
		to, known := folders[p]
		if !known {
			to = path.Join(now(parentPath(p)), path.Base(p))
			if it := s.before[p]; it != nil && it.kind.hasChildren() {
				folders[p] = to
			}
		}
		return to
	}
	s.now = map[string]*item{"": s.d.root()}
	for p, it := range s.before {
		if !leave[p] {
			it.more.disk = now(p)
			s.now[it.more.disk] = it
		}
	}
}

func (s *scanEdit) apply(c scanned) error {
	switch {
	case c.Gone:
		if it := s.before[c.Path]; it != nil && !it.deleted {
			return s.d.editDelete(it, s.e)
		}
		return nil
	case c.MovedTo != "":
		if it := s.before[c.Path]; it != nil && !it.deleted {
			return s.move(it, c)
		}
		c.Path, c.MovedTo = c.MovedTo, "" // its folder was deleted before it was found again
	}
	it := s.now[c.Path]
	switch {
	case it == nil || it.deleted:
		if c.Kept {
			return nil
		}
		return s.add(c)
	case c.Kept || c.Folder:
		it.more.inode, it.more.mod = c.Inode, c.Mod
	default:
		s.d.scanChanged(it, c, s.e)
	}
	return nil
}

func (s *scanEdit) move(it *item, c scanned) error {
	parent := s.now[parentPath(c.MovedTo)]
	if parent == nil || parent.below(it) {
		return fmt.Errorf("scan: %w", ErrNoItem)
	}
	s.d.relocate(it, parent, path.Base(c.MovedTo))
	it.more.disk = c.MovedTo
	s.d.stamp(it, s.e)
	s.now[c.MovedTo] = it
	s.placed = append(s.placed, it)
	return nil
}

func (s *scanEdit) add(c scanned) error {
	parent := s.now[parentPath(c.Path)]
	if parent == nil {
		return fmt.Errorf("scan: %w", ErrNoItem)
	}
	it := s.d.scanAdded(parent, c, s.e)
	s.now[c.Path] = it
	s.placed = append(s.placed, it)
	return nil
}

func parentPath(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func (d *Drive) scanChanged(it *item, s scanned, e Edit) {
	d.resize(it.parent, s.Size-it.size)
	it.size, it.more.mod, it.fsModified, it.more.inode = s.Size, s.Mod, s.Mod/int64(time.Second), s.Inode
	it.content++
	it.etag++
	it.ctag++
	it.hash.Store(nil)
	d.stamp(it, e)
}

// scanAdded makes the item of a file or folder that is new. Names on the disk are not checked against
// the rules of SharePoint: what lies there is served. The id follows from the path.
func (d *Drive) scanAdded(parent *item, s scanned, e Edit) *item {
	k := kindFile
	if s.Folder {
		k = kindFolder
	}
	g := makeGUID(d.seed, "disk", s.Path)
	for d.byGUID[g] != nil { // the path was there before: what is there now is another item
		g = quickGUID(d.seed, uint64(len(d.items)))
	}
	it := d.newItem(g, k, path.Base(s.Path))
	it.created, it.modified, it.fsModified = e.At.Unix(), e.At.Unix(), e.At.Unix()
	it.createdBy, it.modifiedBy = d.owner, d.owner
	m := it.extra()
	m.disk, m.mod, m.inode = s.Path, s.Mod, s.Inode
	if !s.Folder {
		it.size, it.fsModified = s.Size, s.Mod/int64(time.Second)
	}
	d.attach(it, parent)
	d.touch(it, e.At)
	return it
}
