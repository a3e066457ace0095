package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/google/uuid"
)

// applicationID marks the file as ours in the SQLite header ("spmr").
const applicationID = 0x73706d72

// fileMode is the mode of the state and everything beside it: file names are confidential.
const fileMode fs.FileMode = 0o600

// errClosed is returned by a store after Close.
var errClosed = errors.New("the state is closed")

// Options change how a state is opened. The zero value is right for a run that writes.
type Options struct {
	ReadOnly bool             // open for reading only; Tx then returns ErrReadOnly
	Network  bool             // allow a network or unknown file system, with a rollback journal instead of the WAL (I-42)
	Backups  int              // backups to keep when a migration makes one; 0 means 5
	Now      func() time.Time // the clock; nil means time.Now

	Faults     Faults      // tests: stop the program at a transaction
	formats    []migration // tests: other migrations
	fileSystem func(dir string) (name string, local bool, err error)
}

// Store is an open state. Its methods may be called from several goroutines.
type Store struct {
	path    string
	options Options
	lineage string
	writer  *conn         // nil when read-only
	turn    chan struct{} // holds one token while a transaction runs
	closed  atomic.Bool

	mu   sync.Mutex
	idle []*conn // reading connections waiting for work
}

// Create makes a new, empty state with a new lineage and opens it. The file appears under its name complete or not at all.
func Create(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := create(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("create state %s: %w", path, err)
	}
	return s, nil
}

func create(ctx context.Context, path string, o Options) (*Store, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := checkFileSystem(dir, o); err != nil {
		return nil, err
	}
	temp, err := precreate(dir, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp)
	if err := initialise(ctx, temp, o.now(), o.list()); err != nil {
		return nil, err
	}
	// A link, not a rename: it fails if somebody created the name meanwhile.
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return nil, ErrExists
	} else if err != nil {
		if err := os.Rename(temp, path); err != nil {
			return nil, err
		}
	}
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	return open(ctx, path, o)
}

// precreate makes an empty file with mode 0600 whatever the umask, because SQLite would create it 0644 and its -wal and -shm inherit.
func precreate(dir, base string) (string, error) {
	f, err := os.CreateTemp(dir, "."+base+".new-*")
	if err != nil {
		return "", err
	}
	err = errors.Join(f.Chmod(fileMode), f.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// initialise writes the schema and the lineage into an empty file, in one transaction.
func initialise(ctx context.Context, path string, now time.Time, list []migration) (err error) {
	c, err := connect(path, writing)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, q := range []string{
		fmt.Sprintf("PRAGMA page_size = %d", pageSize),
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
	} {
		if err := c.run(q); err != nil {
			return err
		}
	}
	if err := migrate(c, 0, list); err != nil {
		return err
	}
	lineage, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, `INSERT INTO store (one, lineage, serial, created) VALUES (1, ?, 0, ?)`, lineage.String(), toUnix(now))
	return err
}

// Open opens an existing state. It refuses what is not a healthy state of this or an older format (I-36); an older format is migrated
// after a backup. A run that writes must hold the lock of [Acquire] first.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	if _, version, _ := sqlite3.Version(); version < minSQLite {
		return nil, fmt.Errorf("%w: SQLite %d is older than %d", ErrLibrary, version, minSQLite)
	}
	if err := checkFile(path); err != nil {
		return nil, err
	}
	if err := checkFileSystem(filepath.Dir(path), o); err != nil {
		return nil, err
	}
	if !o.ReadOnly {
		freeJournal(path)
	}
	s := &Store{path: path, options: o, turn: make(chan struct{}, 1)}
	unclean := !o.ReadOnly && leftover(path)
	if err := s.start(ctx, unclean); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkFile looks at the file without opening it: opening and closing the live file by hand would drop the locks of this process (I-39).
func checkFile(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrMissing
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%w: it is a %s", ErrNotState, kindOf(fi.Mode()))
	case fi.Size() == 0:
		return ErrEmpty
	}
	return nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	}
	return "special file"
}

// freeJournal makes the files beside a state writable that SQLite made while the state itself was not: they take its mode
// then, nobody sees them, and they would keep a state that is writable again from being written. What cannot be changed
// shows when it is used.
func freeJournal(path string) {
	main, err := os.Lstat(path)
	if err != nil || main.Mode().Perm()&0o200 == 0 {
		return
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if fi, err := os.Lstat(path + suffix); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o200 == 0 {
			_ = os.Chmod(path+suffix, main.Mode().Perm())
		}
	}
}

// leftover reports whether the last writer ended without closing the state: a clean close removes the journal.
func leftover(path string) bool {
	for _, suffix := range []string{"-wal", "-journal"} {
		if fi, err := os.Lstat(path + suffix); err == nil && fi.Size() > 0 {
			return true
		}
	}
	return false
}

// start checks the file and opens the writing connection. Nothing is written before the file has proved to be ours.
func (s *Store) start(ctx context.Context, unclean bool) error {
	kind := reading
	if s.options.ReadOnly {
		kind = viewing
	}
	probe, err := connect(s.path, kind)
	if err != nil {
		return err
	}
	s.idle = append(s.idle, probe)
	version, err := identify(ctx, probe, s.formats())
	if err != nil {
		return err
	}
	if unclean {
		if err := quickCheck(ctx, probe); err != nil {
			return err
		}
	}
	if version < len(s.formats()) {
		if s.options.ReadOnly {
			return ErrOlder
		}
		if err := s.upgrade(ctx, version, s.formats()); err != nil {
			return err
		}
	}
	if s.lineage, err = checkRows(ctx, probe); err != nil {
		return err
	}
	if s.options.ReadOnly {
		return nil
	}
	return s.startWriter()
}

func (s *Store) startWriter() error {
	c, err := connect(s.path, writing)
	if err != nil {
		return err
	}
	s.writer = c
	journal := "wal"
	if s.options.Network {
		journal = "delete"
	}
	got, err := c.text("PRAGMA journal_mode = " + journal)
	if err != nil {
		return err
	}
	if got != journal {
		return fmt.Errorf("%w: journal_mode is %q instead of %q", ErrLibrary, got, journal)
	}
	return c.run(roundTables)
}

// Close releases all connections; the last one folds the WAL into the file. No iterator or transaction may be running.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed.Swap(true) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.idle {
		errs = append(errs, c.close())
	}
	s.idle = nil
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	return errors.Join(errs...)
}

// Path returns where the state lies.
func (s *Store) Path() string { return s.path }

// Lineage returns the identity that this state was created with; it never changes.
func (s *Store) Lineage() string { return s.lineage }

// Serial returns a number that grows with every transaction that changes the applied side.
func (s *Store) Serial(ctx context.Context) (int64, error) {
	return s.int(ctx, `SELECT serial FROM store`)
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

func (o Options) list() []migration {
	if o.formats != nil {
		return o.formats
	}
	return migrations
}

func (s *Store) formats() []migration { return s.options.list() }
