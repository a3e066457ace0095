package target

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// Names in the staging directory are short whatever the final name is (Q91). A name with partSuffix holds
// bytes that came from the source and may be thrown away; one with swapSuffix takes part in an exchange and
// may hold local bytes, so nothing here ever removes it.
const (
	tag        = "spm-"
	partSuffix = ".part"
	swapSuffix = ".swap"
	maxSwaps   = 8
)

// StageName returns the staging name for a key, always the same for the same key so that a later run finds
// what an earlier one began.
func StageName(key string) string { return tagged(key) + partSuffix }

func tagged(key string) string {
	sum := sha256.Sum256([]byte(key))
	return tag + nameEncoding.EncodeToString(sum[:])[:hashChars]
}

// stem returns the part of a staging name before its suffix, or "" for a name that is not ours.
func stem(name, suffix string) string {
	stem, ok := strings.CutSuffix(name, suffix)
	if !ok || len(stem) != len(tag)+hashChars || !strings.HasPrefix(stem, tag) {
		return ""
	}
	if strings.Trim(stem[len(tag):], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return ""
	}
	return stem
}

// checkStaged is the gate in front of everything that is done to a staged file by name.
func (d *Dir) checkStaged(op, name string) error {
	rel := stagingDir.Join(LocalName(name))
	if stem(name, partSuffix) == "" {
		return &Error{Op: op, Path: rel, Kind: ErrBadPath, Err: errors.New("not a staging name")}
	}
	return d.writable(op, rel)
}

// swapNames are the names a staged file may have while it is exchanged. There are several because an earlier
// displaced file may not have been taken away yet.
func swapNames(staged string) []string {
	base := strings.TrimSuffix(staged, partSuffix) + swapSuffix
	names := []string{base}
	for i := 1; i < maxSwaps; i++ {
		names = append(names, fmt.Sprintf("%s%d", base, i))
	}
	return names
}

func isSwap(name string) bool {
	if i := strings.LastIndex(name, swapSuffix); i >= 0 && len(name)-i <= len(swapSuffix)+1 {
		return stem(name[:i]+swapSuffix, swapSuffix) != ""
	}
	return false
}

// StageOptions says how a staged file begins.
type StageOptions struct {
	// Offset is the durable length of what an earlier attempt left: everything beyond is cut off (I-08). 0
	// starts anew.
	Offset int64
	// Size is the expected length, for reserving space; 0 or less when unknown.
	Size int64
}

// Staged is a file being written out of sight. WriteAt, ReadAt and Sync may be called by several goroutines at
// once; everything else belongs to one, and comes when they are done.
type Staged struct {
	d      *Dir
	name   string
	file   *os.File
	offset int64

	mu     sync.Mutex
	broken error
}

// reserveFrom is the size from which space is reserved ahead; below it the call costs more than it tells.
const reserveFrom = 1 << 20

// Stage opens the staging file with a name from StageName. With an offset it continues the file an earlier
// run left, or fails with fs.ErrNotExist or ErrChanged if that is missing, shorter or not ours any more; the
// caller then starts at 0.
func (d *Dir) Stage(name string, o StageOptions) (*Staged, error) {
	p := d.stagingPlace(name)
	if err := d.checkStaged("stage", name); err != nil {
		return nil, err
	}
	open := d.stageNew
	if o.Offset > 0 {
		open = d.stageAgain
	}
	f, err := open(p, o.Offset)
	if err != nil {
		return nil, fail("stage", p.rel, err)
	}
	s := &Staged{d: d, name: name, file: f, offset: o.Offset}
	d.ledger.set(name, writing)
	if o.Size >= reserveFrom && o.Size > o.Offset {
		if err := d.before(OpReserve, p.rel); err != nil {
			return nil, errors.Join(fail("stage", p.rel, err), s.Discard())
		}
		if err := reserve(f, o.Size); err != nil {
			return nil, errors.Join(fail("stage", p.rel, err), s.Discard())
		}
	}
	return s, nil
}

