package state

import (
	"fmt"
)

// roundTables are the scratch tables of a merge; they live in the writing connection's temporary database and are empty between merges.
const roundTables = `
PRAGMA temp.cache_size = -16384;
CREATE TEMP TABLE final (id TEXT NOT NULL PRIMARY KEY, live INTEGER NOT NULL) WITHOUT ROWID; -- 1 alive, 0 deleted, 2 unread
CREATE TEMP TABLE gone (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE changed (
	id TEXT NOT NULL PRIMARY KEY, parent TEXT, name TEXT, class INTEGER, size INTEGER, modified INTEGER, created INTEGER, etag TEXT,
	ctag TEXT, hash TEXT, mime TEXT, modified_by TEXT, note TEXT, old_parent TEXT, material INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TEMP TABLE unlinked (parent TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (parent, id)) WITHOUT ROWID;
`

const clearRoundTables = `DELETE FROM final; DELETE FROM gone; DELETE FROM changed; DELETE FROM unlinked;`

// lastRows is the last occurrence of every staged id, in id order (D15). With a bare max() SQLite takes the other columns from the row that
// has the maximum; the rows come from the rowid range and through one sort.
const lastRows = `SELECT id, max(seq), deleted, parent, name, class, size, modified, created, etag, ctag, hash, mime, modified_by, note
	FROM staged WHERE seq >= ?2 AND seq < ?3 GROUP BY id`

// itemColumns are the columns of items after the drive, in table order.
const itemColumns = `id, parent, name, class, size, modified, created, etag, ctag, hash, mime, modified_by, note`

// merge is one round on its way into the observed items.
type merge struct {
	*Tx
	drive      Drive
	round      Round
	root       ItemID // the root that must survive, empty if none is known yet
	tombstones int64
	unread     int64
	low, high  int64
	result     Merged
}

// MergeRound makes the staged rows of a drive's round the observed truth, in one transaction with the delta link (I-32).
//
// The last occurrence of an id counts. A tombstone removes the item and whatever is below it, except items that the same round shows alive
// (I-31); a tombstone of an unknown id is counted and changes nothing. After a full round everything that was not listed is removed as
// well, unless Round.Keep. If the drive's root would go, nothing is merged and the error is ErrRootGone;
// if none ever came, it is ErrNoRoot.
//
// An unread item is there, whatever it is: it keeps what was known of it, and is remembered (H-43). If one came without an id, absence
// proves nothing, and a full round removes nothing but tombstones.
//
// Rows are written only if something in them differs. Material differences are logged under a new generation; tags of a file whose hash and
// size are the same, sizes of folders, and who modified an item are stored without (D18, D34–D38, Q20). The first load of a drive is not
// logged: LogFloor moves to the new generation instead.
func (tx *Tx) MergeRound(drive DriveKey, m Merge) (Merged, error) {
	result, err := tx.mergeRound(drive, m)
	if err != nil {
		return Merged{}, fmt.Errorf("merge round of drive %d: %w", drive, err)
	}
	return result, nil
}

func (tx *Tx) mergeRound(key DriveKey, end Merge) (Merged, error) {
	m, err := tx.newMerge(key)
	if err != nil {
		return Merged{}, err
	}
	if m.root == "" {
		return Merged{}, ErrNoRoot
	}
	if m.drive.Items == 0 {
		err = m.firstLoad()
	} else {
		err = m.update()
	}
	if err != nil {
		return Merged{}, err
	}
	if err := m.finish(end); err != nil {
		return Merged{}, err
	}
	return m.result, nil
}

