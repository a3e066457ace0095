package plan

import (
	"context"
	"fmt"
	"slices"
)

// hold is the answer to a claim: by names the item that keeps the place, replaces
// the one that leaves it.
type hold struct {
	by       ItemID
	replaces ItemID
	detail   string
	open     bool // there is no answer yet
}

// claim asks for a place on disk for an applied item that comes to it, and gives
// the same answer each time.
func (p *planner) claim(ctx context.Context, id ItemID, at place) (hold, error) {
	if h, ok := p.held[id]; ok {
		return h, nil
	}
	p.held[id] = hold{open: true} // a circle of moves succeeds as a whole
	h, err := p.newClaim(ctx, id, at)
	p.held[id] = h
	if h.replaces != "" {
		p.granted = append(p.granted, func() { p.held[id] = hold{by: h.replaces, detail: inCircle} })
	}
	return h, err
}

// inCircle is why a place was given and taken back.
const inCircle = "the item that is to make room for it cannot"

// newClaim asks for a place for the first time. An item that is there and stays
// keeps it; of several newcomers the first in the order of ids gets it, but one
// that moves and whose old place is wanted is asked before: so the result does not
// depend on the order of arrival (I-64).
func (p *planner) newClaim(ctx context.Context, id ItemID, at place) (hold, error) {
	key := keyOf(at.parent.id, at.fold)
	free, err := p.claims.take(ctx, key)
	if err != nil {
		return hold{}, err
	}
	if !free {
		return hold{by: "another item", detail: "another new item of this folder has the same name on disk"}, nil
	}
	occupant, ok, err := p.entryAt(ctx, at.parent.entryID(), at.fold)
	if err != nil {
		return hold{}, fmt.Errorf("read place of %s: %w", at.local, err)
	}
	if !ok || occupant.Item == id {
		return hold{}, nil
	}
	given := len(p.granted)
	p.depth++
	frees, err := p.frees(ctx, occupant)
	p.depth--
	if err != nil {
		return hold{}, err
	}
	if !frees {
		p.claims.giveBack(key)
		// What was given on the way may count on this item's moving.
		for _, takeBack := range p.granted[given:] {
			takeBack()
		}
		p.granted = p.granted[:given]
		return hold{by: occupant.Item, detail: fmt.Sprintf("%q is held by item %s", at.local, occupant.Item)}, nil
	}
	if p.depth == 0 {
		p.granted = p.granted[:0]
	}
	return hold{replaces: occupant.Item}, nil
}

// entryAt asks the state who holds a place; nothing does in a folder that is not applied.
func (p *planner) entryAt(ctx context.Context, parent ItemID, fold string) (Entry, bool, error) {
	if p.req.Mirror.Tracked.Items == 0 {
		return Entry{}, false, nil
	}
	if parent != "" {
		if up, err := p.applied.folder(ctx, parent); err != nil || up == nil {
			return Entry{}, false, err
		}
	}
	return p.req.Store.Applied.EntryAt(ctx, parent, fold)
}

// frees reports whether an applied item gives its place up by this plan: it is
// gone and its local file goes with it, or it moves elsewhere and can.
func (p *planner) frees(ctx context.Context, e Entry) (bool, error) {
	policy := p.req.Mirror.Policy
	if p.req.Shortcuts.has(e.Item) && !p.req.Shortcuts.follows(e.Item) {
		return false, nil // it is forgotten, and its directory stays
	}
	stuck := p.stuckOnDisk(e.Item)
	removes := func(setting string) bool {
		return setting != "keep" && setting != "forget" && !policy.PreventDelete && !stuck
	}
	for pair, err := range p.req.Store.Of(ctx, []ItemID{e.Item}) {
		if err != nil {
			return false, fmt.Errorf("read item %s: %w", e.Item, err)
		}
		if pair.Item == nil {
			break
		}
		pair = pair.clone()
		parent, err := p.tree.folder(ctx, pair.Item.Parent)
		if err != nil {
			return false, err
		}
		switch {
		case parent.standing == outside && e.Folder:
			return p.emptied(ctx, e.Item, removes(policy.OnRemoteDelete))
		case parent.standing == outside:
			return removes(policy.OnRemoteDelete), nil
		case parent.standing != inside:
			return false, nil
		}
		skip, _ := p.classSkips(pair.Item, parent)
		switch {
		case e.Folder != pair.Item.Class.container():
			return false, nil
		case skip != "":
			return skip != SkipUnknown && !e.Folder && removes(policy.OnDeselect), nil
		case e.Folder:
			return p.folderFrees(ctx, pair)
		}
		if !p.selects(p.tree, parent, pair.Item).Selected {
			return removes(policy.OnDeselect), nil
		}
		return p.fileFrees(ctx, pair, parent, stuck)
	}
	if e.Folder {
		return p.emptied(ctx, e.Item, removes(policy.OnRemoteDelete))
	}
	return removes(policy.OnRemoteDelete), nil
}