// stageNew creates the file exclusively. What stands there already is a partial of ours, or something foreign,
// which is left alone (I-11).
func (d *Dir) stageNew(p place, _ int64) (*os.File, error) {
	d.ledger.set(p.name, unknown)
	f, err := d.createStaged(p)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	found, err := p.stat()
	switch {
	case err != nil:
		return nil, err
	case found.Kind != KindFile:
		return nil, ErrNotRegular
	}
	if err := d.unlink(p); err != nil && !isMissing(err) {
		return nil, err
	}
	return d.createStaged(p)
}

func (d *Dir) createStaged(p place) (*os.File, error) {
	if err := d.before(OpCreate, p.rel); err != nil {
		return nil, err
	}
	return p.dir.openFile(p.name, openExclusive, 0o600)
}

func (d *Dir) stageAgain(p place, offset int64) (*os.File, error) {
	if d.ledger.get(p.name) == lost {
		return nil, &Error{Op: "resume", Path: p.rel, Kind: ErrChanged, Err: errLost}
	}
	if err := d.before(OpReopen, p.rel); err != nil {
		return nil, err
	}
	f, err := p.dir.openFile(p.name, openReadWrite, 0)
	if err != nil {
		return nil, err
	}
	if err := d.cutTo(f, p, offset); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// cutTo leaves exactly the durable bytes. A file with a second name is not only ours and is not touched.
func (d *Dir) cutTo(f *os.File, p place, offset int64) error {
	found, err := statFile(f)
	if err != nil {
		return err
	}
	links, err := linkCount(f)
	if err != nil {
		return err
	}
	if links != 1 || found.Size < offset {
		return &Error{Op: "resume", Path: p.rel, Kind: ErrChanged, Found: &found}
	}
	if err := d.before(OpTruncate, p.rel); err != nil {
		return err
	}
	return f.Truncate(offset)
}

// Name returns the staging name, for Publish and for the next run.
func (s *Staged) Name() string { return s.name }

// Offset returns the number of bytes in the file so far.
func (s *Staged) Offset() int64 { return s.offset }

func (s *Staged) rel() RelPath { return stagingDir.Join(LocalName(s.name)) }

// Write appends. After a failed write or flush the file only can be discarded.
func (s *Staged) Write(p []byte) (int, error) {
	n, err := s.WriteAt(p, s.offset)
	s.offset += int64(n)
	return n, err
}

// WriteAt writes anywhere, for parts that come out of order. A hole that is left reads as zeros.
func (s *Staged) WriteAt(p []byte, at int64) (int, error) {
	if err := s.failed(); err != nil {
		return 0, err
	}
	if err := s.d.before(OpWrite, s.rel()); err != nil {
		return 0, s.broke("write", err)
	}
	n, err := s.file.WriteAt(p, at)
	if err != nil {
		return n, s.broke("write", err)
	}
	return n, nil
}

// ReadAt reads back what was written.
func (s *Staged) ReadAt(p []byte, at int64) (int, error) {
	if err := s.failed(); err != nil {
		return 0, err
	}
	n, err := s.file.ReadAt(p, at)
	if err != nil && err != io.EOF {
		return n, s.broke("read back", err)
	}
	return n, err
}

// failed is the failure after which nothing else is done with the file.
func (s *Staged) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *Staged) broke(op string, err error) error {
	err = fail(op, s.rel(), err)
	s.mu.Lock()
	s.broken = err
	s.mu.Unlock()
	s.d.ledger.set(s.name, lost)
	return err
}

// Sync makes what was written before it durable, for a checkpoint (I-08). It does so under every policy.
func (s *Staged) Sync() error {
	if err := s.failed(); err != nil {
		return err
	}
	err := s.d.before(OpSync, s.rel())
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return s.broke("flush", &Error{Op: "flush", Path: s.rel(), Kind: ErrNotDurable, Err: err})
	}
	return nil
}

