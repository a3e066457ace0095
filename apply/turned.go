package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// noteTurned takes note of an item that has turned from a file into a folder, or back, and of what it is by now.
func (m *mirrorRun) noteTurned(c *plan.Change) {
	if item, wasFolder, ok := c.ItemID.Was(); ok {
		m.turned[item] = !wasFolder
		m.former = append(m.former, c.ItemID)
	} else if c.Reason == plan.TypeChanged {
		m.turned[c.ItemID] = c.Folder
	}
}

// renameTurned gives the entries of items that turned the ids under which the plan lets them leave, so that they
// keep their rows while the items get new ones.
func (m *mirrorRun) renameTurned(ctx context.Context) error {
	for _, item := range sortedKeys(m.turned) {
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(item))
		if err != nil {
			return fmt.Errorf("read entry: %w", err)
		}
		if !ok || e.Folder == m.turned[item] {
			continue // done by an earlier run
		}
		as := item
		for taken := true; taken; {
			as = as.Former(e.Folder)
			if _, taken, err = m.Store.Entry(ctx, m.Key, state.ItemID(as)); err != nil {
				return fmt.Errorf("read entry: %w", err)
			}
		}
		if err := m.renameEntry(ctx, item, as); err != nil {
			return err
		}
		m.former = append(m.former, as)
	}
	return nil
}

func (m *mirrorRun) renameEntry(ctx context.Context, from, to plan.ItemID) error {
	return m.Store.Tx(ctx, func(tx *state.Tx) error {
		return tx.RenameEntry(m.Key, state.ItemID(from), state.ItemID(to))
	})
}

// returnNames gives the entries that did not leave after all the ids of their items back, unless these have new
// ones by now: an item that turns back meanwhile is found where it was.
func (m *mirrorRun) returnNames(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	slices.Sort(m.former)
	for _, as := range slices.Compact(m.former) {
		item, _, _ := as.Was()
		_, stays, err := m.Store.Entry(ctx, m.Key, state.ItemID(as))
		if err != nil {
			return fmt.Errorf("read entry: %w", err)
		}
		_, taken, err := m.Store.Entry(ctx, m.Key, state.ItemID(item))
		if err != nil {
			return fmt.Errorf("read entry: %w", err)
		}
		if !stays || taken {
			continue
		}
		if err := m.renameEntry(ctx, as, item); err != nil {
			return err
		}
		m.leaveOver(state.ItemID(as), state.ItemID(item))
	}
	return nil
}

// leaveOver lets an item be left over in place of its former self.
func (m *mirrorRun) leaveOver(former, item state.ItemID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	both := slices.ContainsFunc(m.leftover, func(p state.Pending) bool { return p.Item == item })
	for i := range m.leftover {
		if m.leftover[i].Item == former && !both {
			m.leftover[i].Item = item
		}
	}
}

// believed reports whether an item that turned is what the state takes it for: it is not deleted as what it was
// because of a passing fault.
func (m *mirrorRun) believed(ctx context.Context, it *graph.Item) (bool, error) {
	row, err := m.row()
	if err != nil {
		return false, err
	}
	known, ok, err := m.Store.Item(ctx, row.Drive, state.ItemID(it.ID))
	if err != nil {
		return false, fmt.Errorf("read item: %w", err)
	}
	switch it.Class() {
	case graph.ClassFolder, graph.ClassRoot, graph.ClassPackage:
		return ok && known.Class.IsFolder(), nil
	case graph.ClassFile:
		return ok && slices.Contains([]state.Class{state.File, state.Malware, state.PackagePart}, known.Class), nil
	}
	return false, nil
}
