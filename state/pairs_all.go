package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"iter"
	"strings"
)

// PairsAll yields every observed item of the mirror's drive with its entry, and every entry and pending item whose item is gone, in id order.
//
// Three ordered streams of one moment are merged: items and pending by key, and the entries as one sequential read through SQLite's
// sorter. Following an index from a million items to a million entries instead would visit every page of the table many times.
func (s *Store) PairsAll(ctx context.Context, m Mirror) iter.Seq2[Pair, error] {
	return produce(s, func(c *conn, emit func(Pair) bool) (err error) {
		if err := c.run("BEGIN"); err != nil { // one moment for all three
			return err
		}
		defer func() { err = orElse(err, c.run("ROLLBACK")) }()
		items, err := c.side(ctx, `SELECT `+joined(packedItem)+` FROM items i WHERE i.drive = ? ORDER BY i.id`, m.Drive)
		if err != nil {
			return err
		}
		defer func() { err = orElse(err, items.close()) }()
		entries, err := c.side(ctx, `SELECT `+joined(packedEntry)+` FROM entries e WHERE e.mirror = ? ORDER BY +e.item`, m.Key)
		if err != nil {
			return err
		}
		defer func() { err = orElse(err, entries.close()) }()
		pending, err := c.side(ctx, `SELECT `+joined(packedPending)+` FROM pending p WHERE p.mirror = ? ORDER BY p.item`, m.Key)
		if err != nil {
			return err
		}
		defer func() { err = orElse(err, pending.close()) }()
		return mergeSides(items, entries, pending, emit)
	})
}

// mergeSides pairs what has the same id. SQLite's order of text is the order of its bytes, as Go's.
func mergeSides(items, entries, pending *side, emit func(Pair) bool) error {
	sides := [...]*side{items, entries, pending}
	row := make([]driver.Value, len(sides))
	for {
		id, more := "", false
		for _, s := range sides {
			if s.more && (!more || s.id < id) {
				id, more = s.id, true
			}
		}
		if !more {
			return nil
		}
		for i, s := range sides {
			row[i] = nil
			if !s.more || s.id != id {
				continue
			}
			row[i] = s.row[0]
			if err := s.advance(); err != nil {
				return err
			}
		}
		p, err := scanPair(row)
		if err != nil || !emit(p) {
			return err
		}
	}
}

// side is one ordered stream of packed rows, standing on a row if more is true.
type side struct {
	*cursor
	more    bool
	started bool
	id      string // first field of the packed row
}

// side opens a stream and stands on its first row.
func (c *conn) side(ctx context.Context, query string, args ...any) (*side, error) {
	r, err := c.open(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	s := &side{cursor: r}
	if err := s.advance(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return s, nil
}

func (s *side) advance() (err error) {
	if s.more, err = s.next(); err != nil || !s.more {
		return err
	}
	packed, ok := s.row[0].(string)
	if !ok {
		return damaged("a packed row was expected")
	}
	id, _, _ := strings.Cut(packed, separator)
	if s.started && id <= s.id { // a damaged tree must not turn into an item that seems to be gone
		return damaged("rows are out of order")
	}
	s.id, s.started = id, true
	return nil
}
