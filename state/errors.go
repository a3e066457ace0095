package state

import (
	"errors"
	"fmt"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// Errors on which a caller decides. They are wrapped; use errors.Is.
var (
	ErrMissing    = errors.New("there is no state file")                                            // Open: the path does not exist
	ErrExists     = errors.New("the state file exists already")                                     // Create
	ErrEmpty      = errors.New("the state file is empty")                                           // zero bytes: a lost state, not a new one (I-37)
	ErrNotState   = errors.New("this is not a spmirror state")                                      // not a regular file, not SQLite, other application
	ErrNewer      = errors.New("the state was written by a newer version")                          // downgrade is refused
	ErrOlder      = errors.New("the state has an older format and must be opened for writing once") // read-only open of an old format
	ErrDamaged    = errors.New("the state is damaged")                                              // I-36
	ErrNetwork    = errors.New("the state lies on a network or unknown file system")                // I-42
	ErrLibrary    = errors.New("the SQLite library or its settings are not the required ones")      // I-41
	ErrBusy       = errors.New("the state is locked by another program")                            // S03
	ErrFull       = errors.New("there is no space left for the state")
	ErrDisk       = errors.New("the disk of the state failed or refused")
	ErrReadOnly   = errors.New("the state is open for reading only")
	ErrLocked     = errors.New("another run holds the lock")
	ErrUnknownKey = errors.New("no such row")

	ErrNoRound    = errors.New("the drive has no unfinished round")
	ErrRootGone   = errors.New("the round would remove the drive's root")    // I-25, I-31: a library that vanished, not a deletion
	ErrNoRoot     = errors.New("the listing ended without the drive's root") // D20: it comes in every answer, so this one is none
	ErrLogTrimmed = errors.New("the change log does not reach back that far")
	ErrOccupied   = errors.New("another item has this place")
)

// sqliteError gives the driver's error the type that callers decide on. The driver's text names the rule or the table, never a value.
func sqliteError(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	kinds := map[sqlite3.ErrNo]error{
		sqlite3.ErrCorrupt:  ErrDamaged,
		sqlite3.ErrNotADB:   ErrNotState,
		sqlite3.ErrFormat:   ErrDamaged,
		sqlite3.ErrMismatch: ErrDamaged,
		sqlite3.ErrBusy:     ErrBusy,
		sqlite3.ErrLocked:   ErrBusy,
		sqlite3.ErrFull:     ErrFull,
		sqlite3.ErrReadonly: ErrReadOnly,
		sqlite3.ErrIoErr:    ErrDisk,
		sqlite3.ErrCantOpen: ErrDisk,
		sqlite3.ErrPerm:     ErrDisk,
	}
	if kind, ok := kinds[e.Code]; ok {
		return fmt.Errorf("%w (%w)", kind, err)
	}
	return err
}

// damaged reports a row that spmirror cannot have written.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
