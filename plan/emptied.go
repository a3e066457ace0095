package plan

import (
	"context"
	"fmt"
)

// emptied reports whether a folder that is gone from the mirror's folder will hold
// nothing: what was in it is gone, too, or moves elsewhere and can. What lies in a
// folder that lives on goes with that one.
func (p *planner) emptied(ctx context.Context, folder ItemID, removes bool) (bool, error) {
	if !removes {
		return false, nil
	}
	gone := map[ItemID]bool{folder: true}
	var living []Entry
	for pair, err := range p.req.Store.Applied.Below(ctx, folder) {
		if err != nil {
			return false, fmt.Errorf("read below folder %s: %w", folder, err)
		}
		if p.stuckOnDisk(pair.id()) {
			return false, nil
		}
		lives, err := p.livesOn(ctx, pair)
		if err != nil {
			return false, err
		}
		switch {
		case lives:
			living = append(living, *pair.Entry)
		case p.req.Shortcuts.has(pair.id()):
			return false, nil // its directory stays
		default:
			gone[pair.id()] = true
		}
	}
	for _, e := range living {
		if !gone[e.Parent] {
			continue
		}
		if frees, err := p.frees(ctx, e); err != nil || !frees {
			return false, err
		}
	}
	return true, nil
}

// livesOn reports whether an applied item is still in the mirror's folder, or may be.
func (p *planner) livesOn(ctx context.Context, pair Pair) (bool, error) {
	if pair.Item == nil {
		return false, nil
	}
	parent, err := p.tree.folder(ctx, pair.Item.Parent)
	return err == nil && parent.standing != outside, err
}
