package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// closedState makes a small state with a bit of everything and closes it.
func closedState(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prod.db")
	s, err := Create(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	drive := newDrive(t, s, "d")
	m := newMirror(t, s, drive, "m")
	items := []Item{rootItem()}
	var entries []Entry
	for i := range 60 {
		it := file(ItemID(fmt.Sprintf("f%d", i)), "root")
		items = append(items, it)
		entries = append(entries, entryOf(it))
	}
	round(t, s, drive, Round{Full: true}, items...)
	items[1].Name = "renamed"
	round(t, s, drive, Round{}, items[1], tombstone("f2"))
	must(t, s, func(tx *Tx) error {
		if err := tx.PutPending(m.Key, []Pending{{Item: "f3", Code: "x", Last: testTime}}); err != nil {
			return err
		}
		return tx.PutEntries(m.Key, entries)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStateAndItsJournalArePrivateWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o277} {
		old := syscall.Umask(mask)
		s := newState(t)
		newDrive(t, s, "d")
		syscall.Umask(old)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			fi, err := os.Stat(s.Path() + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode().Perm() != fileMode {
				t.Errorf("umask %#o: state%s has mode %v", mask, suffix, fi.Mode())
			}
		}
		left, err := os.ReadDir(filepath.Dir(s.Path()))
		if err != nil || len(left) != 3 {
			t.Error("files beside the state:", left, err)
		}
	}
}

func TestEveryConnectionHasTheRequiredSettings(t *testing.T) {
	s := newState(t)
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "trusted_schema": "0", "cell_size_check": "1",
		"busy_timeout": "5000", "mmap_size": "0", "page_size": "8192"}
	newDrive(t, s, "d")
	check := func(c *conn) error {
		if _, err := c.text("SELECT count(*) FROM drives"); err != nil {
			return err
		}
		for name, value := range want {
			got, err := c.text("PRAGMA " + name)
			if err != nil || got != value {
				t.Errorf("%s is %q, want %q (%v)", name, got, value, err)
			}
		}
		return nil
	}
	if err := check(s.writer); err != nil {
		t.Fatal(err)
	}
	if err := s.read(check); err != nil {
		t.Fatal(err)
	}
	err := s.read(func(c *conn) error { return c.run("DELETE FROM items") })
	if !errors.Is(err, ErrReadOnly) {
		t.Error("a reading connection may write:", err)
	}
}

func TestWhatIsNotAStateIsRefusedWithItsReason(t *testing.T) {
	random := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	write := func(content []byte) func(string) error {
		return func(path string) error { return os.WriteFile(path, content, 0o600) }
	}
	run := func(queries ...string) func(string) error {
		return func(path string) error {
			if err := os.Rename(closedState(t), path); err != nil {
				return err
			}
			return alter(path, queries...)
		}
	}
	cases := []struct {
		name string
		make func(path string) error
		want error
	}{
		{"nothing", func(string) error { return nil }, ErrMissing},
		{"zero bytes", write(nil), ErrEmpty},
		{"one byte", write([]byte{0}), ErrNotState},
		{"text", write([]byte(strings.Repeat("mirror = true\n", 1000))), ErrNotState},
		{"random megabyte", write(random), ErrNotState},
		{"png", write(append([]byte("\x89PNG\r\n\x1a\n"), random[:5000]...)), ErrNotState},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, ErrNotState},
		{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, ErrNotState},
		{"link to a state", func(p string) error { return os.Symlink(closedState(t), p) }, ErrNotState},
		{"other application", run("PRAGMA application_id = 1"), ErrNotState},
		{"newer format", run("PRAGMA user_version = 99"), ErrNewer},
		{"no format", run("PRAGMA user_version = 0"), ErrDamaged},
		{"added trigger", run("CREATE TRIGGER x AFTER INSERT ON items BEGIN DELETE FROM entries; END"), ErrDamaged},
		{"added view", run("CREATE VIEW v AS SELECT 1"), ErrDamaged},
		{"added table", run("CREATE TABLE extra (a)"), ErrDamaged},
		{"altered index", run("DROP INDEX entries_folders", "CREATE INDEX entries_folders ON entries (mirror)"), ErrDamaged},
		{"dropped trigger", run("DROP TRIGGER run_items_stay"), ErrDamaged},
		{"no lineage", run("DELETE FROM store"), ErrDamaged},
		{"odd lineage", run("UPDATE store SET lineage = '../../etc'"), ErrDamaged},
		{"settled in the future", run("UPDATE mirrors SET settled = 77"), ErrDamaged},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{false, true} {
				s, err := Open(t.Context(), path, Options{ReadOnly: readOnly})
				if s != nil {
					s.Close()
				}
				if !errors.Is(err, c.want) {
					t.Errorf("read-only %v: got %v, want %v", readOnly, err, c.want)
				}
			}
		})
	}
}

