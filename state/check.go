package state

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

// Check looks for damage. The quick form is what every open does: identity, schema and the few rows that everything hangs on. The deep form
// reads the whole file: page structure, constraints, references, and whether counters and secondary tables agree with what they describe.
func (s *Store) Check(ctx context.Context, deep bool) error {
	return s.read(func(c *conn) error {
		if _, err := identify(ctx, c, s.formats()); err != nil {
			return err
		}
		if _, err := checkRows(ctx, c); err != nil || !deep {
			return err
		}
		if err := quickCheck(ctx, c); err != nil {
			return err
		}
		return checkAgreement(ctx, c)
	})
}

// quickCheck lets SQLite walk all pages and test the constraints of all rows.
func quickCheck(ctx context.Context, c *conn) error {
	row, err := c.first(ctx, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if len(row) != 1 || row[0] != "ok" {
		return damaged("quick_check finds a fault")
	}
	return nil
}

// checkRows reads the rows that identify the state and returns its lineage.
func checkRows(ctx context.Context, c *conn) (string, error) {
	row, err := c.first(ctx, `SELECT lineage, serial FROM store`)
	if err != nil {
		return "", err
	}
	if len(row) != 2 {
		return "", damaged("it has no lineage")
	}
	lineage, _ := row[0].(string)
	if _, err := uuid.Parse(lineage); err != nil {
		return "", damaged("its lineage is not a UUID")
	}
	return lineage, none(ctx, c, agreementOfRows)
}

// agreement is a statement that counts rows which contradict each other.
type agreement struct{ what, sql string }

// agreementOfRows costs a few rows per drive and mirror.
var agreementOfRows = []agreement{
	{"the serial is negative", `SELECT count(*) FROM store WHERE serial < 0`},
	{"a drive's counters are impossible",
		`SELECT count(*) FROM drives WHERE items < 0 OR generation < 0 OR log_floor < 0 OR log_floor > generation`},
	{"a mirror is ahead of its drive",
		`SELECT count(*) FROM mirrors m LEFT JOIN drives d ON d.key = m.drive WHERE d.key IS NULL OR m.settled > d.generation`},
	{"a round has no drive", `SELECT count(*) FROM rounds r LEFT JOIN drives d ON d.key = r.drive WHERE d.key IS NULL`},
}

// agreementOfAll reads all items and entries, in key order.
var agreementOfAll = []agreement{
	{"a drive's item count is wrong",
		`SELECT count(*) FROM drives d WHERE d.items <> (SELECT count(*) FROM items i WHERE i.drive = d.key)`},
	{"an item is missing from its parent's children",
		`SELECT count(*) FROM items i WHERE NOT EXISTS
			(SELECT 1 FROM children c WHERE c.drive = i.drive AND c.parent = i.parent AND c.id = i.id)`},
	{"the children and the items differ in number", `SELECT (SELECT count(*) FROM children) <> (SELECT count(*) FROM items)`},
	{"a mirror's counters are wrong",
		`SELECT count(*) FROM mirrors m WHERE (m.files, m.folders, m.bytes) IS NOT
			(SELECT total(1 - folder), total(folder), total(size * (1 - folder)) FROM entries e WHERE e.mirror = m.key)`},
	{"an item has two entries", `SELECT count(*) FROM (SELECT 1 FROM entries GROUP BY mirror, item HAVING count(*) > 1)`}, // entries_facts
	{"an entry has no mirror", `SELECT count(*) FROM entries WHERE mirror NOT IN (SELECT key FROM mirrors)`},
	{"an item has no drive", `SELECT count(*) FROM items WHERE drive NOT IN (SELECT key FROM drives)`},
	{"a change is logged beyond its drive's generation",
		`SELECT count(*) FROM change_log l JOIN drives d ON d.key = l.drive WHERE l.gen > d.generation`},
}

func checkAgreement(ctx context.Context, c *conn) error {
	err := c.each(ctx, "PRAGMA foreign_key_check", nil, func([]driver.Value) error { return damaged("a reference is broken") })
	if err != nil {
		return err
	}
	return none(ctx, c, agreementOfAll)
}

// none runs statements that must count nothing.
func none(ctx context.Context, c *conn, list []agreement) error {
	for _, a := range list {
		n, err := c.int(ctx, a.sql)
		if err != nil {
			return fmt.Errorf("check that not %s: %w", a.what, err)
		}
		if n != 0 {
			return damaged("%s", a.what)
		}
	}
	return nil
}
