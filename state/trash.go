package state

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"iter"
)

// PutTrash records what was moved to the target's trash; the path inside the trash is the key.
func (tx *Tx) PutTrash(mirror MirrorKey, list []Trashed) error {
	tx.applied = true
	in := tx.c.inserter(`INSERT OR REPLACE INTO trash (mirror, path, original, item, size, at, run, reason)`, 8, ``)
	for i := range list {
		t := &list[i]
		err := in.add(int64(mirror), clean(t.Path), clean(t.Original), clean(string(t.Item)), t.Size, toUnix(t.At), int64(t.Run), clean(t.Reason))
		if err != nil {
			return fmt.Errorf("put trash: %w", err)
		}
	}
	if err := in.flush(); err != nil {
		return fmt.Errorf("put trash: %w", err)
	}
	return nil
}

// DeleteTrash forgets things that left the trash.
func (tx *Tx) DeleteTrash(mirror MirrorKey, paths []string) error {
	tx.applied = true
	list, err := json.Marshal(paths)
	if err == nil {
		_, err = tx.exec(`DELETE FROM trash WHERE mirror = ?1 AND path IN (SELECT value FROM json_each(?2))`, mirror, string(list))
	}
	if err != nil {
		return fmt.Errorf("delete trash: %w", err)
	}
	return nil
}

// Trash yields what is in the trash of a mirror, by path.
func (s *Store) Trash(ctx context.Context, mirror MirrorKey) iter.Seq2[Trashed, error] {
	return stream(ctx, s, func(row []driver.Value) (Trashed, error) {
		u := unpack(row[0])
		t := Trashed{Path: u.text(), Original: u.text(), Item: ItemID(u.text()), Size: u.int(), At: u.time(), Run: RunID(u.int()), Reason: u.text()}
		return t, u.end()
	}, `SELECT `+joined(`path, original, item, size, at, run, reason`)+` FROM trash WHERE mirror = ? ORDER BY path`, mirror)
}
