package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockPoll    = 50 * time.Millisecond // first pause between attempts; it doubles
	lockPollMax = time.Second
	ownerLimit  = 16 << 10 // bytes of owner text that are read
)

// Owner describes who holds a lock. It is information for people: the lock itself is the kernel's and dies with the process (I-38).
type Owner struct {
	PID       int       `json:"pid"`
	Host      string    `json:"host"`
	Operation string    `json:"operation,omitempty"`
	Since     time.Time `json:"since"`
	Version   string    `json:"version,omitempty"`
}

// Lock is a held lock.
type Lock struct {
	file *flock.Flock
	path string
}

// LockedError says that somebody else holds the lock. Errors.Is(err, ErrLocked) holds.
type LockedError struct {
	Path  string
	Owner Owner // zero if the holder has left no readable text
	Alive bool  // the named process was found running on this host; always false for other hosts
}

// Error names the holder.
func (e *LockedError) Error() string {
	if e.Owner == (Owner{}) {
		return fmt.Sprintf("%s: %v, and it does not say who it is", e.Path, ErrLocked)
	}
	return fmt.Sprintf("%s: %v: %s, process %d on %s since %s", e.Path, ErrLocked, e.Owner.Operation, e.Owner.PID, e.Owner.Host,
		e.Owner.Since.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Acquire takes the lock that belongs to a path, on a file of its own beside it: opening and closing the state by hand would drop SQLite's
// locks (I-38, I-39). If it is taken, Acquire tries again for up to wait and calls waiting, if given, once per holder seen. PID, host and
// time of who are filled in if empty.
func Acquire(ctx context.Context, path string, who Owner, wait time.Duration, waiting func(Owner)) (*Lock, error) {
	l := &Lock{path: path + ".lock"}
	if fi, err := os.Lstat(l.path); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("lock %s: it is a %s", l.path, kindOf(fi.Mode()))
	}
	l.file = flock.New(l.path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(fileMode))
	if err := l.take(ctx, wait, waiting); err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	if err := l.describe(who.complete()); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", l.path, err), l.Release())
	}
	return l, nil
}

func (o Owner) complete() Owner {
	if o.PID == 0 {
		o.PID = os.Getpid()
	}
	if o.Host == "" {
		o.Host = hostname()
	}
	if o.Since.IsZero() {
		o.Since = time.Now().UTC()
	}
	return o
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// take polls until the kernel grants the lock or the time is over.
func (l *Lock) take(ctx context.Context, wait time.Duration, waiting func(Owner)) error {
	deadline := time.Now().Add(wait)
	var told Owner
	for pause := lockPoll; ; pause = min(2*pause, lockPollMax) {
		ok, err := l.file.TryLock()
		if err != nil {
			return fmt.Errorf("lock %s: %w", l.path, err)
		}
		if ok {
			return nil
		}
		holder := readOwner(l.ownerPath())
		left := time.Until(deadline)
		if left <= 0 {
			return &LockedError{Path: l.path, Owner: holder, Alive: holder.alive()}
		}
		if waiting != nil && holder != told {
			waiting(holder)
			told = holder
		}
		select {
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ownerPath is where the text about the holder lies; it is replaced whole, so a reader never sees half of it (K02).
func (l *Lock) ownerPath() string { return l.path + ".owner" }

// describe writes who holds the lock.
func (l *Lock) describe(who Owner) error {
	text, err := json.Marshal(who)
	if err != nil {
		return err
	}
	temp, err := precreate(filepath.Dir(l.path), filepath.Base(l.path))
	if err != nil {
		return err
	}
	err = os.WriteFile(temp, append(text, '\n'), fileMode)
	if err == nil {
		err = os.Rename(temp, l.ownerPath())
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// readOwner returns what the holder says about itself, the zero Owner if that is missing or unreadable.
func readOwner(path string) Owner {
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > ownerLimit {
		return Owner{}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Owner{}
	}
	var o Owner
	if json.Unmarshal(text, &o) != nil {
		return Owner{}
	}
	return o
}

// alive reports whether the process is running on this host.
func (o Owner) alive() bool {
	return o.Host == hostname() && o.PID > 0 && processAlive(o.PID)
}

// Release gives the lock up and removes the text. The lock file stays: removing it would let two processes lock two files.
func (l *Lock) Release() error {
	err := os.Remove(l.ownerPath())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// LockHolder returns who the text beside a path's lock names, for a command that only reports.
func LockHolder(path string) (who Owner, alive bool) {
	who = readOwner(path + ".lock.owner")
	return who, who.alive()
}
