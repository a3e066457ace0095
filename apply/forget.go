package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// forget stops tracking files that stay.
func (m *mirrorRun) forget(ctx context.Context) error {
	return m.eachBatch(ctx, plan.Forget, m.forgetBatch)
}

// forgetFolders stops tracking folders once nothing in them is tracked, the deepest
// first, so that no row ever hangs below a folder without one.
func (m *mirrorRun) forgetFolders(ctx context.Context) error {
	deepestFirst(m.forgotten)
	for part := range slices.Chunk(m.forgotten, batchFiles) {
		if ctx.Err() != nil {
			return nil
		}
		if err := m.forgetEmpty(part); err != nil {
			return err
		}
	}
	return nil
}

func (m *mirrorRun) forgetBatch(batch []plan.Change) error {
	ids := make([]state.ItemID, len(batch))
	results := make([]Result, len(batch))
	for i := range batch {
		ids[i], results[i] = state.ItemID(batch[i].ItemID), m.result(&batch[i], Done)
	}
	err := m.commit(results, func(tx *state.Tx) error { return tx.DeleteEntries(m.Key, ids) })
	if err != nil {
		return err
	}
	if m.tree != nil {
		m.tree.drop(ids)
	}
	m.done(results)
	return nil
}

// forgetEmpty keeps the row of a folder in which something is still tracked. A
// mirror that is forgotten as a whole loses all its rows at once.
func (m *mirrorRun) forgetEmpty(part []plan.Change) error {
	if m.Dir == nil {
		return m.forgetBatch(part)
	}
	free, err := m.withoutEntries(part)
	if err != nil || len(free) == 0 {
		return err
	}
	return m.forgetBatch(free)
}

// forgetMirror drops the row of a mirror that the configuration does not declare
// any more. Its marker stays with its files.
func (m *mirrorRun) forgetMirror(context.Context) error {
	if m.Key == 0 {
		return nil // an earlier run did
	}
	if err := m.commit(nil, func(tx *state.Tx) error { return tx.ForgetMirror(m.Key) }); err != nil {
		return fmt.Errorf("forget mirror: %w", err)
	}
	return nil
}
