package state

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"iter"
)

// Shared is what a page of a round says of the sharing of one item.
type Shared struct {
	ID    ItemID `json:"id"`
	Own   bool   `json:"-"` // it has permissions of its own; without, it inherits them
	Facet string `json:"facet"`
	// Changed says that they have to be read whatever is stored.
	Changed bool `json:"changed"`
	// ETag is compared for folders, which the service does not mark (D54); empty compares nothing.
	ETag string `json:"etag"`
}

// Sidecar is what is kept beside an item of a mirror: permissions and columns, each as JSON, empty for none.
type Sidecar struct {
	Item        ItemID
	Permissions string
	Columns     string
}

// Beside is an item with a sidecar, and its entry. The mirror's own folder has no entry.
type Beside struct {
	Sidecar
	Parent ItemID
	Name   string
	Folder bool
}

// Need says what of an item's sidecar is not up to date.
type Need struct {
	Item        ItemID
	Permissions bool // to be read
	Columns     bool // to be read
	Inherits    bool // it has no permissions of its own any more
	Versions    bool // to be listed
}

// Wants says what is to be kept beside the items of a mirror.
type Wants struct {
	Permissions bool
	Columns     string // a text that stands for the choice of columns, empty for none
	Versions    string // likewise for the number of versions
}

// NoteSharing takes note of what pages of a round say; of an item that comes several times the last word counts (D15). Nothing is lost when
// the round is read twice or never merged: what is noted too early is only read once more.
func (tx *Tx) NoteSharing(drive DriveKey, version int64, list []Shared) error {
	last := make(map[ItemID]int, len(list))
	for i, s := range list {
		last[s.ID] = i
	}
	own, inherits := []Shared{}, []ItemID{}
	for i, s := range list {
		if last[s.ID] != i {
			continue
		}
		if s.Own {
			own = append(own, s)
		} else {
			inherits = append(inherits, s.ID)
		}
	}
	for _, step := range []struct {
		rows any
		n    int
		sql  string
	}{
		{own, len(own), `
			INSERT INTO sharing (drive, id, facet, version, seen)
			SELECT ?1, value ->> 'id', value ->> 'facet', ?2, ?2 FROM json_each(?3) WHERE true
			ON CONFLICT (drive, id) DO UPDATE SET seen = excluded.seen, facet = excluded.facet,
				version = CASE WHEN facet <> excluded.facet THEN excluded.version ELSE version END`},
		{own, len(own), `
			UPDATE sharing SET version = ?2 WHERE drive = ?1 AND id IN (
				SELECT j.value ->> 'id' FROM json_each(?3) j WHERE j.value ->> 'changed' OR j.value ->> 'etag' <> '' AND
					EXISTS (SELECT 1 FROM items i WHERE i.drive = ?1 AND i.id = j.value ->> 'id' AND i.etag <> j.value ->> 'etag'))`},
		{inherits, len(inherits), `DELETE FROM sharing WHERE drive = ?1 AND ?2 AND id IN (SELECT value FROM json_each(?3))`},
	} {
		if step.n == 0 {
			continue
		}
		rows, err := json.Marshal(step.rows)
		if err == nil {
			_, err = tx.exec(step.sql, drive, version, string(rows))
		}
		if err != nil {
			return fmt.Errorf("note sharing of drive %d: %w", drive, err)
		}
	}
	return nil
}

// DropUnshared forgets items that a complete round, begun at version, did not name: they inherit again, or are gone.
func (tx *Tx) DropUnshared(drive DriveKey, version int64) error {
	if _, err := tx.exec(`DELETE FROM sharing WHERE drive = ? AND seen < ?`, drive, version); err != nil {
		return fmt.Errorf("forget sharing of drive %d: %w", drive, err)
	}
	return nil
}

// Needs yields what of a mirror's sidecars is not up to date, in no order that matters; an item may come twice. Permissions
// cost a look at the items that have any; columns one ordered comparison of entries and items by key, versions one of entries.
func (s *Store) Needs(ctx context.Context, m Mirror, w Wants) iter.Seq2[Need, error] {
	return func(yield func(Need, error) bool) {
		for _, q := range []struct {
			wanted bool
			need   Need
			sql    string
			args   []any
		}{
			{w.Permissions, Need{Permissions: true}, `SELECT h.id FROM sharing h LEFT JOIN sidecars s ON s.mirror = ?2 AND s.item = h.id
				WHERE h.drive = ?1 AND h.version > coalesce(s.sharing, 0)`, nil},
			{w.Permissions, Need{Permissions: true}, `SELECT ?3 WHERE ?1 AND
				NOT EXISTS (SELECT 1 FROM sidecars WHERE mirror = ?2 AND item = ?3 AND sharing > 0)`, []any{m.Folder}},
			{w.Permissions, Need{Inherits: true}, `SELECT s.item FROM sidecars s WHERE s.mirror = ?2 AND s.sharing > 0 AND s.item <> ?3 AND
				NOT EXISTS (SELECT 1 FROM sharing h WHERE h.drive = ?1 AND h.id = s.item)`, []any{m.Folder}},
			{w.Columns != "", Need{Columns: true}, `SELECT e.item FROM entries e INDEXED BY entries_facts
					JOIN items i ON i.drive = ?1 AND i.id = e.item LEFT JOIN sidecars s ON s.mirror = ?2 AND s.item = e.item
				WHERE e.mirror = ?2 AND coalesce(s.tag, '') <> i.etag || ' ' || ?3`, []any{w.Columns}},
			{w.Versions != "", Need{Versions: true}, `SELECT e.item FROM entries e INDEXED BY entries_facts
					LEFT JOIN version_sets v ON v.mirror = ?2 AND v.item = e.item
				WHERE ?1 AND e.mirror = ?2 AND e.folder = 0 AND coalesce(v.tag, '') <> ` + contentTag, []any{w.Versions}},
		} {
			if !q.wanted {
				continue
			}
			args := append([]any{m.Drive, m.Key}, q.args...)
			for id, err := range stream(ctx, s, func(row []driver.Value) (ItemID, error) { id, _ := row[0].(string); return ItemID(id), nil }, q.sql, args...) {
				need := q.need
				need.Item = id
				if !yield(need, err) || err != nil {
					return
				}
			}
		}
	}
}

