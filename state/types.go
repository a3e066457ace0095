package state

import (
	"strings"
	"time"
)

// DriveID and ItemID are the service's opaque ids, compared byte for byte and unique only inside their drive (D24).
type (
	DriveID string
	ItemID  string
)

// DriveKey, MirrorKey and RunID are this state's own row keys.
type (
	DriveKey  int64
	MirrorKey int64
	RunID     int64
)

// Generation counts the merges that changed something in a drive.
type Generation int64

// Class says what an item is. The numbers are stored; never renumber them.
type Class uint8

// The classes of items.
const (
	Unknown     Class = iota // no facet we know
	File                     // a file with content
	Folder                   // a folder
	Root                     // the drive's root folder
	Package                  // a package that looks like a folder, such as a OneNote notebook
	PackagePart              // a file that belongs to a package
	Shortcut                 // a pointer to an item of another drive
	Bundle                   // an album
	Malware                  // a file that the service refuses to hand out
)

// IsFolder reports whether items of this class can have children that are mirrored as a tree.
func (c Class) IsFolder() bool { return c == Folder || c == Root || c == Package }

// String returns the name of the class.
func (c Class) String() string {
	names := [...]string{"unknown", "file", "folder", "root", "package", "package part", "shortcut", "bundle", "malware"}
	if int(c) < len(names) {
		return names[c]
	}
	return "invalid"
}

// RemoteOf takes apart what a shortcut points to. Of a shortcut to a file it returns file.
func RemoteOf(note string) (drive DriveID, item ItemID, file bool) {
	d, rest, _ := strings.Cut(note, "|")
	id, kind, _ := strings.Cut(rest, "|")
	return DriveID(d), ItemID(id), kind == "file"
}

// Item is one observed item of a drive, or one staged row of a round.
type Item struct {
	ID, Parent        ItemID
	Name              string // remote name; empty on a staged row means "keep the stored name"
	Class             Class
	Size              int64 // -1 when unknown
	Modified, Created time.Time
	ETag, CTag        string
	Hash              string // base64 quickXorHash, empty when the service gives none
	MimeType          string
	ModifiedBy        string
	Note              string // malware text, package type, or remote drive|item and |file of a file; of an unread item why
	Deleted           bool   // a tombstone; staged rows only
	Unread            bool   // its description broke the protocol; staged rows only. Modified is when it was asked for
}

// Drive is a document library or personal drive with its crawl progress.
type Drive struct {
	Key                  DriveKey
	Tenant               string
	ID                   DriveID
	Name, Type, WebURL   string
	Site                 string
	Root                 ItemID // learnt from the first round that shows it when PutDrive left it empty
	DeltaLink, Headers   string // the link of the last complete round and the header set it belongs to (D46)
	Generation, LogFloor Generation
	FullAt, CrawledAt    time.Time
	UnnamedAt            time.Time // when a round last brought an item without an id, zero once a full round brings none
	Items                int64
	Round                *Round // the unfinished round, nil if none
}

// Round is an unfinished enumeration.
type Round struct {
	Full    bool   // everything is listed: absence means removal
	Keep    bool   // after a resync of kind "upload differences" absence is not deletion (D44)
	Next    string // link of the page to fetch next
	Headers string
	Pages   int64
	Items   int64 // staged rows, duplicates counted
	Started time.Time
	Reason  string
}

// Page is one page of a round: its items and the link that follows.
type Page struct {
	Items []Item
	Next  string
}

// Merge is what comes with the last page of a round.
type Merge struct {
	DeltaLink, Headers string
	At                 time.Time
}

// Merged says what a round changed. Removed includes descendants of removed folders and items absent from a full round.
type Merged struct {
	Generation        Generation
	Added             int64
	Changed           int64 // material changes, which are logged
	Touched           int64 // stored but not logged: tags, folder sizes, who modified it
	Removed           int64
	Unchanged         int64
	UnknownTombstones int64
	ItemsBefore       int64
	ItemsAfter        int64
}

