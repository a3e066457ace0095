package plan

import (
	"context"
	"fmt"
)

// maxPath is the longest local path, in bytes, that other programs can open
// below a short root (PATH_MAX is 4096 on Linux). A path of the service has at most
// longestRemote bytes: 400 characters (N4) of four.
const (
	maxPath       = 3800
	longestRemote = 1600
)

// tooLong says by how much a local path is too long, "" if it is not.
func tooLong(path RelPath) string {
	if len(path) <= maxPath {
		return ""
	}
	return fmt.Sprintf("%d bytes, at most %d", len(path), maxPath)
}

// decide turns one pair of a file-like item into at most one change.
func (p *planner) decide(ctx context.Context, pair Pair) error {
	it, e := pair.Item, pair.Entry
	if it == nil {
		return p.gone(ctx, pair)
	}
	parent, err := p.tree.folder(ctx, it.Parent)
	if err != nil {
		return err
	}
	if done, err := p.misplaced(ctx, pair, parent); done || err != nil {
		return err
	}
	if skip, why := p.classSkips(it, parent); skip != "" {
		return p.unselected(ctx, pair, skip, why)
	}
	remote := joinRemote(parent.remote, it.Name)
	if v := p.selects(p.tree, parent, it); !v.Selected {
		return p.unselected(ctx, pair, SkipDeselected, v.Rule)
	}
	if err := p.claimNeeded(ctx, parent); err != nil {
		return err
	}
	name, detail := p.localName(parent, it)
	if detail != "" && p.rests(it, e, parent) {
		return p.unchanged()
	}
	if detail != "" {
		return p.block(ctx, pair, blockage{path: RelPath(remote), wanted: Add, reason: parent.blockedReason(), detail: detail})
	}
	local := joinLocal(parent.local, name)
	if detail := tooLong(local); detail != "" {
		return p.block(ctx, pair, blockage{path: local, wanted: Add, reason: BlockedPathTooLong, detail: detail})
	}
	if it.Class == ClassMalware && (e == nil || !contentSame(it, e)) {
		return p.block(ctx, pair, blockage{path: local, wanted: Add, reason: BlockedMalware, detail: malwareDetail(it)})
	}
	return p.wanted(ctx, pair, place{parent: parent, name: name, fold: p.names.Fold(name), local: local})
}

func malwareDetail(it *Item) string {
	if it.Note != "" {
		return "the service refuses the content: " + it.Note
	}
	return "the service refuses the content of infected files (C28)"
}

// place is where an item belongs on disk.
type place struct {
	parent *node
	name   string
	fold   string
	local  RelPath
}

func (at place) same(e *Entry) bool {
	return e.Parent == at.parent.entryID() && e.Name == at.name
}

// misplaced handles items that are not below the mirror's folder.
func (p *planner) misplaced(ctx context.Context, pair Pair, parent *node) (done bool, err error) {
	switch parent.standing {
	case inside:
		return false, nil
	case outside:
		if pair.Entry == nil {
			p.skip(SkipOutside)
			return true, nil
		}
		d := departure{LeftFolder, BySource, p.req.Mirror.Policy.OnRemoteDelete, ""}
		if pair.Entry.Folder {
			p.idle[pair.Entry.Item] = d
			return true, nil
		}
		return true, p.leaves(ctx, pair, d)
	}
	detail := "its parent folder is not in the listing"
	if parent.standing == looped {
		detail = "its folders are each other's parents"
	}
	return true, p.block(ctx, pair, blockage{path: RelPath(pair.Item.Name), reason: BlockedOrphan, detail: detail})
}

// classSkips says whether items of this kind are left out, and by which setting.
func (p *planner) classSkips(it *Item, parent *node) (Skip, string) {
	asFiles := p.req.Mirror.Policy.Notebooks == "files"
	for n := parent; n != nil && !asFiles; n = n.parent {
		if n.class == ClassPackage {
			return SkipPart, `part of a notebook (content.notebooks = "skip")`
		}
	}
	switch it.Class {
	case ClassPackage:
		if !asFiles {
			return SkipPackage, `package ` + it.Note + ` (content.notebooks = "skip")`
		}
	case ClassPackagePart:
		if !asFiles {
			return SkipPart, `notebook file (content.notebooks = "skip")`
		}
	case ClassShortcut:
		return SkipShortcut, p.req.Shortcuts.whyNot(it)
	case ClassBundle:
		return SkipBundle, "bundle: has no content of its own"
	case ClassUnknown:
		return SkipUnknown, "neither file nor folder"
	}
	return "", ""
}

