package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"slices"
)

// The small tables of a mirror: each is keyed by mirror and item (trash by mirror and path), and every statement here uses that key.

func readPending(column any) (Pending, error) {
	u := unpack(column)
	p := Pending{Item: ItemID(u.text()), Action: u.text(), Code: u.text(), Reason: u.text(), Path: u.text(), Attempts: int(u.int()),
		First: u.time(), Last: u.time(), RequestID: u.text()}
	return p, u.end()
}

// PutPending records items that could not be brought to their wanted state. The time of the first attempt stays; if First is zero a new
// row takes Last.
func (tx *Tx) PutPending(mirror MirrorKey, list []Pending) error {
	in := tx.c.inserter(`INSERT INTO pending (mirror, item, action, code, reason, path, attempts, first, last, request_id)`, 10, `
		ON CONFLICT (mirror, item) DO UPDATE SET action = excluded.action, code = excluded.code, reason = excluded.reason,
			path = excluded.path, attempts = excluded.attempts, last = excluded.last, request_id = excluded.request_id`)
	for i := range list {
		p := &list[i]
		first := p.First
		if first.IsZero() {
			first = p.Last
		}
		err := in.add(int64(mirror), clean(string(p.Item)), clean(p.Action), clean(p.Code), clean(p.Reason), clean(p.Path), int64(p.Attempts),
			toUnix(first), toUnix(p.Last), clean(p.RequestID))
		if err != nil {
			return fmt.Errorf("put pending items: %w", err)
		}
	}
	if err := in.flush(); err != nil {
		return fmt.Errorf("put pending items: %w", err)
	}
	return nil
}

// ClearPending forgets pending items that are done or no longer wanted.
func (tx *Tx) ClearPending(mirror MirrorKey, items []ItemID) error {
	return tx.deleteItems("pending", mirror, items)
}

// PendingItems yields the pending items of a mirror in id order.
func (s *Store) PendingItems(ctx context.Context, mirror MirrorKey) iter.Seq2[Pending, error] {
	return stream(ctx, s, func(row []driver.Value) (Pending, error) { return readPending(row[0]) },
		`SELECT `+joined(packedPending)+` FROM pending p WHERE p.mirror = ? ORDER BY p.item`, mirror)
}

// deleteItems removes the rows of items from one of the small tables.
func (tx *Tx) deleteItems(table string, mirror MirrorKey, items []ItemID) error {
	for batch := range slices.Chunk(items, lookupBatch) {
		list, err := idList(batch)
		if err == nil {
			_, err = tx.exec(`DELETE FROM `+table+` WHERE mirror = ?1 AND item IN (SELECT value FROM json_each(?2))`, mirror, list)
		}
		if err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	return nil
}