// Finish sets mode and time on the descriptor (I-12), flushes if the policy says so, and closes. Mode 0 is the
// configured one; a zero time leaves the time of writing. The fingerprint is what the file system has really
// stored. After an error the file is gone.
func (s *Staged) Finish(mtime time.Time, mode fs.FileMode) (Fingerprint, error) {
	fp, err := s.finish(mtime, mode)
	if err != nil {
		return Fingerprint{}, errors.Join(err, s.Discard())
	}
	return fp, nil
}

func (s *Staged) finish(mtime time.Time, mode fs.FileMode) (fp Fingerprint, err error) {
	if err := s.failed(); err != nil {
		return fp, err
	}
	if s.d.ledger.get(s.name) == lost {
		return fp, s.broke("finish", &Error{Op: "finish", Path: s.rel(), Kind: ErrNotDurable, Err: errLost})
	}
	if err := s.attributes(mtime, mode); err != nil {
		return fp, fail("finish", s.rel(), err)
	}
	if s.d.sync == SyncFile {
		if err := s.Sync(); err != nil {
			return fp, err
		}
	}
	if fp, err = statFile(s.file); err != nil {
		return fp, fail("finish", s.rel(), err)
	}
	if err := s.close(); err != nil {
		return fp, &Error{Op: "close", Path: s.rel(), Kind: ErrNotDurable, Err: err}
	}
	state := written
	if s.d.sync == SyncFile {
		state = durable
	}
	s.d.ledger.set(s.name, state)
	return fp, nil
}

func (s *Staged) attributes(mtime time.Time, mode fs.FileMode) error {
	if mode &= 0o666; mode == 0 {
		mode = s.d.fileMode
	}
	if s.d.caps.Modes && mode != 0o600 {
		if err := s.d.before(OpChmod, s.rel()); err != nil {
			return err
		}
		if err := s.file.Chmod(mode); err != nil {
			return err
		}
	}
	if mtime = ClampTime(mtime); mtime.IsZero() {
		return nil
	}
	if err := s.d.before(OpTimes, s.rel()); err != nil {
		return err
	}
	return setTimes(s.file, mtime)
}

func (s *Staged) close() error {
	if s.file == nil {
		return nil
	}
	err := s.d.before(OpClose, s.rel())
	err = errors.Join(err, s.file.Close())
	s.file = nil
	return err
}

// Close puts the file aside for a later Stage with an offset. A broken one is discarded.
func (s *Staged) Close() error {
	if s.failed() != nil {
		return s.Discard()
	}
	if s.file == nil {
		return nil
	}
	err := s.close()
	s.d.ledger.set(s.name, unknown)
	return fail("close", s.rel(), err)
}

// Discard throws the file away.
func (s *Staged) Discard() error {
	if s.file != nil {
		s.file.Close() // its bytes are unwanted, so its error is too
		s.file = nil
	}
	return s.d.DiscardStaged(s.name)
}

// DiscardStaged throws away a staged file by name; a missing one is fine.
func (d *Dir) DiscardStaged(name string) error {
	if err := d.checkStaged("discard", name); err != nil {
		return err
	}
	p := d.stagingPlace(name)
	if err := d.unlink(p); err != nil && !isMissing(err) {
		return fail("discard", p.rel, err)
	}
	d.ledger.set(name, unknown)
	return nil
}

// Sweep removes partial files that nobody knows any more: regular files with our tag that are not in use by
// this process and that known does not claim. Everything else in the staging directory is left alone and
// returned, displaced local files included (I-11, I-16).
func (d *Dir) Sweep(known func(name string) bool) (foreign []string, err error) {
	if err := d.writable("sweep", stagingDir); err != nil {
		return nil, err
	}
	found, err := d.ReadDir(stagingDir)
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		name := string(e.Name)
		if known != nil && known(name) || d.ledger.get(name) != unknown {
			continue
		}
		if e.Kind != KindFile || stem(name, partSuffix) == "" {
			foreign = append(foreign, name)
			continue
		}
		if err := d.DiscardStaged(name); err != nil {
			return foreign, err
		}
	}
	return foreign, d.sweepProbes(time.Now())
}