func (tx *Tx) newMerge(key DriveKey) (*merge, error) {
	d, err := tx.drive(key)
	if err != nil {
		return nil, err
	}
	if d.Round == nil {
		return nil, ErrNoRound
	}
	row, err := tx.c.first(tx.ctx, `SELECT tombstones, root, unread FROM rounds WHERE drive = ?`, key)
	if err != nil {
		return nil, err
	}
	m := &merge{Tx: tx, drive: d, round: *d.Round, root: d.Root}
	m.tombstones, _ = row[0].(int64)
	m.unread, _ = row[2].(int64)
	if seen, _ := row[1].(string); m.root == "" {
		m.root = ItemID(seen)
	}
	m.low, m.high = span(key)
	m.result = Merged{Generation: d.Generation, ItemsBefore: d.Items, ItemsAfter: d.Items}
	if m.unread > 0 {
		unnamed, err := m.exists(`SELECT 1 FROM staged WHERE seq >= ?1 AND seq < ?2 AND deleted = 2 AND id = ''`, m.low, m.high)
		if err != nil {
			return nil, err
		}
		m.round.Keep = m.round.Keep || unnamed
	}
	return m, nil
}

// do runs a statement that uses the drive and the range of its staged rows.
func (m *merge) do(query string, more ...any) (int64, error) {
	return m.exec(query, append([]any{m.drive.Key, m.low, m.high}, more...)...)
}

