package state

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
)

//go:embed migrations/0001_base.sql
var base string

//go:embed migrations/0002_unread.sql
var unread string

//go:embed migrations/0003_sidecar.sql
var sidecar string

//go:embed migrations/0004_ahead.sql
var ahead string

//go:embed migrations/0005_versions.sql
var versions string

//go:embed migrations/0006_settled_run.sql
var settledRun string

//go:embed migrations/0007_shortcuts.sql
var shortcuts string

// migration leads from one format to the next; digest is that of the schema afterwards, so that a foreign trigger, view or altered table
// is noticed at every open (H-77).
type migration struct {
	sql    string
	digest string
}

// migrations are all formats there ever were; PRAGMA user_version counts how many a file has had. Released ones are never edited.
var migrations = []migration{
	{base, "8e165391119588626229af165b2472007538a5624b5a83ec551d465a64198356"},
	{unread, "e275bc9d01b0aba965d4d5a5011b4a0ea69415702c0a2d0b7e4859c6d6489956"},
	{sidecar, "af7e915048d336c58fdbbc97df8c2a6197e7721f4aa35713d2b29915d2547774"},
	{ahead, "612d4d2ddbffc03dade814386558ba4b976063802c1a63f17eae4f08f88635b9"},
	{versions, "28432c0497d17beec3efc0f4f62e3734029457f999b19aac7e264774d34ab1c1"},
	{settledRun, "7d0d912a761b9996f1f7437d07aa374ef8905334d673d8226874e632c6017d37"},
	{shortcuts, "efb75b7b833cf71e48613ee78eed525c7fe3ed9cf24cfac681bcd3a57dc00132"},
}

// migrate applies the migrations after the first `from`, each in a transaction of its own (I-40).
func migrate(c *conn, from int, list []migration) error {
	for n := from; n < len(list); n++ {
		if err := migrateOne(c, n+1, list[n].sql); err != nil {
			return fmt.Errorf("migrate to format %d: %w", n+1, err)
		}
	}
	return nil
}

func migrateOne(c *conn, version int, sql string) error {
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := c.run(sql)
	if err == nil {
		err = c.run(fmt.Sprintf("PRAGMA user_version = %d", version))
	}
	if err == nil {
		err = c.run("COMMIT")
	}
	if err != nil && !c.db.AutoCommit() {
		err = errors.Join(err, c.run("ROLLBACK"))
	}
	return err
}

// upgrade brings an older file to the present format, after a backup.
func (s *Store) upgrade(ctx context.Context, version int, list []migration) error {
	keep := s.options.Backups
	if keep == 0 {
		keep = 5
	}
	if _, err := s.Backup(ctx, keep); err != nil {
		return fmt.Errorf("backup before migration: %w", err)
	}
	c, err := connect(s.path, writing)
	if err != nil {
		return err
	}
	err = migrate(c, version, list)
	if err == nil {
		_, err = identify(ctx, c, list)
	}
	return errors.Join(err, c.close())
}

// identify makes sure that a file is a state of a format in the list, and returns the format.
func identify(ctx context.Context, c *conn, list []migration) (int, error) {
	id, err := c.int(ctx, "PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	if id != applicationID {
		return 0, fmt.Errorf("%w: its application id is %d", ErrNotState, id)
	}
	version, err := c.int(ctx, "PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	if version > int64(len(list)) {
		return 0, fmt.Errorf("%w: format %d, this program knows %d", ErrNewer, version, len(list))
	}
	if version < 1 {
		return 0, damaged("its format is %d", version)
	}
	got, err := schemaDigest(ctx, c)
	if err != nil {
		return 0, err
	}
	if got != list[version-1].digest {
		return 0, damaged("its schema is not that of format %d", version)
	}
	return int(version), nil
}

// schemaDigest is a digest over every object in the file: tables, indexes, triggers, views.
func schemaDigest(ctx context.Context, c *conn) (string, error) {
	h := sha256.New()
	err := c.each(ctx, `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name`, nil,
		func(row []driver.Value) error {
			_, err := fmt.Fprintf(h, "%q\n", row)
			return err
		})
	return hex.EncodeToString(h.Sum(nil)), err
}
