package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// maxDepth bounds the walk from an entry up to the target; a path of that many components cannot exist on a disk.
const maxDepth = 4096

const packedEntry = `e.item, e.parent, e.name, e.fold, e.folder, e.size, e.mtime, e.inode, e.hash, e.sha256, e.remote_hash, e.remote_size,
	e.modified, e.etag, e.ctag, e.verdict, e.run, e.at`

// readEntry takes a packed entry apart.
func readEntry(column any) (Entry, error) {
	u := unpack(column)
	e := Entry{
		Item: ItemID(u.text()), Parent: ItemID(u.text()), Name: u.text(), Fold: u.text(), Folder: u.bool(), Size: u.int(), MTime: u.time(),
		Inode: uint64(u.int()), Hash: u.text(), SHA256: u.text(), RemoteHash: u.text(), RemoteSize: u.int(), Modified: u.time(),
		ETag: u.text(), CTag: u.text(), Verdict: Verdict(u.text()), Run: RunID(u.int()), At: u.time(),
	}
	return e, u.end()
}

func scanEntry(row []driver.Value) (Entry, error) { return readEntry(row[0]) }

var entryQuery = `SELECT ` + joined(packedEntry) + ` FROM entries e`

// Entry finds the entry of an item, by index entries_facts.
func (s *Store) Entry(ctx context.Context, mirror MirrorKey, item ItemID) (Entry, bool, error) {
	return one(ctx, s, scanEntry, entryQuery+` INDEXED BY entries_facts WHERE e.mirror = ? AND e.item = ?`, mirror, item)
}

// EntryAt finds the entry at a place, by primary key.
func (s *Store) EntryAt(ctx context.Context, mirror MirrorKey, parent ItemID, fold string) (Entry, bool, error) {
	return one(ctx, s, scanEntry, entryQuery+` WHERE e.mirror = ? AND e.parent = ? AND e.fold = ?`, mirror, parent, fold)
}

// EntryPath returns the slash-separated local path of an item's entry below the target. It is computed from the tree, never stored (H-80).
// The path of an entry that is parked, or below one, begins at the parked folder.
func (s *Store) EntryPath(ctx context.Context, mirror MirrorKey, item ItemID) (string, error) {
	type component struct{ parent, name string }
	// entries by index entries_facts, one lookup per component.
	up, err := collect(ctx, s, func(row []driver.Value) (component, error) {
		u := unpack(row[0])
		c := component{u.text(), u.text()}
		return c, u.end()
	}, `
		WITH RECURSIVE up (parent, name, depth) AS (
			SELECT parent, name, 0 FROM entries INDEXED BY entries_facts WHERE mirror = ?1 AND item = ?2
			UNION ALL
			SELECT e.parent, e.name, up.depth + 1 FROM up CROSS JOIN entries e INDEXED BY entries_facts ON e.mirror = ?1 AND e.item = up.parent
				WHERE up.parent <> '' AND up.depth < ?3
		)
		SELECT `+joined(`parent, name`)+` FROM up ORDER BY depth`, mirror, item, maxDepth)
	if err != nil {
		return "", fmt.Errorf("path of entry %s: %w", item, err)
	}
	if len(up) == 0 {
		return "", fmt.Errorf("path of entry %s: %w", item, ErrUnknownKey)
	}
	if top := up[len(up)-1]; top.parent != "" && top.parent != string(Parked) {
		return "", fmt.Errorf("path of entry %s: %w", item, damaged("its folders do not lead to the target"))
	}
	names := make([]string, len(up))
	for i, c := range up {
		names[len(up)-1-i] = c.name
	}
	return strings.Join(names, "/"), nil
}

// EntryFolders yields the entries of folders, by index entries_folders and primary key.
func (s *Store) EntryFolders(ctx context.Context, mirror MirrorKey) iter.Seq2[Entry, error] {
	return stream(ctx, s, scanEntry, entryQuery+` INDEXED BY entries_folders WHERE e.mirror = ? AND e.folder = 1`, mirror)
}

// EntriesByParent yields all entries of a mirror ordered by parent and fold, which is the order of the primary key.
func (s *Store) EntriesByParent(ctx context.Context, mirror MirrorKey) iter.Seq2[Entry, error] {
	return stream(ctx, s, scanEntry, entryQuery+` WHERE e.mirror = ? ORDER BY e.parent, e.fold`, mirror)
}

// EntryChildren yields the entries directly in a folder, ordered by fold; the empty parent is the target itself. By primary key.
func (s *Store) EntryChildren(ctx context.Context, mirror MirrorKey, parent ItemID) iter.Seq2[Entry, error] {
	return stream(ctx, s, scanEntry, entryQuery+` WHERE e.mirror = ? AND e.parent = ? ORDER BY e.fold`, mirror, parent)
}

// EntryCount returns how many files and folders are applied and the bytes of the files; the counters are maintained with the entries.
func (s *Store) EntryCount(ctx context.Context, mirror MirrorKey) (files, folders, bytes int64, err error) {
	type counts struct{ files, folders, bytes int64 }
	c, _, err := one(ctx, s, func(row []driver.Value) (counts, error) {
		u := unpack(row[0])
		c := counts{u.int(), u.int(), u.int()}
		return c, u.end()
	}, `SELECT `+joined(`files, folders, bytes`)+` FROM mirrors WHERE key = ?`, mirror)
	return c.files, c.folders, c.bytes, err
}

