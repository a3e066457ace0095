package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// remove deletes files. If anything of the mirror failed before, nothing is
// deleted: what looks superfluous may be the only copy of what could not be fetched
// (I-27). Nor is it if the source does not confirm what the plan believes (I-26).
func (m *mirrorRun) remove(ctx context.Context) error {
	if m.sections.count(m.Plan.Address, plan.Delete) == 0 {
		return nil
	}
	if n := m.failures(); n > 0 {
		return m.postpone(CodePostponed, fmt.Sprintf("postponed: other items of this mirror failed or changed meanwhile (%d)", n))
	}
	why, err := m.suspicion(ctx)
	if err != nil {
		return ignoreCancelled(ctx, err)
	}
	if why != "" {
		m.Log.Warn("the source is not trusted", "mirror", m.Plan.Address, "reason", why)
		return m.postpone(CodeSuspect, "postponed with all deletes of this mirror: "+why)
	}
	return m.eachBatch(ctx, plan.Delete, m.removeFiles)
}

// removeFolders deletes folders when all files have gone, the deepest first.
func (m *mirrorRun) removeFolders(ctx context.Context) error {
	deepestFirst(m.folders)
	for part := range slices.Chunk(m.folders, batchFiles) {
		if ctx.Err() != nil {
			return nil
		}
		if err := m.removeEmpty(part); err != nil {
			return err
		}
	}
	return nil
}

// deepestFirst sorts folders so that what is below one comes before it.
func deepestFirst(list []plan.Change) {
	slices.SortFunc(list, func(a, b plan.Change) int { return strings.Compare(string(b.Path), string(a.Path)) })
}

// postpone records the deletes that did not run. An item whose place another one
// took has left already.
func (m *mirrorRun) postpone(code, why string) error {
	m.folders = nil
	for c, err := range m.of(plan.Delete) {
		if err != nil {
			return err
		}
		if m.replaced[c.ItemID] {
			_, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID))
			if err != nil {
				return fmt.Errorf("read entry: %w", err)
			}
			if !ok {
				m.note(m.result(&c, Done), "")
				continue
			}
		}
		m.postponeOne(&c, code, why)
	}
	return m.flushResults()
}

func (m *mirrorRun) postponeOne(c *plan.Change, code, why string) {
	res := m.result(c, Postponed)
	res.Code, res.Message = code, why
	m.note(res, why)
}

// leaving is a delete being made.
type leaving struct {
	change plan.Change
	entry  state.Entry
	path   string // where it is
	known  string // where people know it
	expect *target.Fingerprint
	trash  *state.Trashed
	err    error
	kept   string // why something stays on disk, untracked
}

// removeFiles moves a batch of files to the trash, or deletes them for good:
// journal, renames, one flush, one commit.
func (m *mirrorRun) removeFiles(batch []plan.Change) error {
	list, err := m.prepareRemoval(batch, func(l *leaving) state.Intent {
		if l.change.Disposal == plan.DisposeDelete {
			e := l.entry
			e.Size, e.MTime = l.expect.Size, l.expect.MTime
			return intent(intentDelete, l.path, l.known, e)
		}
		return intent(intentTrash, l.path, l.known, l.entry)
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		l.err = m.removeFile(l)
	}
	return m.commitRemoval(list)
}

// removeEmpty removes directories that are empty by now. One that is not holds
// files that spmirror does not know: it stays (I-17). One in which something is
// still tracked keeps its row as well, for the paths below it depend on it.
func (m *mirrorRun) removeEmpty(batch []plan.Change) error {
	empty, err := m.withoutEntries(batch)
	if err != nil {
		return err
	}
	list, err := m.prepareRemoval(empty, func(l *leaving) state.Intent { return intent(intentRmdir, l.path, "", l.entry) })
	if err != nil {
		return err
	}
	held := make(map[state.ItemID]bool) // folders in which one stays tracked, because it could not be removed
	for _, l := range list {
		if held[l.entry.Item] {
			l.err = &itemError{code: CodePostponed, outcome: Postponed, message: "postponed: a folder in it could not be removed"}
		} else {
			l.err = m.removeFolder(l)
		}
		if l.err != nil {
			held[l.entry.Parent] = true
		}
	}
	return m.commitRemoval(list)
}

// withoutEntries returns the folders in which nothing is tracked but what goes with
// them, and postpones the others.
func (m *mirrorRun) withoutEntries(batch []plan.Change) ([]plan.Change, error) {
	var empty []plan.Change
	going := make(map[state.ItemID]bool)
	for _, c := range batch {
		holds, err := m.holdsEntries(&c, going)
		if err != nil {
			return nil, err
		}
		if holds {
			m.postponeOne(&c, CodePostponed, "postponed: something in it is still tracked")
			continue
		}
		going[state.ItemID(c.ItemID)] = true
		empty = append(empty, c)
	}
	return empty, nil
}

// holdsEntries reports whether a folder has an entry in it besides those that go
// together with it.
func (m *mirrorRun) holdsEntries(c *plan.Change, going map[state.ItemID]bool) (bool, error) {
	for e, err := range m.Store.EntryChildren(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID)) {
		if err != nil {
			return false, fmt.Errorf("read folder: %w", err)
		}
		if !going[e.Item] {
			return true, nil
		}
	}
	return false, nil
}