// alter changes a closed state by hand.
func alter(path string, queries ...string) error {
	c, err := connect(path, writing)
	if err != nil {
		return err
	}
	for _, q := range queries {
		if err := c.run(q); err != nil {
			return errors.Join(err, c.close())
		}
	}
	return c.close()
}

func TestCreateNeverReplacesAFile(t *testing.T) {
	path := closedState(t)
	if _, err := Create(t.Context(), path, Options{}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), path, Options{}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
}

func TestAReadOnlyStateReadsAndRefusesToWrite(t *testing.T) {
	path := closedState(t)
	s, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := mirrorOf(t, s, "m")
	if n := len(all(t, s.PairsAll(t.Context(), m))); n != 61 {
		t.Error(n)
	}
	if err := s.Tx(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

func TestNetworkFileSystemIsRefusedUnlessForcedAndThenWithoutWAL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	nfs := func(string) (string, bool, error) { return "type 0x6969", false, nil }
	if _, err := Create(t.Context(), path, Options{fileSystem: nfs}); !errors.Is(err, ErrNetwork) {
		t.Error(err)
	}
	s, err := Create(t.Context(), path, Options{fileSystem: nfs, Network: true})
	if err != nil {
		t.Fatal(err)
	}
	newDrive(t, s, "d")
	if mode, err := s.writer.text("PRAGMA journal_mode"); err != nil || mode != "delete" {
		t.Error(mode, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{fileSystem: nfs}); !errors.Is(err, ErrNetwork) {
		t.Error(err)
	}
}

func TestACommittedTransactionSurvivesAnAbruptEnd(t *testing.T) {
	s := newState(t)
	newDrive(t, s, "kept")
	// A copy of all files is what a killed process leaves behind.
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(s.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "s.db"+suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := Open(t.Context(), filepath.Join(dir, "s.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if _, ok, err := copied.DriveByID(t.Context(), "contoso", "kept"); !ok || err != nil {
		t.Error(ok, err)
	}
	if copied.Lineage() != s.Lineage() {
		t.Error("the lineage changed")
	}
}

func TestBackupsAreStatesAndTheOldestGo(t *testing.T) {
	s := newState(t)
	now := testTime
	s.options.Now = func() time.Time { now = now.Add(1); return now }
	drive := newDrive(t, s, "d")
	newMirror(t, s, drive, "m")
	round(t, s, drive, Round{Full: true}, rootItem(), file("a", "root"))
	var last string
	for range 4 {
		path, err := s.Backup(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if path <= last {
			t.Errorf("%s does not sort after %s", path, last)
		}
		last = path
	}
	found, err := filepath.Glob(s.Path() + backupInfix + "*")
	if err != nil || len(found) != 2 || found[1] != last {
		t.Error(found, err)
	}
	fi, err := os.Stat(last)
	if err != nil || fi.Mode().Perm() != fileMode {
		t.Error(fi.Mode(), err)
	}
	b, err := Open(t.Context(), last, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
	if b.Lineage() != s.Lineage() {
		t.Error("the backup has another lineage")
	}
}

func TestAnOlderFormatIsMigratedAfterABackup(t *testing.T) {
	path := closedState(t)
	next := append(append([]migration(nil), migrations...), migration{sql: "ALTER TABLE drives ADD COLUMN colour TEXT NOT NULL DEFAULT ''"})
	next[len(next)-1].digest = digestAfter(t, next)

	if _, err := Open(t.Context(), path, Options{ReadOnly: true, formats: next}); !errors.Is(err, ErrOlder) {
		t.Error(err)
	}
	s, err := Open(t.Context(), path, Options{formats: next})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
	if n := len(all(t, s.PairsAll(t.Context(), mirrorOf(t, s, "m")))); n != 61 {
		t.Error(n)
	}
	backups, _ := filepath.Glob(path + backupInfix + "*")
	if len(backups) != 1 {
		t.Fatal(backups)
	}
	old, err := Open(t.Context(), backups[0], Options{})
	if err != nil {
		t.Fatal("the backup is not of the old format:", err)
	}
	old.Close()
}

func TestAFailedMigrationLeavesTheOldFormat(t *testing.T) {
	path := closedState(t)
	next := append(append([]migration(nil), migrations...), migration{sql: "CREATE TABLE a (x); CREATE TABLE a (x)"})
	if s, err := Open(t.Context(), path, Options{formats: next}); err == nil {
		s.Close()
		t.Fatal("a broken migration succeeded")
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(t.Context(), true); err != nil {
		t.Error(err)
	}
}

func digestAfter(t *testing.T, list []migration) string {
	t.Helper()
	c, err := connect(emptyFile(t), writing)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := migrate(c, 0, list); err != nil {
		t.Fatal(err)
	}
	d, err := schemaDigest(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readAll reads everything that a plan reads, and returns it in a comparable form.
func readAll(path string) (out []string, err error) {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	drives, err := s.Drives(ctx)
	if err != nil {
		return nil, err
	}
	mirrors, err := s.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, fmt.Sprint(drives, mirrors))
	for _, m := range mirrors {
		for p, err := range s.PairsAll(ctx, m) {
			if err != nil {
				return nil, err
			}
			out = append(out, fmt.Sprint(p.Item, p.Entry, p.Pending))
		}
		for p, err := range s.PairsSince(ctx, m, 1) {
			if err != nil {
				return nil, err
			}
			out = append(out, fmt.Sprint(p.Item, p.Entry, p.Pending))
		}
		for e, err := range s.EntriesByParent(ctx, m.Key) {
			if err != nil {
				return nil, err
			}
			out = append(out, fmt.Sprint(e))
		}
	}
	return out, s.Check(ctx, true)
}

func TestADamagedFileIsAnErrorOrHarmlessButNeverAPanic(t *testing.T) {
	path := closedState(t)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readAll(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	flips := 1000
	if testing.Short() {
		flips = 100
	}
	var refused, same, silent int
	for i := range flips {
		content := append([]byte(nil), original...)
		switch i % 10 {
		case 0: // cut
			content = content[:r.IntN(len(content))]
		case 1: // two pages exchanged
			a, b := r.IntN(len(content)/pageSize)*pageSize, r.IntN(len(content)/pageSize)*pageSize
			for j := range pageSize {
				content[a+j], content[b+j] = content[b+j], content[a+j]
			}
		default:
			content[r.IntN(len(content))] ^= byte(1 << r.IntN(8))
		}
		p := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(p)
		switch {
		case err != nil:
			refused++
		case cmp.Equal(want, got):
			same++
		default:
			silent++ // a bit inside a stored text: SQLite has no checksums
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(p + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d refused, %d unharmed, %d changed inside a value", refused, same, silent)
	if refused == 0 || same == 0 {
		t.Error("the damage never mattered or always did: the test has no teeth")
	}
}

func FuzzOpenDamagedFile(f *testing.F) {
	path := closedState(f)
	original, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte("SQLite format 4"))
	f.Add(uint32(100), []byte{0x0d, 0xff, 0xff})
	f.Add(uint32(pageSize), []byte{5, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		content := append([]byte(nil), original...)
		copy(content[int(at)%len(content):], patch)
		p := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = readAll(p) // must neither panic nor hang
	})
}

// SQLite gives its files beside the state the mode of the state. Those it made while the state was read-only stay behind
// and keep it from being written when it is writable again; nobody would look for them.
func TestAStateThatWasReadOnlyForAWhileIsWritableAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prod.db")
	s, err := Create(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	modes := func() (list []fs.FileMode) {
		for _, suffix := range []string{"-wal", "-shm"} {
			fi, err := os.Lstat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fi.Mode().Perm())
		}
		return list
	}
	leave := func(mode fs.FileMode) {
		t.Helper()
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.WriteFile(path+suffix, nil, 0o400); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}

	leave(0o400)
	freeJournal(path)
	if got := modes(); got[0] != 0o400 || got[1] != 0o400 {
		t.Errorf("the state is read-only, and the files beside it are %v", got)
	}
	leave(0o600)
	if s, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := modes(); got[0] != 0o600 || got[1] != 0o600 {
		t.Errorf("the files beside the open state are %v", got)
	}
	must(t, s, func(tx *Tx) error { _, err := tx.PutDrive(Drive{Tenant: "t", ID: "d"}); return err })
}
