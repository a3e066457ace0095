package apply

import (
	"errors"
	"fmt"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// move is one prepared change of a wave: a folder to make, an item to move, or one
// that steps aside.
type move struct {
	s        *structural // nil for one that steps aside
	entry    state.Entry // as it will be
	expect   *target.Fingerprint
	from, to string
	err      error
}

// prepareMove says what a change does to the disk and to the state.
func (m *mirrorRun) prepareMove(s *structural) (*move, error) {
	dir, err := m.tree.dir(state.ItemID(s.Parent))
	if err != nil {
		return nil, fmt.Errorf("read path: %w", err)
	}
	mv := &move{s: s, to: joinPath(dir, s.Name)}
	if s.row != nil {
		mv.entry = *s.row
		mv.expect = expectation(&s.Change, s.row)
		if s.Reason != plan.MissingOnDisk {
			if mv.from, err = m.tree.path(s.row); err != nil {
				return nil, fmt.Errorf("read path: %w", err)
			}
		}
	} else {
		mv.entry = state.Entry{Item: state.ItemID(s.ItemID), Folder: true}
	}
	e := &mv.entry
	e.Parent, e.Name, e.Fold = state.ItemID(s.Parent), s.Name, s.Fold
	if s.Folder || s.Action() == plan.Move {
		// A file that also gets new content or times stays the version it was, and
		// not of this run, until it has them.
		remember(e, s.Remote)
		e.Run, e.At = m.Run, m.Now()
	}
	return mv, nil
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
		intents = append(intents, intent(kind, mv.from, mv.to, mv.entry))
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

// makeMove has the effect on disk.
func (m *mirrorRun) makeMove(mv *move) error {
	to := target.RelPath(mv.to)
	switch {
	case mv.s == nil:
		kind := target.KindFile
		if mv.entry.Folder {
			kind = target.KindDir
		}
		err := m.Dir.Park(target.RelPath(mv.from), string(mv.entry.Item), kind)
		if m.leaves(plan.ItemID(mv.entry.Item)) {
			return ignoreAbsent(err) // the row alone frees the place
		}
		return err
	case mv.from == "":
		if err := m.Dir.MkdirAll(to); err != nil {
			return err
		}
		fp, err := m.Dir.Stat(to)
		mv.entry.Inode = fp.Inode
		return err
	case mv.from == mv.to:
		return nil
	}
	return m.Dir.Move(target.RelPath(mv.from), to, mv.expect)
}

// commitMoves writes what the wave did, and the failures of what it could not do.
func (m *mirrorRun) commitMoves(moves []*move) error {
	var entries []state.Entry
	var results []Result
	ids := make([]state.ItemID, 0, len(moves))
	for _, mv := range moves {
		ids = append(ids, mv.entry.Item)
		if mv.err != nil {
			if mv.s != nil {
				m.fail(&mv.s.Change, mv.err)
			}
			continue
		}
		entries = append(entries, mv.entry)
		if mv.s != nil && (mv.s.Action() == plan.Move || mv.s.Folder) { // others have their result later
			results = append(results, m.result(&mv.s.Change, Done))
		}
	}
	err := m.commit(results, func(tx *state.Tx) error {
		return errors.Join(tx.PutEntries(m.Key, entries), tx.ClearIntents(m.Key, ids))
	})
	if err != nil {
		return err
	}
	m.tree.put(entries...)
	m.done(results)
	return nil
}

// park lets items step aside, out of the tree for a moment. It returns what it tried,
// and those that cannot do it at once with the others.
func (m *mirrorRun) park(list []state.Entry) (moves []*move, later []state.Entry, err error) {
	paths := newWavePaths()
	for _, e := range list {
		mv, err := m.preparePark(e)
		switch {
		case err != nil:
			return nil, nil, err
		case e.Parent == state.Parked:
		case paths.add(mv):
			moves = append(moves, mv)
		default:
			later = append(later, e)
		}
	}
	if len(moves) == 0 {
		return nil, later, nil
	}
	if err := m.arrangeWave(moves); err != nil {
		return nil, nil, err
	}
	for _, mv := range moves {
		if mv.err != nil {
			m.Log.Warn("item did not step aside", "mirror", m.Plan.Address, "path", mv.from, "error", mv.err)
		}
	}
	return moves, later, nil
}

func (m *mirrorRun) preparePark(e state.Entry) (*move, error) {
	from, err := m.tree.path(&e)
	if err != nil {
		return nil, fmt.Errorf("read path: %w", err)
	}
	known, err := m.tree.known(&e)
	if err != nil {
		return nil, fmt.Errorf("read path: %w", err)
	}
	mv := &move{entry: parked(e, known), from: from}
	mv.to = mv.entry.Name
	return mv, nil
}

// expectation is the fingerprint of what must be found on disk before it is moved:
// what the plan was made for, or else what was applied (I-14).
func expectation(c *plan.Change, e *state.Entry) *target.Fingerprint {
	switch {
	case e.Folder:
		return &target.Fingerprint{Kind: target.KindDir}
	case c != nil && c.Local != nil:
		return asFound(c.Local)
	}
	return &target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime}
}

// asFound is the fingerprint of a file as the plan found it on disk; nil if it did
// not find it.
func asFound(l *plan.Local) *target.Fingerprint {
	if l == nil {
		return nil
	}
	return &target.Fingerprint{Kind: target.KindFile, Size: l.Size, MTime: l.MTime}
}

// remember notes in an entry which version of the source it is of.
func remember(e *state.Entry, r *plan.Remote) {
	if r == nil {
		return
	}
	e.RemoteHash, e.RemoteSize = r.Hash, r.Size
	e.Modified, e.ETag, e.CTag = r.Modified, r.ETag, r.CTag
}
