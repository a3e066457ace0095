package target

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Kinds of failure that a caller decides on. They are found with [errors.Is]; [*Error] carries the details.
var (
	// ErrOccupied: something is at a place that had to be free (I-13, I-15).
	ErrOccupied = errors.New("place is occupied by a local file")
	// ErrChanged: the local file is not the one the caller expected (I-14).
	ErrChanged = errors.New("local file is not the expected one")
	// ErrNotPlain: a symbolic link, a mount point or a non-directory stands in the way (I-20).
	ErrNotPlain = errors.New("not a plain directory")
	// ErrNotRegular: the thing itself is neither a regular file nor, where allowed, a directory.
	ErrNotRegular = errors.New("not a regular file")
	// ErrCrossDevice: two places that must share a device do not (F10). It is an ErrNotPlain: a mount point
	// below the root is treated like a link.
	ErrCrossDevice = fmt.Errorf("on another device: %w", ErrNotPlain)
	// ErrNoSpace: no bytes, inodes or quota left (F01 to F03).
	ErrNoSpace = errors.New("no space left")
	// ErrNotEmpty: a directory still has entries (I-17).
	ErrNotEmpty = errors.New("directory is not empty")
	// ErrReadOnly: the file system is mounted read-only (F07).
	ErrReadOnly = errors.New("file system is read-only")
	// ErrNotDurable: a flush failed; the bytes it covered count as lost (I-04).
	ErrNotDurable = errors.New("could not be made durable")
	// ErrNameTooLong: a component or a whole path is longer than the file system allows (F11).
	ErrNameTooLong = errors.New("name too long")
	// ErrBusy: another program holds the thing (F12).
	ErrBusy = errors.New("in use")
	// ErrReserved: the path belongs to the target's own control files (H-20).
	ErrReserved = errors.New("path is reserved for control files")
	// ErrBadPath: the path is not a clean relative path (T-01).
	ErrBadPath = errors.New("invalid local path")

	// ErrNoMarker: the directory has no identity marker (I-18).
	ErrNoMarker = errors.New("target has no marker")
	// ErrForeignMarker: the marker belongs to something else; see [ForeignMarkerError].
	ErrForeignMarker = errors.New("target belongs to another mirror")
	// ErrBadMarker: the marker cannot be read or is of a newer version.
	ErrBadMarker = errors.New("target marker is unreadable")
	// ErrNotMounted is a hint that comes beside ErrNoMarker or fs.ErrNotExist: an empty or missing directory
	// where a target should be often means a disk that is not mounted (Q94).
	ErrNotMounted = errors.New("is the disk mounted?")
	// ErrNotDirectory: the target path is not a directory.
	ErrNotDirectory = errors.New("target is not a directory")
	// ErrDangerous: the directory must never be a target (T-12).
	ErrDangerous = errors.New("directory must not be a target")
	// ErrReplaced: the path no longer leads to the directory that was opened (I-19).
	ErrReplaced = errors.New("target is no longer the directory that was opened")
	// ErrLocked: another process works on this target.
	ErrLocked = errors.New("target is locked by another process")
)

// Error is a failed operation on one path.
type Error struct {
	Op   string
	Path RelPath
	Kind error // one of the kinds above, or nil
	Err  error // the cause, or nil

	// Found is what was there instead, for ErrOccupied and ErrChanged.
	Found *Fingerprint
	// Kept is where unexpected local bytes are now when they could not be left in place: never lost, only
	// somewhere else.
	Kept RelPath
}

// Error names the operation, the path, the kind and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" { // else it is the target itself
		fmt.Fprintf(&b, " %q", string(e.Path))
	}
	if e.Kind != nil {
		fmt.Fprintf(&b, ": %v", e.Kind)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Kept != "" {
		fmt.Fprintf(&b, " (local bytes kept at %q)", string(e.Kept))
	}
	return b.String()
}

// Unwrap makes both the kind and the cause findable.
func (e *Error) Unwrap() []error {
	out := make([]error, 0, 2)
	if e.Kind != nil {
		out = append(out, e.Kind)
	}
	if e.Err != nil {
		out = append(out, e.Err)
	}
	return out
}

// KeptAside returns where an operation that failed has left local bytes that it could not put back, "" if it left none.
func KeptAside(err error) RelPath {
	if e, ok := err.(*Error); ok && e.Kept != "" {
		return e.Kept
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return KeptAside(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			if kept := KeptAside(cause); kept != "" {
				return kept
			}
		}
	}
	return ""
}

// fail wraps the cause of a failed operation once, with its kind. It returns nil for nil and leaves an
// error that already is one of ours alone, so that the innermost path is the one reported.
func fail(op string, rel RelPath, err error) error {
	if err == nil {
		return nil
	}
	if ours, ok := errors.AsType[*Error](err); ok && (ours.Kind != nil || ours.Path == rel) {
		return err
	}
	return &Error{Op: op, Path: rel, Kind: kindOf(err), Err: err}
}

// errnoKind is the kind of a system's error number.
type errnoKind struct {
	errno syscall.Errno
	kind  error
}

func kindOf(err error) error {
	for _, k := range kindsByErrno {
		if errors.Is(err, k.errno) {
			return k.kind
		}
	}
	return nil
}