// selects asks a tree's selection about a file whose parent is placed in it.
func (p *planner) selects(t *tree, parent *node, it *Item) Verdict {
	if parent.excludedBy != "" {
		return Verdict{Rule: fmt.Sprintf("select.exclude %q names a folder above it", parent.excludedBy)}
	}
	return t.selector.File(joinRemote(parent.remote, it.Name), it.Size, it.Modified, parent.included)
}

// localName returns the name on disk, or a sentence that says why there is none.
func (p *planner) localName(parent *node, it *Item) (name, problem string) {
	if why := parent.blockedBy(); why != "" {
		return "", why
	}
	name, err := p.names.Local(it.Name)
	if err != nil {
		return "", err.Error()
	}
	return name, ""
}

// rests reports whether an applied file needs nothing although a folder above it
// cannot be where it belongs: both stay where they are.
func (p *planner) rests(it *Item, e *Entry, parent *node) bool {
	if e == nil || e.Parent != parent.entryID() || !contentSame(it, e) || p.req.Mirror.Policy.Times && !timeSame(it, e) {
		return false
	}
	name, err := p.names.Local(it.Name)
	_, drifted := p.drift[it.ID]
	return err == nil && name == e.Name && !drifted
}

// blockedBy says what keeps a folder or one above it from existing on disk.
func (n *node) blockedBy() string {
	for at := n; at != nil; at = at.parent {
		if at.unsafe != "" {
			return at.unsafe
		}
	}
	return ""
}

// blockedReason is the reason that holds an item back whose name or whose folder
// cannot be on disk.
func (n *node) blockedReason() Reason {
	for at := n; at != nil; at = at.parent {
		switch {
		case at.tooLong != "":
			return BlockedPathTooLong
		case at.collision != "":
			return BlockedCollision
		case at.obstacle != "":
			return at.obstacle
		case at.unsafe != "":
			return BlockedUnsafeName
		}
	}
	return BlockedUnsafeName
}

// wanted plans an item that belongs at a place.
func (p *planner) wanted(ctx context.Context, pair Pair, at place) error {
	it, e := pair.Item, pair.Entry
	c := Change{
		Path: at.local, ItemID: it.ID, Remote: remoteOf(it),
		Parent: at.parent.entryID(), Name: at.name, Fold: at.fold,
	}
	if e == nil || !at.same(e) {
		ask := p.claim
		if e == nil {
			ask = p.newClaim // asked once, and not remembered: there may be a million of them
		}
		held, err := ask(ctx, it.ID, at)
		if err != nil {
			return err
		}
		if held.by != "" {
			return p.block(ctx, pair, blockage{path: at.local, wanted: Add, reason: BlockedCollision, detail: held.detail})
		}
		c.Replaces = held.replaces
	}
	at.parent.need()
	if e == nil {
		return p.add(ctx, pair, c, at)
	}
	return p.tracked(ctx, pair, c, at)
}

// add plans an item that is not on disk as far as the state knows.
func (p *planner) add(ctx context.Context, pair Pair, c Change, at place) error {
	c.Actions = []Action{Add}
	c.Cause, c.Reason = p.whyNew(ctx, pair)
	if c.Replaces != "" {
		return p.emit(c) // the occupant is one of ours and leaves by its own change
	}
	return p.addWhere(ctx, pair, c, at)
}

// addWhere plans an add in a place that is none of ours.
func (p *planner) addWhere(ctx context.Context, pair Pair, c Change, at place) error {
	stray, err := p.occupant(ctx, at)
	switch {
	case err != nil:
		return err
	case stray == nil:
		return p.emitOf(pair.Entry, c)
	}
	return p.untracked(ctx, pair, c, stray)
}

// untracked plans an add where something lies that spmirror did not write: it is
// taken over if it is equal, and else never overwritten without being asked
// (I-13).
func (p *planner) untracked(ctx context.Context, pair Pair, c Change, found *stray) error {
	policy := p.req.Mirror.Policy
	c.Local = &Local{Size: found.Size, MTime: found.MTime, Inode: found.Inode}
	if found.Kind == FoundFile && policy.OnUntracked == "adopt" {
		equal, sha, err := p.equalOnDisk(ctx, pair.Item, found)
		if err != nil {
			return p.block(ctx, pair, blockage{c.Path, Add, BlockedUntracked, "cannot be read: " + err.Error(), c.Local})
		}
		if equal {
			c.Actions, c.Reason, c.Local.SHA256 = []Action{Adopt}, EqualOnDisk, sha
			return p.emitOf(pair.Entry, c)
		}
	}
	if found.Kind == FoundFile && policy.OnUntracked == "rename" {
		c.Disposal, c.Detail = DisposeRename, "the file in the way gets another name"
		return p.emitOf(pair.Entry, c)
	}
	return p.block(ctx, pair, blockage{c.Path, Add, BlockedUntracked, untrackedInWay, c.Local})
}

