package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// decideFolders decides folders once all files are: those above files first,
// in the order of paths, so that the result does not depend on arrival.
func (p *planner) decideFolders(ctx context.Context, folders []Pair) error {
	for _, pair := range folders {
		if err := p.decideFolder(ctx, pair); err != nil {
			return err
		}
	}
	return p.prune(ctx)
}

// decideFolder turns one pair of a folder into at most one change.
func (p *planner) decideFolder(ctx context.Context, pair Pair) error {
	it, e := pair.Item, pair.Entry
	if it == nil {
		return p.gone(ctx, pair)
	}
	n, err := p.tree.folder(ctx, it.ID)
	if err != nil {
		return err
	}
	if n.root {
		return p.unchanged()
	}
	if it.Class == ClassRoot {
		p.skip(SkipOutside)
		return nil
	}
	if done, err := p.misplaced(ctx, pair, n); done || err != nil {
		return err
	}
	if skip, why := p.classSkips(it, n.parent); skip != "" {
		return p.unselected(ctx, pair, skip, why)
	}
	if problem := n.blockedBy(); problem != "" && (n.wanted || n.collision != "" || n.obstacle != "" || e != nil || n.name == "") {
		reason := BlockedUnsafeName
		switch {
		case n.collision != "":
			reason, problem = BlockedCollision, n.collision
		case n.obstacle != "":
			reason, problem = n.obstacle, "something that is not a directory lies in its place"
		}
		return p.block(ctx, pair, blockage{path: RelPath(n.remote), wanted: Add, reason: reason, detail: problem})
	}
	if !n.wanted && !n.needed {
		return p.unneeded(ctx, pair, n)
	}
	delete(p.needs, n.id)
	return p.folderWanted(ctx, pair, n)
}

// unneeded handles a folder that is not selected and holds nothing selected.
func (p *planner) unneeded(ctx context.Context, pair Pair, n *node) error {
	if pair.Entry == nil {
		p.skip(SkipDeselected)
		return nil
	}
	if p.selectChanged || n.excludedBy != "" {
		return p.unselected(ctx, pair, SkipDeselected, "holds nothing that is selected")
	}
	if p.holds(ctx, pair.Entry.Item) {
		return p.unchanged()
	}
	return p.leaves(ctx, pair, departure{Removed, BySource, DisposeTrash, "holds nothing that is selected any more"})
}

// holds reports whether an applied folder keeps an entry that does not leave.
func (p *planner) holds(ctx context.Context, folder ItemID) bool {
	for child, err := range p.req.Store.Applied.Children(ctx, folder) {
		if err != nil || !p.leaving[child.Item] {
			return true
		}
	}
	return false
}

func (p *planner) folderWanted(ctx context.Context, pair Pair, n *node) error {
	it, e := pair.Item, pair.Entry
	c := Change{
		Path: n.local, ItemID: it.ID, Folder: true, Remote: remoteOf(it),
		Parent: n.parent.entryID(), Name: n.name, Fold: n.fold, Replaces: n.replaces,
	}
	at := place{parent: n.parent, name: n.name, fold: n.fold, local: n.local}
	if e == nil {
		c.Actions = []Action{Add}
		c.Cause, c.Reason = p.whyNew(ctx, pair)
		return p.addFolder(ctx, pair, c, at)
	}
	if d, ok := p.drift[it.ID]; ok {
		return p.folderDrifted(c, d)
	}
	if at.same(e) {
		return p.unchanged()
	}
	previous, err := p.applied.path(ctx, e)
	if err != nil {
		return err
	}
	c.Actions, c.PreviousPath = []Action{Move}, previous
	c.Cause, c.Reason = BySource, Renamed
	if e.Parent != c.Parent {
		c.Reason = Moved
	}
	return p.emit(c)
}

// addFolder plans a new folder. A directory that is there already is taken over:
// nothing in it is touched by that.
func (p *planner) addFolder(ctx context.Context, pair Pair, c Change, at place) error {
	_, ok, err := p.occupant(ctx, at)
	if err != nil {
		return err
	}
	if ok && c.Replaces == "" { // a directory: anything else is an obstacle, and was blocked
		c.Actions, c.Reason = []Action{Adopt}, EqualOnDisk
	}
	return p.emit(c)
}

// folderDrifted plans an applied folder that is missing on disk; one whose place
// something else has is blocked before.
func (p *planner) folderDrifted(c Change, d driftFact) error {
	if d.kind != DriftMissing {
		return fmt.Errorf("folder %q: unexpected drift %s", c.Path, d.kind)
	}
	c.Actions, c.Cause, c.Reason = []Action{Add}, ByDrift, MissingOnDisk
	return p.emit(c)
}

// parents adds, in an incremental plan, the folders that newly selected files
// need and that are not candidates themselves.
func (p *planner) parents(ctx context.Context) error {
	var missing []ItemID
	for id, n := range p.tree.nodes {
		if n.needed && !n.root && !p.seen[id] && n.standing == inside {
			e, err := p.applied.folder(ctx, id)
			if err != nil {
				return err
			}
			if e == nil {
				missing = append(missing, id)
			}
		}
	}
	slices.Sort(missing)
	for pair, err := range p.req.Store.Of(ctx, missing) {
		if err != nil {
			return fmt.Errorf("read folders: %w", err)
		}
		if err := p.decideFolder(ctx, pair.clone()); err != nil {
			return err
		}
	}
	return nil
}

// prune removes applied folders that were only there for files which leave.
func (p *planner) prune(ctx context.Context) error {
	if p.tree.selector.everything() {
		return nil
	}
	queue := sortedIDs(p.lost)
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		up, err := p.pruneFolder(ctx, id)
		if err != nil {
			return err
		}
		if up != "" {
			queue = append(queue, up)
		}
	}
	return nil
}

// pruneFolder removes one folder if nothing needs it, and returns its parent to
// be looked at next.
func (p *planner) pruneFolder(ctx context.Context, id ItemID) (up ItemID, err error) {
	if id == "" || id == ParkedParent || p.leaving[id] || (p.seen != nil && p.seen[id]) || p.seen == nil {
		return "", nil // decided already: in a full plan every folder is
	}
	n, err := p.tree.folder(ctx, id)
	if err != nil || n.standing != inside || n.wanted || n.needed {
		return "", err
	}
	e, err := p.applied.folder(ctx, id)
	if err != nil || e == nil || p.holds(ctx, id) {
		return "", err
	}
	p.seen[id] = true
	p.req.Mirror.Unchanged--
	err = p.leaves(ctx, Pair{Item: &Item{ID: id, Class: ClassFolder}, Entry: e},
		departure{Removed, BySource, DisposeTrash, "holds nothing that is selected any more"})
	return e.Parent, err
}

func sortedIDs(set map[ItemID]bool) []ItemID {
	ids := make([]ItemID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ItemID) int { return strings.Compare(string(a), string(b)) })
	return ids
}
