package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// waveSize is how many folders and moves share one journal entry and one flush.
const waveSize = 512

// structural is a change of the tree: a folder to make, or an item to move.
type structural struct {
	plan.Change
	tried bool
	lost  bool // it was to step aside and is not on disk any more
}

func newStructural(c plan.Change) *structural {
	// The source's side is not needed here, and there may be many.
	c.Detail = ""
	return &structural{Change: c}
}

// arrange makes folders and moves items until the tree has the shape of the plan.
//
// A change is ready when its new parent is where it belongs and its place is
// free. Where none is ready, names are being exchanged in a circle: one of the
// items steps aside to a parking place, which frees its name. Nothing is
// downloaded, whatever moves (I-29).
func (m *mirrorRun) arrange(ctx context.Context) error {
	if err := m.recoverIntents(ctx); err != nil {
		return err
	}
	todo, err := m.unarranged(ctx)
	if err != nil {
		return err
	}
	waiting := make(map[plan.ItemID]*structural, len(todo))
	for _, s := range todo {
		waiting[s.ItemID] = s
	}
	for len(todo) > 0 && ctx.Err() == nil {
		wave, blocked, err := m.ready(ctx, todo, waiting)
		if err != nil {
			return err
		}
		if len(wave) == 0 {
			aside, err := m.stepAside(ctx, todo, blocked)
			if err != nil {
				return err
			}
			if !aside {
				m.giveUp(todo)
				return nil
			}
			todo = slices.DeleteFunc(todo, func(s *structural) bool {
				if s.lost {
					delete(waiting, s.ItemID)
				}
				return s.lost
			})
			continue
		}
		if err := m.arrangeWave(wave); err != nil {
			return err
		}
		for _, mv := range wave {
			delete(waiting, mv.s.ItemID)
		}
		todo = slices.DeleteFunc(todo, func(s *structural) bool { return waiting[s.ItemID] == nil })
	}
	return m.makeRoom(ctx)
}

