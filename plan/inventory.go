package plan

import (
	"context"
	"iter"
	"time"
)

// Class is what kind of thing a driveItem is, decided when it was observed.
type Class uint8

// The classes. Only files and folders are mirrored without being asked for.
const (
	ClassUnknown Class = iota
	ClassFile
	ClassFolder
	ClassRoot
	ClassPackage
	ClassPackagePart
	ClassShortcut
	ClassBundle
	ClassMalware
)

// container reports whether items of this class can hold others (C25: a
// package has children that are listed as items).
func (c Class) container() bool { return c == ClassFolder || c == ClassRoot || c == ClassPackage }

// Item is what the source last said of one driveItem.
type Item struct {
	ID, Parent ItemID
	Name       string
	Class      Class
	Size       int64 // -1: not given (Q35)
	Modified   time.Time
	ETag, CTag string
	Hash       string // quickXorHash, base64; empty: not given (C23)
	ModifiedBy string
	Note       string // type of a package, malware description, target of a shortcut
}

// Entry is what spmirror last put on disk for one item.
type Entry struct {
	Item, Parent ItemID // Parent is empty directly below the target
	Name, Fold   string
	Folder       bool
	Size         int64
	MTime        time.Time
	Inode        uint64
	Hash         string // quickXorHash of the local bytes
	SHA256       string
	RemoteHash   string // what the source announced for the version applied
	RemoteSize   int64
	Modified     time.Time
	ETag, CTag   string
	Verdict      string
}

func (e *Entry) local() *Local {
	if e.Folder {
		return nil
	}
	return &Local{Size: e.Size, SHA256: e.SHA256, MTime: e.MTime, Inode: e.Inode}
}

// Pending is an item that the last run could not finish.
type Pending struct {
	Item                 ItemID
	Path                 RelPath // where it was to be
	Action, Code, Reason string
}

// Pair joins what is known of one id: Item is nil when the source no longer has
// it, Entry when nothing is on disk for it, Pending when nothing is left over.
// The pointed-to values are valid only until the iteration goes on.
type Pair struct {
	Item    *Item
	Entry   *Entry
	Pending *Pending
}

func (p Pair) id() ItemID {
	switch {
	case p.Item != nil:
		return p.Item.ID
	case p.Entry != nil:
		return p.Entry.Item
	}
	return p.Pending.Item
}

// clone is a pair that stays valid.
func (p Pair) clone() Pair {
	var c Pair
	if p.Item != nil {
		it := *p.Item
		c.Item = &it
	}
	if p.Entry != nil {
		e := *p.Entry
		c.Entry = &e
	}
	if p.Pending != nil {
		pending := *p.Pending
		c.Pending = &pending
	}
	return c
}

// Inventory reads the pairs of one mirror. All yields everything in the order of
// ids; Since what was observed after a generation, with what is pending; Of the
// given ids; Turned the ids of files that are applied as folders, and of folders that are applied as files.
type Inventory interface {
	All(ctx context.Context) iter.Seq2[Pair, error]
	Since(ctx context.Context, g Generation) iter.Seq2[Pair, error]
	Of(ctx context.Context, ids []ItemID) iter.Seq2[Pair, error]
	Turned(ctx context.Context) iter.Seq2[ItemID, error]
}

// Observed reads the items of the mirror's drive.
type Observed interface {
	Item(ctx context.Context, id ItemID) (Item, bool, error)
	Folders(ctx context.Context) iter.Seq2[Item, error]
	// Names yields every item, each once, with its ID, Parent, Name and Class alone.
	Names(ctx context.Context) iter.Seq2[Item, error]
	// Children yields what is observed directly in a folder.
	Children(ctx context.Context, folder ItemID) iter.Seq2[Item, error]
	// Subtree yields the pairs of all that is observed below a folder.
	Subtree(ctx context.Context, folder ItemID) iter.Seq2[Pair, error]
}

// Applied reads the entries of one mirror.
type Applied interface {
	Entry(ctx context.Context, id ItemID) (Entry, bool, error)
	EntryAt(ctx context.Context, parent ItemID, fold string) (Entry, bool, error)
	Folders(ctx context.Context) iter.Seq2[Entry, error]
	// ByParent yields every entry, those of one folder together, each folder's in the order of fold.
	ByParent(ctx context.Context) iter.Seq2[Entry, error]
	// Below yields the pairs of all entries below a folder.
	Below(ctx context.Context, folder ItemID) iter.Seq2[Pair, error]
	Children(ctx context.Context, folder ItemID) iter.Seq2[Entry, error]
}

// Store is all that planning one mirror reads of the state.
type Store struct {
	Inventory
	Observed Observed
	Applied  Applied
}

// FoundKind is what kind of thing lies on disk.
type FoundKind uint8

// The kinds. Other is a link, device, socket or pipe: never followed (I-20).
const (
	FoundFile FoundKind = iota
	FoundDir
	FoundOther
)

// Found is one directory entry on disk.
type Found struct {
	Name  string
	Kind  FoundKind
	Size  int64
	MTime time.Time
	Inode uint64
}

// Disk reads a mirror's target. It writes nothing (I-43).
type Disk interface {
	// ReadDir lists a directory below the target; a missing one is an error that
	// satisfies errors.Is(err, fs.ErrNotExist).
	ReadDir(ctx context.Context, dir RelPath) ([]Found, error)
	// Hash reads a file and returns its size and quickXorHash and SHA-256.
	Hash(ctx context.Context, file RelPath) (size int64, quickXor, sha256 string, err error)
}

// Namer maps remote names to local ones.
type Namer interface {
	// Local returns the name on disk, or an error that says why there is none.
	Local(remote string) (string, error)
	// Fold returns the key that two names share if the target cannot hold both.
	Fold(local string) string
}