// stuckOnDisk reports whether what lies in the place of an applied item is not
// moved or removed by a plan.
func (p *planner) stuckOnDisk(id ItemID) bool {
	d := p.drift[id]
	return d.kind == DriftReplaced || d.changed() && p.req.Mirror.Policy.OnLocalChange == "keep"
}

// fileFrees reports whether an applied file that stays in the mirror moves.
func (p *planner) fileFrees(ctx context.Context, pair Pair, parent *node, stuck bool) (bool, error) {
	it, e := pair.Item, pair.Entry
	if err := p.claimNeeded(ctx, parent); err != nil {
		return false, err
	}
	name, problem := p.localName(parent, it)
	at := place{parent: parent, name: name, fold: p.names.Fold(name), local: joinLocal(parent.local, name)}
	switch {
	case stuck, problem != "", tooLong(at.local) != "", it.Class == ClassMalware && !contentSame(it, e):
		return false, nil
	case at.parent.entryID() == e.Parent && at.fold == e.Fold:
		return false, nil
	}
	h, err := p.claim(ctx, it.ID, at)
	if err != nil || h.by != "" {
		return false, err
	}
	inWay, err := p.inTheWay(ctx, e, at, h)
	return !inWay, err
}

// inTheWay reports whether an applied item that may have another place finds something
// there that spmirror did not write. What holds the place for us leaves it before.
func (p *planner) inTheWay(ctx context.Context, e *Entry, at place, h hold) (bool, error) {
	if h.open || h.replaces != "" || e.Parent == at.parent.entryID() && e.Fold == at.fold {
		return false, nil
	}
	stray, err := p.occupant(ctx, at)
	return stray != nil, err
}

// folderFrees reports whether an applied folder that stays in the mirror moves.
func (p *planner) folderFrees(ctx context.Context, pair Pair) (bool, error) {
	n, err := p.tree.folder(ctx, pair.Item.ID)
	if err != nil || n.root || n.parent.entryID() == pair.Entry.Parent && n.fold == pair.Entry.Fold {
		return false, err
	}
	if n.excludedBy != "" || n.unsafe != "" {
		return false, nil // it goes only if it is empty in the end, and then the place is free for the next plan
	}
	follows := n.follows(pair.Entry)
	if !follows {
		follows, err = p.anchored(ctx, n)
	}
	if err != nil || !follows {
		return false, err
	}
	if err := p.claimNeeded(ctx, n.parent); err != nil {
		return false, err
	}
	err = p.claimPlace(ctx, n)
	return n.blockedBy() == "", err
}

// follows reports whether an applied folder can go where the source has it, even if
// nothing in it turns out to be selected: the folder above it is sure to be there.
func (n *node) follows(e *Entry) bool {
	up := n.parent
	return n.wanted || up.root || up.wanted || up.entryID() == e.Parent
}

// anchored reports whether a folder is sure to be needed: an applied file that is selected stays in it, or in a
// folder that stays in it. Nothing that still has to be claimed counts.
func (p *planner) anchored(ctx context.Context, n *node) (bool, error) {
	if _, drifted := p.drift[n.id]; drifted {
		return false, nil
	}
	var ids []ItemID
	for e, err := range p.req.Store.Applied.Children(ctx, n.id) {
		if err != nil {
			return false, fmt.Errorf("read folder %s: %w", n.id, err)
		}
		ids = append(ids, e.Item)
	}
	var below []*node
	for pair, err := range p.req.Store.Of(ctx, ids) {
		if err != nil {
			return false, fmt.Errorf("read folder %s: %w", n.id, err)
		}
		if !p.stays(pair, n) {
			continue
		}
		if !pair.Entry.Folder {
			return true, nil
		}
		up, err := p.tree.folder(ctx, pair.Item.ID)
		if err != nil {
			return false, err
		}
		below = append(below, up)
	}
	for _, folder := range below {
		if anchored, err := p.anchored(ctx, folder); anchored || err != nil {
			return anchored, err
		}
	}
	return false, nil
}

