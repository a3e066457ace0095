package plan

import (
	"context"
	"fmt"
)

// Gone is a mirror that the state knows and the configuration does not declare.
type Gone struct {
	Address    string
	Target     string
	Generation int64
	// Declared says that a removed block asks for it, so that no warning is due.
	Declared bool
}

// ForgetMirror plans to stop tracking all that a vanished mirror has on disk. The
// files stay: configuration that is gone never deletes (I-28).
func ForgetMirror(ctx context.Context, d *Draft, applied Applied, g Gone) error {
	m := &Mirror{
		Address: g.Address, Actions: []string{"forget"}, ActionReason: string(MirrorRemoved),
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
			Cause: ByConfig, Reason: MirrorRemoved, Local: e.local(),
		})
		if err != nil {
			return err
		}
		m.Compared++
	}
	m.Tracked = m.Summary[Forget]
	return nil
}
