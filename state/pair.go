package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
)

const packedPending = `p.item, p.action, p.code, p.reason, p.path, p.attempts, p.first, p.last, p.request_id`

// pairColumns are the three packed sides of a pair; a side that is missing in the outer join is NULL.
var pairColumns = `CASE WHEN i.id IS NOT NULL THEN ` + joined(packedItem) + ` END,
	CASE WHEN e.item IS NOT NULL THEN ` + joined(packedEntry) + ` END,
	CASE WHEN p.item IS NOT NULL THEN ` + joined(packedPending) + ` END`

// pairSides joins the three sides to ids.id, each by its key or by index entries_facts; ?1 is the drive, ?2 the mirror.
const pairSides = `
	LEFT JOIN items i ON i.drive = ?1 AND i.id = ids.id
	LEFT JOIN entries e INDEXED BY entries_facts ON e.mirror = ?2 AND e.item = ids.id
	LEFT JOIN pending p ON p.mirror = ?2 AND p.item = ids.id
	WHERE (i.id IS NOT NULL OR e.item IS NOT NULL OR p.item IS NOT NULL)`

func scanPair(row []driver.Value) (Pair, error) {
	var p Pair
	if row[0] != nil {
		it, err := readItem(row[0])
		if err != nil {
			return p, err
		}
		p.Item = &it
	}
	if row[1] != nil {
		e, err := readEntry(row[1])
		if err != nil {
			return p, err
		}
		p.Entry = &e
	}
	if row[2] != nil {
		pending, err := readPending(row[2])
		if err != nil {
			return p, err
		}
		p.Pending = &pending
	}
	return p, nil
}

// PairsSince yields the ids that were logged after a generation, and those pending for the mirror, in id order. If the log does not
// reach back that far the error is ErrLogTrimmed, and PairsAll is the way. change_log and pending by key.
func (s *Store) PairsSince(ctx context.Context, m Mirror, since Generation) iter.Seq2[Pair, error] {
	return produce(s, func(c *conn, emit func(Pair) bool) error {
		floor, err := c.int(ctx, `SELECT log_floor FROM drives WHERE key = ?`, m.Drive)
		if err != nil {
			return err
		}
		if int64(since) < floor {
			return fmt.Errorf("changes since generation %d: %w", since, ErrLogTrimmed)
		}
		return emitRows(ctx, c, scanPair, emit, `
			WITH ids (id) AS MATERIALIZED (
				SELECT id FROM change_log WHERE drive = ?1 AND gen > ?3 UNION SELECT item FROM pending WHERE mirror = ?2
			)
			SELECT `+pairColumns+` FROM ids`+pairSides+` ORDER BY ids.id`, m.Drive, m.Key, since)
	})
}

// PairsOf looks up the given ids in batches; ids known to neither side are left out. Each batch is in the order of the ids.
func (s *Store) PairsOf(ctx context.Context, m Mirror, ids iter.Seq[ItemID]) iter.Seq2[Pair, error] {
	query := `SELECT ` + pairColumns + ` FROM (SELECT value AS id FROM json_each(?3)) ids` + pairSides
	return produce(s, func(c *conn, emit func(Pair) bool) error {
		more := true
		look := func(batch []ItemID) error {
			list, err := idList(batch)
			if err != nil {
				return err
			}
			return emitRows(ctx, c, scanPair, func(p Pair) bool { more = emit(p); return more }, query, m.Drive, m.Key, list)
		}
		batch := make([]ItemID, 0, lookupBatch)
		for id := range ids {
			if batch = append(batch, id); len(batch) < lookupBatch {
				continue
			}
			if err := look(batch); err != nil || !more {
				return err
			}
			batch = batch[:0]
		}
		return look(batch)
	})
}

// Subtree yields the observed descendants of a folder with their entries, the folder itself left out. UNION ends a cycle of parents.
// children by key (drive, parent).
func (s *Store) Subtree(ctx context.Context, m Mirror, folder ItemID) iter.Seq2[Pair, error] {
	return stream(ctx, s, scanPair, `
		WITH RECURSIVE ids (id) AS (
			SELECT id FROM children WHERE drive = ?1 AND parent = ?3
			UNION
			SELECT c.id FROM ids CROSS JOIN children c ON c.drive = ?1 AND c.parent = ids.id
		)
		SELECT `+pairColumns+` FROM ids`+pairSides+` AND ids.id <> ?3`, m.Drive, m.Key, folder)
}

// EntrySubtree yields the applied descendants of a folder with their items, the folder itself left out; the empty folder is the target.
// entries by primary key (mirror, parent).
func (s *Store) EntrySubtree(ctx context.Context, m Mirror, folder ItemID) iter.Seq2[Pair, error] {
	return stream(ctx, s, scanPair, `
		WITH RECURSIVE ids (id) AS (
			SELECT item FROM entries WHERE mirror = ?2 AND parent = ?3
			UNION
			SELECT c.item FROM ids CROSS JOIN entries c ON c.mirror = ?2 AND c.parent = ids.id
		)
		SELECT `+pairColumns+` FROM ids`+pairSides+` AND ids.id <> ?3`, m.Drive, m.Key, folder)
}
