package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// remove deletes what the plan says, files before folders and the deepest folders
// first. If anything of the mirror failed before, it deletes nothing: what looks
// superfluous may be the only copy of what could not be fetched (I-27).
func (m *mirrorRun) remove(ctx context.Context) error {
	if m.Plan.Summary[plan.Delete].Items == 0 {
		return nil
	}
	if n := m.failures(); n > 0 {
		return m.postpone(n)
	}
	var batch []plan.Change
	err := m.each(ctx, plan.Delete, func(ctx context.Context, c plan.Change) error {
		batch = append(batch, c)
		if len(batch) < batchFiles {
			return nil
		}
		defer func() { batch = batch[:0] }()
		return m.removeFiles(batch)
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	if err := m.removeFiles(batch); err != nil {
		return err
	}
	slices.SortFunc(m.folders, func(a, b plan.Change) int { return strings.Compare(string(b.Path), string(a.Path)) })
	for part := range slices.Chunk(m.folders, batchFiles) {
		if ctx.Err() != nil {
			return nil
		}
		if err := m.removeFolders(part); err != nil {
			return err
		}
	}
	return nil
}

// postpone records the deletes that did not run.
func (m *mirrorRun) postpone(failures int64) error {
	why := fmt.Sprintf("postponed: %d items of this mirror failed or changed meanwhile", failures)
	for c, err := range m.of(m.Plan.Address, plan.Delete) {
		if err != nil {
			return err
		}
		res := m.result(&c, Postponed)
		res.Code, res.Message = CodePostponed, why
		m.note(res, why)
	}
	return m.flushResults()
}

// leaving is a delete being made.
type leaving struct {
	change plan.Change
	entry  state.Entry
	path   string
	trash  *state.Trashed
	err    error
	kept   bool // a folder that is not empty stays on disk, untracked
}

// removeFiles moves a batch of files to the trash: journal, renames, one flush,
// one commit.
func (m *mirrorRun) removeFiles(batch []plan.Change) error {
	list, err := m.prepareRemoval(batch, intentTrash)
	if err != nil {
		return err
	}
	for _, l := range list {
		l.err = m.removeFile(l)
	}
	return m.commitRemoval(list)
}

// removeFolders removes directories that are empty by now. One that is not holds
// files that spmirror does not know: it stays (I-17).
func (m *mirrorRun) removeFolders(batch []plan.Change) error {
	list, err := m.prepareRemoval(batch, intentRmdir)
	if err != nil {
		return err
	}
	for _, l := range list {
		err := m.Dir.Rmdir(target.RelPath(l.path))
		if errors.Is(err, target.ErrNotEmpty) {
			l.kept, err = true, nil
		}
		l.err = ignoreMissing(err)
	}
	return m.commitRemoval(list)
}

func (m *mirrorRun) prepareRemoval(batch []plan.Change, kind string) ([]*leaving, error) {
	ctx := context.WithoutCancel(m.ctx)
	if err := m.Dir.Reidentify(); err != nil {
		return nil, fmt.Errorf("the target is not what it was: %w", err)
	}
	var list []*leaving
	var intents []state.Intent
	for _, c := range batch {
		e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(c.ItemID))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		if !ok { // done by an earlier run, or by the item that took its place
			m.note(m.result(&c, Done), "")
			continue
		}
		path, err := m.Store.EntryPath(ctx, m.Key, e.Item)
		if err != nil {
			return nil, fmt.Errorf("read path: %w", err)
		}
		list = append(list, &leaving{change: c, entry: e, path: path})
		intents = append(intents, intent(kind, e.Item, path, "", e))
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, m.intend(intents)
}

// removeFile brings one file to the trash, if it is still the file that the plan
// was made for (I-14).
func (m *mirrorRun) removeFile(l *leaving) error {
	expect := expectation(l.entry)
	if l.change.Local != nil {
		expect = &target.Fingerprint{Kind: target.KindFile, Size: l.change.Local.Size, MTime: l.change.Local.MTime}
	}
	path := target.RelPath(l.path)
	if l.change.Disposal == plan.DisposeDelete {
		return ignoreMissing(m.Dir.Remove(path, *expect))
	}
	at := m.Now()
	where, err := m.trash(l, path, expect, at)
	if err != nil {
		return ignoreMissing(err)
	}
	l.trash = &state.Trashed{
		Path: string(where), Original: l.path, Item: l.entry.Item, Size: l.entry.Size,
		At: at, Run: m.Run, Reason: string(l.change.Reason),
	}
	return nil
}

// trash keeps the path that people know of a file that had to step aside.
func (m *mirrorRun) trash(l *leaving, path target.RelPath, expect *target.Fingerprint, at time.Time) (target.RelPath, error) {
	if original := target.RelPath(l.change.Path); path != original && strings.HasPrefix(l.path, ".spmirror/") {
		return m.Dir.TrashAs(path, original, expect, target.Stamp(at, ""))
	}
	return m.Dir.Trash(path, expect, target.Stamp(at, ""))
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
		ids = append(ids, l.entry.Item)
		if l.err != nil {
			m.fail(&l.change, l.err)
			continue
		}
		gone = append(gone, l.entry.Item)
		if l.trash != nil {
			trashed = append(trashed, *l.trash)
		}
		res := m.result(&l.change, Done)
		if l.kept {
			res.Message = "the directory stays: it holds files that spmirror does not know"
		}
		results = append(results, res)
	}
	err := m.commit(results, func(tx *state.Tx) error {
		return errors.Join(tx.DeleteEntries(m.Key, gone), tx.PutTrash(m.Key, trashed), tx.ClearIntents(m.Key, ids))
	})
	if err != nil {
		return err
	}
	m.done(results)
	return nil
}

// forget stops tracking items whose files stay.
func (m *mirrorRun) forget(ctx context.Context) error {
	if m.Plan.Summary[plan.Forget].Items == 0 {
		return nil
	}
	var ids []state.ItemID
	var results []Result
	flush := func() error {
		err := m.commit(results, func(tx *state.Tx) error { return tx.DeleteEntries(m.Key, ids) })
		if err == nil {
			m.done(results)
		}
		ids, results = nil, nil
		return err
	}
	for c, err := range m.of(m.Plan.Address, plan.Forget) {
		if err != nil {
			return err
		}
		ids = append(ids, state.ItemID(c.ItemID))
		results = append(results, m.result(&c, Done))
		if len(ids) == batchFiles {
			if err := flush(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return flush()
}

// forgetMirror drops the row of a mirror that the configuration does not declare
// any more. Its marker stays with its files.
func (m *mirrorRun) forgetMirror(context.Context) error {
	return m.commit(nil, func(tx *state.Tx) error { return tx.ForgetMirror(m.Key) })
}
