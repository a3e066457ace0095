package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	backupInfix = ".backup-"
	// backupPages is how many pages one step copies before the context is looked at.
	backupPages = 4096
)

// Backup copies the state through SQLite's backup interface to a file beside it, keeps the newest `keep` backups and returns the path of the
// new one. The name carries the serial and the time, so that names in order are backups in order.
func (s *Store) Backup(ctx context.Context, keep int) (string, error) {
	path, err := s.backup(ctx)
	if err != nil {
		return "", fmt.Errorf("back up state: %w", err)
	}
	if err := s.rotate(max(keep, 1), path); err != nil {
		return "", fmt.Errorf("remove old backups: %w", err)
	}
	return path, nil
}

func (s *Store) backup(ctx context.Context) (string, error) {
	serial, err := s.Serial(ctx)
	if err != nil {
		return "", err
	}
	stamp := s.options.now().UTC().Format("20060102T150405.000000000Z")
	path := fmt.Sprintf("%s%s%012d-%s", s.path, backupInfix, serial, stamp)
	dir := filepath.Dir(path)
	temp, err := precreate(dir, filepath.Base(s.path))
	if err != nil {
		return "", err
	}
	defer os.Remove(temp)
	if err := s.read(func(c *conn) error { return copyTo(ctx, c, temp) }); err != nil {
		return "", err
	}
	if err := syncFile(temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, path); err != nil {
		return "", err
	}
	return path, syncDir(dir)
}

// copyTo copies a database page by page. A write meanwhile restarts the copy inside SQLite; the result is one moment of the state.
func copyTo(ctx context.Context, from *conn, path string) (err error) {
	to, err := connect(path, writing)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	b, err := to.db.Backup("main", from.db, "main")
	if err != nil {
		return sqliteError(err)
	}
	for done := false; !done && err == nil; {
		if done, err = b.Step(backupPages); err == nil {
			err = ctx.Err()
		}
	}
	return sqliteError(errors.Join(err, b.Finish()))
}

// syncFile makes a finished copy durable. It is nobody's live state, so it may be opened by hand.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// rotate removes all but the newest backups.
func (s *Store) rotate(keep int, newest string) error {
	prefix := filepath.Base(s.path) + backupInfix
	dir := filepath.Dir(s.path)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var found []string
	for _, f := range files {
		if f.Type().IsRegular() && strings.HasPrefix(f.Name(), prefix) && filepath.Join(dir, f.Name()) != newest {
			found = append(found, f.Name())
		}
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(b, a) })
	var errs []error
	for i, name := range found {
		if i >= keep-1 {
			errs = append(errs, os.Remove(filepath.Join(dir, name)))
		}
	}
	return errors.Join(errs...)
}