// prepareRemoval journals a batch of deletes. What an earlier run has deleted, or
// the item that took its place, is done.
func (m *mirrorRun) prepareRemoval(batch []plan.Change, journal func(*leaving) state.Intent) ([]*leaving, error) {
	if err := m.reidentify(); err != nil {
		return nil, err
	}
	var list []*leaving
	var intents []state.Intent
	for _, c := range batch {
		e, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		if !ok {
			m.note(m.result(&c, Done), "")
			continue
		}
		l := &leaving{change: c, entry: e, expect: expectation(&c, &e)}
		if l.path, err = m.tree.path(&e); err == nil {
			l.known, err = m.tree.known(&e)
		}
		if err != nil {
			return nil, fmt.Errorf("read path: %w", err)
		}
		list = append(list, l)
		intents = append(intents, journal(l))
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, m.intend(intents)
}

// removeFile brings one file to the trash, if it is still the file that the plan
// was made for (I-14). Something else than a file that lies in its place is not
// ours: the file has gone already.
func (m *mirrorRun) removeFile(l *leaving) error {
	err := m.discardFile(l)
	switch {
	case errors.Is(err, target.ErrNotRegular):
		l.kept = "what lies in its place is no file of spmirror's and stays"
		return nil
	case err != nil:
		return ignoreAbsent(err)
	}
	return nil
}

func (m *mirrorRun) discardFile(l *leaving) error {
	path, known := target.RelPath(l.path), target.RelPath(l.known)
	if l.change.Disposal == plan.DisposeDelete {
		return m.Dir.Remove(path, *l.expect)
	}
	at := m.trashTime()
	where, err := target.RelPath(""), error(nil)
	if path == known {
		where, err = m.Dir.Trash(path, l.expect, target.Stamp(at, ""))
	} else {
		where, err = m.Dir.TrashAs(path, known, l.expect, target.Stamp(at, ""))
	}
	if err != nil {
		return err
	}
	l.trash = &state.Trashed{
		Path: string(where), Original: l.known, Item: l.entry.Item, Size: l.entry.Size,
		At: at, Run: m.Run, Reason: string(l.change.Reason),
	}
	return nil
}

func (m *mirrorRun) removeFolder(l *leaving) error {
	err := m.Dir.Rmdir(target.RelPath(l.path))
	switch {
	case !errors.Is(err, target.ErrNotEmpty):
		if errors.Is(err, target.ErrNotPlain) {
			l.kept = "what lies in its place is no directory and stays"
		}
		return ignoreAbsent(err)
	case l.path == l.known:
		l.kept = "the directory stays: it holds files that spmirror does not know"
		return nil
	}
	// It stepped aside, so people would never find what is in it.
	l.kept = "the directory stays under another name: it holds files that spmirror does not know"
	return m.keepBeside(target.RelPath(l.path), l.known, l.expect)
}

func (m *mirrorRun) commitRemoval(list []*leaving) error {
	if len(list) == 0 {
		return nil
	}
	if err := m.Dir.SyncDirs(); err != nil {
		return fmt.Errorf("flush directories: %w", err)
	}
	var gone, ids []state.ItemID
	var trashed []state.Trashed
	var results []Result
	for _, l := range list {
		if target.KeptAside(l.err) == "" { // else recovery brings those bytes to the trash
			ids = append(ids, l.entry.Item)
		}
		if l.err != nil {
			m.fail(&l.change, l.err)
			continue
		}
		gone = append(gone, l.entry.Item)
		if l.trash != nil {
			trashed = append(trashed, *l.trash)
		}
		res := m.result(&l.change, Done)
		res.Message = l.kept
		results = append(results, res)
	}
	err := m.commit(results, func(tx *state.Tx) error {
		return errors.Join(tx.DeleteEntries(m.Key, gone), tx.PutTrash(m.Key, trashed), tx.ClearIntents(m.Key, ids))
	})
	if err != nil {
		return err
	}
	m.tree.drop(gone)
	m.done(results)
	return nil
}
