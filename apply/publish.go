package apply

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// A batch of files shares one flush of the data, one journal entry and one commit,
// so that thousands of small files are not thousands of serial flushes. Its
// bounds keep the work that a kill repeats small.
const (
	batchFiles = 256
	batchBytes = 256 << 20
	batchWait  = 150 * time.Millisecond
)

// ready is a verified file in staging.
type ready struct {
	change plan.Change
	staged string
	to     string
	entry  state.Entry
	result Result
	expect *target.Fingerprint // the local file that it may replace, nil for none
	// displaces is the item that leaves by this plan and still holds the place.
	displaces state.ItemID
}

// publisher takes verified files and makes them visible, batch by batch. There is
// one per mirror. When it fails, stop ends the downloads, and what they still hand
// over stays in staging.
func (m *mirrorRun) publisher(files <-chan ready, stop func()) error {
	err := m.publishAll(files)
	if err != nil {
		stop()
		for range files { // nobody may wait for a publisher that is gone
		}
	}
	return err
}

func (m *mirrorRun) publishAll(files <-chan ready) error {
	var batch []ready
	var size int64
	timer := time.NewTimer(batchWait)
	defer timer.Stop()
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := m.publishBatch(batch)
		batch, size = batch[:0], 0
		return err
	}
	for {
		select {
		case f, ok := <-files:
			if !ok {
				return flush()
			}
			if len(batch) == 0 {
				timer.Reset(batchWait)
			}
			batch = append(batch, f)
			size += f.entry.Size
			if len(batch) < batchFiles && size < batchBytes {
				continue
			}
		case <-timer.C:
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// publishBatch follows the publish protocol: journal, flush, rename, flush of the
// directories, commit.
func (m *mirrorRun) publishBatch(batch []ready) error {
	if err := m.reidentify(); err != nil {
		return err
	}
	batch, err := m.clearPlaces(batch)
	if err != nil || len(batch) == 0 {
		return err
	}
	intents := make([]state.Intent, len(batch))
	ops := make([]target.PublishOp, len(batch))
	for i := range batch {
		f := &batch[i]
		intents[i] = intent(intentPublish, f.staged, f.to, f.entry)
		intents[i].Displaced = f.displaces
		ops[i] = target.PublishOp{Staged: f.staged, To: target.RelPath(f.to), Expect: f.expect}
	}
	if err := m.intend(intents); err != nil {
		return err
	}
	return m.published(batch, m.Dir.PublishBatch(ops))
}

// clearPlaces finds out what each file of a batch may replace. A folder that
// leaves by this plan steps aside now and not before: until the file is here, the
// folder stays in place. A file whose place is held by anything else fails.
func (m *mirrorRun) clearPlaces(batch []ready) ([]ready, error) {
	var aside []state.Entry
	free := batch[:0]
	for _, f := range batch {
		folder, err := m.expected(&f)
		if e := (*itemError)(nil); errors.As(err, &e) {
			m.drop(&f, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if folder != nil {
			aside = append(aside, *folder)
		}
		free = append(free, f)
	}
	for len(aside) > 0 { // a place that stays occupied will be found so
		_, later, err := m.park(aside)
		if err != nil {
			return nil, err
		}
		aside = later
	}
	return free, nil
}

// expected finds the local file that a change may replace, or the folder that has
// to step aside. An item whose place it takes may have moved away or stepped aside
// by now: then nothing of that item is in the way, and nothing happens to it.
func (m *mirrorRun) expected(f *ready) (folder *state.Entry, err error) {
	c := &f.change
	if c.Replaces != "" {
		e, held, err := m.Store.EntryAt(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.Parent), c.Fold)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read place: %w", err)
		case !held || e.Item == state.ItemID(c.ItemID):
		case e.Item != state.ItemID(c.Replaces) || !m.leaves(c.Replaces):
			return nil, &itemError{code: CodeOccupied, message: fmt.Sprintf("its place is held by %q", e.Name)}
		case e.Folder:
			return &e, nil
		default:
			f.displaces, f.expect = e.Item, asFound(m.leaving[c.Replaces])
			return nil, nil
		}
	}
	// Nothing of a missing item is in its place, but for what gives way to it.
	if c.Reason != plan.MissingOnDisk || c.Disposal == plan.DisposeRename {
		f.expect = asFound(c.Local)
	}
	return nil, nil
}

// published commits what a batch did. Displaced files go to the trash first, so
// that no row ever claims that bytes are safe which are not.
func (m *mirrorRun) published(batch []ready, outcomes []target.PublishResult) error {
	var entries []state.Entry
	var results []Result
	var gone, ids []state.ItemID
	var trashed []state.Trashed
	for i := range batch {
		f, out := &batch[i], outcomes[i]
		if target.KeptAside(out.Err) == "" { // else recovery brings those bytes to the trash
			ids = append(ids, f.entry.Item)
		}
		if out.Err != nil {
			if out.Published {
				return fmt.Errorf("flush directory of %q: %w", f.to, out.Err)
			}
			m.drop(f, out.Err)
			continue
		}
		if out.Displaced.Path != "" {
			t, err := m.dispose(f, out.Displaced)
			if err != nil {
				return err
			}
			trashed = append(trashed, t...)
		}
		if f.displaces != "" {
			gone = append(gone, f.displaces)
		}
		entries = append(entries, f.entry)
		results = append(results, f.result)
	}
	if err := m.Dir.SyncDirs(); err != nil { // of the trash
		return fmt.Errorf("flush directories: %w", err)
	}
	err := m.commit(results, func(tx *state.Tx) error {
		if err := errors.Join(tx.DeleteEntries(m.Key, gone), tx.PutEntries(m.Key, entries)); err != nil {
			return err
		}
		return errors.Join(tx.PutTrash(m.Key, trashed), tx.DeletePartials(m.Key, ids), tx.ClearIntents(m.Key, ids))
	})
	if err != nil {
		return err
	}
	m.done(results)
	return nil
}

// drop fails a file that could not be published and removes what was staged.
func (m *mirrorRun) drop(f *ready, cause error) {
	if err := m.Dir.DiscardStaged(f.staged); ignoreMissing(err) != nil {
		m.Log.Warn("staged file not removed", "error", err)
	}
	m.fail(&f.change, cause)
}

// dispose brings a displaced local file to its place in the trash, or deletes it
// where the policy says so.
func (m *mirrorRun) dispose(f *ready, d target.Displaced) ([]state.Trashed, error) {
	c := &f.change
	switch {
	case c.Disposal == plan.DisposeDelete || (c.Disposal == "" && !m.Plan.Policy.TrashEnabled):
		if err := m.Dir.Remove(d.Path, d.Fingerprint); err != nil {
			return nil, fmt.Errorf("delete replaced file: %w", err)
		}
		return nil, nil
	case c.Disposal == plan.DisposeRename:
		err := m.keepBeside(d.Path, f.to, &d.Fingerprint)
		if err == nil {
			return nil, nil
		}
		m.Log.Warn("local file goes to the trash", "mirror", m.Plan.Address, "path", f.to, "error", err)
	}
	at := m.trashTime()
	where, err := m.Dir.TrashAs(d.Path, target.RelPath(f.to), nil, target.Stamp(at, ""))
	if err != nil {
		return nil, fmt.Errorf("trash replaced file: %w", err)
	}
	t := state.Trashed{
		Path: string(where), Original: f.to, Item: f.entry.Item,
		Size: d.Size, At: at, Run: m.Run, Reason: string(c.Reason),
	}
	if f.displaces != "" {
		t.Item = f.displaces
	}
	return []state.Trashed{t}, nil
}

// keepBeside gives something local a name of its own beside the one it had.
func (m *mirrorRun) keepBeside(from target.RelPath, original string, expect *target.Fingerprint) error {
	dir, base := path.Split(original)
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	stamp := m.Now().UTC().Format("20060102T150405")
	for n := 1; ; n++ {
		mark := ".local-" + stamp
		if n > 1 {
			mark += fmt.Sprintf("-%d", n)
		}
		cut := stem[:min(len(stem), max(0, maxName-len(mark+ext)))]
		err := m.Dir.Move(from, target.RelPath(dir+strings.ToValidUTF8(cut, "")+mark+ext), expect)
		if err == nil {
			return nil
		}
		if !errors.Is(err, target.ErrOccupied) || n == maxBeside {
			return fmt.Errorf("keep local file: %w", err)
		}
	}
}

// maxBeside bounds the search for a free name, and maxName its bytes (N5).
const (
	maxBeside = 100
	maxName   = 255
)
