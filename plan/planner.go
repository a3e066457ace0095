package plan

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Request is all that planning one mirror depends on.
type Request struct {
	// Mirror is the header part to fill. Address, Source, Target, Policy, Select,
	// Generation and Listing are set by the caller.
	Mirror *Mirror
	// Previous is the selection that the mirror was last applied with, nil for a
	// mirror that never was. PreviousFolder is the source folder of that time.
	Previous       *Select
	PreviousFolder ItemID
	// Since is the observed generation up to which the mirror is settled. Full
	// asks for a comparison of everything, whatever is settled.
	Since Generation
	Full  bool
	// Unfinished says that a run has changed the mirror since it was settled: a part of
	// a plan, or one that broke off. Everything is compared then: what such a run has
	// removed leaves no entry that would tell, and its selection may have been another.
	Unfinished bool
	Store      Store
	Disk       Disk
	Names      Namer
	// Verify says how the disk is checked: VerifyStat, VerifyHash or VerifyNone.
	Verify string
	// Drifted is what an earlier check of the disk found, in place of another; nil: none.
	Drifted iter.Seq2[Drift, error]
	// Replace lists path globs whose files are to be downloaded again.
	Replace []string
	// Only lists path globs outside which nothing is planned; empty: everything.
	Only []string
	// Base is what the globs of Replace and Only expect in front of a path: where the target lies in that of
	// the mirror whose shortcut this one follows.
	Base RelPath
	// Shortcuts are those that have, or had, a directory in the target.
	Shortcuts Shortcuts
	// Emit takes the changes and Drift what is found on disk, in no particular order.
	Emit  func(Change) error
	Drift func(Drift) error
	// Kept takes the files that stay as they were changed on disk; nil: nobody asks.
	Kept func(ItemID)

	claims int // how many are remembered before their rivals are looked for; 0: maxClaims
}

// How the disk is checked.
const (
	VerifyStat = "stat"
	VerifyHash = "hash"
	VerifyNone = "none"
)

// maxIncremental is how many changed items are held in memory at once; a plan of
// more streams over the whole inventory instead, which then costs about the same.
const maxIncremental = 50_000

// planner holds the state of one mirror's planning.
type planner struct {
	req           Request
	tree          *tree
	before        *tree // the selection of the last apply, if it was another one
	names         Namer
	applied       *appliedTree
	selectChanged bool
	replace, only []glob
	above         map[RelPath]bool // folders that hold what -target-path names
	leftOut       []Change         // new folders that -target-path does not name
	drift         map[ItemID]driftFact
	claims        *claims
	granted       []func()             // take back what was given while another claim was pending
	depth         int                  // of claims that wait for each other
	held          map[ItemID]hold      // answers to claims of applied items
	leaving       map[ItemID]bool      // applied folders that leave by this plan
	left          map[ItemID]int       // how many entries leave an applied folder
	occupied      map[ItemID]bool      // folders into which one that nothing needs goes or stays
	idle          map[ItemID]departure // applied folders that nothing needs, unless they hold something
	seen          map[ItemID]bool      // items decided in an incremental plan
	listings      map[RelPath]listing
	needs         map[ItemID]*node
	turned        turned // from files into folders, or back
}

// Run plans one mirror: it calls Emit for each change and Drift for each
// difference found on disk, in no particular order, and fills the counts of
// Request.Mirror.
func (r Request) Run(ctx context.Context) error {
	p, err := newPlanner(r)
	if err != nil {
		return fmt.Errorf("plan %s: %w", r.Mirror.Address, err)
	}
	err = p.run(ctx)
	if err == nil {
		err = p.emitAbove()
	}
	if err != nil {
		return fmt.Errorf("plan %s: %w", r.Mirror.Address, err)
	}
	return nil
}

