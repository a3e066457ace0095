package plan

import (
	"context"
	"fmt"
)

// DestroyRequested is the reason of all that a destroy plans.
const DestroyRequested Reason = "destroy_requested"

// DestroyMirror plans to delete all that a mirror has put on disk. It proposes only: guards judge the
// deletes as those of any other plan, and each file is removed only while it is the one that spmirror
// wrote. What lies in the target besides stays.
//
// The mirror is in the draft already, and its ActionReason is that of the deletes.
func DestroyMirror(ctx context.Context, d *Draft, applied Applied, m *Mirror) error {
	tree := newAppliedTree(applied)
	if err := tree.preload(ctx); err != nil {
		return fmt.Errorf("destroy %s: %w", m.Address, err)
	}
	for e, err := range applied.ByParent(ctx) {
		if err != nil {
			return fmt.Errorf("destroy %s: %w", m.Address, err)
		}
		path, err := tree.path(ctx, &e)
		if err != nil {
			return fmt.Errorf("destroy %s: %w", m.Address, err)
		}
		c := Change{
			Mirror: m.Address, Path: path, ItemID: e.Item, Folder: e.Folder, Actions: []Action{Delete},
			Cause: ByConfig, Reason: Reason(m.ActionReason), Local: e.local(), Disposal: m.Policy.disposal(m.Policy.OnRemoteDelete),
		}
		if m.Policy.PreventDelete {
			c.Actions, c.Wanted, c.Reason, c.Disposal = []Action{Blocked}, Delete, BlockedPreventDelete, ""
		}
		if err := d.Add(c); err != nil {
			return fmt.Errorf("destroy %s: %w", m.Address, err)
		}
		m.Compared++
	}
	return nil
}
