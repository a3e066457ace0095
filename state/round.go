package state

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// seqBits is how many staged rows one drive can have: staged.seq is the drive's key shifted by it, plus a counter.
const seqBits = 40

// span returns the range of staged.seq that belongs to a drive, the upper end excluded.
func span(drive DriveKey) (low, high int64) {
	return int64(drive) << seqBits, (int64(drive) + 1) << seqBits
}

// BeginRound starts a round. An unfinished round of the drive is dropped: its rows were never part of the observed side.
func (tx *Tx) BeginRound(drive DriveKey, r Round) error {
	if drive <= 0 || drive >= 1<<(63-seqBits) {
		return fmt.Errorf("begin round of drive %d: %w", drive, ErrUnknownKey)
	}
	if err := tx.AbandonRound(drive); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO rounds (drive, whole, keep, next, headers, reason, started) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		drive, r.Full, r.Keep, r.Next, r.Headers, r.Reason, toUnix(r.Started))
	if err != nil {
		return fmt.Errorf("begin round of drive %d: %w", drive, err)
	}
	return nil
}

// AbandonRound drops the unfinished round of a drive, if there is one.
func (tx *Tx) AbandonRound(drive DriveKey) error {
	if err := tx.unstage(drive); err != nil {
		return fmt.Errorf("abandon round of drive %d: %w", drive, err)
	}
	return nil
}

// unstage removes a drive's round and staged rows.
func (tx *Tx) unstage(drive DriveKey) error {
	if _, err := tx.exec(`DELETE FROM rounds WHERE drive = ?`, drive); err != nil {
		return err
	}
	low, high := span(drive)
	others, err := tx.c.int(tx.ctx, `SELECT EXISTS (SELECT 1 FROM staged WHERE seq < ?1) OR EXISTS (SELECT 1 FROM staged WHERE seq >= ?2)`,
		low, high)
	if err != nil {
		return err
	}
	if others == 0 {
		_, err = tx.exec(`DELETE FROM staged`) // without WHERE SQLite frees whole pages
		return err
	}
	_, err = tx.exec(`DELETE FROM staged WHERE seq >= ? AND seq < ?`, low, high)
	return err
}

// StagePage appends the items of one page to the drive's round and stores the link of the next page with them (I-33). After the last page
// next is empty.
func (tx *Tx) StagePage(drive DriveKey, items []Item, next string) error {
	return tx.StagePages(drive, []Page{{Items: items, Next: next}})
}

// StagePages appends several pages; the last one's link is stored.
func (tx *Tx) StagePages(drive DriveKey, pages []Page) error {
	if err := tx.stagePages(drive, pages); err != nil {
		return fmt.Errorf("stage pages of drive %d: %w", drive, err)
	}
	return nil
}

const stagedColumns = `seq, deleted, id, parent, name, class, size, modified, created, etag, ctag, hash, mime, modified_by, note`