func newPlanner(r Request) (*planner, error) {
	sel, err := r.Mirror.Select.Compile()
	if err != nil {
		return nil, err
	}
	replace, err := compileGlobs(r.Replace)
	if err != nil {
		return nil, err
	}
	only, err := compileGlobs(r.Only)
	if err != nil {
		return nil, err
	}
	r.Store = followed(r.Store, r.Shortcuts)
	p := &planner{
		req:      r,
		tree:     newTree(r.Mirror.Source.FolderID, sel, r.Names, r.Mirror.Policy, r.Store.Observed),
		names:    r.Names,
		applied:  newAppliedTree(r.Store.Applied),
		replace:  replace,
		only:     only,
		drift:    make(map[ItemID]driftFact),
		held:     make(map[ItemID]hold),
		leaving:  make(map[ItemID]bool),
		left:     make(map[ItemID]int),
		idle:     make(map[ItemID]departure),
		occupied: make(map[ItemID]bool),
		listings: make(map[RelPath]listing),
		above:    make(map[RelPath]bool),
	}
	p.tree.shortcuts = r.Shortcuts
	p.claims = newClaims(p.places, cmp.Or(r.claims, maxClaims))
	return p, p.comparePrevious()
}

// comparePrevious prepares the selection of the last apply, when it was another.
func (p *planner) comparePrevious() error {
	r := p.req
	if r.Previous == nil || (r.Previous.Equal(r.Mirror.Select) && r.PreviousFolder == r.Mirror.Source.FolderID) {
		return nil
	}
	sel, err := r.Previous.Compile()
	if err != nil {
		return fmt.Errorf("selection of the last apply: %w", err)
	}
	p.selectChanged = true
	p.before = newTree(r.PreviousFolder, sel, r.Names, r.Mirror.Policy, r.Store.Observed)
	return nil
}

func (p *planner) run(ctx context.Context) error {
	if err := p.separate(ctx); err != nil {
		return err
	}
	if err := p.checkDisk(ctx); err != nil {
		return err
	}
	if !p.req.Full && !p.req.Unfinished && !p.selectChanged && p.req.Previous != nil && len(p.replace) == 0 {
		candidates, few, err := p.candidates(ctx)
		if err != nil {
			return err
		}
		if few {
			return p.incremental(ctx, candidates)
		}
	}
	return p.full(ctx)
}

// full compares the whole inventory. Folders are placed first, because files
// need their paths; folders are decided last, because only then is it known
// which of them selected files need.
func (p *planner) full(ctx context.Context) error {
	if err := p.tree.preload(ctx, p.req.Store.Observed); err != nil {
		return err
	}
	if p.before != nil {
		p.before.load = p.tree.load
	}
	if err := p.applied.preload(ctx); err != nil {
		return err
	}
	if err := p.claimFolders(ctx); err != nil {
		return err
	}
	var folders []ItemID // there may be very many: they are read again when they are decided
	m := p.req.Mirror
	m.Observed = 0
	for pair, err := range p.req.Store.All(ctx) {
		if err != nil {
			return fmt.Errorf("read inventory: %w", err)
		}
		if pair.Item == nil && pair.Entry == nil {
			continue // what was only pending has gone meanwhile
		}
		if pair.Item != nil {
			m.Observed++
		}
		m.Compared++
		if isFolder(pair) {
			folders = append(folders, pair.id())
			continue
		}
		if err := p.decide(ctx, pair); err != nil {
			return err
		}
	}
	return p.decideFolders(ctx, p.req.Store.Of(ctx, folders))
}

// incremental compares the candidates only; what is not among them is unchanged
// since it was settled.
func (p *planner) incremental(ctx context.Context, candidates []Pair) error {
	m := p.req.Mirror
	slices.SortFunc(candidates, func(a, b Pair) int { return strings.Compare(string(a.id()), string(b.id())) })
	p.needs = make(map[ItemID]*node)
	var folders []Pair
	for _, pair := range candidates {
		if isFolder(pair) {
			folders = append(folders, pair)
		}
	}
	if err := p.claimThese(ctx, folders); err != nil {
		return err
	}
	var applied int64
	for _, pair := range candidates {
		if pair.Entry != nil {
			applied++
		}
		if isFolder(pair) {
			continue
		}
		if err := p.decide(ctx, pair); err != nil {
			return err
		}
	}
	if err := p.decideFolders(ctx, known(folders)); err != nil {
		return err
	}
	m.Unchanged += m.Tracked.Items - applied
	m.Compared = m.Tracked.Items + int64(len(candidates)) - applied
	return p.parents(ctx)
}

