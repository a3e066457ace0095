package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// displaces is the item that leaves by this plan and still holds the place.
	displaces state.ItemID
}

// publisher takes verified files and makes them visible, batch by batch. There is
// one per mirror.
func (m *mirrorRun) publisher(files <-chan ready) error {
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
	if err := m.Dir.Reidentify(); err != nil {
		return fmt.Errorf("the target is not what it was: %w", err)
	}
	intents := make([]state.Intent, len(batch))
	ops := make([]target.PublishOp, len(batch))
	for i := range batch {
		f := &batch[i]
		expect, err := m.expected(f)
		if err != nil {
			return err
		}
		intents[i] = intent(intentPublish, f.entry.Item, f.staged, f.to, f.entry)
		intents[i].Displaced = f.displaces
		ops[i] = target.PublishOp{Staged: f.staged, To: target.RelPath(f.to), Expect: expect}
	}
	if err := m.intend(intents); err != nil {
		return err
	}
	return m.published(batch, m.Dir.PublishBatch(ops))
}

// expected is the local file that a change may replace; nil means none. An item
// whose place it takes may have moved away or stepped aside by now: then nothing of
// that item is in the way, and nothing happens to it.
func (m *mirrorRun) expected(f *ready) (*target.Fingerprint, error) {
	c := &f.change
	if c.Replaces != "" {
		e, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.Replaces))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		if ok && !e.Folder && e.Parent == state.ItemID(c.Parent) && e.Fold == c.Fold {
			f.displaces = e.Item
			if _, err := m.Dir.Stat(target.RelPath(f.to)); errors.Is(err, fs.ErrNotExist) {
				return nil, nil // its file is missing on disk
			}
			if found, planned := m.leaving[c.Replaces]; planned {
				return asFound(found), nil
			}
			return expectation(e), nil
		}
	}
	if c.Local == nil || c.Reason == plan.MissingOnDisk {
		return nil, nil
	}
	return asFound(c.Local), nil
}

// asFound is the fingerprint of a file as the plan found it on disk; nil if it did
// not find it.
func asFound(l *plan.Local) *target.Fingerprint {
	if l == nil {
		return nil
	}
	return &target.Fingerprint{Kind: target.KindFile, Size: l.Size, MTime: l.MTime}
}

// published commits what a batch did. Displaced files go to the trash first, so
// that no row ever claims that bytes are safe which are not.
func (m *mirrorRun) published(batch []ready, outcomes []target.PublishResult) error {
	var entries []state.Entry
	var results []Result
	var gone, ids []state.ItemID
	var trashed []state.Trashed
	for i, f := range batch {
		out := outcomes[i]
		ids = append(ids, f.entry.Item)
		if out.Err != nil {
			if out.Published {
				return fmt.Errorf("flush directory of %q: %w", f.to, out.Err)
			}
			m.drop(&f.change, f.staged, out.Err)
			continue
		}
		if out.Displaced.Path != "" {
			t, err := m.dispose(&f.change, out.Displaced, f.to)
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
func (m *mirrorRun) drop(c *plan.Change, staged string, cause error) {
	if err := m.Dir.DiscardStaged(staged); ignoreMissing(err) != nil {
		m.Log.Warn("staged file not removed", "error", err)
	}
	m.mu.Lock()
	delete(m.inFlight, c.ItemID)
	m.mu.Unlock()
	m.fail(c, cause)
}

// dispose brings a displaced local file to its place in the trash, or deletes it
// where the policy says so.
func (m *mirrorRun) dispose(c *plan.Change, d target.Displaced, original string) ([]state.Trashed, error) {
	if c.Disposal == plan.DisposeDelete || (c.Disposal == "" && !m.Plan.Policy.TrashEnabled) {
		if err := m.Dir.Remove(d.Path, d.Fingerprint); err != nil {
			return nil, fmt.Errorf("delete replaced file: %w", err)
		}
		return nil, nil
	}
	if c.Disposal == plan.DisposeRename {
		return nil, m.keepBeside(d, original)
	}
	at := m.Now()
	where, err := m.Dir.TrashAs(d.Path, target.RelPath(original), nil, target.Stamp(at, ""))
	if err != nil {
		return nil, fmt.Errorf("trash replaced file: %w", err)
	}
	return []state.Trashed{{
		Path: string(where), Original: original, Item: state.ItemID(c.ItemID),
		Size: d.Size, At: at, Run: m.Run, Reason: string(c.Reason),
	}}, nil
}

// keepBeside gives a displaced local file a name of its own beside the new one.
func (m *mirrorRun) keepBeside(d target.Displaced, original string) error {
	ext := path.Ext(original)
	stem := strings.TrimSuffix(original, ext)
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.local-%s", stem, m.Now().UTC().Format("20060102T150405"))
		if n > 1 {
			name += fmt.Sprintf("-%d", n)
		}
		err := m.Dir.Move(d.Path, target.RelPath(name+ext), &d.Fingerprint)
		if err == nil {
			return nil
		}
		if !errors.Is(err, target.ErrOccupied) || n == maxBeside {
			return fmt.Errorf("keep local file: %w", err)
		}
	}
}

// maxBeside bounds the search for a free name.
const maxBeside = 100
