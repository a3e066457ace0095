package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	sqlite3 "github.com/mattn/go-sqlite3"
)

const (
	// minSQLite is the first version without the WAL-reset race (I-41).
	minSQLite = 3051003
	// pageSize: a first load of a million rows takes a third less than with 4 KiB pages, and a transaction that touches 1,000 scattered
	// rows still writes no more than 8 MiB.
	pageSize = 8192
	// busyTimeout is how long a statement waits for another program's lock (S03), in milliseconds.
	busyTimeout = 5000
	// writerCache and readerCache bound SQLite's page caches in KiB: 24 + 4 idle readers of 8 stay under 64 MiB.
	writerCache = 24 << 10
	readerCache = 8 << 10
	// idleReaders is how many reading connections are kept for the next query.
	idleReaders = 4
	// checkpointPages is the length of the WAL at which a commit folds it into the file: 32 MiB. Entries land on scattered pages, and a page
	// that is changed by several transactions meanwhile is then copied once.
	checkpointPages = 4096
	// journalLimit is the size to which the WAL is cut back after a checkpoint, in bytes.
	journalLimit = 64 << 20
)

// access says what a connection may do.
type access int

const (
	reading access = iota // query_only on a file opened for writing: recovers a WAL left by a crash
	viewing               // the file itself is opened read-only
	writing
)

// conn is one driver connection with its prepared statements. It belongs to one goroutine at a time.
//
// It bypasses database/sql: the driver's query path binds all arguments, steps and fetches a whole row in one crossing into C, and
// that is what makes bulk reading and writing fast. Statements without rows go the same way in insert.
type conn struct {
	db    *sqlite3.SQLiteConn
	stmts map[string]*sqlite3.SQLiteStmt
}

// connect opens a connection to an existing file and applies the settings that every connection needs.
func connect(path string, a access) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	mode := "rw"
	if a == viewing {
		mode = "ro"
	}
	dsn := url.URL{Scheme: "file", Path: uriPath(abs), RawQuery: url.Values{
		"mode":          {mode},
		"_busy_timeout": {strconv.Itoa(busyTimeout)},
		"_mutex":        {"no"}, // a conn is never shared between goroutines; the mutex would cost on every column
	}.Encode()}
	raw, err := new(sqlite3.SQLiteDriver).Open(dsn.String())
	if err != nil {
		return nil, sqliteError(err)
	}
	db, ok := raw.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, fmt.Errorf("%w: unexpected driver connection %T", ErrLibrary, raw)
	}
	c := &conn{db: db, stmts: map[string]*sqlite3.SQLiteStmt{}}
	if err := c.configure(a); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// uriPath is an absolute path as a URI has it: C:\a is /C:/a there.
func uriPath(abs string) string {
	slashed := filepath.ToSlash(abs)
	if strings.HasPrefix(slashed, "/") {
		return slashed
	}
	return "/" + slashed
}

// configure applies the settings that do not touch the file and reads the important ones back (I-41).
func (c *conn) configure(a access) error {
	cache := readerCache
	if a == writing {
		cache = writerCache
	}
	settings := []struct {
		name string
		set  string
		want string
	}{
		{"trusted_schema", "OFF", "0"},
		{"cell_size_check", "ON", "1"},
		{"foreign_keys", "ON", "1"},
		{"synchronous", "FULL", "2"}, // NORMAL loses acknowledged commits in WAL mode, and is this driver's default
		{"recursive_triggers", "OFF", "0"},
		{"query_only", onOff(a != writing), bit(a != writing)},
		{"mmap_size", "0", ""}, // a truncated file must be an error, not a signal
		{"cache_size", "-" + strconv.Itoa(cache), "-" + strconv.Itoa(cache)},
		{"wal_autocheckpoint", strconv.Itoa(checkpointPages), strconv.Itoa(checkpointPages)},
		{"journal_size_limit", strconv.Itoa(journalLimit), strconv.Itoa(journalLimit)},
	}
	for _, s := range settings {
		if err := c.run("PRAGMA " + s.name + " = " + s.set); err != nil {
			return err
		}
		if s.want == "" {
			continue
		}
		got, err := c.text("PRAGMA " + s.name)
		if err != nil {
			return err
		}
		if got != s.want {
			return fmt.Errorf("%w: %s is %q instead of %q", ErrLibrary, s.name, got, s.want)
		}
	}
	return nil
}