// Verdicts counts the files of a mirror by how far their content was verified, in one pass over the entries.
func (s *Store) Verdicts(ctx context.Context, mirror MirrorKey) (map[Verdict]int64, error) {
	files := make(map[Verdict]int64)
	err := s.read(func(c *conn) error {
		return c.each(ctx, `SELECT verdict, count(*) FROM entries WHERE mirror = ? AND folder = 0 GROUP BY verdict`, []any{mirror}, func(row []driver.Value) error {
			verdict, _ := row[0].(string)
			files[Verdict(verdict)], _ = row[1].(int64)
			return nil
		})
	})
	return files, err
}

const entryColumns = `mirror, parent, fold, item, name, folder, size, mtime, inode, hash, sha256, remote_hash, remote_size, modified, etag, ctag,
	verdict, run, at`

// PutEntries writes entries, replacing those of the same items. All old rows go before the first new one comes, so two entries of one call
// may exchange places. If an item occurs twice the last one counts; a place taken by an item outside the call is ErrOccupied.
func (tx *Tx) PutEntries(mirror MirrorKey, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	ids := make([]ItemID, len(entries))
	last := make(map[ItemID]int, len(entries))
	for i := range entries {
		if entries[i].Item == "" {
			return fmt.Errorf("put entries of mirror %d: an entry has no item", mirror)
		}
		ids[i] = entries[i].Item
		last[entries[i].Item] = i
	}
	if err := tx.DeleteEntries(mirror, ids); err != nil {
		return fmt.Errorf("put entries of mirror %d: %w", mirror, err)
	}
	var add counters
	in := tx.c.inserter(`INSERT INTO entries (`+entryColumns+`)`, 19, ``)
	for i := range entries {
		if last[entries[i].Item] != i {
			continue
		}
		if err := insertEntry(in, mirror, &entries[i]); err != nil {
			return fmt.Errorf("put entries of mirror %d: %w", mirror, occupied(err))
		}
		add.count(entries[i].Folder, entries[i].Size)
	}
	if err := in.flush(); err != nil {
		return fmt.Errorf("put entries of mirror %d: %w", mirror, occupied(err))
	}
	return tx.addCounters(mirror, add)
}

func insertEntry(in *inserter, mirror MirrorKey, e *Entry) error {
	folder := int64(0)
	if e.Folder {
		folder = 1
	}
	return in.add(int64(mirror), clean(string(e.Parent)), clean(e.Fold), clean(string(e.Item)), clean(e.Name), folder, e.Size,
		toUnix(e.MTime), int64(e.Inode), clean(e.Hash), clean(e.SHA256), clean(e.RemoteHash), e.RemoteSize, toUnix(e.Modified),
		clean(e.ETag), clean(e.CTag), clean(string(e.Verdict)), int64(e.Run), toUnix(e.At))
}

// DeleteEntries removes the entries of items; ids without an entry are ignored. By index entries_facts.
func (tx *Tx) DeleteEntries(mirror MirrorKey, items []ItemID) error {
	tx.applied = true
	for batch := range slices.Chunk(items, lookupBatch) {
		list, err := idList(batch)
		if err != nil {
			return err
		}
		var gone counters
		err = tx.c.each(tx.ctx, `SELECT DISTINCT e.item, e.folder, e.size FROM json_each(?2) j CROSS JOIN entries e INDEXED BY entries_facts
			ON e.mirror = ?1 AND e.item = j.value`, []any{int64(mirror), list}, func(row []driver.Value) error {
			folder, _ := row[1].(int64)
			size, _ := row[2].(int64)
			gone.count(folder != 0, size)
			return nil
		})
		if err != nil {
			return err
		}
		if gone == (counters{}) {
			continue
		}
		if _, err := tx.exec(`DELETE FROM entries INDEXED BY entries_facts WHERE mirror = ?1 AND item IN (SELECT value FROM json_each(?2))`, mirror, list); err != nil {
			return err
		}
		if err := tx.addCounters(mirror, counters{-gone.files, -gone.folders, -gone.bytes}); err != nil {
			return err
		}
	}
	return nil
}

// occupied names the one rule that a caller can break: a place holds one entry.
func occupied(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey {
		return fmt.Errorf("%w (%w)", ErrOccupied, err)
	}
	return err
}

// counters are a mirror's maintained totals.
type counters struct{ files, folders, bytes int64 }

func (c *counters) count(folder bool, size int64) {
	if folder {
		c.folders++
		return
	}
	c.files++
	c.bytes += size
}

func (tx *Tx) addCounters(mirror MirrorKey, c counters) error {
	return tx.updateMirror("count entries of", mirror,
		`UPDATE mirrors SET files = files + ?2, folders = folders + ?3, bytes = bytes + ?4 WHERE key = ?1`, c.files, c.folders, c.bytes)
}
