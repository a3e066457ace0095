package sandbox

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// editMove renames or moves an item. Only the item itself changes, not what lies below it (D21).
func (d *Drive) editMove(it *item, e Edit) error {
	parent, name := it.parent, e.To
	if parent == nil {
		return fmt.Errorf("the root does not move: %w", ErrOperation)
	}
	if e.Op == OpMove {
		to := e.To
		if strings.HasSuffix(to, "/") || to == "" {
			to += it.name
		}
		dir, base := path.Split(strings.TrimPrefix(to, "/"))
		p, err := d.makeFolders(dir, Edit{At: e.At, By: e.By})
		if err != nil {
			return err
		}
		parent, name = p, base
	}
	if parent.below(it) {
		return fmt.Errorf("%q would lie below itself: %w", it.name, ErrOperation)
	}
	if !parent.kind.hasChildren() {
		return fmt.Errorf("%q is not a folder: %w", parent.name, ErrOperation)
	}
	if !e.Hostile {
		if why := d.nameProblem(parent, name, it.kind); why != "" {
			return fmt.Errorf("%q: %s: %w", name, why, ErrName)
		}
		if other := parent.child(name); other != nil && other != it {
			return fmt.Errorf("%q: %w", name, ErrExists)
		}
	}
	if it.name == name && it.parent == parent {
		return nil
	}
	d.relocate(it, parent, name)
	d.stamp(it, e)
	return nil
}

// relocate gives an item another place. The eTag moves, the cTag only where the tenant behaves so (D38).
func (d *Drive) relocate(it, parent *item, name string) {
	d.detach(it)
	it.name = name
	parent.buildIndex()
	d.attach(it, parent)
	it.etag++
	if d.t.mode.CTagOnRename && it.kind == kindFile {
		it.ctag++
	}
	if it.folder != nil {
		d.epoch++
	}
}

// editSwap lets two items exchange name and folder.
func (d *Drive) editSwap(it *item, e Edit) error {
	other := d.walk(e.To)
	if other == nil {
		return fmt.Errorf("%s: %w", e.To, ErrNoItem)
	}
	if it.parent == nil || other.parent == nil || it.parent.below(other) || other.parent.below(it) {
		return fmt.Errorf("one lies below the other: %w", ErrOperation)
	}
	p1, n1, p2, n2 := it.parent, it.name, other.parent, other.name
	d.relocate(it, p2, n2)
	d.relocate(other, p1, n1)
	if f := p1.folder; f.index != nil {
		f.index[foldName(n1)] = true // leaving took the name out again
	}
	if f := p2.folder; f.index != nil {
		f.index[foldName(n2)] = true
	}
	d.stamp(it, e)
	d.stamp(other, e)
	return nil
}

// editDelete takes an item and all below it out of the tree. What is told about those below is a
// matter of behaviour (D30, Q15).
func (d *Drive) editDelete(it *item, e Edit) error {
	if it.parent == nil {
		return fmt.Errorf("the root cannot be deleted: %w", ErrOperation)
	}
	below := d.bury(it)
	d.touch(it, e.At)
	for _, b := range below {
		switch d.t.mode.FolderDelete {
		case DeleteEverything:
			d.touch(b, e.At)
		case DeleteFolders:
			if b.kind.hasChildren() {
				d.touch(b, e.At)
			}
		}
	}
	return nil
}

// bury marks an item and all below it as deleted and returns those below, parents first. They keep
// their parent: a tombstone names it (D27).
func (d *Drive) bury(it *item) []*item {
	d.detach(it)
	it.deleted = true
	if it.folder == nil {
		return nil
	}
	d.epoch++
	var below []*item
	queue := slices.Clone(it.folder.children)
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		c.deleted = true
		below = append(below, c)
		if c.folder != nil {
			queue = append(queue, c.folder.children...)
		}
	}
	return below
}

// editVanish removes an item without a trace in the log (D32): only a full enumeration shows it.
func (d *Drive) editVanish(it *item) error {
	if it.parent == nil {
		return fmt.Errorf("the root cannot vanish: %w", ErrOperation)
	}
	d.bury(it)
	return nil
}

