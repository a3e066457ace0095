package sandbox

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// kind is what an item is.
type kind uint8

const (
	kindFile kind = iota
	kindFolder
	kindPackage // a notebook: has children, no content of its own (C25)
	kindRemote  // a shortcut to an item of another drive (C27)
	kindRaw     // hostile: emitted as given
)

// hasChildren reports whether items can lie below.
func (k kind) hasChildren() bool { return k == kindFolder || k == kindPackage }

// item is one item of a drive. All fields but hash are guarded by the lock of the tenant.
type item struct {
	guid       guid
	name       string
	parent     *item // nil for the root
	folder     *folder
	more       *more
	hash       atomic.Pointer[[20]byte] // of the present content, computed when first asked for
	size       int64
	seq        uint64 // of its last change
	created    int64  // seconds; fsCreated is the same, the service keeps no other
	modified   int64  // service time of the last change
	fsModified int64  // client time of the content (V1)
	ord        uint32
	etag, ctag uint32
	content    uint32 // number of the content version
	createdBy  uint16
	modifiedBy uint16
	kind       kind
	deleted    bool
	noHash     bool
}

// folder is what only items with children have.
type folder struct {
	children []*item         // by ordinal
	index    map[string]bool // fold keys, once there are many children
	path     atomic.Pointer[folderPath]
}

// folderPath caches what depends on the place of a folder; epoch tells when it is stale.
type folderPath struct {
	epoch uint64
	path  string // decoded, "" for the root, else "/a/b"
	ref   []byte // parentReference of the children, without the path: see appendParent
	url   []byte // escaped webUrl of the folder
}

// more holds what few items have.
type more struct {
	data        []byte // content given as bytes
	disk        string // path below the directory of the drive
	mod         int64  // its time on the disk, in nanoseconds
	inode       uint64
	salt        uint64 // further seed of generated content
	fixed       uint64 // the whole seed, of content that came from another drive
	malware     string
	pkg         string
	remoteDrive DriveID
	remoteItem  ItemID
	raw         []byte
	served      body // delivered bytes that differ from the metadata (C18)
	hashText    string
	versions    []version // older ones, oldest first
	scope       string    // of sharing
	columns     map[string]string
	shareSeq    uint64
	processing  bool
	pending     bool
	locked      bool
	status      int // answered on content
}

// version is a former content of a file (V3).
type version struct {
	number   uint32
	size     int64
	modified int64
	by       uint16
	body     body
}

// change is one entry of the log of a drive. The entry at index i has sequence number base+1+i.
type change struct {
	at      int64
	chain   uint64 // digest of the history up to here
	ord     uint32
	sharing bool // only the sharing of the item changed (D51)
	silent  bool // not shown, it only moves the history on
}

// baseSeq is the sequence number of all that a tenant is made with.
const baseSeq = 1

// Drive is a library or OneDrive of the tenant.
type Drive struct {
	t       *Tenant
	site    *site
	index   int
	id      DriveID
	name    string
	segment string
	owner   uint16
	hidden  bool
	list    guid
	prefix  idPrefix
	top     *item
	items   []*item // by ordinal, the first is the root
	byGUID  map[guid]*item
	log     []change
	seq     uint64
	floor   uint64 // tokens older than this are dead
	chain   uint64
	epoch   uint64 // of cached paths
	slab    []item
	dir     *directory
	seed    uint64
	texts   driveTexts
}

// ID is the drive's id.
func (d *Drive) ID() DriveID { return d.id }

// Name is the name of the library.
func (d *Drive) Name() string { return d.name }

// WebURL is the address of the library.
func (d *Drive) WebURL() string { return d.texts.webURL }

// Address is the name of the drive in scripts: the path of its site and the library.
func (d *Drive) Address() string { return strings.TrimPrefix(d.site.path+"/"+d.name, "/") }

func (d *Drive) root() *item { return d.top }

func (d *Drive) itemID(it *item) ItemID {
	g := it.guid
	return ItemID(d.prefix.append(nil, &g))
}

// find returns the item with an id, deleted ones included.
func (d *Drive) find(id ItemID) *item {
	if id == "root" {
		return d.root()
	}
	g, ok := d.prefix.parse(id)
	if !ok {
		return nil
	}
	return d.byGUID[g]
}

// newItem makes an item without a place.
func (d *Drive) newItem(g guid, k kind, name string) *item {
	if len(d.slab) == 0 {
		d.slab = make([]item, 256)
	}
	it := &d.slab[0]
	d.slab = d.slab[1:]
	it.guid, it.kind, it.name, it.ord = g, k, name, uint32(len(d.items))
	it.etag, it.ctag, it.content = 1, 1, 1
	if k.hasChildren() {
		it.folder = &folder{}
		it.ctag = 0
	}
	d.items = append(d.items, it)
	d.byGUID[g] = it
	return it
}

func (it *item) extra() *more {
	if it.more == nil {
		it.more = &more{}
	}
	return it.more
}

// byOrdinal compares for the order of children.
func byOrdinal(a, b *item) int { return int(a.ord) - int(b.ord) }

// indexFrom is the number of children from which a folder keeps an index of their names.
const indexFrom = 64

// attach places an item into a folder and carries its size up.
func (d *Drive) attach(it, parent *item) {
	it.parent = parent
	f := parent.folder
	at, _ := slices.BinarySearchFunc(f.children, it, byOrdinal)
	f.children = slices.Insert(f.children, at, it)
	if f.index != nil {
		f.index[foldName(it.name)] = true
	}
	for p := parent; p != nil; p = p.parent {
		p.size += it.size
	}
}