// steps runs statements in order and adds up the changed rows where a counter is given.
func (m *merge) steps(list []step) error {
	for _, s := range list {
		n, err := m.do(s.sql, s.more...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		if s.count != nil {
			*s.count = n
		}
	}
	return nil
}

type step struct {
	what  string
	sql   string
	count *int64
	more  []any
}

// firstLoad fills an empty drive: two inserts in key order, no comparison, no log.
func (m *merge) firstLoad() error {
	if m.tombstones > 0 { // D29
		n, err := m.count(`SELECT count(*) FROM (SELECT id, max(seq), deleted FROM staged WHERE seq >= ?2 AND seq < ?3 GROUP BY id)
			WHERE deleted = 1 AND ?1`)
		if err != nil {
			return err
		}
		m.result.UnknownTombstones = n
	}
	err := m.steps([]step{
		{what: "insert items", count: &m.result.Added, sql: `
			INSERT INTO items (drive, ` + itemColumns + `) SELECT ?1, ` + itemColumns + ` FROM (` + lastRows + `) WHERE deleted = 0`},
		{what: "insert children", sql: `
			INSERT INTO children (drive, parent, id) SELECT drive, parent, id FROM items WHERE drive = ?1 AND ?2 AND ?3 ORDER BY parent, id`},
	})
	if err != nil {
		return err
	}
	if m.drive.Root != "" {
		there, err := m.exists(`SELECT 1 FROM items WHERE drive = ? AND id = ?`, m.drive.Key, m.drive.Root)
		if err != nil || !there {
			return orElse(err, ErrRootGone)
		}
	}
	if m.result.Added > 0 {
		m.result.Generation++
		m.drive.LogFloor = m.result.Generation
	}
	return nil
}

// update compares the round with what is observed. All reads come before the first write to the tables they read.
func (m *merge) update() error {
	if err := m.Tx.c.run(clearRoundTables); err != nil {
		return err
	}
	if _, err := m.do(`
		INSERT INTO final (id, live) SELECT id, CASE deleted WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 2 END FROM (SELECT id, max(seq), deleted FROM staged WHERE seq >= ?2 AND seq < ?3
			GROUP BY id) WHERE ?1`); err != nil {
		return fmt.Errorf("find last occurrences: %w", err)
	}
	if err := m.findGone(); err != nil {
		return fmt.Errorf("find removed items: %w", err)
	}
	if err := m.keepRoot(); err != nil {
		return err
	}
	if err := m.findChanged(); err != nil {
		return fmt.Errorf("find changed items: %w", err)
	}
	if err := m.countResult(); err != nil {
		return err
	}
	if err := m.write(); err != nil {
		return err
	}
	return m.Tx.c.run(clearRoundTables)
}

// findGone fills gone with the ids that this round removes.
func (m *merge) findGone() error {
	var err error
	if m.tombstones > 0 {
		m.result.UnknownTombstones, err = m.count(`SELECT count(*) FROM final f WHERE live = 0 AND ?2 AND ?3 AND
			NOT EXISTS (SELECT 1 FROM items i WHERE i.drive = ?1 AND i.id = f.id)`)
		if err != nil {
			return err
		}
	}
	if m.round.Full && !m.round.Keep {
		// Both sides in id order by their keys. What is below a removed folder is either listed or removed in its own right.
		_, err = m.do(`INSERT INTO gone (id) SELECT i.id FROM items i WHERE i.drive = ?1 AND ?2 AND ?3 AND
			NOT EXISTS (SELECT 1 FROM final f WHERE f.id = i.id AND f.live <> 0)`)
		return err
	}
	if m.tombstones == 0 {
		return nil
	}
	// A folder that was deleted while pages were read may be known by its children alone. UNION, not UNION ALL: a cycle of
	// parents ends where it began. children by key (drive, parent), items and final by key.
	_, err = m.do(`
		INSERT INTO gone (id)
		WITH RECURSIVE below (id) AS (
			SELECT f.id FROM final f WHERE f.live = 0 AND ?2 AND ?3
			UNION
			SELECT c.id FROM below CROSS JOIN children c ON c.drive = ?1 AND c.parent = below.id
				WHERE NOT EXISTS (SELECT 1 FROM final f WHERE f.id = c.id AND f.live <> 0)
		)
		SELECT below.id FROM below CROSS JOIN items i ON i.drive = ?1 AND i.id = below.id`)
	return err
}

// keepRoot refuses a round in which the root is removed or, if it should list everything, missing.
func (m *merge) keepRoot() error {
	if m.drive.Root == "" {
		return nil
	}
	lost, err := m.exists(`SELECT 1 FROM gone WHERE id = ?1 UNION ALL SELECT 1 FROM final WHERE id = ?1 AND live = 0`, m.drive.Root)
	if err != nil || lost {
		return orElse(err, ErrRootGone)
	}
	if m.round.Full && !m.round.Keep {
		listed, err := m.exists(`SELECT 1 FROM final WHERE id = ? AND live <> 0`, m.drive.Root)
		if err != nil || !listed {
			return orElse(err, ErrRootGone)
		}
	}
	return nil
}

// findChanged fills changed with the live rows of the round that are new or differ from the stored row in any column. A row without a name
// keeps the stored name, and the parent if it has none either; a row without cTag keeps the stored one as long as the eTag is the
// same (D37). Material is what the planner must look at again.
func (m *merge) findChanged() error {
	_, err := m.do(`
		INSERT INTO changed
		SELECT n.*, o.parent AS old_parent,
			o.id IS NULL OR n.parent <> o.parent OR n.name <> o.name OR n.class <> o.class OR n.modified <> o.modified OR n.hash <> o.hash
				OR n.note <> o.note
				OR (n.class NOT IN (2, 3, 4) AND (n.size <> o.size -- folders' sizes and tags: D36
					OR (n.hash = '' AND (n.ctag <> o.ctag OR (n.ctag = '' AND n.etag <> o.etag))))) -- without both, the eTag is all there is
		FROM (
			SELECT s.id AS id,
				CASE WHEN s.parent = '' AND s.class <> 3 THEN coalesce(o.parent, '') ELSE s.parent END AS parent,
				CASE WHEN s.name = '' THEN coalesce(o.name, '') ELSE s.name END AS name,
				s.class AS class, s.size AS size, s.modified AS modified, s.created AS created, s.etag AS etag,
				CASE WHEN s.ctag = '' AND s.etag = o.etag THEN o.ctag ELSE s.ctag END AS ctag,
				s.hash AS hash, s.mime AS mime, s.modified_by AS modified_by, s.note AS note
			FROM (` + lastRows + `) s LEFT JOIN items o ON o.drive = ?1 AND o.id = s.id -- items by key, in order
			WHERE s.deleted = 0
		) n LEFT JOIN items o ON o.drive = ?1 AND o.id = n.id
		WHERE o.id IS NULL OR (n.parent, n.name, n.class, n.size, n.modified, n.created, n.etag, n.ctag, n.hash, n.mime, n.modified_by, n.note)
			IS NOT (o.parent, o.name, o.class, o.size, o.modified, o.created, o.etag, o.ctag, o.hash, o.mime, o.modified_by, o.note)`)
	return err
}

// countResult counts what was found.
func (m *merge) countResult() error {
	row, err := m.Tx.c.first(m.ctx, `
		SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM final WHERE live = 1), count(*),
			count(CASE WHEN old_parent IS NULL THEN 1 END), count(CASE WHEN material AND old_parent IS NOT NULL THEN 1 END) FROM changed`)
	if err != nil {
		return err
	}
	var n [5]int64
	for i := range n {
		n[i], _ = row[i].(int64)
	}
	gone, live, written, added, material := n[0], n[1], n[2], n[3], n[4]
	m.result.Added, m.result.Changed, m.result.Removed = added, material, gone
	m.result.Touched = written - added - material
	m.result.Unchanged = live - written
	m.result.ItemsAfter += added - gone
	if added+material+gone > 0 {
		m.result.Generation++
	}
	return nil
}

// write applies gone and changed to items, children and the log, each by key.
func (m *merge) write() error {
	gen := []any{m.result.Generation}
	return m.steps([]step{
		{what: "log changes", more: gen, sql: `
			INSERT INTO change_log (drive, gen, id)
			SELECT ?1, ?4, id FROM gone WHERE ?2 AND ?3 UNION SELECT ?1, ?4, id FROM changed WHERE material
			UNION SELECT ?1, ?4, c.id FROM changed n CROSS JOIN children c ON c.drive = ?1 AND c.parent = n.id -- what is in a folder that is none any more
				WHERE n.material AND n.old_parent IS NOT NULL AND n.class NOT IN (2, 3, 4)`},
		{what: "find old parents", sql: `
			INSERT INTO unlinked (parent, id)
			SELECT i.parent, i.id FROM gone g CROSS JOIN items i ON i.drive = ?1 AND i.id = g.id WHERE ?2 AND ?3
			UNION ALL SELECT old_parent, id FROM changed WHERE old_parent <> parent`},
		{what: "delete children", sql: `
			DELETE FROM children WHERE drive = ?1 AND ?2 AND ?3 AND (parent, id) IN (SELECT parent, id FROM unlinked)`},
		{what: "delete items", sql: `DELETE FROM items WHERE drive = ?1 AND ?2 AND ?3 AND id IN (SELECT id FROM gone)`},
		{what: "write items", sql: `
			INSERT OR REPLACE INTO items (drive, ` + itemColumns + `) SELECT ?1, ` + itemColumns + ` FROM changed WHERE ?2 AND ?3 ORDER BY id`},
		{what: "insert children", sql: `
			INSERT INTO children (drive, parent, id) SELECT ?1, parent, id FROM changed
			WHERE ?2 AND ?3 AND (old_parent IS NULL OR old_parent <> parent) ORDER BY parent, id`},
	})
}

// finish stores the link and the counters and drops the round.
func (m *merge) finish(end Merge) error {
	if m.drive.Items == 0 {
		m.result.ItemsAfter = m.result.Added
	}
	at := toUnix(end.At)
	full := toUnix(m.drive.FullAt)
	if m.round.Full {
		full = at
	}
	_, err := m.exec(`UPDATE drives SET delta_link = ?2, headers = ?3, generation = ?4, log_floor = ?5, full_at = ?6, crawled_at = ?7, items = ?8,
		root = ?9 WHERE key = ?1`,
		m.drive.Key, end.DeltaLink, end.Headers, m.result.Generation, m.drive.LogFloor, full, at, m.result.ItemsAfter, m.root)
	if err != nil {
		return fmt.Errorf("store the delta link: %w", err)
	}
	if err := m.noteUnread(end.At); err != nil {
		return err
	}
	return m.unstage(m.drive.Key)
}

// count returns the single number of a query over the drive and the range of its staged rows.
func (m *merge) count(query string) (int64, error) {
	return m.Tx.c.int(m.ctx, query, m.drive.Key, m.low, m.high)
}

// exists reports whether a query has a row.
func (tx *Tx) exists(query string, args ...any) (bool, error) {
	row, err := tx.c.first(tx.ctx, query, args...)
	return row != nil, err
}

// orElse returns the first error that is not nil.
func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
