package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// decideFolders decides folders once all files are. Which of them exist only as
// parents of others must be known before the first is decided, so that the result
// does not depend on arrival.
func (p *planner) decideFolders(ctx context.Context, folders iter.Seq2[Pair, error]) error {
	for _, decide := range []func(context.Context, Pair) error{p.needParents, p.decideFolder} {
		for pair, err := range folders {
			if err != nil {
				return fmt.Errorf("read folders: %w", err)
			}
			if err := decide(ctx, pair); err != nil {
				return err
			}
		}
	}
	return p.prune(ctx)
}

// needParents marks the folders above one that is wanted for its own sake.
func (p *planner) needParents(ctx context.Context, pair Pair) error {
	if pair.Item == nil {
		return nil
	}
	n, err := p.tree.folder(ctx, pair.Item.ID)
	if err != nil || n.standing != inside || n.root || !n.wanted {
		return err
	}
	if skip, _ := p.classSkips(pair.Item, n.parent); skip != "" {
		return nil
	}
	if err := p.claimNeeded(ctx, n.parent); err != nil {
		return err
	}
	if n.blockedBy() == "" {
		n.parent.need()
	}
	return nil
}

// decideFolder turns one pair of a folder into at most one change.
func (p *planner) decideFolder(ctx context.Context, pair Pair) error {
	it, e := pair.Item, pair.Entry
	if it == nil {
		if e != nil {
			p.idle[e.Item] = p.removed(e.Item)
		}
		return nil
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
	if e != nil && n.unsafe == "" && n.blockedBy() != "" && e.Parent == n.parent.entryID() && e.Name == n.name && p.drift[it.ID].kind == "" {
		return p.unchanged() // it rests where it is, in a folder that cannot be where it belongs
	}
	if e != nil && (n.collision != "" || n.obstacle != "") && !n.wanted {
		return p.unneeded(pair, n) // if nothing in it stays, it goes, and makes room
	}
	if problem := n.blockedBy(); problem != "" && (n.wanted || n.collision != "" || n.obstacle != "" || e != nil || n.name == "") {
		reason := n.blockedReason()
		switch {
		case n.tooLong != "":
			reason, problem = BlockedPathTooLong, n.tooLong
		case n.collision != "":
			reason, problem = BlockedCollision, n.collision
		case n.name == "" && n.parent.blockedBy() == "":
			if _, err := p.names.Local(it.Name); err != nil {
				problem = err.Error()
			}
		case n.obstacle != "":
			reason, problem = n.obstacle, strayThere
		}
		return p.block(ctx, pair, blockage{path: RelPath(n.remote), wanted: Add, reason: reason, detail: problem})
	}
	if !n.wanted && !n.needed {
		return p.unneeded(pair, n)
	}
	delete(p.needs, n.id)
	return p.folderWanted(ctx, pair, n)
}

// unneeded handles a folder that is not selected and holds nothing selected.
func (p *planner) unneeded(pair Pair, n *node) error {
	if pair.Entry == nil {
		p.skip(SkipDeselected)
		return nil
	}
	d := departure{Removed, BySource, DisposeTrash, "holds nothing that is selected any more"}
	if p.selectChanged || n.excludedBy != "" {
		d = departure{Deselected, p.deselectCause(), p.req.Mirror.Policy.OnDeselect, "holds nothing that is selected"}
	}
	p.idle[pair.Entry.Item] = d
	return nil
}

// holds reports whether an applied folder keeps an entry that does not leave it.
func (p *planner) holds(ctx context.Context, folder ItemID) (bool, error) {
	stay := -p.left[folder]
	for _, err := range p.req.Store.Applied.Children(ctx, folder) {
		if err != nil {
			return false, fmt.Errorf("read folder %s: %w", folder, err)
		}
		if stay++; stay > 0 {
			return true, nil
		}
	}
	return false, nil
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
		return p.folderDrifted(e, c, d)
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
	return p.emitOf(e, c)
}

// addFolder plans a new folder. A directory that is there already is taken over:
// nothing in it is touched by that.
func (p *planner) addFolder(ctx context.Context, pair Pair, c Change, at place) error {
	if c.Replaces != "" {
		return p.emit(c)
	}
	stray, err := p.occupant(ctx, at)
	if err != nil {
		return err
	}
	if stray != nil { // a directory: anything else is an obstacle, and was blocked
		c.Actions, c.Reason = []Action{Adopt}, EqualOnDisk
	}
	return p.emit(c)
}

// folderDrifted plans an applied folder that is missing on disk; one whose place
// something else has is blocked before.
func (p *planner) folderDrifted(e *Entry, c Change, d driftFact) error {
	if d.kind != DriftMissing {
		return fmt.Errorf("folder %q: unexpected drift %s", c.Path, d.kind)
	}
	c.Actions, c.Cause, c.Reason = []Action{Add}, ByDrift, MissingOnDisk
	return p.emitOf(e, c)
}

// parents adds, in an incremental plan, the folders that newly selected files
// need, or would need had they a place, and that are not candidates themselves.
func (p *planner) parents(ctx context.Context) error {
	var missing []ItemID
	for id, n := range p.tree.nodes {
		if (n.needed || n.collision != "" || n.obstacle != "") && !n.root && !p.seen[id] && n.standing == inside {
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
		p.req.Mirror.Compared++ // no candidate, and not tracked
		if err := p.decideFolder(ctx, pair.clone()); err != nil {
			return err
		}
	}
	return nil
}

// prune decides the folders that nothing needs any more, those deep down first: one
// that still holds an entry stays with it, because what is on disk must be in a
// folder that is known.
func (p *planner) prune(ctx context.Context) error {
	if err := p.addLost(ctx); err != nil {
		return err
	}
	ids := sortedIDs(p.idle)
	depths := make(map[ItemID]int, len(ids))
	for _, id := range ids {
		path, err := p.applied.dir(ctx, id)
		if err != nil {
			return err
		}
		depths[id] = strings.Count(string(path), "/")
	}
	slices.SortStableFunc(ids, func(a, b ItemID) int { return depths[b] - depths[a] })
	for _, id := range ids {
		for pair, err := range p.req.Store.Of(ctx, []ItemID{id}) {
			if err != nil {
				return fmt.Errorf("read folder %s: %w", id, err)
			}
			if err := p.idles(ctx, pair.clone(), p.idle[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// idles decides one folder that nothing needs. One that cannot go is treated like
// one that is wanted: it follows its name at the source.
func (p *planner) idles(ctx context.Context, pair Pair, d departure) error {
	d = p.req.Shortcuts.leaves(pair.Entry.Item, d)
	holds, err := p.holds(ctx, pair.Entry.Item)
	if err != nil {
		return err
	}
	holds = holds || p.occupied[pair.id()]
	if !holds && !p.prevents(d) {
		return p.leaves(ctx, pair, d)
	}
	if pair.Item != nil {
		n, err := p.tree.folder(ctx, pair.Item.ID)
		if err != nil {
			return err
		}
		skip, _ := p.classSkips(pair.Item, n.parent)
		if n.standing == inside && skip == "" && n.excludedBy == "" && n.blockedBy() == "" {
			above, err := p.applied.folder(ctx, n.parent.id)
			if err != nil {
				return err
			}
			if n.follows(pair.Entry) || n.parent.needed || above != nil && !p.leaving[n.parent.id] {
				p.occupied[n.parent.id] = true
				return p.folderWanted(ctx, pair, n)
			}
		}
	}
	if !holds {
		return p.leaves(ctx, pair, d)
	}
	switch n := p.tree.nodes[pair.id()]; {
	case pair.Item == nil:
	case n.collision != "":
		return p.block(ctx, pair, blockage{path: RelPath(n.remote), wanted: Add, reason: BlockedCollision, detail: n.collision})
	case n.obstacle != "":
		return p.block(ctx, pair, blockage{path: RelPath(n.remote), wanted: Add, reason: n.obstacle, detail: strayThere})
	}
	path, err := p.applied.dir(ctx, pair.Entry.Item)
	if err != nil {
		return err
	}
	return p.block(ctx, pair, blockage{path: path, wanted: Delete, reason: BlockedHolding, detail: "holds items that are held back themselves"})
}

// addLost adds, in an incremental plan, folders that are no candidates but that an
// item leaves, with those above them.
func (p *planner) addLost(ctx context.Context) error {
	if p.seen == nil || p.tree.selector.everything() {
		return nil // in a full plan every folder is decided
	}
	for _, id := range sortedIDs(p.idle) {
		e, err := p.applied.folder(ctx, id)
		if err != nil {
			return err
		}
		p.left[e.Parent] += 0
	}
	for _, id := range sortedIDs(p.left) {
		for id != "" && id != ParkedParent && !p.seen[id] {
			n, err := p.tree.folder(ctx, id)
			if err != nil {
				return err
			}
			e, err := p.applied.folder(ctx, id)
			if err != nil {
				return err
			}
			if e == nil || n.standing != inside || n.wanted || n.needed {
				break
			}
			p.seen[id] = true
			p.req.Mirror.Unchanged-- // it was counted with all that is no candidate
			p.idle[id] = departure{Removed, BySource, DisposeTrash, "holds nothing that is selected any more"}
			id = e.Parent
		}
	}
	return nil
}

func sortedIDs[T any](set map[ItemID]T) []ItemID {
	ids := make([]ItemID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ItemID) int { return strings.Compare(string(a), string(b)) })
	return ids
}