// known yields pairs that are in memory.
func known(pairs []Pair) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for _, pair := range pairs {
			if !yield(pair, nil) {
				return
			}
		}
	}
}

// isFolder reports whether the pair is decided among the folders.
func isFolder(p Pair) bool {
	if p.Item != nil {
		return p.Item.Class.container()
	}
	return p.Entry != nil && p.Entry.Folder
}

// candidates collects the pairs that may differ: observed since the mirror was
// settled, pending, drifted, and what lies below folders whose place or standing
// changed (D21: a moved folder names only itself). few is false when there are
// too many to hold.
func (p *planner) candidates(ctx context.Context) (list []Pair, few bool, err error) {
	p.seen = make(map[ItemID]bool)
	madeFor := make(map[RelPath]bool)
	collect := func(pair Pair, err error) (bool, error) {
		if err != nil {
			return false, fmt.Errorf("read changes: %w", err)
		}
		if pair.Pending != nil {
			dir, _, _ := splitLocal(pair.Pending.Path)
			madeFor[dir] = true
		}
		id := pair.id()
		if !p.seen[id] && (pair.Item != nil || pair.Entry != nil) { // what was only pending has gone meanwhile
			p.seen[id] = true
			list = append(list, pair.clone())
		}
		return len(list) <= maxIncremental, nil
	}
	for pair, err := range p.req.Store.Since(ctx, p.req.Since) {
		if few, err := collect(pair, err); err != nil || !few {
			return nil, false, err
		}
	}
	drifted := make([]ItemID, 0, len(p.drift))
	for id := range p.drift {
		drifted = append(drifted, id)
	}
	if len(drifted) > maxIncremental {
		return nil, false, nil
	}
	for pair, err := range p.req.Store.Of(ctx, drifted) {
		if few, err := collect(pair, err); err != nil || !few {
			return nil, false, err
		}
	}
	made, err := p.made(ctx, madeFor)
	if err != nil {
		return nil, false, err
	}
	// Whether a shortcut is followed depends on where it leads to, of which the log of its drive knows nothing.
	for pair, err := range p.req.Store.Of(ctx, append(made, sortedIDs(p.req.Shortcuts)...)) {
		if few, err := collect(pair, err); err != nil || !few {
			return nil, false, err
		}
	}
	for i := 0; i < len(list); i++ { // the list grows while it is read
		for pair, err := range p.disturbed(ctx, list[i]) {
			if few, err := collect(pair, err); err != nil || !few {
				return nil, false, err
			}
		}
	}
	return list, true, nil
}

