package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// Unread is an item whose last description broke the protocol (H-43). It keeps what was known of it until the source describes it anew,
// says that it is deleted, or leaves it out of a complete enumeration.
type Unread struct {
	ID     ItemID // empty for all those that came without a usable id
	Reason string
	At     time.Time // when it was last told of
	Asked  time.Time // when the source was last asked for it, zero if it was not since
}

// The kinds of staged rows, in the column deleted.
const (
	stagedLive      = 0
	stagedTombstone = 1
	stagedUnread    = 2
)

func scanUnread(row []driver.Value) (Unread, error) {
	u := unpack(row[0])
	it := Unread{ID: ItemID(u.text()), Reason: u.text(), At: u.time(), Asked: u.time()}
	return it, u.end()
}

// Unread returns up to limit unread items of a drive, in id order.
func (s *Store) Unread(ctx context.Context, drive DriveKey, limit int) ([]Unread, error) {
	return collect(ctx, s, scanUnread, `SELECT `+joined(`id, reason, at, asked`)+` FROM unread WHERE drive = ? ORDER BY id LIMIT ?`, drive, limit)
}

// StagedUnread returns up to limit unread items with an id that the crawl may ask for one by one, those first that were not asked for
// the longest: those that the drive's unfinished round names in no better way, and, unless it is to list everything, those of earlier
// rounds that it does not name at all.
func (s *Store) StagedUnread(ctx context.Context, drive DriveKey, limit int) ([]Unread, error) {
	some, err := s.int(ctx, `SELECT EXISTS (SELECT 1 FROM unread WHERE drive = ?1) OR EXISTS (SELECT 1 FROM rounds WHERE drive = ?1 AND unread > 0)`,
		drive)
	if err != nil || some == 0 {
		return nil, err
	}
	low, high := span(drive)
	return collect(ctx, s, scanUnread, `
		WITH named (id, reason, at, asked) AS MATERIALIZED (
			SELECT id, note, 0, modified FROM staged WHERE seq >= ?2 AND seq < ?3 AND deleted = 2 AND id <> ''
			UNION ALL
			SELECT id, reason, at, asked FROM unread
				WHERE drive = ?1 AND id <> '' AND NOT EXISTS (SELECT 1 FROM rounds WHERE drive = ?1 AND whole = 1)
		), last (id, seq, deleted) AS MATERIALIZED (
			SELECT id, max(seq), deleted FROM staged WHERE seq >= ?2 AND seq < ?3 AND id IN (SELECT id FROM named) GROUP BY id
		), open (id, reason, at, asked) AS (
			SELECT id, max(reason), max(at), max(asked) FROM named
				WHERE NOT EXISTS (SELECT 1 FROM last l WHERE l.id = named.id AND l.deleted <> 2) GROUP BY id
		)
		SELECT `+joined(`id, reason, at, asked`)+` FROM open ORDER BY asked, id LIMIT ?4`, drive, low, high, limit)
}

// noteUnread keeps the table of unread items in step with a round: what it describes is read, what a complete one leaves out is gone.
func (m *merge) noteUnread(at time.Time) error {
	if m.unread == 0 {
		known, err := m.exists(`SELECT 1 FROM unread WHERE drive = ?`, m.drive.Key)
		if err != nil || !known {
			return err
		}
	}
	err := m.steps([]step{
		{what: "drop what is read", more: []any{m.round.Full, m.round.Full && !m.round.Keep}, sql: `
			DELETE FROM unread WHERE drive = ?1 AND (?5 OR ?4 AND id = '' OR id IN (SELECT id FROM staged WHERE seq >= ?2 AND seq < ?3))`},
		{what: "note what is not", more: []any{toUnix(at)}, sql: `
			INSERT INTO unread (drive, id, reason, at, asked) SELECT ?1, id, note, ?4, modified FROM (` + lastRows + `) WHERE deleted = 2`},
	})
	if err != nil {
		return fmt.Errorf("unread items: %w", err)
	}
	return nil
}
