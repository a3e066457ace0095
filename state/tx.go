package state

import (
	"context"
	"errors"
	"fmt"
)

// Tx is a running write transaction. It must not be used after the function given to [Store.Tx] returns.
type Tx struct {
	ctx     context.Context
	c       *conn
	applied bool // the applied side changed: the serial grows
}

// Tx runs f in a transaction and commits it with a full sync if f returns nil; any error or panic rolls everything back. Transactions
// run one at a time. f must not call Tx again; reads inside f see the state before the transaction.
func (s *Store) Tx(ctx context.Context, f func(*Tx) error) (err error) {
	if s.writer == nil {
		return ErrReadOnly
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return errClosed
	}
	if err := s.writer.run("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		if back := s.rollback(); back != nil {
			err = errors.Join(err, back)
		}
	}()
	tx := &Tx{ctx: ctx, c: s.writer}
	if err := f(tx); err != nil {
		return err
	}
	if tx.applied {
		if _, err := tx.exec(`UPDATE store SET serial = serial + 1`); err != nil {
			return err
		}
	}
	if err := s.fault(OpCommit); err != nil {
		return err
	}
	if err := s.writer.run("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return s.fault(OpCommitted)
}

// Faults lets a test stop the program at an exact transaction, as target.Faults does at an exact operation on the disk. Production code
// has none.
type Faults interface {
	// Before is called ahead of every commit with OpCommit, where an error rolls back, and after it with OpCommitted.
	Before(op string) error
}

// Names of the operations that pass through [Faults].
const (
	OpCommit    = "commit"
	OpCommitted = "committed"
)

func (s *Store) fault(op string) error {
	if s.options.Faults == nil {
		return nil
	}
	return s.options.Faults.Before(op)
}

// rollback ends the transaction unless SQLite has done so itself, as it does on a full disk.
func (s *Store) rollback() error {
	if s.writer.db.AutoCommit() {
		return nil
	}
	if err := s.writer.run("ROLLBACK"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	return tx.c.exec(tx.ctx, query, args...)
}
