package state

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"iter"
)

// lookupBatch is how many ids one lookup carries as a JSON array.
const lookupBatch = 500

// borrow takes a reading connection, opening one if all are in use. give returns it.
func (s *Store) borrow() (*conn, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	if s.options.ReadOnly {
		return connect(s.path, viewing)
	}
	return connect(s.path, reading)
}

func (s *Store) give(c *conn) {
	s.mu.Lock()
	if len(s.idle) < idleReaders && !s.closed.Load() {
		s.idle = append(s.idle, c)
		c = nil
	}
	s.mu.Unlock()
	if c != nil {
		// A reading connection has nothing to lose; its error would say no more than the next query's.
		_ = c.close()
	}
}

// read runs f with a reading connection.
func (s *Store) read(f func(*conn) error) error {
	c, err := s.borrow()
	if err != nil {
		return err
	}
	defer s.give(c)
	return f(c)
}

func (s *Store) int(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.read(func(c *conn) error {
		n, err = c.int(ctx, query, args...)
		return err
	})
	return n, err
}

// scanner turns one row into a value.
type scanner[T any] func(row []driver.Value) (T, error)

// stream yields the rows of a query one by one; memory does not grow with their number.
func stream[T any](ctx context.Context, s *Store, scan scanner[T], query string, args ...any) iter.Seq2[T, error] {
	return produce(s, func(c *conn, emit func(T) bool) error {
		return emitRows(ctx, c, scan, emit, query, args...)
	})
}

// produce makes an iterator of a function that emits values on a reading connection. Emit returns false when the loop has ended; an
// error is yielded last, unless the loop has ended before.
func produce[T any](s *Store, f func(c *conn, emit func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		more := true
		err := s.read(func(c *conn) error {
			return f(c, func(v T) bool {
				more = more && yield(v, nil)
				return more
			})
		})
		if err != nil && more {
			var zero T
			yield(zero, err)
		}
	}
}

// emitRows emits the rows of one query.
func emitRows[T any](ctx context.Context, c *conn, scan scanner[T], emit func(T) bool, query string, args ...any) error {
	return c.each(ctx, query, args, func(row []driver.Value) error {
		v, err := scan(row)
		if err != nil {
			return err
		}
		if !emit(v) {
			return errStop
		}
		return nil
	})
}

// one returns the first row of a query as a value and whether there was one.
func one[T any](ctx context.Context, s *Store, scan scanner[T], query string, args ...any) (v T, found bool, err error) {
	for v, err := range stream(ctx, s, scan, query, args...) {
		return v, err == nil, err
	}
	return v, false, nil
}

// collect returns all rows of a small table.
func collect[T any](ctx context.Context, s *Store, scan scanner[T], query string, args ...any) ([]T, error) {
	var out []T
	for v, err := range stream(ctx, s, scan, query, args...) {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// idList encodes ids as the JSON array that json_each takes apart in a lookup.
func idList(ids []ItemID) (string, error) {
	clean := make([]string, len(ids))
	for i, id := range ids {
		clean[i] = string(id)
	}
	b, err := json.Marshal(clean)
	return string(b), err
}
