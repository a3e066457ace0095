package target

import (
	"errors"
	"maps"
	"sync"
)

// durability is how far a staged file has come to the disk.
type durability uint8

const (
	unknown durability = iota // not staged by this process: must be flushed before it is published
	writing
	written // complete, not flushed
	durable
	lost // a flush that covered it failed (I-04)
)

// ledger remembers what still has to be flushed.
type ledger struct {
	mu     sync.Mutex
	staged map[string]durability
	dirty  map[RelPath]bool
}

func (l *ledger) set(name string, to durability) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.staged == nil {
		l.staged = map[string]durability{}
	}
	if l.staged[name] == lost && to != unknown && to != lost {
		return // only dropping the file ends this
	}
	if to == unknown {
		delete(l.staged, name)
		return
	}
	l.staged[name] = to
}

func (l *ledger) get(name string) durability {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.staged[name]
}

func (l *ledger) note(dir RelPath) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty == nil {
		l.dirty = map[RelPath]bool{}
	}
	l.dirty[dir] = true
}

// take returns the dirty directories and forgets them.
func (l *ledger) take() map[RelPath]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.dirty
	l.dirty = nil
	return out
}

func (l *ledger) giveBack(dirs map[RelPath]bool) {
	for dir := range dirs {
		l.note(dir)
	}
}

// snapshot returns the staged files that a flush starting now will cover.
func (l *ledger) snapshot() map[string]durability {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.staged)
}

// flushed records a flush of the whole file system: what was written before it is durable. After a failed
// one nothing that was being written can be trusted, for the error is reported only once (I-04).
func (l *ledger) flushed(before map[string]durability, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok {
		for name, state := range l.staged {
			if state != durable {
				l.staged[name] = lost
			}
		}
		return
	}
	for name, state := range before {
		if state == written && l.staged[name] == written {
			l.staged[name] = durable
		}
	}
}

// dirtied makes the directories of the places durable, or notes that it has to happen, as the policy says.
func (d *Dir) dirtied(places ...place) error {
	if d.sync == SyncNone {
		return nil
	}
	for i, p := range places {
		if i > 0 && p.dir == places[0].dir {
			continue
		}
		if d.sync == SyncBatch {
			d.ledger.note(p.rel.Dir())
			continue
		}
		if err := d.syncHandle(p.dir, p.rel.Dir()); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) syncHandle(h *handle, rel RelPath) error {
	err := d.before(OpSyncDir, rel)
	if err == nil {
		err = h.flush()
	}
	if err != nil {
		return &Error{Op: "flush directory", Path: rel, Kind: ErrNotDurable, Err: err}
	}
	return nil
}

// flush makes the names in a directory durable, where the system can: where it cannot, Weaknesses tells.
func (h *handle) flush() error {
	if err := h.sync(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// SyncAll makes everything durable that was staged or changed so far, with one flush of the file system
// where there is one. When it fails, every staged file that was not yet durable is lost: publishing it fails
// with ErrNotDurable, and it has to be fetched again.
func (d *Dir) SyncAll() error {
	if d.sync == SyncNone {
		return nil
	}
	staged, dirs := d.ledger.snapshot(), d.ledger.take()
	err := d.before(OpSyncFS, "")
	if err == nil {
		err = d.root.syncFS()
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = d.syncEach(staged, dirs)
	}
	d.ledger.flushed(staged, err == nil)
	if err != nil {
		d.ledger.giveBack(dirs)
		return &Error{Op: "flush", Kind: ErrNotDurable, Err: err}
	}
	return nil
}

// syncEach stands in for a flush of the file system.
func (d *Dir) syncEach(staged map[string]durability, dirs map[RelPath]bool) error {
	for name, state := range staged {
		if state != written {
			continue
		}
		if err := d.syncStaged(name); err != nil {
			return err
		}
	}
	for dir := range dirs {
		if err := d.syncDir(dir); err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

// SyncDirs flushes the given directories, or without arguments all that operations left dirty.
func (d *Dir) SyncDirs(paths ...RelPath) error {
	if d.sync == SyncNone {
		return nil
	}
	if len(paths) == 0 {
		return d.syncDirty()
	}
	for _, rel := range paths {
		if err := d.syncDir(rel); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) syncDir(rel RelPath) error {
	if err := rel.Check(); err != nil {
		return &Error{Op: "flush directory", Path: rel, Kind: ErrBadPath, Err: err}
	}
	p, err := d.parents.open(rel)
	if err != nil {
		return fail("flush directory", rel, err)
	}
	defer p.release()
	return d.syncHandle(p.handle, rel)
}

// manyDirs is the number of directories from which one flush of the file system costs less than one each.
const manyDirs = 16

// syncDirty flushes what operations left dirty. A directory that has moved or gone since cannot be found by
// its old name, so then the whole file system is flushed.
func (d *Dir) syncDirty() error {
	dirs := d.ledger.take()
	if len(dirs) > manyDirs {
		d.ledger.giveBack(dirs)
		return d.SyncAll()
	}
	for dir := range dirs {
		err := d.syncDir(dir)
		if err == nil {
			delete(dirs, dir)
			continue
		}
		d.ledger.giveBack(dirs)
		if errors.Is(err, ErrNotDurable) {
			return err
		}
		return d.SyncAll()
	}
	return nil
}

// makeDurable flushes staged files that are about to be published. The result names those that must not be.
func (d *Dir) makeDurable(names []string) map[string]error {
	if d.sync == SyncNone {
		return nil
	}
	bad := map[string]error{}
	var open []string
	for _, name := range names {
		switch d.ledger.get(name) {
		case durable:
		case lost:
			bad[name] = errLost
		default:
			open = append(open, name)
		}
	}
	const manyFiles = 4 // from here one flush of the file system costs less
	if d.sync == SyncBatch && len(open) >= manyFiles {
		if err := d.SyncAll(); err != nil {
			for _, name := range open {
				bad[name] = err
			}
		}
		return bad
	}
	for _, name := range open {
		if err := d.syncStaged(name); err != nil {
			bad[name] = err
		}
	}
	return bad
}

var errLost = errors.New("an earlier flush failed")

// syncStaged flushes one staged file that nobody holds open any more.
func (d *Dir) syncStaged(name string) error {
	p := d.stagingPlace(name)
	f, err := p.dir.openFile(name, openReadWrite, 0)
	if err != nil {
		return fail("flush", p.rel, err)
	}
	defer f.Close()
	if err = d.before(OpSync, p.rel); err == nil {
		err = f.Sync()
	}
	if err != nil {
		d.ledger.set(name, lost)
		return &Error{Op: "flush", Path: p.rel, Kind: ErrNotDurable, Err: err}
	}
	d.ledger.set(name, durable)
	return nil
}
