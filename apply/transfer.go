package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// transfer downloads what is to be added and updated, through the workers that
// all mirrors share, and repairs what needs no download.
func (m *mirrorRun) transfer(ctx context.Context) error {
	if err := m.eachBatch(ctx, plan.Adopt, m.adoptBatch); err != nil {
		return err
	}
	if err := m.eachBatch(ctx, plan.Metadata, m.touchBatch); err != nil {
		return err
	}
	files := make(chan ready, batchFiles) // the next batch gathers while one is published
	dctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return m.publisher(files, stop) })
	g.Go(func() error {
		defer close(files)
		return m.download(dctx, files)
	})
	return errors.Join(g.Wait(), m.flushResults())
}

// eachBatch runs a step for the changes of one action that are no folders, as
// many at a time as share one commit.
func (m *mirrorRun) eachBatch(ctx context.Context, action plan.Action, do func([]plan.Change) error) error {
	var batch []plan.Change
	for c, err := range m.of(action) {
		if err != nil {
			return err
		}
		if c.Folder || c.OnlyBeside() || m.hasFailed(&c) { // beside does what is left of these
			continue
		}
		if batch = append(batch, c); len(batch) < batchFiles {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := do(batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if len(batch) > 0 && ctx.Err() == nil {
		if err := do(batch); err != nil {
			return err
		}
	}
	return m.flushResults()
}

// download hands the files of the plan to workers.
func (m *mirrorRun) download(ctx context.Context, out chan<- ready) error {
	g, gctx := errgroup.WithContext(ctx)
	// A file that is being fetched when the run is stopped ends at its next read;
	// taking new ones stops here.
	err := m.eachDownload(gctx, func(c plan.Change) {
		select {
		case m.slots <- struct{}{}:
		case <-gctx.Done():
			return
		}
		g.Go(func() error {
			defer func() { <-m.slots }()
			return m.fetchOne(gctx, c, out)
		})
	})
	if werr := g.Wait(); werr != nil {
		return werr
	}
	return err
}

func (m *mirrorRun) eachDownload(ctx context.Context, do func(plan.Change)) error {
	for _, action := range []plan.Action{plan.Add, plan.Update} {
		for c, err := range m.of(action) {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			if c.Folder || m.hasFailed(&c) {
				continue
			}
			skip, err := m.applied(&c)
			if err != nil {
				return err
			}
			if !skip {
				do(c)
			}
		}
	}
	return nil
}

// applied reports whether an earlier run of the same plan has done a change.
func (m *mirrorRun) applied(c *plan.Change) (bool, error) {
	if !m.resumed() || c.Remote == nil {
		return false, nil
	}
	e, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID))
	if err != nil {
		return false, fmt.Errorf("read entry: %w", err)
	}
	if !ok || !m.ours(&e) {
		return false, nil
	}
	m.note(m.result(c, Done), "")
	return true, nil
}

// fetchOne fetches and verifies one file and hands it to the publisher. A failure
// of the item is a result; the error is for what must stop the run.
func (m *mirrorRun) fetchOne(ctx context.Context, c plan.Change, out chan<- ready) error {
	m.begin(&c)
	start := m.Now()
	file, err := m.fetch(ctx, c)
	if errors.Is(err, target.ErrNoSpace) && m.makeSpace(ctx) {
		file, err = m.fetch(ctx, c)
	}
	if err == nil {
		m.arrived()
		file.result.Duration = m.Now().Sub(start)
		m.end(&c)
		out <- file
		return nil
	}
	if ctx.Err() != nil {
		m.end(&c)
		return nil // stopped: what is on disk is kept for the next run
	}
	if hopeless(err) {
		m.end(&c)
		m.giveUp(err)
		return nil
	}
	m.fail(&c, err)
	return nil
}

func (m *mirrorRun) begin(c *plan.Change) {
	m.mu.Lock()
	m.inFlight[c.ItemID] = string(c.Path)
	m.mu.Unlock()
	m.progress()
}

func (m *mirrorRun) end(c *plan.Change) {
	m.mu.Lock()
	delete(m.inFlight, c.ItemID)
	m.mu.Unlock()
}

// moved adds bytes to the progress of the mirror.
func (m *mirrorRun) moved(n int64) {
	m.mu.Lock()
	m.total.BytesDone += n
	m.mu.Unlock()
}

// adoptBatch takes over files that have the right bytes already. Their fingerprints
// are compared once more: the plan read them some time ago.
func (m *mirrorRun) adoptBatch(batch []plan.Change) error {
	return m.rewrite(batch, func(c *plan.Change) (state.Entry, Result, error) {
		path, err := m.filePath(c)
		if err != nil {
			return state.Entry{}, Result{}, err
		}
		fp, same, err := m.asPlanned(c, target.RelPath(path))
		if err != nil {
			return state.Entry{}, Result{}, err
		}
		if !same {
			return state.Entry{}, Result{}, &itemError{code: CodeLocalChanged, outcome: Superseded, message: "the local file changed since the plan"}
		}
		e := m.entry(c, fp)
		e.Hash, e.SHA256, e.Verdict = c.Remote.Hash, c.Local.SHA256, state.Verified
		if c.Local.SHA256 == "" { // taken over without being read
			e.Hash, e.Verdict = "", state.SizeOnly
		}
		res := m.result(c, Done)
		res.Verdict, res.Hash, res.SHA256, res.ETag = string(e.Verdict), e.Hash, e.SHA256, e.ETag
		return e, res, nil
	})
}

// asPlanned looks whether a file that is to be taken over is the one that the plan found.
// What a saved plan says of its bytes is looked up: the state is to say what is true.
func (m *mirrorRun) asPlanned(c *plan.Change, at target.RelPath) (fp target.Fingerprint, same bool, err error) {
	fp, err = m.Dir.Stat(at)
	if err != nil {
		return fp, false, ignoreAbsent(err)
	}
	same = c.Local != nil && fp.Kind == target.KindFile && fp.Size == c.Local.Size && fp.MTime.Equal(c.Local.MTime)
	if !same || !m.Saved || c.Local.SHA256 == "" {
		return fp, same, nil
	}
	read, err := m.Dir.Hash(m.ctx, at)
	same = read.Size == fp.Size && read.QuickXor == c.Remote.Hash && read.SHA256 == c.Local.SHA256
	return fp, same, ignoreAbsent(err)
}

// touchBatch gives files the times of their source; the bytes stay.
func (m *mirrorRun) touchBatch(batch []plan.Change) error {
	return m.rewrite(batch, func(c *plan.Change) (e state.Entry, _ Result, err error) {
		e, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID))
		if err != nil {
			return e, Result{}, fmt.Errorf("read entry: %w", err)
		}
		if !ok || e.Parent != state.ItemID(c.Parent) || e.Fold != c.Fold {
			return e, Result{}, superseded("the file is not tracked there")
		}
		path, err := m.tree.path(&e)
		if err != nil {
			return e, Result{}, err
		}
		fp, err := m.setTime(target.RelPath(path), *expectation(c, &e), c.Remote.Modified)
		if err != nil {
			return e, Result{}, err
		}
		e.MTime, e.Inode, e.Run, e.At = fp.MTime, fp.Inode, m.Run, m.Now()
		remember(&e, c.Remote)
		return e, m.result(c, Done), nil
	})
}