// HasSidecars reports whether anything is kept beside a mirror.
func (s *Store) HasSidecars(ctx context.Context, mirror MirrorKey) (bool, error) {
	n, err := s.int(ctx, `SELECT EXISTS (SELECT 1 FROM sidecars WHERE mirror = ?)`, mirror)
	return n != 0, err
}

// Sidecars yields all that is kept beside the items of a mirror, those of its own folder first.
func (s *Store) Sidecars(ctx context.Context, m Mirror) iter.Seq2[Beside, error] {
	return stream(ctx, s, scanBeside, `
		SELECT s.item, s.permissions, s.fields, '', '', 1 FROM sidecars s WHERE s.mirror = ?1 AND s.item = ?2
		UNION ALL
		SELECT s.item, s.permissions, s.fields, e.parent, e.name, e.folder
		FROM sidecars s CROSS JOIN entries e INDEXED BY entries_facts ON e.mirror = ?1 AND e.item = s.item WHERE s.mirror = ?1`, m.Key, m.Folder)
}

func scanBeside(row []driver.Value) (b Beside, err error) {
	var texts [5]string
	for i := range texts {
		texts[i], _ = row[i].(string)
	}
	folder, _ := row[5].(int64)
	b.Item, b.Permissions, b.Columns = ItemID(texts[0]), texts[1], texts[2]
	b.Parent, b.Name, b.Folder = ItemID(texts[3]), texts[4], folder != 0
	return b, nil
}

// PutPermissions stores the permissions of items, as of what is known of their sharing.
func (tx *Tx) PutPermissions(m Mirror, list []Sidecar) error {
	return tx.putSidecars(m, list, `
		INSERT INTO sidecars (mirror, item, sharing, permissions, tag, fields)
		VALUES (?1, ?3, coalesce((SELECT version FROM sharing WHERE drive = ?2 AND id = ?3), 1), ?4, '', '')
		ON CONFLICT (mirror, item) DO UPDATE SET sharing = excluded.sharing, permissions = excluded.permissions`,
		func(s Sidecar) string { return s.Permissions })
}

// PutColumns stores the columns of items, as of their tags and of a choice of columns.
func (tx *Tx) PutColumns(m Mirror, list []Sidecar, columns string) error {
	return tx.putSidecars(m, list, `
		INSERT INTO sidecars (mirror, item, sharing, permissions, tag, fields)
		VALUES (?1, ?3, 0, '', coalesce((SELECT etag FROM items WHERE drive = ?2 AND id = ?3), '') || ' ' || ?5, ?4)
		ON CONFLICT (mirror, item) DO UPDATE SET tag = excluded.tag, fields = excluded.fields`,
		func(s Sidecar) string { return s.Columns }, columns)
}

func (tx *Tx) putSidecars(m Mirror, list []Sidecar, sql string, text func(Sidecar) string, more ...any) error {
	tx.applied = true
	for _, s := range list {
		if _, err := tx.exec(sql, append([]any{m.Key, m.Drive, s.Item, text(s)}, more...)...); err != nil {
			return fmt.Errorf("put what is beside %s: %w", s.Item, err)
		}
	}
	return nil
}

// DropPermissions forgets the permissions of items that inherit them again.
func (tx *Tx) DropPermissions(mirror MirrorKey, ids []ItemID) error {
	tx.applied = true
	list, err := idList(ids)
	if err == nil {
		_, err = tx.exec(`UPDATE sidecars SET sharing = 0, permissions = '' WHERE mirror = ? AND item IN (SELECT value FROM json_each(?))`, mirror, list)
	}
	if err != nil {
		return fmt.Errorf("forget permissions: %w", err)
	}
	return nil
}

// TrimSidecars forgets what is kept beside items that the mirror does not hold any more, and what is not wanted any more.
func (tx *Tx) TrimSidecars(m Mirror, permissions, columns bool) error {
	tx.applied = true
	if !permissions {
		if _, err := tx.exec(`UPDATE sidecars SET sharing = 0, permissions = '' WHERE mirror = ?`, m.Key); err != nil {
			return fmt.Errorf("forget permissions: %w", err)
		}
	}
	if !columns {
		if _, err := tx.exec(`UPDATE sidecars SET tag = '', fields = '' WHERE mirror = ?`, m.Key); err != nil {
			return fmt.Errorf("forget columns: %w", err)
		}
	}
	_, err := tx.exec(`
		DELETE FROM sidecars WHERE mirror = ?1 AND (sharing = 0 AND tag = '' OR item <> ?2 AND
			NOT EXISTS (SELECT 1 FROM entries e INDEXED BY entries_facts WHERE e.mirror = ?1 AND e.item = sidecars.item))`, m.Key, m.Folder)
	if err != nil {
		return fmt.Errorf("trim what is beside: %w", err)
	}
	return nil
}