// makeRoom lets folders step aside that leave by this plan and hold the place of a
// file: they are deleted last, and a file cannot change places with a folder.
func (m *mirrorRun) makeRoom(ctx context.Context) error {
	for _, c := range m.folders {
		if !m.replaced[c.ItemID] || ctx.Err() != nil {
			continue
		}
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(c.ItemID))
		if err != nil {
			return fmt.Errorf("read entry: %w", err)
		}
		if !ok || e.Parent == state.Parked {
			continue
		}
		if err := m.parkLeaving(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// unarranged returns what an earlier run of the same plan has not done yet, in
// the order of new paths, which puts parents before children.
func (m *mirrorRun) unarranged(ctx context.Context) ([]*structural, error) {
	var todo []*structural
	for _, s := range m.structure {
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(s.ItemID))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		arranged := ok && e.Parent == state.ItemID(s.Parent) && e.Name == s.Name
		switch {
		case arranged && s.Reason == plan.MissingOnDisk:
			todo = append(todo, s) // the row is right, the directory is not there
		case arranged && s.Action() != plan.Move && !s.Folder:
		case arranged:
			m.note(m.result(&s.Change, Done), "")
		default:
			todo = append(todo, s)
		}
	}
	slices.SortFunc(todo, func(a, b *structural) int { return strings.Compare(string(a.Path), string(b.Path)) })
	m.structure = nil
	return todo, nil
}

// ready returns changes that can be made now, in any order, and for the others the
// item that holds their place.
func (m *mirrorRun) ready(ctx context.Context, todo []*structural, waiting map[plan.ItemID]*structural) (wave []*move, blocked map[plan.ItemID]state.Entry, err error) {
	blocked = make(map[plan.ItemID]state.Entry)
	taken := make(map[string]bool)
	paths := newWavePaths()
	for _, s := range todo {
		if len(wave) == waveSize {
			break
		}
		ok, err := m.parentReady(ctx, s, waiting)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		occupant, held, err := m.Store.EntryAt(ctx, m.Key, state.ItemID(s.Parent), s.Fold)
		if err != nil {
			return nil, nil, fmt.Errorf("read place: %w", err)
		}
		if held && occupant.Item != state.ItemID(s.ItemID) {
			blocked[s.ItemID] = occupant
			continue
		}
		key := string(s.Parent) + "\x00" + s.Fold
		if taken[key] {
			continue
		}
		mv, err := m.prepareMove(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		if !paths.add(mv) {
			continue
		}
		taken[key] = true
		wave = append(wave, mv)
	}
	return wave, blocked, nil
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
	moves := mv.s.Folder && mv.from != ""
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

// parentReady reports whether a change's new parent is on disk where it belongs.
func (m *mirrorRun) parentReady(ctx context.Context, s *structural, waiting map[plan.ItemID]*structural) (bool, error) {
	if s.Parent == "" {
		return true, nil
	}
	if waiting[s.Parent] != nil {
		return false, nil
	}
	e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(s.Parent))
	if err != nil {
		return false, fmt.Errorf("read entry: %w", err)
	}
	return ok && e.Parent != state.Parked, nil
}

// stepAside parks one item that holds a place somebody waits for: an item that
// leaves by this plan, or one that waits for a move of its own.
func (m *mirrorRun) stepAside(ctx context.Context, todo []*structural, blocked map[plan.ItemID]state.Entry) (bool, error) {
	moving := make(map[plan.ItemID]*structural, len(todo))
	for _, s := range todo {
		if s.PreviousPath != "" {
			moving[s.ItemID] = s
		}
	}
	for _, s := range todo {
		occupant, ok := blocked[s.ItemID]
		id := plan.ItemID(occupant.Item)
		switch {
		case ok && moving[id] != nil:
			return true, m.parkMoving(ctx, moving[id], occupant)
		case ok && m.replaced[id]:
			return true, m.parkLeaving(ctx, occupant)
		}
	}
	// A folder that waits to move below itself: its own move frees nothing, but
	// stepping aside does.
	for _, s := range todo {
		if s.PreviousPath == "" || s.tried {
			continue
		}
		s.tried = true
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(s.ItemID))
		if err != nil {
			return false, fmt.Errorf("read entry: %w", err)
		}
		if ok && e.Parent != state.Parked {
			return true, m.parkMoving(ctx, s, e)
		}
	}
	return false, nil
}

// parkMoving parks an item on its way. One that is not there any more is left to
// the next plan, which finds it missing.
func (m *mirrorRun) parkMoving(ctx context.Context, s *structural, e state.Entry) error {
	err := m.park(ctx, e, false)
	if errors.Is(err, fs.ErrNotExist) {
		s.lost = true
		m.fail(&s.Change, err)
		return m.commit(nil, func(tx *state.Tx) error { return tx.ClearIntents(m.Key, []state.ItemID{e.Item}) })
	}
	return err
}

// parkLeaving parks an item that is to be deleted. Where nothing of it is there any
// more, its row alone frees the place.
func (m *mirrorRun) parkLeaving(ctx context.Context, e state.Entry) error {
	return m.park(ctx, e, true)
}

// giveUp fails changes that cannot be made: their parents failed before them.
func (m *mirrorRun) giveUp(todo []*structural) {
	for _, s := range todo {
		m.fail(&s.Change, &itemError{code: CodeFailed, message: "the folder it belongs into is not there"})
	}
}

// park moves an item out of the tree for a moment.
func (m *mirrorRun) park(ctx context.Context, e state.Entry, mayMiss bool) error {
	from, err := m.Store.EntryPath(ctx, m.Key, e.Item)
	if err != nil {
		return fmt.Errorf("read path: %w", err)
	}
	to := target.ParkName(string(e.Item))
	parked := e
	// The name is the whole path, for a parked entry hangs directly below the target.
	parked.Parent, parked.Name, parked.Fold = state.Parked, string(to), string(to)
	in := intent(intentMove, e.Item, from, string(to), parked)
	if err := m.intend([]state.Intent{in}); err != nil {
		return err
	}
	err = m.Dir.Park(target.RelPath(from), string(e.Item))
	if err != nil && !(mayMiss && errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("step aside: %w", err)
	}
	return m.commit(nil, func(tx *state.Tx) error {
		if err := tx.PutEntries(m.Key, []state.Entry{parked}); err != nil {
			return err
		}
		return tx.ClearIntents(m.Key, []state.ItemID{e.Item})
	})
}

// move is one prepared change of a wave.
type move struct {
	s        *structural
	entry    state.Entry
	from, to string
	err      error
}

// arrangeWave makes independent changes: one journal entry, the renames, one
// flush of the directories, one commit.
func (m *mirrorRun) arrangeWave(moves []*move) error {
	intents := make([]state.Intent, 0, len(moves))
	for _, mv := range moves {
		kind := intentMove
		if mv.from == "" {
			kind = intentMkdir
		}
		intents = append(intents, intent(kind, mv.entry.Item, mv.from, mv.to, mv.entry))
	}
	if err := m.intend(intents); err != nil {
		return err
	}
	for _, mv := range moves {
		mv.err = m.makeMove(mv)
	}
	if err := m.Dir.SyncDirs(); err != nil {
		return fmt.Errorf("flush directories: %w", err)
	}
	return m.commitMoves(moves)
}

func (m *mirrorRun) prepareMove(ctx context.Context, s *structural) (*move, error) {
	dir, err := m.dirPath(ctx, s.Parent)
	if err != nil {
		return nil, err
	}
	mv := &move{s: s, to: joinPath(dir, s.Name)}
	e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(s.ItemID))
	if err != nil {
		return nil, fmt.Errorf("read entry: %w", err)
	}
	if ok && s.Reason != plan.MissingOnDisk {
		if mv.from, err = m.Store.EntryPath(ctx, m.Key, e.Item); err != nil {
			return nil, fmt.Errorf("read path: %w", err)
		}
	}
	if !ok {
		e = state.Entry{Item: state.ItemID(s.ItemID), Folder: s.Folder}
	}
	e.Parent, e.Name, e.Fold = state.ItemID(s.Parent), s.Name, s.Fold
	if s.Action() != plan.Update {
		remember(&e, s.Remote)
	}
	e.Run, e.At = m.Run, m.Now()
	mv.entry = e
	return mv, nil
}