func onOff(b bool) string {
	if b {
		return "ON"
	}
	return "OFF"
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	c.stmts = nil
	return errors.Join(append(errs, c.db.Close())...)
}

// stmt returns the prepared statement for query, preparing it once per connection.
func (c *conn) stmt(query string) (*sqlite3.SQLiteStmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	raw, err := c.db.Prepare(query)
	if err != nil {
		return nil, sqliteError(err)
	}
	s, ok := raw.(*sqlite3.SQLiteStmt)
	if !ok {
		return nil, fmt.Errorf("%w: unexpected driver statement %T", ErrLibrary, raw)
	}
	c.stmts[query] = s
	return s, nil
}

// named numbers the arguments and turns our types into the driver's.
func named(args []any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: value(a)}
	}
	return out
}

// value turns one of our types into what the driver stores.
func value(a any) driver.Value {
	switch v := a.(type) {
	case string:
		return clean(v)
	case ItemID:
		return clean(string(v))
	case DriveID:
		return clean(string(v))
	case Verdict:
		return clean(string(v))
	case DriveKey:
		return int64(v)
	case MirrorKey:
		return int64(v)
	case RunID:
		return int64(v)
	case Generation:
		return int64(v)
	case Class:
		return int64(v)
	case int:
		return int64(v)
	case uint64:
		return int64(v)
	}
	return a
}

// run executes a statement that is used once.
func (c *conn) run(query string) error {
	_, err := c.db.Exec(query, nil)
	return sqliteError(err)
}

// exec executes a statement and returns how many rows it changed. It can be interrupted.
func (c *conn) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(ctx, named(args))
	if err != nil {
		return 0, sqliteError(err)
	}
	return res.RowsAffected()
}

// each calls f for every row. The slice is reused; the values are not. f may stop with errStop.
func (c *conn) each(ctx context.Context, query string, args []any, f func(row []driver.Value) error) (err error) {
	r, err := c.open(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = orElse(err, r.close()) }()
	for {
		if more, err := r.next(); err != nil || !more {
			return err
		}
		if err := f(r.row); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
}

// cursor is an open query. Several may be open on one connection, each for a statement of its own.
type cursor struct {
	rows driver.Rows
	row  []driver.Value // the current row after next
}

func (c *conn) open(ctx context.Context, query string, args ...any) (*cursor, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, named(args))
	if err != nil {
		return nil, sqliteError(err)
	}
	return &cursor{rows: rows, row: make([]driver.Value, len(rows.Columns()))}, nil
}

// next fetches the next row and reports whether there was one.
func (r *cursor) next() (bool, error) {
	err := r.rows.Next(r.row)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, sqliteError(err)
}

func (r *cursor) close() error { return sqliteError(r.rows.Close()) }

// errStop ends each without an error.
var errStop = errors.New("stop")

// first returns the first row of a query, or nil.
func (c *conn) first(ctx context.Context, query string, args ...any) ([]driver.Value, error) {
	var out []driver.Value
	err := c.each(ctx, query, args, func(row []driver.Value) error {
		out = append(out, row...)
		return errStop
	})
	return out, err
}

// text returns the single value of a query as text.
func (c *conn) text(query string) (string, error) {
	row, err := c.first(context.Background(), query)
	if err != nil {
		return "", err
	}
	if len(row) == 0 {
		return "", nil
	}
	return fmt.Sprint(row[0]), nil
}

// int returns the single integer of a query; no row is 0.
func (c *conn) int(ctx context.Context, query string, args ...any) (int64, error) {
	row, err := c.first(ctx, query, args...)
	if err != nil || len(row) == 0 {
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, damaged("a number was expected")
	}
	return n, nil
}