// Mirror is one folder of a drive mirrored to one target.
type Mirror struct {
	Key                        MirrorKey
	Address                    string
	Drive                      DriveKey
	Folder                     ItemID // the item whose children lie directly in the target; empty means the drive's root
	FolderPath, Target, Marker string
	Generation                 int64      // counts applied changes
	Settled                    Generation // the drive's generation up to which everything was planned and is applied or pending
	SettledRun                 RunID      // the last run when it was settled
	Select                     string     // digest of the selection that was settled
	Created                    time.Time
}

// Verdict says how far the content of an entry was verified.
type Verdict string

// The verdicts.
const (
	Verified Verdict = "verified"  // size and quickXorHash agreed
	SizeOnly Verdict = "size_only" // the service gives no hash
	Served   Verdict = "served"    // the service delivers other bytes than it lists, twice the same
)

// Parked is the parent of entries that are out of the tree for a moment, while names are exchanged.
const Parked ItemID = "!park"

// Entry is one file or folder that spmirror put on the target. Name, Fold, Size, MTime, Inode, Hash and SHA256 describe the local file;
// RemoteHash, RemoteSize, Modified, ETag and CTag describe the item it was made from.
type Entry struct {
	Item, Parent ItemID // an empty parent means directly in the target
	Name, Fold   string // local name, and its key under the target's folding
	Folder       bool
	Size         int64
	MTime        time.Time
	Inode        uint64
	Hash, SHA256 string
	RemoteHash   string
	RemoteSize   int64
	Modified     time.Time
	ETag, CTag   string
	Verdict      Verdict
	Run          RunID
	At           time.Time
}

// Pair is the observed and the applied side of one id: Item is nil if the service has it no longer, Entry is nil if the target has
// nothing, Pending is nil unless an earlier run left the id undone.
type Pair struct {
	Item    *Item
	Entry   *Entry
	Pending *Pending
}

// ID returns the id that the pair is about.
func (p Pair) ID() ItemID {
	switch {
	case p.Item != nil:
		return p.Item.ID
	case p.Entry != nil:
		return p.Entry.Item
	case p.Pending != nil:
		return p.Pending.Item
	}
	return ""
}

// Pending is an item that a run could not bring to its wanted state; it is offered again until it succeeds (I-50).
type Pending struct {
	Item                       ItemID
	Action, Code, Reason, Path string
	Attempts                   int
	First, Last                time.Time
	RequestID                  string
}

// Partial is a download that stopped at a durable offset.
type Partial struct {
	Item             ItemID
	Staging          string
	Offset           int64
	QuickXor, SHA256 []byte // states of the hashes over the first Offset bytes
	Ahead            []Span // parts beyond Offset that are durable as well, in order
	ETag, CTag, Hash string // of the version being fetched (I-07)
	Size             int64
	At               time.Time
}

// Span is a part of a file, from its first byte to the one after its last.
type Span struct{ From, To int64 }

// Intent is an effect on the target that was about to happen; it is resolved by looking at the disk (I-52).
type Intent struct {
	Item      ItemID
	Kind      string // publish, move, mkdir, trash, delete, rmdir
	From, To  string // paths below the target
	Inode     uint64
	Entry     []byte // JSON of the entry to write if the effect is found done
	Displaced ItemID
}

// Trashed is a file or folder that was moved to the target's trash.
type Trashed struct {
	Path, Original string
	Item           ItemID
	Size           int64
	At             time.Time
	Run            RunID
	Reason         string
}

// Run is one run of a command that changes something.
type Run struct {
	ID                                       RunID
	Kind                                     string
	PlanDigest, Commit, Actor, Host, Version string
	Started, Ended                           time.Time
	Result                                   string
	ExitCode                                 int
	Overrides, Summary                       string // JSON
}

// RunEnd is what EndRun adds to a run.
type RunEnd struct {
	Ended    time.Time
	Result   string
	ExitCode int
	Summary  string // JSON; empty keeps what BeginRun stored
}

// RunItem is the result of one item in a run.
type RunItem struct {
	Mirror                string
	Item                  ItemID
	Path, Action, Outcome string
	Code, Message         string
	RequestID             string
	Verdict               Verdict
	Hash, SHA256, ETag    string
	Bytes                 int64
	Duration              time.Duration
	At                    time.Time
}