// detach is the inverse of attach.
func (d *Drive) detach(it *item) {
	f := it.parent.folder
	if at, ok := slices.BinarySearchFunc(f.children, it, byOrdinal); ok {
		f.children = slices.Delete(f.children, at, at+1)
	}
	if f.index != nil {
		delete(f.index, foldName(it.name))
	}
	d.resize(it.parent, -it.size)
}

// resize carries a difference of size up to the root.
func (d *Drive) resize(from *item, by int64) {
	for p := from; p != nil; p = p.parent {
		p.size += by
	}
}

// child finds a live child by name, case not counting (N7).
func (it *item) child(name string) *item {
	if it.folder == nil {
		return nil
	}
	if it.folder.index != nil && !it.folder.index[foldName(name)] {
		return nil
	}
	var folded *item
	for _, c := range it.folder.children {
		if c.name == name {
			return c
		}
		if folded == nil && len(c.name) < len(name)*3+1 && strings.EqualFold(c.name, name) {
			folded = c
		}
	}
	return folded
}

// buildIndex makes the index of names once a folder is large; only edits call it.
func (it *item) buildIndex() {
	f := it.folder
	if f.index != nil || len(f.children) < indexFrom {
		return
	}
	f.index = make(map[string]bool, len(f.children)*2)
	for _, c := range f.children {
		f.index[foldName(c.name)] = true
	}
}

// walk finds a live item by its path below the root; "" and "/" are the root.
func (d *Drive) walk(path string) *item { return walkFrom(d.root(), path) }

func walkFrom(it *item, path string) *item {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if it = it.child(name); it == nil {
			return nil
		}
	}
	return it
}

// path is the decoded path of an item below the root, "" for the root.
func (it *item) path() string {
	if it.parent == nil {
		return ""
	}
	return it.parent.path() + "/" + it.name
}

// depth is the number of folders above an item.
func (it *item) depth() int {
	n := 0
	for p := it.parent; p != nil; p = p.parent {
		n++
	}
	return n
}

// below reports whether it is anc or lies below it.
func (it *item) below(anc *item) bool {
	for p := it; p != nil; p = p.parent {
		if p == anc {
			return true
		}
	}
	return false
}

// touch records that an item changed.
func (d *Drive) touch(it *item, at time.Time) { d.record(it, change{at: at.Unix()}) }

func (d *Drive) record(it *item, c change) {
	d.seq++
	if !c.sharing {
		it.seq = d.seq
	} else {
		it.extra().shareSeq = d.seq
	}
	d.chain = d.digest(d.chain, it)
	c.chain, c.ord = d.chain, it.ord
	d.log = append(d.log, c)
}

// digest mixes the present state of an item into the digest of a history.
func (d *Drive) digest(chain uint64, it *item) uint64 {
	h := chain ^ 0xcbf29ce484222325
	add := func(v uint64) { h = mix(h ^ v) }
	add(binary.LittleEndian.Uint64(it.guid[:8]))
	add(binary.LittleEndian.Uint64(it.guid[8:]))
	for i := 0; i < len(it.name); i++ {
		h = (h ^ uint64(it.name[i])) * 0x100000001b3
	}
	if it.parent != nil {
		add(binary.LittleEndian.Uint64(it.parent.guid[:8]))
	}
	if !it.kind.hasChildren() { // sizes of folders follow from the rest
		add(uint64(it.size))
		add(uint64(it.fsModified))
	}
	add(uint64(it.content)<<32 | uint64(it.kind)<<8)
	if it.deleted {
		add(1)
	}
	return h
}

// chainAt is the digest of the history at a sequence number, and whether the drive has been there.
func (d *Drive) chainAt(seq uint64) (uint64, bool) {
	switch {
	case seq < baseSeq || seq > d.seq || seq < d.floor:
		return 0, false
	case seq == baseSeq && len(d.log) > 0:
		return d.texts.baseChain, true
	case seq == baseSeq:
		return d.chain, true
	}
	return d.log[seq-baseSeq-1].chain, true
}

// settle ends the making of a drive: all that exists now has the base sequence number.
func (d *Drive) settle() {
	d.seq, d.log = baseSeq, nil
	d.chain = mix(d.seed)
	for _, it := range d.items {
		it.seq = baseSeq
		d.chain = d.digest(d.chain, it)
	}
	d.texts.baseChain = d.chain
}

// body is the present content of a file.
func (d *Drive) body(it *item) body {
	m := it.more
	switch {
	case m != nil && m.disk != "":
		return onDisk{path: d.dir.path(m.disk), size: it.size}
	case m != nil && m.data != nil:
		return stored(m.data)
	case m != nil && m.fixed != 0:
		return generated{seed: m.fixed, size: it.size}
	}
	return generated{seed: d.contentSeed(it), size: it.size}
}

func (d *Drive) contentSeed(it *item) uint64 {
	s := d.seed ^ binary.LittleEndian.Uint64(it.guid[:8]) ^ uint64(it.content)<<40
	if it.more != nil {
		s ^= mix(it.more.salt)
	}
	return mix(s)
}

// quickXor is the hash of the present content. Concurrent callers may compute it twice; they agree.
func (d *Drive) quickXor(it *item) ([20]byte, bool) {
	if h := it.hash.Load(); h != nil {
		return *h, true
	}
	h, err := d.body(it).sum()
	if err != nil {
		d.t.log.Warn("hash of a file", "drive", d.Address(), "error", err)
		return h, false
	}
	it.hash.Store(&h)
	return h, true
}
