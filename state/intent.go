package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
)

// PutIntents records effects that are about to happen, one per item; a new intent of an item replaces the old one.
func (tx *Tx) PutIntents(mirror MirrorKey, list []Intent) error {
	in := tx.c.inserter(`INSERT OR REPLACE INTO intents (mirror, item, kind, source, dest, inode, entry, displaced)`, 8, ``)
	for i := range list {
		n := &list[i]
		err := in.add(int64(mirror), clean(string(n.Item)), clean(n.Kind), clean(n.From), clean(n.To), int64(n.Inode), blob(n.Entry),
			clean(string(n.Displaced)))
		if err != nil {
			return fmt.Errorf("put intents: %w", err)
		}
	}
	if err := in.flush(); err != nil {
		return fmt.Errorf("put intents: %w", err)
	}
	return nil
}

// ClearIntents forgets intents whose outcome is recorded.
func (tx *Tx) ClearIntents(mirror MirrorKey, items []ItemID) error {
	return tx.deleteItems("intents", mirror, items)
}

// Intents yields the open intents of a mirror in id order.
func (s *Store) Intents(ctx context.Context, mirror MirrorKey) iter.Seq2[Intent, error] {
	return stream(ctx, s, func(row []driver.Value) (Intent, error) {
		u := unpack(row[0])
		i := Intent{Item: ItemID(u.text()), Kind: u.text(), From: u.text(), To: u.text(), Inode: uint64(u.int()), Displaced: ItemID(u.text())}
		i.Entry, _ = row[1].([]byte)
		return i, u.end()
	}, `SELECT `+joined(`item, kind, source, dest, inode, displaced`)+`, entry FROM intents WHERE mirror = ? ORDER BY item`, mirror)
}
