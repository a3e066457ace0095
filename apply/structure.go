package apply

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// waveSize is how many folders and moves share one journal entry and one flush.
const waveSize = 512

// structural is a change of the tree: a folder to make, or an item to move.
type structural struct {
	plan.Change
	row *state.Entry // what is applied of it, nil if nothing is
}

func newStructural(c plan.Change) *structural {
	c.Detail = "" // not needed here, and there may be many
	return &structural{Change: c}
}

// arrangement gives the tree the shape of the plan. Nothing is downloaded, whatever
// moves (I-29).
//
// A change waits until its new parent is where it belongs, and until the item that
// holds its place has left. Where only waiting is left, names are exchanged in a
// circle: one item of it steps aside to a parking place, which frees its name.
type arrangement struct {
	*mirrorRun
	waiting map[plan.ItemID]*structural   // not made yet
	next    []*structural                 // to be tried
	below   map[plan.ItemID][]*structural // waits for that folder
	behind  map[plan.ItemID][]*structural // waits for that item to leave its place
	blocker map[plan.ItemID]plan.ItemID   // what each waits for
	aside   []state.Entry                 // leave by this plan and hold a place
	made    map[plan.ItemID]bool          // folders this run has made: nothing is in them
}

// arrange makes folders and moves items until the tree has the shape of the plan.
func (m *mirrorRun) arrange(ctx context.Context) error {
	todo, err := m.unarranged()
	if err != nil {
		return err
	}
	a := &arrangement{
		mirrorRun: m, next: todo,
		waiting: make(map[plan.ItemID]*structural, len(todo)),
		below:   make(map[plan.ItemID][]*structural),
		behind:  make(map[plan.ItemID][]*structural),
		blocker: make(map[plan.ItemID]plan.ItemID),
		made:    make(map[plan.ItemID]bool),
	}
	for _, s := range todo {
		a.waiting[s.ItemID] = s
	}
	for len(a.waiting) > 0 && ctx.Err() == nil {
		if err := a.step(); err != nil {
			return err
		}
	}
	return m.flushResults()
}

// unarranged returns what an earlier run of the same plan has not done yet, in
// the order of new paths, which puts parents before children.
func (m *mirrorRun) unarranged() ([]*structural, error) {
	ctx := context.WithoutCancel(m.ctx)
	var todo []*structural
	for _, s := range m.structure {
		if s.Folder && !m.tree.has(state.ItemID(s.ItemID)) {
			todo = append(todo, s)
			continue
		}
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(s.ItemID))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		if ok {
			s.row = &e
		}
		arranged := ok && e.Parent == state.ItemID(s.Parent) && e.Name == s.Name
		switch {
		case arranged && s.Reason == plan.MissingOnDisk:
			todo = append(todo, s) // the row is right, the directory is not there
		case arranged && s.Action() != plan.Move && !s.Folder: // its content comes later
		case arranged:
			m.note(m.result(&s.Change, Done), "")
		case !ok && !s.Folder:
			m.fail(&s.Change, superseded("the file is not tracked any more"))
		default:
			todo = append(todo, s)
		}
	}
	slices.SortFunc(todo, func(a, b *structural) int { return strings.Compare(string(a.Path), string(b.Path)) })
	m.structure = nil
	return todo, nil
}

// step makes one wave of changes, or lets items step aside, or gives up.
func (a *arrangement) step() error {
	wave, err := a.wave()
	if err != nil {
		return err
	}
	if len(wave) > 0 {
		if err := a.arrangeWave(wave); err != nil {
			return err
		}
		for _, mv := range wave {
			a.made[mv.s.ItemID] = mv.s.row == nil && mv.err == nil
			a.release(mv.s)
		}
		return nil
	}
	if len(a.next) > 0 {
		return nil // what was given up has set others free
	}
	aside, err := a.stuck()
	if err != nil {
		return err
	}
	moves, later, err := a.park(aside)
	if err != nil {
		return err
	}
	for _, e := range later {
		if a.leaves(plan.ItemID(e.Item)) { // the others are found again
			a.aside = append(a.aside, e)
		}
	}
	if !a.steppedAside(moves) {
		a.giveUp()
	}
	return nil
}

// steppedAside lets others go on where items have stepped aside, and reports whether
// anything came of it.
func (a *arrangement) steppedAside(moves []*move) (moved bool) {
	for _, mv := range moves {
		id := plan.ItemID(mv.entry.Item)
		s := a.waiting[id]
		switch {
		case mv.err == nil:
			if s != nil {
				s.row = &mv.entry
			}
			a.free(id)
		case s != nil:
			a.fail(&s.Change, mv.err)
			a.release(s)
		default:
			continue
		}
		moved = true
	}
	return moved
}

// release ends the waiting of a change and of those that waited for it.
func (a *arrangement) release(s *structural) {
	delete(a.waiting, s.ItemID)
	a.next = append(a.next, a.below[s.ItemID]...)
	delete(a.below, s.ItemID)
	a.free(s.ItemID)
}

// free lets those try again that waited for an item to leave its place.
func (a *arrangement) free(id plan.ItemID) {
	a.next = append(a.next, a.behind[id]...)
	delete(a.behind, id)
}

