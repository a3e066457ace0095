package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
)

var mirrorQuery = `SELECT ` + joined(`key, address, drive, folder, folder_path, target, marker, generation, settled, settled_run, selection, created`) +
	` FROM mirrors`

func scanMirror(row []driver.Value) (Mirror, error) {
	u := unpack(row[0])
	m := Mirror{
		Key: MirrorKey(u.int()), Address: u.text(), Drive: DriveKey(u.int()), Folder: ItemID(u.text()), FolderPath: u.text(),
		Target: u.text(), Marker: u.text(), Generation: u.int(), Settled: Generation(u.int()), SettledRun: RunID(u.int()), Select: u.text(), Created: u.time(),
	}
	return m, u.end()
}

// Mirrors returns all mirrors, by address.
func (s *Store) Mirrors(ctx context.Context) ([]Mirror, error) {
	return collect(ctx, s, scanMirror, mirrorQuery+` ORDER BY address`)
}

// MirrorByAddress finds a mirror.
func (s *Store) MirrorByAddress(ctx context.Context, address string) (Mirror, bool, error) {
	return one(ctx, s, scanMirror, mirrorQuery+` WHERE address = ?`, address)
}

// PutMirror inserts a mirror or updates where it comes from and where it goes to. A mirror that changes its drive or folder is no longer
// settled. Its generation, counters and creation time are kept.
func (tx *Tx) PutMirror(m Mirror) (MirrorKey, error) {
	if m.Address == "" {
		return 0, fmt.Errorf("put mirror: the address is empty")
	}
	tx.applied = true
	_, err := tx.exec(`
		INSERT INTO mirrors (address, drive, folder, folder_path, target, marker, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (address) DO UPDATE SET folder_path = excluded.folder_path, target = excluded.target, marker = excluded.marker,
			settled = CASE WHEN drive = excluded.drive AND folder = excluded.folder THEN settled ELSE 0 END,
			drive = excluded.drive, folder = excluded.folder`,
		m.Address, m.Drive, m.Folder, m.FolderPath, m.Target, m.Marker, toUnix(m.Created))
	if err != nil {
		return 0, fmt.Errorf("put mirror %s: %w", m.Address, err)
	}
	key, err := tx.c.int(tx.ctx, `SELECT key FROM mirrors WHERE address = ?`, m.Address)
	return MirrorKey(key), err
}

// RenameMirror gives a mirror another address. Its old one has left the state.
func (tx *Tx) RenameMirror(key MirrorKey, address string) error {
	if err := tx.leave(key); err != nil {
		return err
	}
	return tx.updateMirror("rename", key, `UPDATE mirrors SET address = ?2 WHERE key = ?1`, address)
}

// Settle records that everything up to a generation of the drive is planned under a selection and applied or pending, by the last run and
// those before it.
func (tx *Tx) Settle(key MirrorKey, g Generation, selection string) error {
	return tx.updateMirror("settle", key, `UPDATE mirrors SET settled = ?2, selection = ?3,
		settled_run = (SELECT coalesce(max(id), 0) FROM runs) WHERE key = ?1`, g, selection)
}

// AdvanceMirror counts one more change to what is applied; saved plans are bound to the number.
func (tx *Tx) AdvanceMirror(key MirrorKey) error {
	return tx.updateMirror("advance", key, `UPDATE mirrors SET generation = generation + 1 WHERE key = ?1`)
}

func (tx *Tx) updateMirror(what string, key MirrorKey, query string, args ...any) error {
	tx.applied = true
	n, err := tx.exec(query, append([]any{key}, args...)...)
	if err == nil && n == 0 {
		err = ErrUnknownKey
	}
	if err != nil {
		return fmt.Errorf("%s mirror %d: %w", what, key, err)
	}
	return nil
}