// editTurn makes a folder of a file, or a file of a folder. Nobody has seen the service do that; nothing of it says that it
// cannot.
func (d *Drive) editTurn(it *item, e Edit) error {
	onDisk := it.more != nil && it.more.disk != ""
	if it.parent == nil || onDisk || it.kind != kindFile && it.kind != kindFolder {
		return fmt.Errorf("%q can be nothing else: %w", it.name, ErrOperation)
	}
	parent := it.parent
	below := d.bury(it)
	it.deleted = false
	for _, b := range below {
		d.touch(b, e.At)
	}
	it.etag++
	it.size, it.more, it.noHash = 0, nil, false
	it.hash.Store(nil)
	it.folder = &folder{} // also of a file: what was deleted in it still says where it was (D27)
	if it.kind == kindFile {
		it.kind, it.ctag = kindFolder, 0
	} else {
		it.kind, it.ctag = kindFile, 1
		it.content++
	}
	d.attach(it, parent)
	d.stamp(it, e)
	return nil
}

// editRestore brings an item back from the recycle bin with all that went with it; ids stay.
func (d *Drive) editRestore(e Edit) (ItemID, error) {
	var it *item
	if e.Item != "" {
		it = d.find(e.Item)
	} else {
		it = d.lastDeleted(e.Path)
	}
	if it == nil || !it.deleted || it.kind == kindRaw {
		return "", ErrNoItem
	}
	parent := it.parent
	if parent.deleted || !parent.kind.hasChildren() {
		return "", fmt.Errorf("its folder is deleted: %w", ErrOperation)
	}
	if parent.child(it.name) != nil {
		return "", fmt.Errorf("%q: %w", it.name, ErrExists)
	}
	d.revive(it)
	d.attach(it, parent)
	d.epoch++
	it.etag++
	d.stamp(it, e)
	if it.folder != nil {
		d.touchBelow(it, e)
	}
	return d.itemID(it), nil
}

// revive takes the mark of deletion from an item and from those that went with it.
func (d *Drive) revive(it *item) {
	it.deleted = false
	if it.folder == nil {
		return
	}
	for _, c := range it.folder.children {
		d.revive(c)
	}
}

func (d *Drive) touchBelow(it *item, e Edit) {
	for _, c := range it.folder.children {
		d.touch(c, e.At)
		if c.folder != nil {
			d.touchBelow(c, e)
		}
	}
}

// lastDeleted is the most recently deleted item that lay at a path.
func (d *Drive) lastDeleted(p string) *item {
	p = "/" + strings.Trim(p, "/")
	var last *item
	for _, it := range d.items {
		if it.deleted && it.kind != kindRaw && strings.EqualFold(it.path(), p) && (last == nil || it.seq >= last.seq) {
			last = it
		}
	}
	return last
}

// editTransfer moves an item to another drive: tombstones here, new items with new ids there, and no
// link between the two (D31).
func (d *Drive) editTransfer(it *item, e Edit) (ItemID, error) {
	to := d.t.drive(e.ToDrive)
	if to == nil || to == d {
		return "", fmt.Errorf("to %q: %w", e.ToDrive, ErrNoDrive)
	}
	if it.parent == nil {
		return "", fmt.Errorf("the root does not move: %w", ErrOperation)
	}
	dest := e.To
	if dest == "" || strings.HasSuffix(dest, "/") {
		dest += it.name
	}
	dir, base := path.Split(strings.Trim(dest, "/"))
	parent, err := to.makeFolders(dir, Edit{At: e.At, By: e.By})
	if err != nil {
		return "", err
	}
	made, err := to.adopt(parent, it, d, base, e)
	if err != nil {
		return "", err
	}
	return to.itemID(made), d.editDelete(it, e)
}

// adopt copies an item of another drive with all below it.
func (d *Drive) adopt(parent, src *item, from *Drive, name string, e Edit) (*item, error) {
	it, err := d.makeItem(parent, src.kind, name, e)
	if err != nil {
		return nil, err
	}
	it.created, it.createdBy = src.created, src.createdBy
	if src.more != nil {
		it.extra().pkg, it.more.malware = src.more.pkg, src.more.malware
		it.more.remoteDrive, it.more.remoteItem = src.more.remoteDrive, src.more.remoteItem
	}
	if src.kind == kindFile {
		d.adoptContent(it, src, from)
	}
	d.touch(it, e.At)
	if src.folder != nil {
		for _, c := range src.folder.children {
			if _, err := d.adopt(it, c, from, c.name, e); err != nil {
				return nil, err
			}
		}
	}
	return it, nil
}

