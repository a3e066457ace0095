package plan

import "context"

// gone handles an id that the source no longer has.
func (p *planner) gone(ctx context.Context, pair Pair) error {
	if pair.Entry == nil {
		return nil
	}
	return p.leaves(ctx, pair, p.removed(pair.Entry.Item))
}

// removed is the end of an entry whose item the source no longer has, or has as something else.
func (p *planner) removed(id ItemID) departure {
	d := departure{Removed, BySource, p.req.Mirror.Policy.OnRemoteDelete, ""}
	if _, folder, ok := id.Was(); ok {
		d.reason, d.detail = TypeChanged, "it was a file"
		if folder {
			d.detail = "it was a folder"
		}
	}
	return d
}

// unselected handles an item that the mirror does not want.
func (p *planner) unselected(ctx context.Context, pair Pair, skip Skip, why string) error {
	if pair.Entry == nil {
		p.skip(skip)
		return nil
	}
	if skip == SkipUnknown {
		// An item that lost its facets is suspicious, not deleted (Q16).
		return p.block(ctx, pair, blockage{path: RelPath(pair.Item.Name), reason: BlockedUnknown, detail: why})
	}
	d := departure{Deselected, p.deselectCause(), p.req.Mirror.Policy.OnDeselect, why}
	if pair.Entry.Folder {
		p.idle[pair.Entry.Item] = d
		return nil
	}
	return p.leaves(ctx, pair, d)
}

// deselectCause says who is to be thanked for what is not selected any more.
func (p *planner) deselectCause() Cause {
	if p.selectChanged {
		return ByConfig
	}
	return BySource
}

// prevents reports whether a departure is a delete that the configuration forbids.
func (p *planner) prevents(d departure) bool {
	return d.setting != "forget" && d.setting != "keep" && p.req.Mirror.Policy.PreventDelete
}

// leave notes that an applied item goes out of its folder, once. Files are only counted:
// a million of them may leave.
func (p *planner) leave(e *Entry) {
	p.left[e.Parent]++
	if e.Folder {
		p.leaving[e.Item] = true
	}
}

// departure says why an applied item leaves the mirror, and the lifecycle setting
// that governs what becomes of its local bytes.
type departure struct {
	reason  Reason
	cause   Cause
	setting string
	detail  string
}

// leaves plans the end of an applied item.
func (p *planner) leaves(ctx context.Context, pair Pair, d departure) error {
	e := pair.Entry
	current, err := p.applied.path(ctx, e)
	if err != nil {
		return err
	}
	c := Change{
		Path: current, ItemID: e.Item, Folder: e.Folder, Cause: d.cause, Reason: d.reason, Detail: d.detail,
		Remote: remoteOf(pair.Item), Local: e.local(), Parent: e.Parent, Name: e.Name, Fold: e.Fold,
	}
	if fact, ok := p.drift[e.Item]; ok && !e.Folder {
		c.Local = fact.found
		switch {
		case fact.kind == DriftReplaced:
			d.setting, c.Detail = "keep", "something that is not a file lies in its place and stays"
		case fact.changed() && p.req.Mirror.Policy.OnLocalChange == "keep" && e.Parent != ParkedParent:
			d.setting, c.Detail = "keep", `changed on disk and kept (lifecycle.on_local_change = "keep")`
		}
	}
	stays := p.prevents(d)
	if !stays {
		p.leave(e)
	}
	switch {
	case d.setting == "forget" || d.setting == "keep":
		c.Actions = []Action{Forget}
	case stays:
		c.Actions, c.Wanted, c.Reason = []Action{Blocked}, Delete, BlockedPreventDelete
		c.Detail = "lifecycle.prevent_delete holds the delete back"
	default:
		c.Actions, c.Disposal = []Action{Delete}, p.req.Mirror.Policy.disposal(d.setting)
	}
	return p.emit(c)
}