func (tx *Tx) stagePages(drive DriveKey, pages []Page) error {
	if len(pages) == 0 {
		return nil
	}
	row, err := tx.c.first(tx.ctx, `SELECT items FROM rounds WHERE drive = ?`, drive)
	if err != nil {
		return err
	}
	if row == nil {
		return ErrNoRound
	}
	staged, ok := row[0].(int64)
	if !ok {
		return damaged("a round has no count")
	}
	low, _ := span(drive)
	seq := low + staged
	in := tx.c.inserter(`INSERT INTO staged (`+stagedColumns+`)`, 15, ``)
	var tombstones, unread int64
	var root ItemID
	for _, p := range pages {
		if err := tx.ctx.Err(); err != nil {
			return err
		}
		for i := range p.Items {
			it := &p.Items[i]
			if it.ID == "" && !it.Unread {
				return fmt.Errorf("an item has no id")
			}
			seq++
			if err := stage(in, seq, it); err != nil {
				return err
			}
			switch {
			case it.Unread:
				unread++
			case it.Deleted:
				tombstones++
			case it.Class == Root && root == "":
				root = it.ID
			}
		}
	}
	if err := in.flush(); err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE rounds SET next = ?2, pages = pages + ?3, items = ?4, tombstones = tombstones + ?5,
			unread = unread + ?6, root = CASE WHEN root = '' THEN ?7 ELSE root END
		WHERE drive = ?1`, drive, pages[len(pages)-1].Next, len(pages), seq-low, tombstones, unread, root)
	return err
}

// stage queues one row. What a tombstone says besides its id is not believed (D27, D28), no more than what an unread item says, and a root
// has no parent (D20).
func stage(in *inserter, seq int64, it *Item) error {
	switch {
	case it.Unread:
		return in.add(seq, int64(stagedUnread), bounded(string(it.ID)), "", "", int64(Unknown), int64(-1), toUnix(it.Modified), int64(0), "", "", "", "",
			"", bounded(it.Note))
	case it.Deleted:
		return in.add(seq, int64(stagedTombstone), bounded(string(it.ID)), "", "", int64(Unknown), int64(-1), int64(0), int64(0), "", "", "", "", "", "")
	}
	parent := it.Parent
	if it.Class == Root {
		parent = ""
	}
	class := it.Class
	if class > Malware {
		class = Unknown
	}
	return in.add(seq, int64(stagedLive), bounded(string(it.ID)), bounded(string(parent)), bounded(it.Name), int64(class), max(it.Size, -1),
		toUnix(it.Modified), toUnix(it.Created), bounded(it.ETag), bounded(it.CTag), bounded(it.Hash), bounded(it.MimeType),
		bounded(it.ModifiedBy), bounded(it.Note))
}

// StagedMissingParents returns the parents that live rows of the drive's unfinished round name but that are known nowhere: not staged live
// in this round, and not observed either, unless this round will replace the observed items anyway. The crawl fetches them by id (Q2).
func (s *Store) StagedMissingParents(ctx context.Context, drive DriveKey) ([]ItemID, error) {
	low, high := span(drive)
	return collect(ctx, s, scanID, `
		WITH named (id) AS MATERIALIZED (
			SELECT DISTINCT parent FROM staged WHERE seq >= ?2 AND seq < ?3 AND deleted = 0 AND parent <> ''
		), replaced (yes) AS (
			SELECT EXISTS (SELECT 1 FROM rounds WHERE drive = ?1 AND whole = 1 AND keep = 0)
		)
		SELECT id FROM named
			WHERE (SELECT yes FROM replaced) OR NOT EXISTS (SELECT 1 FROM items WHERE items.drive = ?1 AND items.id = named.id) -- items by key
		EXCEPT
		SELECT id FROM staged WHERE seq >= ?2 AND seq < ?3 AND deleted = 0 AND id IN (SELECT id FROM named)`,
		drive, low, high)
}

// StagedBelowTombstones returns up to limit live rows of the drive's unfinished round that are in a folder which the round removes: they
// came on a page before the folder was deleted, or moved out of it. The merge keeps them, the crawl asks for them by id.
func (s *Store) StagedBelowTombstones(ctx context.Context, drive DriveKey, limit int) ([]ItemID, error) {
	low, high := span(drive)
	return collect(ctx, s, scanID, `
		WITH RECURSIVE last (id, seq, deleted, parent) AS MATERIALIZED (
			SELECT id, max(seq), deleted, parent FROM staged WHERE seq >= ?2 AND seq < ?3
				AND EXISTS (SELECT 1 FROM rounds WHERE drive = ?1 AND tombstones > 0) GROUP BY id
		), below (id) AS (
			SELECT id FROM last WHERE deleted = 1
			UNION
			SELECT c.id FROM below CROSS JOIN children c ON c.drive = ?1 AND c.parent = below.id -- children by key (drive, parent)
				WHERE c.id NOT IN (SELECT id FROM last WHERE deleted <> 1)
		)
		SELECT id FROM last WHERE deleted = 0 AND CASE parent
			WHEN '' THEN (SELECT i.parent FROM items i WHERE i.drive = ?1 AND i.id = last.id) ELSE parent END IN (SELECT id FROM below) -- items by key
			ORDER BY id LIMIT ?4`,
		drive, low, high, limit)
}

func scanID(row []driver.Value) (ItemID, error) {
	id, ok := row[0].(string)
	if !ok {
		return "", damaged("an id was expected")
	}
	return ItemID(id), nil
}