const untrackedInWay = "a file that spmirror did not write is in the way"

// equalOnDisk reports whether a local file has the bytes the source announces.
// Without a hash nothing is taken for equal, unless the import asks for it.
func (p *planner) equalOnDisk(ctx context.Context, it *Item, found *stray) (bool, string, error) {
	if it.Size >= 0 && it.Size != found.Size {
		return false, "", nil
	}
	if p.req.Mirror.Policy.AdoptBy == AdoptBySizeTime {
		return it.Size >= 0 && it.Modified.Unix() == found.MTime.Unix(), "", nil
	}
	if it.Hash == "" {
		return false, "", nil
	}
	n, quickXor, sha, err := p.req.Disk.Hash(ctx, found.path)
	if err != nil {
		return false, "", err
	}
	return quickXor == it.Hash && n == found.Size, sha, nil
}

// tracked plans an item that has been applied before.
func (p *planner) tracked(ctx context.Context, pair Pair, c Change, at place) error {
	it, e := pair.Item, pair.Entry
	c.Local = e.local()
	d, drifted := p.drift[it.ID]
	if !at.same(e) {
		if d.kind != DriftMissing {
			inWay, err := p.inTheWay(ctx, e, at, hold{replaces: c.Replaces})
			if err != nil {
				return err
			}
			if inWay {
				return p.block(ctx, pair, blockage{path: at.local, wanted: Move, reason: BlockedUntracked, detail: untrackedInWay})
			}
		}
		previous, err := p.applied.path(ctx, e)
		if err != nil {
			return err
		}
		c.PreviousPath = previous
		c.Actions = []Action{Move}
		c.Cause, c.Reason = BySource, Renamed
		if e.Parent != c.Parent {
			c.Reason = Moved
		}
	}
	switch {
	case drifted && !d.sameBytes:
		return p.drifted(ctx, pair, c, at, d)
	case drifted:
		c.Local = d.found // its bytes are those that were applied
	}
	switch {
	case !contentSame(it, e):
		c.Actions = append(c.Actions, Update)
		c.Cause, c.Reason = BySource, ContentChanged
	case p.replaces(at.local):
		c.Actions = append(c.Actions, Update)
		c.Cause, c.Reason = ByConfig, ReplaceRequested
	case drifted:
		return p.touched(e, c)
	case len(c.Actions) > 0 && (!p.req.Mirror.Policy.Times || timeSame(it, e)):
	case p.req.Mirror.Policy.Times && !timeSame(it, e):
		c.Actions = append(c.Actions, Metadata)
		if !c.Moves() {
			c.Cause, c.Reason = BySource, MetadataChanged
		}
	default:
		return p.unchanged()
	}
	p.retried(pair, &c)
	return p.emitOf(e, c)
}

// emitOf hands on the change of an item that stays in the mirror. An applied one that goes
// to another folder leaves the one that it is in.
func (p *planner) emitOf(e *Entry, c Change) error {
	if e != nil && e.Parent != c.Parent {
		p.leave(e)
	}
	return p.emit(c)
}

// retried marks a change that the last run left over.
func (p *planner) retried(pair Pair, c *Change) {
	if pair.Pending == nil || pair.Pending.Action == string(Blocked) {
		return
	}
	c.Cause, c.Reason = ByRetry, FailedLastRun
	if pair.Pending.Code == PendingSuperseded {
		c.Reason = SupersededLastRun
	}
}

// PendingSuperseded is the code of an item that changed between plan and apply.
const PendingSuperseded = "SPM0503"

