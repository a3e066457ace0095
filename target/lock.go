package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Lock is the right to change a target. The kernel takes it back when the process dies.
type Lock struct {
	file *os.File
	once sync.Once
}

// lockPoll is how often a waiting process asks again; kernel locks offer no waiting with a context.
const lockPoll = 100 * time.Millisecond

// Lock takes the target's lock, waiting until the context ends; it tries at least once, so a context that is
// already done asks without waiting. It then fails with ErrLocked.
func (d *Dir) Lock(ctx context.Context) (*Lock, error) {
	if err := d.writable("lock", controlDir+"/"+lockName); err != nil {
		return nil, err
	}
	for {
		f, err := d.tryLock()
		if err == nil {
			return &Lock{file: f}, nil
		}
		if !errors.Is(err, ErrLocked) {
			return nil, fail("lock", controlDir+"/"+lockName, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock target %s: %w: %w", d.path, ErrLocked, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// tryLock also makes sure that the locked file is still the one with the name: a lock on a file that somebody
// has removed excludes nobody (T-23).
func (d *Dir) tryLock() (*os.File, error) {
	f, err := d.control.openFile(lockName, openCreate, 0o600)
	if err != nil {
		return nil, err
	}
	if err = tryLock(f); err == nil {
		var mine, named Fingerprint
		mine, err = statFile(f)
		if err == nil {
			named, err = d.control.stat(lockName)
		}
		if isMissing(err) || err == nil && mine.Inode != named.Inode {
			err = ErrLocked
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Unlock gives the lock back. The file stays: removing it would let two processes hold it at once.
func (l *Lock) Unlock() error {
	var err error
	l.once.Do(func() { err = l.file.Close() })
	return err
}