// adoptContent gives the copy the same bytes: generated ones by a salt that cancels what differs.
func (d *Drive) adoptContent(it, src *item, from *Drive) {
	it.fsModified = src.fsModified
	switch b := from.body(src).(type) {
	case stored:
		it.extra().data = b
	case generated:
		it.extra().fixed = b.seed
	case onDisk:
		data := make(stored, b.size)
		if n, err := b.ReadAt(data, 0); err == nil || n > 0 {
			it.extra().data = data[:n]
		}
	}
	it.size = src.size
	d.resize(it.parent, it.size)
}

func (d *Drive) editShortcut(e Edit) (ItemID, error) {
	other := d.t.drive(e.ToDrive)
	if other == nil {
		return "", fmt.Errorf("to %q: %w", e.ToDrive, ErrNoDrive)
	}
	target := other.walk(e.To)
	if target == nil {
		return "", fmt.Errorf("to %s: %w", e.To, ErrNoItem)
	}
	dir, name := path.Split(strings.Trim(e.Path, "/"))
	parent, err := d.makeFolders(dir, Edit{At: e.At, By: e.By})
	if err != nil {
		return "", err
	}
	it, err := d.makeItem(parent, kindRemote, name, e)
	if err != nil {
		return "", err
	}
	it.extra().remoteDrive, it.more.remoteItem = other.id, other.itemID(target)
	d.touch(it, e.At)
	return d.itemID(it), nil
}

// editRaw puts a value as it is into the next delta pages of the drive.
func (d *Drive) editRaw(e Edit) (ItemID, error) {
	if e.Text == nil {
		return "", fmt.Errorf("text is missing: %w", ErrOperation)
	}
	it := d.newItem(quickGUID(d.seed, uint64(len(d.items))), kindRaw, "")
	it.parent = d.root()
	it.extra().raw = []byte(*e.Text)
	d.touch(it, e.At)
	var named struct{ ID ItemID }
	if json.Unmarshal(it.more.raw, &named) != nil { // not even JSON: that may be the point
		named.ID = ""
	}
	return named.ID, nil
}

// editFacet changes what does not move an item.
func (d *Drive) editFacet(it *item, e Edit) error {
	m := it.extra()
	switch e.Op {
	case OpTouch:
	case OpMalware:
		m.malware = e.To
		if e.To == "" && !e.Off {
			m.malware = "Win32/Eicar_Test_File"
		}
	case OpServe:
		m.served = d.servedBody(it, e)
		return nil // the metadata say nothing of it: that is the quirk
	case OpNoHash:
		it.noHash = !e.Off
	case OpHash:
		m.hashText = e.To
	case OpShare:
		return d.editShare(it, e)
	case OpColumn:
		name, value, ok := strings.Cut(e.To, "=")
		if !ok || name == "" {
			return fmt.Errorf("to is not of the form NAME=VALUE: %w", ErrOperation)
		}
		if m.columns == nil {
			m.columns = make(map[string]string)
		}
		m.columns[name] = value
	case OpProcessing:
		m.processing = !e.Off
	case OpPending:
		m.pending = !e.Off
	case OpLock:
		m.locked = !e.Off
	case OpStatus:
		m.status = int(sizeOf(e))
		return nil
	default:
		return fmt.Errorf("%q is no operation: %w", e.Op, ErrOperation)
	}
	it.etag++
	d.stamp(it, e)
	return nil
}

func (d *Drive) servedBody(it *item, e Edit) body {
	switch {
	case e.Off:
		return nil
	case e.Text != nil:
		return stored(*e.Text)
	case e.Data != nil:
		return stored(e.Data)
	case e.Size != nil:
		return generated{seed: mix(d.contentSeed(it) + 1), size: *e.Size}
	}
	return generated{seed: mix(d.contentSeed(it) + 1), size: it.size}
}

// editShare changes the sharing of an item. Without the special Prefer values delta does not show it
// (Q21), so it does not count as a change of the item.
func (d *Drive) editShare(it *item, e Edit) error {
	before := it.more.scope
	it.more.scope = e.To
	if e.To == "" && !e.Off {
		it.more.scope = "users"
	}
	if e.Off {
		it.more.scope = ""
	}
	if before == "" && it.more.scope != "" {
		d.t.anyShared.Add(1)
	}
	if before != "" && it.more.scope == "" {
		d.t.anyShared.Add(-1)
	}
	d.record(it, change{at: e.At.Unix(), sharing: true})
	return nil
}
