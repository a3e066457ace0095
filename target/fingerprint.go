package target

import (
	"io/fs"
	"time"
)

// Kind says what a directory entry is.
type Kind uint8

// The kinds of entries. Mount points, FIFOs, sockets and devices are KindOther: nothing is done to them.
const (
	KindNone Kind = iota
	KindFile
	KindDir
	KindSymlink
	KindOther
)

// String returns the kind in one word.
func (k Kind) String() string {
	switch k {
	case KindFile:
		return "file"
	case KindDir:
		return "directory"
	case KindSymlink:
		return "symlink"
	case KindOther:
		return "other"
	}
	return "nothing"
}

// Fingerprint is what is known about a file without (or, after Hash, with) reading it.
type Fingerprint struct {
	Kind   Kind
	Size   int64
	MTime  time.Time
	Inode  uint64 // 0: unknown
	Mode   fs.FileMode
	SHA256 string // lower-case hexadecimal; "" when not hashed
	// QuickXor is the base64 quickXorHash; "" when not hashed or when the Dir was opened without WithQuickXor.
	QuickXor string
}

// Same reports whether two fingerprints can be of the same unchanged file. A field that one side does not
// know (zero time, inode 0, no hash) does not count. Mode is not compared. For directories only kind and
// inode count: their size and time change with their content.
func (f Fingerprint) Same(g Fingerprint) bool {
	if f.Kind != g.Kind && f.Kind != KindNone && g.Kind != KindNone {
		return false
	}
	if f.Inode != 0 && g.Inode != 0 && f.Inode != g.Inode {
		return false
	}
	if f.Kind == KindDir || g.Kind == KindDir {
		return true
	}
	if f.Size != g.Size {
		return false
	}
	if !f.MTime.IsZero() && !g.MTime.IsZero() && !f.MTime.Equal(g.MTime) {
		return false
	}
	if f.SHA256 != "" && g.SHA256 != "" && f.SHA256 != g.SHA256 {
		return false
	}
	return f.QuickXor == "" || g.QuickXor == "" || f.QuickXor == g.QuickXor
}

// Found is one entry of a directory.
type Found struct {
	Name LocalName
	Fingerprint
}

// Oldest and newest times that are put on disk. Graph items carry years like 0001, 1601 and 9999; file
// systems silently clamp to ranges of their own, and the state counts nanoseconds in 64 bits (until 2262).
// The range is that of unsigned 32-bit seconds, which every file system we know stores or clamps visibly.
var (
	minTime = time.Unix(0, 0).UTC()
	maxTime = time.Unix(1<<32-1, 0).UTC()
)

// ClampTime moves a time that no file system can be trusted with to the nearest one that it can. The zero
// time stays zero, which means: leave the time alone.
func ClampTime(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return t
	case t.Before(minTime):
		return minTime
	case t.After(maxTime):
		return maxTime
	}
	return t.UTC()
}
