package apply

import (
	"context"
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
	for _, phase := range []struct {
		action plan.Action
		do     func(context.Context, plan.Change) error
	}{{plan.Adopt, m.adopt}, {plan.Metadata, m.touch}} {
		if err := m.each(ctx, phase.action, phase.do); err != nil {
			return err
		}
	}
	files := make(chan ready, m.Workers)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.publisher(files) })
	g.Go(func() error {
		defer close(files)
		return m.download(gctx, files)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return m.flushResults()
}

// each runs a step for every change of one action that is not a folder.
func (m *mirrorRun) each(ctx context.Context, action plan.Action, do func(context.Context, plan.Change) error) error {
	if m.Plan.Summary[action].Items == 0 {
		return nil
	}
	for c, err := range m.of(m.Plan.Address, action) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if c.Folder {
			continue
		}
		if err := do(ctx, c); err != nil {
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
	err := m.eachDownload(gctx, func(c plan.Change) error {
		select {
		case m.slots <- struct{}{}:
		case <-gctx.Done():
			return nil
		}
		g.Go(func() error {
			defer func() { <-m.slots }()
			return m.fetchOne(gctx, c, out)
		})
		return nil
	})
	if werr := g.Wait(); werr != nil {
		return werr
	}
	return err
}

func (m *mirrorRun) eachDownload(ctx context.Context, do func(plan.Change) error) error {
	for _, action := range []plan.Action{plan.Add, plan.Update} {
		if m.Plan.Summary[action].Files == 0 {
			continue
		}
		for c, err := range m.of(m.Plan.Address, action) {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			if c.Folder {
				continue
			}
			skip, err := m.applied(&c)
			if err != nil {
				return err
			}
			if skip {
				continue
			}
			if err := do(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// applied reports whether an earlier run of the same plan has done a change.
func (m *mirrorRun) applied(c *plan.Change) (bool, error) {
	e, ok, err := m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, state.ItemID(c.ItemID))
	if err != nil {
		return false, fmt.Errorf("read entry: %w", err)
	}
	// The row was written after the plan was made: only a run of this plan can have
	// done that, as any other would have advanced the mirror's generation.
	if !ok || !e.At.After(m.Header.Created) || c.Remote == nil {
		return false, nil
	}
	if e.ETag != c.Remote.ETag || e.RemoteHash != c.Remote.Hash || e.RemoteSize != c.Remote.Size {
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
	f := &fetch{mirrorRun: m, change: c}
	file, err := f.run(ctx)
	if err != nil {
		m.end(&c)
		if ctx.Err() != nil {
			return nil // stopped: what is on disk is kept for the next run
		}
		m.fail(&c, err)
		if m.FailFast {
			return fmt.Errorf("-fail-fast: %w", err)
		}
		return nil
	}
	file.result.Duration = m.Now().Sub(start)
	out <- file
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

// adopt takes over a file that has the right bytes already. Its fingerprint is
// compared once more: the plan read it some time ago.
func (m *mirrorRun) adopt(ctx context.Context, c plan.Change) error {
	if skip, err := m.applied(&c); skip || err != nil {
		return err
	}
	path, err := m.filePath(ctx, &c)
	if err != nil {
		m.fail(&c, err)
		return nil
	}
	fp, err := m.Dir.Stat(target.RelPath(path))
	if err != nil {
		m.fail(&c, err)
		return nil
	}
	if c.Local == nil || fp.Kind != target.KindFile || fp.Size != c.Local.Size || !fp.MTime.Equal(c.Local.MTime) {
		m.fail(&c, &itemError{code: CodeLocalChanged, outcome: Superseded, message: "the local file changed since the plan"})
		return nil
	}
	e := m.entry(&c, fp)
	e.Hash, e.SHA256, e.Verdict = c.Remote.Hash, c.Local.SHA256, state.Verified
	if c.Local.SHA256 == "" { // taken over without being read
		e.Hash, e.Verdict = "", state.SizeOnly
	}
	res := m.result(&c, Done)
	res.Verdict, res.Hash, res.SHA256, res.ETag = string(e.Verdict), e.Hash, e.SHA256, e.ETag
	return m.put([]Result{res}, e)
}

// touch gives a file the times of its source; the bytes stay.
func (m *mirrorRun) touch(ctx context.Context, c plan.Change) error {
	e, ok, err := m.Store.Entry(ctx, m.Key, state.ItemID(c.ItemID))
	if err != nil {
		return fmt.Errorf("read entry: %w", err)
	}
	path, err := m.filePath(ctx, &c)
	if err != nil || !ok {
		m.fail(&c, superseded("the file is not tracked any more"))
		return nil
	}
	expect := target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime}
	if c.Local != nil {
		expect.MTime = c.Local.MTime
	}
	fp, err := m.Dir.SetTime(target.RelPath(path), expect, c.Remote.Modified)
	if err != nil {
		m.fail(&c, err)
		return nil
	}
	e.MTime, e.Inode, e.Run, e.At = fp.MTime, fp.Inode, m.Run, m.Now()
	remember(&e, c.Remote)
	return m.put([]Result{m.result(&c, Done)}, e)
}

// put commits one entry with its result.
func (m *mirrorRun) put(results []Result, e state.Entry) error {
	err := m.commit(results, func(tx *state.Tx) error {
		if err := tx.PutEntries(m.Key, []state.Entry{e}); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
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
func (m *mirrorRun) filePath(ctx context.Context, c *plan.Change) (string, error) {
	dir, err := m.dirPath(context.WithoutCancel(ctx), c.Parent)
	if err != nil {
		return "", &itemError{code: CodeFailed, message: "the folder it belongs into is not there", err: err}
	}
	return joinPath(dir, c.Name), nil
}

// modified is the time that the local file gets.
func modified(c *plan.Change, now time.Time) time.Time {
	if c.Remote == nil || c.Remote.Modified.IsZero() {
		return now
	}
	return c.Remote.Modified
}
