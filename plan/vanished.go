package plan

import (
	"context"
	"fmt"
	"slices"
)

// Gone is a mirror that the state knows and the configuration does not declare.
type Gone struct {
	Address    string
	Target     string
	Generation int64
	// Reason is why its items are forgotten; empty means that the configuration does not declare it.
	Reason Reason
}

// ForgetMirror plans to stop tracking all that a vanished mirror has on disk. The
// files stay: configuration that is gone never deletes (I-28).
func ForgetMirror(ctx context.Context, d *Draft, applied Applied, g Gone) error {
	reason := g.Reason
	if reason == "" {
		reason = MirrorRemoved
	}
	cause := ByConfig
	if reason == ShortcutGone {
		cause = BySource
	}
	m := &Mirror{
		Address: g.Address, Actions: []string{"forget"}, ActionReason: string(reason),
		Target: TargetRef{Path: g.Target}, Listing: Listing{Mode: "recorded", Complete: true}, Generation: GenerationRef{Base: g.Generation},
	}
	d.Mirror(m)
	tree := newAppliedTree(applied)
	if err := tree.preload(ctx); err != nil {
		return fmt.Errorf("forget %s: %w", g.Address, err)
	}
	for e, err := range applied.ByParent(ctx) {
		if err != nil {
			return fmt.Errorf("forget %s: %w", g.Address, err)
		}
		path, err := tree.path(ctx, &e)
		if err != nil {
			return fmt.Errorf("forget %s: %w", g.Address, err)
		}
		err = d.Add(Change{
			Mirror: g.Address, Path: path, ItemID: e.Item, Folder: e.Folder, Actions: []Action{Forget},
			Cause: cause, Reason: reason, Local: e.local(),
		})
		if err != nil {
			return err
		}
		m.Compared++
	}
	m.Tracked = m.Summary[Forget]
	return nil
}

// Vanished reports whether nothing leads to the mirror any more: no declaration and no shortcut.
func (m *Mirror) Vanished() bool {
	return m.ActionReason == string(MirrorRemoved) || m.ActionReason == string(ShortcutGone)
}

// Ended reports whether the plan deletes all that the mirror wrote, and the mirror itself
// once nothing of it is left.
func (m *Mirror) Ended() bool { return slices.Equal(m.Actions, []string{"delete"}) }

// Forgotten reports whether the plan ends the tracking of the whole mirror.
func (m *Mirror) Forgotten() bool { return slices.Equal(m.Actions, []string{"forget"}) }