// setTime sets a time that a killed run may have set already.
func (m *mirrorRun) setTime(path target.RelPath, expect target.Fingerprint, mtime time.Time) (target.Fingerprint, error) {
	fp, err := m.Dir.SetTime(path, expect, mtime)
	var e *target.Error
	if errors.Is(err, target.ErrChanged) && errors.As(err, &e) && e.Found != nil && e.Found.MTime.Equal(target.ClampTime(mtime)) {
		expect.MTime = e.Found.MTime
		return m.Dir.SetTime(path, expect, mtime)
	}
	return fp, err
}

// rewrite makes the rows of a batch of files whose bytes stay, in one commit.
func (m *mirrorRun) rewrite(batch []plan.Change, one func(*plan.Change) (state.Entry, Result, error)) error {
	var entries []state.Entry
	var results []Result
	for i := range batch {
		c := &batch[i]
		if skip, err := m.applied(c); err != nil {
			return err
		} else if skip {
			continue
		}
		e, res, err := one(c)
		if err != nil && m.ctx.Err() != nil {
			break // the rest is left to the next run
		}
		if err != nil {
			m.fail(c, err)
			continue
		}
		entries, results = append(entries, e), append(results, res)
	}
	if err := m.commit(results, func(tx *state.Tx) error { return tx.PutEntries(m.Key, entries) }); err != nil {
		return err
	}
	m.done(results)
	return nil
}

// entry makes the row of a change from the file on disk.
func (m *mirrorRun) entry(c *plan.Change, fp target.Fingerprint) state.Entry {
	e := state.Entry{
		Item: state.ItemID(c.ItemID), Parent: state.ItemID(c.Parent), Name: c.Name, Fold: c.Fold,
		Size: fp.Size, MTime: fp.MTime, Inode: fp.Inode, Run: m.Run, At: m.Now(),
	}
	remember(&e, c.Remote)
	return e
}

// filePath is where a change's file belongs, now that folders are arranged.
func (m *mirrorRun) filePath(c *plan.Change) (string, error) {
	parent := state.ItemID(c.Parent)
	dir, err := m.tree.dir(parent)
	if err != nil || m.tree.aside(parent) {
		return "", &itemError{code: CodeFailed, message: "the folder it belongs into is not there", err: err}
	}
	return joinPath(dir, c.Name), nil
}

// modified is the time that the local file gets: that of the source, or that of its
// writing where the policy or the source gives none.
func modified(c *plan.Change, times bool) time.Time {
	if c.Remote == nil || !times {
		return time.Time{}
	}
	return c.Remote.Modified
}
