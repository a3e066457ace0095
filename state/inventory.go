package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MetaInventory is the key under which an inventory says that it is one, and which
// names it has.
const MetaInventory = "inventory"

// Hide replaces names of files in an inventory; folders keep theirs. The zero value
// keeps all names.
type Hide struct {
	// Remote turns the name of an observed file into what stands for it.
	Remote func(name string) string
	// Local does the same with a name on the target of a mirror.
	Local func(mirror MirrorKey, name string) string
}

// Inventory writes a copy of the state that has what planning reads and nothing else:
// no delta links, no runs, no people, no times of the disk. It is a new file beside the
// state, which the caller moves or removes.
func (s *Store) Inventory(ctx context.Context, hide Hide) (path string, err error) {
	path, err = precreate(filepath.Dir(s.path), filepath.Base(s.path))
	if err != nil {
		return "", fmt.Errorf("make inventory: %w", err)
	}
	if err = s.read(func(c *conn) error { return copyTo(ctx, c, path) }); err == nil {
		err = reduce(ctx, path, hide)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("make inventory: %w", err), os.Remove(path))
	}
	return path, nil
}

// reductions take out of a copy what an inventory must not have. The names in the
// source: keys of meta are those under which drives were found; those of what was applied
// last tell whether it was settled.
var reductions = [...]string{
	`DELETE FROM staged`,
	`DELETE FROM rounds`,
	`DELETE FROM partials`,
	`DELETE FROM intents`,
	`DELETE FROM trash`,
	`DELETE FROM versions`,
	`UPDATE sidecars SET permissions = '', fields = ''`, // who may read what, and columns, are not needed to plan
	`DELETE FROM run_items`,
	`DELETE FROM runs`,
	`DELETE FROM meta WHERE key NOT LIKE 'source:%' AND key NOT LIKE '` + appliedKey + `%' AND key NOT LIKE '` + behindKey + `%'`,
	`UPDATE drives SET delta_link = '', headers = ''`,
	`UPDATE items SET modified_by = ''`,
	`UPDATE mirrors SET marker = ''`,
	`UPDATE pending SET reason = '', path = '', request_id = ''`,
	`UPDATE entries SET inode = 0, sha256 = ''`,
}

func reduce(ctx context.Context, path string, hide Hide) (err error) {
	c, err := connect(path, writing)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	triggers, err := c.triggers(ctx)
	if err != nil {
		return err
	}
	steps := []string{"BEGIN IMMEDIATE"}
	for _, t := range triggers { // the log of runs is append-only; a copy may go without
		steps = append(steps, `DROP TRIGGER "`+t[0]+`"`)
	}
	steps = append(steps, reductions[:]...)
	names := "full"
	if hide.Remote != nil {
		names = "hashed"
		if err := c.hiding(hide); err != nil {
			return err
		}
		steps = append(steps, `UPDATE items SET name = hide_remote(name) WHERE class NOT IN (2, 3, 4)`,
			`UPDATE entries SET name = hide_local(mirror, name), fold = hide_local(mirror, name) WHERE folder = 0`)
	}
	for _, t := range triggers {
		steps = append(steps, t[1])
	}
	steps = append(steps, `INSERT INTO meta (key, value) VALUES ('`+MetaInventory+`', '`+names+`')`, "COMMIT", "VACUUM")
	for _, step := range steps {
		if err := c.run(step); err != nil {
			return err
		}
	}
	return nil
}

// triggers lists name and statement of each trigger.
func (c *conn) triggers(ctx context.Context) (list [][2]string, err error) {
	err = c.each(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`, nil, func(row []driver.Value) error {
		name, ok := row[0].(string)
		text, okText := row[1].(string)
		if !ok || !okText {
			return damaged("a text was expected")
		}
		list = append(list, [2]string{name, text})
		return nil
	})
	return list, err
}

// hiding gives the connection the functions that hide names.
func (c *conn) hiding(hide Hide) error {
	err := c.db.RegisterFunc("hide_remote", func(name string) string { return clean(hide.Remote(name)) }, true)
	if err != nil {
		return sqliteError(err)
	}
	return sqliteError(c.db.RegisterFunc("hide_local", func(mirror int64, name string) string {
		return clean(hide.Local(MirrorKey(mirror), name))
	}, true))
}