// made returns the applied folders at paths where items were to be that could not
// come: a folder may have been made for one that by now belongs elsewhere.
func (p *planner) made(ctx context.Context, dirs map[RelPath]bool) (ids []ItemID, err error) {
	delete(dirs, "") // the target itself
	for dir := range dirs {
		var at ItemID
		for name := range strings.SplitSeq(string(dir), "/") {
			e, ok, err := p.req.Store.Applied.EntryAt(ctx, at, p.names.Fold(name))
			if err != nil {
				return nil, fmt.Errorf("read applied folders: %w", err)
			}
			if !ok {
				break
			}
			ids = append(ids, e.Item)
			at = e.Item
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// disturbed yields what lies below a changed folder and must be decided anew.
func (p *planner) disturbed(ctx context.Context, pair Pair) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		if !isFolder(pair) {
			return
		}
		observed, applied, err := p.disturbance(ctx, pair)
		if err != nil {
			yield(Pair{}, err)
			return
		}
		var below []iter.Seq2[Pair, error]
		if observed {
			below = append(below, p.req.Store.Observed.Subtree(ctx, pair.id()))
		}
		if applied {
			below = append(below, p.req.Store.Applied.Below(ctx, pair.id()))
		}
		for _, pairs := range below {
			for pair, err := range pairs {
				if !yield(pair, err) {
					return
				}
			}
		}
	}
}

// disturbance says which descendants of a changed folder it concerns.
func (p *planner) disturbance(ctx context.Context, pair Pair) (observed, applied bool, err error) {
	it, e := pair.Item, pair.Entry
	if it == nil {
		return false, e != nil, nil
	}
	n, err := p.tree.folder(ctx, it.ID)
	if err != nil {
		return false, false, err
	}
	switch {
	case e == nil:
		return n.standing != outside, false, nil
	case n.standing != inside: // below an orphan everything is held back, on disk or not
		return n.standing != outside, true, nil
	case n.parent == nil:
		return false, false, nil
	case pair.Pending != nil: // it was held back, so that the entry does not tell where it stood when the mirror was settled
		return true, true, nil
	case p.skipsBelow(n): // it has become a notebook, or has moved into one
		return true, true, nil
	case e.Parent != n.parent.entryID() || e.Name != n.name:
		changes := p.tree.selector.byPath() || !n.wanted || n.blockedBy() != "" || // whether files need it, they tell
			len(n.local) > maxPath-longestRemote // and whether their paths are too long by now
		return changes, changes, nil
	}
	blocked := n.blockedBy() != ""
	return blocked, blocked, nil
}

// skipsBelow reports whether a folder and all below it are left out for what they are.
func (p *planner) skipsBelow(n *node) bool {
	skip, _ := p.classSkips(&Item{Class: n.class}, n.parent)
	return skip != ""
}

// skip counts an observed item that is no change.
func (p *planner) skip(why Skip) {
	m := p.req.Mirror
	if m.Skipped == nil {
		m.Skipped = make(map[Skip]int64)
	}
	m.Skipped[why]++
}

// keep counts an applied file that stays as it was changed on disk.
func (p *planner) keep(id ItemID) {
	p.skip(SkipKept)
	if p.req.Kept != nil {
		p.req.Kept(id)
	}
}

// unchanged counts an item that is as it should be.
func (p *planner) unchanged() error {
	p.req.Mirror.Unchanged++
	return nil
}

// emit hands a change on, unless -target-path leaves it out. New folders above what
// it names come along in the end: nothing can be put into a folder that is not there.
func (p *planner) emit(c Change) error {
	c.Mirror = p.req.Mirror.Address
	switch {
	case len(p.only) == 0:
		return p.req.Emit(c)
	case p.within(c):
	case c.Folder && (c.Action() == Add || c.Action() == Adopt):
		p.leftOut = append(p.leftOut, c)
		return nil
	default:
		p.skip(SkipNarrowed)
		return nil
	}
	for dir, _, ok := splitLocal(c.Path); ok && !p.above[dir]; dir, _, ok = splitLocal(dir) {
		p.above[dir] = true
	}
	return p.req.Emit(c)
}

// emitAbove hands on the new folders that -target-path does not name and that what it
// names lies in.
func (p *planner) emitAbove() error {
	for _, c := range p.leftOut {
		if !p.above[c.Path] {
			p.skip(SkipNarrowed)
			continue
		}
		if err := p.req.Emit(c); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a change is one of those that -target-path names, or lies in
// a folder that it names.
func (p *planner) within(c Change) bool {
	for _, path := range []RelPath{c.Path, c.PreviousPath} {
		if path != "" && coveredBy(p.only, string(joinLocal(p.req.Base, string(path))), c.Folder) {
			return true
		}
	}
	return false
}

// replaces reports whether -replace names the path.
func (p *planner) replaces(path RelPath) bool {
	return len(p.replace) > 0 && coveredBy(p.replace, string(joinLocal(p.req.Base, string(path))), false)
}

// coveredBy reports whether a glob names the path or a folder above it.
func coveredBy(globs []glob, path string, folder bool) bool {
	lower := folded(path)
	for {
		if _, ok := matchAny(globs, lower, folder); ok {
			return true
		}
		cut := strings.LastIndexByte(lower, '/')
		if cut < 0 {
			return false
		}
		lower, folder = lower[:cut], true
	}
}