// stays reports whether an applied item is wanted in the folder in which it is, under
// the name that it has.
func (p *planner) stays(pair Pair, parent *node) bool {
	it, e := pair.Item, pair.Entry
	if it == nil || it.Parent != parent.id || e.Folder != it.Class.container() {
		return false
	}
	name, err := p.names.Local(it.Name)
	if _, drifted := p.drift[it.ID]; err != nil || name != e.Name || drifted || tooLong(joinLocal(parent.local, name)) != "" {
		return false
	}
	if skip, _ := p.classSkips(it, parent); skip != "" {
		return false
	}
	if e.Folder {
		return parent.excludedBy == ""
	}
	return p.selects(p.tree, parent, it).Selected && (it.Class != ClassMalware || contentSame(it, e))
}

// claimFolders claims the places of all folders of the mirror before any file
// does, so that a folder that cannot exist blocks what is below it.
func (p *planner) claimFolders(ctx context.Context) error {
	var ids []ItemID
	for f, err := range p.req.Store.Observed.Folders(ctx) {
		if err != nil {
			return fmt.Errorf("read folders: %w", err)
		}
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	for _, id := range ids {
		n, err := p.tree.folder(ctx, id)
		if err != nil {
			return err
		}
		if err := p.claimFolder(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) claimThese(ctx context.Context, folders []Pair) error {
	for _, pair := range folders {
		if pair.Item == nil {
			continue
		}
		n, err := p.tree.folder(ctx, pair.Item.ID)
		if err != nil {
			return err
		}
		if err := p.claimFolder(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// claimNeeded claims the places of a folder and those above it, because a selected
// item lies below them.
func (p *planner) claimNeeded(ctx context.Context, n *node) error {
	if n == nil || n.needed {
		return nil
	}
	if err := p.claimNeeded(ctx, n.parent); err != nil {
		return err
	}
	return p.claimPlace(ctx, n)
}

// claimFolder claims the place of one folder before it is known who needs it: of
// those that are wanted for their own sake and those that are on disk already. One
// that nobody needs takes no place away.
func (p *planner) claimFolder(ctx context.Context, n *node) error {
	if n.wanted {
		return p.claimPlace(ctx, n)
	}
	e, err := p.applied.folder(ctx, n.id)
	if err != nil || e == nil {
		return err
	}
	return p.claimPlace(ctx, n)
}

// claimPlace claims the place of one folder, if it can have one, and remembers on
// the node what became of it.
func (p *planner) claimPlace(ctx context.Context, n *node) error {
	if n.claimed || n.standing != inside || n.root || n.excludedBy != "" || n.blockedBy() != "" {
		return nil
	}
	n.claimed = true
	if skip, _ := p.classSkips(&Item{Class: n.class}, n.parent); skip != "" {
		return nil
	}
	e, err := p.applied.folder(ctx, n.id)
	if err != nil {
		return err
	}
	at := place{parent: n.parent, name: n.name, fold: n.fold, local: n.local}
	if p.drift[n.id].kind == DriftReplaced {
		n.obstruct(BlockedLocalChange)
		return nil
	}
	if e != nil && at.same(e) {
		return nil
	}
	held, err := p.newClaim(ctx, n.id, at)
	if err != nil {
		return err
	}
	n.replaces = held.replaces
	if held.by != "" {
		n.collide(held.detail)
		return nil
	}
	if held.replaces != "" {
		p.granted = append(p.granted, func() { n.collide(inCircle) })
		return nil
	}
	return p.claimFromDisk(ctx, n, e, at)
}

// claimFromDisk looks whether something on disk is in the place of a folder that comes
// to it. One that is to be made takes a directory over; one that moves cannot.
func (p *planner) claimFromDisk(ctx context.Context, n *node, e *Entry, at place) error {
	if e != nil && p.drift[n.id].kind != DriftMissing {
		inWay, err := p.inTheWay(ctx, e, at, hold{})
		if inWay {
			n.obstruct(BlockedUntracked)
		}
		return err
	}
	stray, err := p.occupant(ctx, at)
	if stray != nil && stray.Kind != FoundDir {
		n.obstruct(BlockedUntracked)
	}
	return err
}

// collide notes that a folder cannot be on disk because its place is taken.
func (n *node) collide(detail string) {
	n.replaces, n.collision = "", detail
	n.unsafe = fmt.Sprintf("the folder %q above it has no place: %s", n.local, detail)
}

// obstruct notes that a folder cannot be on disk because of what lies there.
func (n *node) obstruct(reason Reason) {
	n.obstacle = reason
	n.unsafe = fmt.Sprintf("the folder %q above it has no place: %s", n.local, strayThere)
}
