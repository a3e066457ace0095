package state

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"iter"
)

var partialQuery = `SELECT ` + joined(`item, staging, at_byte, etag, ctag, hash, size, at, ahead`) + `, quickxor, sha256 FROM partials`

func scanPartial(row []driver.Value) (Partial, error) {
	u := unpack(row[0])
	p := Partial{Item: ItemID(u.text()), Staging: u.text(), Offset: u.int(), ETag: u.text(), CTag: u.text(), Hash: u.text(), Size: u.int(),
		At: u.time()}
	ahead := u.text()
	p.QuickXor, _ = row[1].([]byte)
	p.SHA256, _ = row[2].([]byte)
	if ahead != "" && json.Unmarshal([]byte(ahead), &p.Ahead) != nil {
		u.fail("a list of parts was expected in a packed row")
	}
	return p, u.end()
}

// PutPartial records how far a download is durable, with the states of its hashes.
func (tx *Tx) PutPartial(mirror MirrorKey, p Partial) error {
	ahead := ""
	if len(p.Ahead) > 0 {
		text, err := json.Marshal(p.Ahead)
		if err != nil {
			return fmt.Errorf("put partial download: %w", err)
		}
		ahead = string(text)
	}
	_, err := tx.exec(`INSERT OR REPLACE INTO partials (mirror, item, staging, at_byte, quickxor, sha256, etag, ctag, hash, size, at, ahead)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
		mirror, p.Item, p.Staging, p.Offset, blob(p.QuickXor), blob(p.SHA256), p.ETag, p.CTag, p.Hash, p.Size, toUnix(p.At), ahead)
	if err != nil {
		return fmt.Errorf("put partial download: %w", err)
	}
	return nil
}

// blob keeps a missing value from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// DeletePartials forgets partial downloads.
func (tx *Tx) DeletePartials(mirror MirrorKey, items []ItemID) error {
	return tx.deleteItems("partials", mirror, items)
}

// Partial finds the partial download of an item.
func (s *Store) Partial(ctx context.Context, mirror MirrorKey, item ItemID) (Partial, bool, error) {
	return one(ctx, s, scanPartial, partialQuery+` WHERE mirror = ? AND item = ?`, mirror, item)
}

// Partials yields the partial downloads of a mirror in id order.
func (s *Store) Partials(ctx context.Context, mirror MirrorKey) iter.Seq2[Partial, error] {
	return stream(ctx, s, scanPartial, partialQuery+` WHERE mirror = ? ORDER BY item`, mirror)
}
