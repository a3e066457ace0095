package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// rowOf finds the row of a declared mirror: under its address, or under one that moved
// blocks lead from. Everything else follows from the row, so a renamed mirror keeps its
// entries, its marker and its history of generations, and nothing is downloaded.
func (s *session) rowOf(ctx context.Context, address string) (row state.Mirror, known bool, err error) {
	row, known, err = s.store.MirrorByAddress(ctx, address)
	if known || err != nil {
		return row, known, err
	}
	if err := s.findMoved(ctx); err != nil {
		return row, false, err
	}
	for _, old := range s.movedFrom[address] {
		if row, known, err = s.store.MirrorByAddress(ctx, old); known || err != nil {
			return row, known, err
		}
	}
	return state.Mirror{}, false, nil
}

// findMoved finds the mirrors of the state that moved blocks lead from, once: to follow the blocks from every row for every mirror
// would cost the square of their number. What a session does to the rows takes addresses away from them and adds none.
func (s *session) findMoved(ctx context.Context) error {
	if s.movedFrom != nil || len(s.cfg.Moved) == 0 {
		return nil
	}
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	s.movedFrom = make(map[string][]string)
	for _, r := range rows {
		if now := s.cfg.Now(r.Address); now != r.Address {
			s.movedFrom[now] = append(s.movedFrom[now], r.Address)
		}
	}
	return nil
}

// plannedRow finds the row that a plan was made for. A plan that gives a mirror another
// address was made for the row with the old one, until its apply has begun.
func (s *session) plannedRow(ctx context.Context, m *plan.Mirror) (row state.Mirror, known bool, err error) {
	row, known, err = s.store.MirrorByAddress(ctx, m.Address)
	if known || err != nil || m.PreviousAddress == "" {
		return row, known, err
	}
	return s.store.MirrorByAddress(ctx, m.PreviousAddress)
}

// rename plans to record a mirror under the address that it has now.
func (w *wanted) rename(emit func(plan.Change) error) error {
	if w.row.Key == 0 || w.row.Address == w.cfg.Address {
		return nil
	}
	w.header.PreviousAddress = w.row.Address
	return emit(plan.Change{
		Mirror: w.cfg.Address, ItemID: w.header.Source.FolderID, Folder: true, Actions: []plan.Action{plan.Move},
		Cause: plan.ByConfig, Reason: plan.AddressMoved,
		Detail: "was " + w.row.Address,
	})
}

// carryRename records a mirror under its new address.
func (s *session) carryRename(ctx context.Context, m *plan.Mirror, row *state.Mirror) error {
	if row.Address == m.Address {
		return nil
	}
	err := s.store.Tx(ctx, func(tx *state.Tx) error { return renameAll(tx, []rename{{*row, m.Address}}) })
	if err != nil {
		return err
	}
	row.Address = m.Address
	return nil
}

// rename is another address for a mirror of the state.
type rename struct {
	row state.Mirror
	to  string
}

// nestedRenames are those of the mirrors that follow the shortcuts of a mirror which gets another address.
func (s *session) nestedRenames(ctx context.Context, from, to string) (list []rename, err error) {
	rows, err := s.store.Mirrors(ctx)
	for _, row := range rows {
		if of, item, ok := s.nested(row.Address); ok && of == from {
			list = append(list, rename{row, nestedAddress(to, item)})
		}
	}
	return list, err
}

func renameAll(tx *state.Tx, list []rename) error {
	for _, r := range list {
		if err := tx.RenameMirror(r.row.Key, r.to); err != nil {
			return fmt.Errorf("rename %s to %s: %w", r.row.Address, r.to, err)
		}
	}
	return nil
}

// carryUnplanned gives those mirrors their new address that follow shortcuts of a renamed one and are not in the plan, such
// as those whose source may not be read now: when the moved block is gone, nobody would know where they belong.
func (s *session) carryUnplanned(ctx context.Context, h *plan.Header) error {
	for _, m := range h.Mirrors {
		if m.PreviousAddress == "" {
			continue
		}
		list, err := s.nestedRenames(ctx, m.PreviousAddress, m.Address)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(r rename) bool { return mirrorIn(h, r.to) != nil })
		if len(list) == 0 {
			continue
		}
		if err := s.store.Tx(ctx, func(tx *state.Tx) error { return renameAll(tx, list) }); err != nil {
			return err
		}
	}
	return nil
}

// configOf is what the configuration says of a mirror of the state: its block, the one
// that moved blocks lead to, or the removed block that ends it. Nil: it says nothing.
func (s *session) configOf(row state.Mirror) *config.Mirror {
	if m := s.mirror(s.cfg.Now(row.Address)); m != nil {
		return m
	}
	if m, ok := s.cfg.Ending(row.Address); ok {
		m.Target = row.Target
		return &m
	}
	return nil
}