// ClearMirror removes what is recorded of a mirror's files and lets it be unsettled; the mirror itself, its generation and the record of
// its trash stay. Nothing on the target changes.
func (tx *Tx) ClearMirror(key MirrorKey) error {
	for _, table := range []string{"entries", "pending", "partials", "intents", "sidecars", "versions", "version_sets"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE mirror = ?`, key); err != nil { // each by its primary key
			return fmt.Errorf("clear mirror %d: %w", key, err)
		}
	}
	return tx.updateMirror("clear", key, `UPDATE mirrors SET files = 0, folders = 0, bytes = 0, settled = 0, selection = '' WHERE key = ?1`)
}

// ForgetMirror removes a mirror's rows; nothing on the target changes (I-28). Its runs stay in the log.
func (tx *Tx) ForgetMirror(key MirrorKey) error {
	if err := tx.leave(key); err != nil {
		return err
	}
	if err := errors.Join(tx.SetApplied(key, ""), tx.SetListed(key, true)); err != nil {
		return err
	}
	for _, table := range []string{"entries", "pending", "partials", "intents", "trash", "sidecars", "versions", "version_sets"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE mirror = ?`, key); err != nil { // each by its primary key
			return fmt.Errorf("forget mirror %d: %w", key, err)
		}
	}
	return tx.updateMirror("forget", key, `DELETE FROM mirrors WHERE key = ?`)
}

// leave notes when an address left the state: a mirror that has it later is another one, whose generations start anew.
func (tx *Tx) leave(key MirrorKey) error {
	tx.applied = true
	_, err := tx.exec(`
		INSERT OR REPLACE INTO meta (key, value)
		SELECT '`+leftKey+`' || m.address, s.serial + 1 FROM mirrors m, store s WHERE m.key = ?`, key) // serial + 1: that of this transaction
	if err != nil {
		return fmt.Errorf("note the end of mirror %d: %w", key, err)
	}
	return nil
}

const (
	leftKey    = "left:"    // and an address
	appliedKey = "applied:" // and the key of a mirror
	behindKey  = "behind:"  // likewise
)

// SetApplied notes by what a mirror was applied last; the note goes with the mirror.
func (tx *Tx) SetApplied(key MirrorKey, text string) error {
	return tx.SetMeta(appliedKey+strconv.FormatInt(int64(key), 10), text)
}

// Applied returns the note of SetApplied, empty if there is none.
func (s *Store) Applied(ctx context.Context, key MirrorKey) (string, error) {
	return s.Meta(ctx, appliedKey+strconv.FormatInt(int64(key), 10))
}

// SetListed notes whether the lists beside a mirror say what the state says of it; the note goes with the mirror.
func (tx *Tx) SetListed(key MirrorKey, listed bool) error {
	text := "behind"
	if listed {
		text = ""
	}
	return tx.SetMeta(behindKey+strconv.FormatInt(int64(key), 10), text)
}

// Listed returns the note of SetListed, true if there is none.
func (s *Store) Listed(ctx context.Context, key MirrorKey) (bool, error) {
	text, err := s.Meta(ctx, behindKey+strconv.FormatInt(int64(key), 10))
	return text == "", err
}

// LeftAt returns the serial with which a mirror of this address was last forgotten or renamed, 0 if none ever was.
func (s *Store) LeftAt(ctx context.Context, address string) (int64, error) {
	text, err := s.Meta(ctx, leftKey+address)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, damaged("when %s left is not a number", address)
	}
	return n, nil
}

// TrimLog removes logged changes that no mirror needs: those up to the generation that every mirror of the drive has settled. A mirror that
// has settled less than the log reaches back compares everything anyway and holds nothing up.
func (tx *Tx) TrimLog() error {
	_, err := tx.exec(`
		UPDATE drives SET log_floor = coalesce(
			(SELECT min(m.settled) FROM mirrors m WHERE m.drive = drives.key AND m.settled >= drives.log_floor), generation)`)
	if err == nil {
		_, err = tx.exec(`
			DELETE FROM change_log WHERE (drive, gen, id) IN (
				SELECT l.drive, l.gen, l.id FROM drives d CROSS JOIN change_log l ON l.drive = d.key AND l.gen <= d.log_floor)`)
	}
	if err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	return nil
}
