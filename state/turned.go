package state

import (
	"context"
	"fmt"
	"iter"
)

// Turned yields the items of a mirror that are files and applied as folders, or the other way round. By indexes entries_folders and
// items_folders, with one lookup for each folder.
func (s *Store) Turned(ctx context.Context, m Mirror) iter.Seq2[ItemID, error] {
	return stream(ctx, s, scanID, `
		SELECT e.item FROM entries e INDEXED BY entries_folders CROSS JOIN items i ON i.drive = ?1 AND i.id = e.item
			WHERE e.mirror = ?2 AND e.folder = 1 AND i.class IN (1, 5, 8)
		UNION ALL
		SELECT i.id FROM items i INDEXED BY items_folders CROSS JOIN entries e INDEXED BY entries_facts ON e.mirror = ?2 AND e.item = i.id
			WHERE i.drive = ?1 AND i.class IN (2, 3, 4) AND e.folder = 0`, m.Drive, m.Key)
}

// RenameEntry gives the entry of an item, with all that lies in it, to another id that has none.
func (tx *Tx) RenameEntry(mirror MirrorKey, from, to ItemID) error {
	tx.applied = true
	for _, query := range []string{
		`UPDATE entries INDEXED BY entries_facts SET item = ?3 WHERE mirror = ?1 AND item = ?2`,
		`UPDATE entries SET parent = ?3 WHERE mirror = ?1 AND parent = ?2`, // by primary key
	} {
		if _, err := tx.exec(query, mirror, from, to); err != nil {
			return fmt.Errorf("rename entry %s: %w", from, err)
		}
	}
	return nil
}