// dirPath returns where a folder is on disk now.
func (m *mirrorRun) dirPath(ctx context.Context, id plan.ItemID) (string, error) {
	if id == "" {
		return "", nil
	}
	path, err := m.Store.EntryPath(ctx, m.Key, state.ItemID(id))
	if err != nil {
		return "", fmt.Errorf("read path of folder %s: %w", id, err)
	}
	return path, nil
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// makeMove has the effect on disk.
func (m *mirrorRun) makeMove(mv *move) error {
	to := target.RelPath(mv.to)
	if mv.from == "" {
		if err := m.Dir.MkdirAll(to); err != nil {
			return err
		}
		fp, err := m.Dir.Stat(to)
		mv.entry.Inode = fp.Inode
		return err
	}
	if mv.from == mv.to {
		return nil
	}
	expect := expectation(mv.entry)
	if l := mv.s.Local; l != nil && !mv.entry.Folder {
		expect.Size, expect.MTime = l.Size, l.MTime // as the plan found it, perhaps changed on disk
	}
	return m.Dir.Move(target.RelPath(mv.from), to, expect)
}

// commitMoves writes what the wave did, and the failures of what it could not do.
func (m *mirrorRun) commitMoves(moves []*move) error {
	var entries []state.Entry
	var results []Result
	ids := make([]state.ItemID, 0, len(moves))
	for _, mv := range moves {
		ids = append(ids, mv.entry.Item)
		if mv.err != nil {
			m.fail(&mv.s.Change, mv.err)
			continue
		}
		entries = append(entries, mv.entry)
		if mv.s.Action() == plan.Move || mv.s.Folder { // others have their result later
			results = append(results, m.result(&mv.s.Change, Done))
		}
	}
	err := m.commit(results, func(tx *state.Tx) error {
		if err := tx.PutEntries(m.Key, entries); err != nil {
			return err
		}
		return tx.ClearIntents(m.Key, ids)
	})
	if err != nil {
		return err
	}
	m.done(results)
	return nil
}

// expectation is the fingerprint of an entry as it must be found on disk.
func expectation(e state.Entry) *target.Fingerprint {
	if e.Folder {
		return &target.Fingerprint{Kind: target.KindDir}
	}
	return &target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime}
}

// remember notes in an entry which version of the source it is of.
func remember(e *state.Entry, r *plan.Remote) {
	if r == nil {
		return
	}
	e.RemoteHash, e.RemoteSize = r.Hash, r.Size
	e.Modified, e.ETag, e.CTag = r.Modified, r.ETag, r.CTag
}