// drifted plans an applied file that is not on disk as it was left.
func (p *planner) drifted(ctx context.Context, pair Pair, c Change, at place, d driftFact) error {
	it, e := pair.Item, pair.Entry
	policy := p.req.Mirror.Policy
	if d.kind == DriftMissing {
		return p.missing(ctx, pair, c, at)
	}
	c.Local = d.found
	sourceSame := contentSame(it, e)
	switch {
	case d.kind == DriftReplaced:
		detail := "something that is not a file lies in its place"
		return p.block(ctx, pair, blockage{c.Path, Update, BlockedLocalChange, detail, d.found})
	case policy.OnLocalChange == "keep" && sourceSame && !c.Moves():
		p.keep(it.ID)
		return nil
	case policy.OnLocalChange == "keep" && e.Parent == ParkedParent: // where it lies nobody would find it
		c.Actions = []Action{Move}
		return p.emitOf(e, c)
	case policy.OnLocalChange == "keep":
		detail := `changed on disk and at the source (lifecycle.on_local_change = "keep")`
		return p.block(ctx, pair, blockage{c.Path, Update, BlockedLocalChange, detail, d.found})
	}
	c.Actions = append(c.Actions, Update)
	c.Cause, c.Reason = ByDrift, ChangedOnDisk
	if !sourceSame {
		c.Cause, c.Reason = BySource, ContentChanged
		c.Detail = "also changed on disk"
	}
	c.Disposal = policy.disposal(DisposeTrash)
	if policy.OnLocalChange == "rename" {
		c.Disposal = DisposeRename
	}
	return p.emitOf(e, c)
}

// missing plans an applied file that is not on disk any more. If it belongs elsewhere
// by now, something that spmirror did not write can lie there.
func (p *planner) missing(ctx context.Context, pair Pair, c Change, at place) error {
	moved := c.PreviousPath != ""
	c.Actions, c.Local, c.PreviousPath = []Action{Add}, nil, ""
	c.Cause, c.Reason = ByDrift, MissingOnDisk
	if !moved || c.Replaces != "" {
		return p.emitOf(pair.Entry, c)
	}
	return p.addWhere(ctx, pair, c, at)
}

// touched plans the repair of a file whose bytes are right and whose times are not.
func (p *planner) touched(e *Entry, c Change) error {
	if len(c.Actions) == 0 {
		c.Actions = []Action{Metadata}
		c.Cause, c.Reason = ByDrift, ChangedOnDisk
	}
	return p.emitOf(e, c)
}

// whyNew finds the cause of an add: a new mirror, an edited selection, or the source.
func (p *planner) whyNew(ctx context.Context, pair Pair) (Cause, Reason) {
	switch {
	case p.turned.entry[pair.id()] != "":
		return BySource, TypeChanged // apply has to know (renameTurned)
	case pair.Pending != nil && pair.Pending.Action != string(Blocked):
		if pair.Pending.Code == PendingSuperseded {
			return ByRetry, SupersededLastRun
		}
		return ByRetry, FailedLastRun
	case p.req.Previous == nil:
		return ByConfig, MirrorAdded
	case p.selectChanged && !p.selectedBefore(ctx, pair.Item):
		return ByConfig, SelectedByInclude
	}
	return BySource, NewAtSource
}

// selectedBefore asks the selection that the mirror was last applied with.
func (p *planner) selectedBefore(ctx context.Context, it *Item) bool {
	parent, err := p.before.folder(ctx, it.Parent)
	if err != nil || parent.standing != inside {
		return false
	}
	if it.Class.container() {
		n, err := p.before.folder(ctx, it.ID)
		return err == nil && n.standing == inside && n.excludedBy == "" && n.wanted
	}
	return p.selects(p.before, parent, it).Selected
}

// blockage says what of an item is held back, and why.
type blockage struct {
	path   RelPath
	wanted Action
	reason Reason
	detail string
	local  *Local // what lies in the way, if not what was applied
}

// block records an item that is held back. What lies on disk for it stays.
func (p *planner) block(ctx context.Context, pair Pair, b blockage) error {
	it, e := pair.Item, pair.Entry
	c := Change{
		Path: b.path, ItemID: pair.id(), Actions: []Action{Blocked}, Wanted: b.wanted,
		Cause: BySource, Reason: b.reason, Detail: b.detail, Remote: remoteOf(it), Local: b.local,
	}
	if it != nil {
		c.Folder = it.Class.container()
	}
	if e == nil {
		return p.emit(c)
	}
	current, err := p.applied.path(ctx, e)
	if err != nil {
		return err
	}
	c.PreviousPath = current
	switch {
	case c.Wanted == Add && c.Folder && c.Moves():
		c.Wanted = Move
	case c.Wanted == Add:
		c.Wanted = Update
	}
	if c.Local == nil {
		c.Local = e.local()
	}
	return p.emit(c)
}