// wave returns changes that can be made now, in any order.
func (a *arrangement) wave() ([]*move, error) {
	var wave []*move
	var later []*structural
	todo := a.next
	a.next = nil
	taken := make(map[string]bool)
	paths := newWavePaths()
	for i, s := range todo {
		if len(wave) == waveSize {
			later = append(later, todo[i:]...)
			break
		}
		ok, err := a.placeable(s)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		key := string(s.Parent) + "\x00" + s.Fold
		mv, err := a.prepareMove(s)
		if err != nil {
			return nil, err
		}
		if taken[key] || !paths.add(mv) {
			later = append(later, s)
			continue
		}
		taken[key] = true
		wave = append(wave, mv)
	}
	a.next = append(later, a.next...)
	return wave, nil
}

// placeable reports whether a change can be made now. If not, it is noted what it
// waits for, or it has failed.
func (a *arrangement) placeable(s *structural) (bool, error) {
	if a.waiting[s.Parent] != nil {
		a.below[s.Parent] = append(a.below[s.Parent], s)
		a.blocker[s.ItemID] = s.Parent
		return false, nil
	}
	if !a.tree.has(state.ItemID(s.Parent)) || a.tree.aside(state.ItemID(s.Parent)) {
		a.refuse(s, CodeFailed, "the folder it belongs into is not there")
		return false, nil
	}
	if a.made[s.Parent] {
		return true, nil
	}
	ctx := context.WithoutCancel(a.ctx)
	occupant, held, err := a.Store.EntryAt(ctx, a.Key, state.ItemID(s.Parent), s.Fold)
	if err != nil {
		return false, fmt.Errorf("read place: %w", err)
	}
	id := plan.ItemID(occupant.Item)
	switch {
	case !held || id == s.ItemID:
		return true, nil
	case a.waiting[id] != nil:
	case a.leaves(id):
		a.aside = append(a.aside, occupant)
	default:
		a.refuse(s, CodeOccupied, fmt.Sprintf("its place is held by %q", occupant.Name))
		return false, nil
	}
	a.behind[id] = append(a.behind[id], s)
	a.blocker[s.ItemID] = id
	return false, nil
}

// refuse fails a change that cannot be made.
func (a *arrangement) refuse(s *structural, code, why string) {
	a.fail(&s.Change, &itemError{code: code, message: why})
	a.release(s)
}

// stuck returns items whose stepping aside lets others go on: those that leave by
// this plan, or else one of every circle.
func (a *arrangement) stuck() ([]state.Entry, error) {
	if list := a.aside; len(list) > 0 {
		a.aside = nil
		return list, nil
	}
	var list []state.Entry
	seen := make(map[plan.ItemID]int) // the walk that came by
	for walk, start := range sortedKeys(a.waiting) {
		at := start
		for a.waiting[at] != nil && seen[at] == 0 {
			seen[at] = walk + 1
			at = a.blocker[at]
		}
		if a.waiting[at] == nil || seen[at] != walk+1 {
			continue // it ends elsewhere, or an earlier walk was here
		}
		if row := a.blocking(at); row != nil {
			list = append(list, *row)
		}
	}
	return list, nil
}

// blocking returns the row of an item of a circle whose place another one wants.
func (a *arrangement) blocking(start plan.ItemID) *state.Entry {
	at := start
	for range a.waiting {
		if s := a.waiting[at]; len(a.behind[at]) > 0 && s.row != nil && s.row.Parent != state.Parked {
			return s.row
		}
		if at = a.blocker[at]; at == start {
			break
		}
	}
	return nil
}

// giveUp fails all that still waits, for each other.
func (a *arrangement) giveUp() {
	for _, id := range sortedKeys(a.waiting) {
		a.fail(&a.waiting[id].Change, &itemError{code: CodeFailed, message: "its place or its folder does not become free"})
	}
	clear(a.waiting)
}

func sortedKeys[V any](m map[plan.ItemID]V) []plan.ItemID {
	keys := make([]plan.ItemID, 0, len(m))
	for id := range m {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	return keys
}

// wavePaths keeps the changes of a wave independent of each other: no path of one
// lies in a folder that another moves. So each is where its intent says before and
// after, whichever of them a killed run has made.
type wavePaths struct {
	moved  map[string]bool // folders that move
	within map[string]bool // folders that hold a path of the wave
}

func newWavePaths() wavePaths {
	return wavePaths{moved: make(map[string]bool), within: make(map[string]bool)}
}

// add takes a change into the wave, if it is independent.
func (w wavePaths) add(mv *move) bool {
	moves := mv.entry.Folder && mv.from != ""
	if moves && w.within[mv.from] {
		return false
	}
	for _, p := range []string{mv.from, mv.to} {
		for up := range foldersAbove(p) {
			if w.moved[up] {
				return false
			}
		}
	}
	for _, p := range []string{mv.from, mv.to} {
		for up := range foldersAbove(p) {
			w.within[up] = true
		}
	}
	if moves {
		w.moved[mv.from] = true
	}
	return true
}

// foldersAbove yields the paths of the folders that a path lies in.
func foldersAbove(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(path) {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
	}
}
