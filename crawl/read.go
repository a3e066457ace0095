package crawl

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// read follows a round to its deltaLink, one page being fetched while the one
// before is staged: links force the pages to come one after another, but not the
// disk to wait for the network.
func (r *refresh) read(ctx context.Context, round *state.Round) (graph.Link, error) {
	pages := make(chan graph.DeltaPage, 1)
	first := graph.Link(round.Next)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return r.fetch(ctx, first, pages)
	})
	var last graph.Link
	g.Go(func() (err error) {
		last, err = r.stage(ctx, round, pages)
		return err
	})
	if err := g.Wait(); err != nil {
		return "", err
	}
	if last == "" {
		return "", fmt.Errorf("round ended without a deltaLink: %w", graph.ErrProtocol)
	}
	return last, nil
}

// fetch sends the pages from a link on until one brings the deltaLink (D12), and
// refuses to go round in circles (Q9).
func (r *refresh) fetch(ctx context.Context, link graph.Link, pages chan<- graph.DeltaPage) error {
	progress := newProgressGuard()
	for {
		page, err := r.Source.DeltaPage(ctx, link, r.query)
		if err != nil {
			return err
		}
		if err := progress.check(link, &page); err != nil {
			return err
		}
		select {
		case pages <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
		if page.Delta != "" {
			return nil
		}
		link = page.Next
	}
}

// stage writes pages to the state with the link that follows them, several in one
// transaction, so that a killed crawl goes on where it was (I-33).
func (r *refresh) stage(ctx context.Context, round *state.Round, pages <-chan graph.DeltaPage) (graph.Link, error) {
	var batch []state.Item
	var last graph.Link
	since, waiting := r.Now(), 0
	flush := func(next string) error {
		err := r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.StagePage(r.drive.Key, batch, next) })
		if err != nil {
			return fmt.Errorf("stage page: %w", err)
		}
		round.Next = next
		batch, since, waiting = batch[:0], r.Now(), 0
		return nil
	}
	for page := range pages {
		for i := range page.Items {
			batch = append(batch, observed(&page.Items[i]))
		}
		waiting++
		if err := r.tally(ctx, round, &page); err != nil {
			return "", err
		}
		next := string(page.Next)
		if page.Delta != "" {
			last, next = page.Delta, round.Next
		}
		if page.Delta != "" || len(batch) >= stageItems || r.Now().Sub(since) >= stageEvery {
			if err := flush(next); err != nil {
				return "", err
			}
		}
	}
	return last, ctx.Err()
}

// tally counts a page and takes note of its bad items. Where an item could not be
// read, its absence from a full round proves nothing: the round then removes
// nothing (H-43).
func (r *refresh) tally(ctx context.Context, round *state.Round, page *graph.DeltaPage) error {
	r.report.Pages++
	r.report.Items += int64(len(page.Items))
	r.report.Bad = append(r.report.Bad, page.Bad...)
	r.watch(r)
	if len(page.Bad) == 0 || !round.Full || round.Keep {
		return nil
	}
	round.Keep = true
	err := r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.KeepAbsent(r.drive.Key) })
	if err != nil {
		return fmt.Errorf("mark round: %w", err)
	}
	return nil
}

// progressGuard finds paging that does not end: a link that comes again, the same
// page under ever new links, or empty pages without end (I-56, H-36 to H-39).
type progressGuard struct {
	seed    maphash.Seed
	links   map[uint64]bool
	content uint64
	repeats int
	empty   int
}

func newProgressGuard() *progressGuard {
	return &progressGuard{seed: maphash.MakeSeed(), links: make(map[uint64]bool)}
}

func (g *progressGuard) check(link graph.Link, page *graph.DeltaPage) error {
	h := maphash.String(g.seed, string(link))
	if g.links[h] {
		return fmt.Errorf("the same nextLink came twice: %w", ErrLoop)
	}
	g.links[h] = true
	if page.Delta != "" {
		return nil
	}
	if len(page.Items) == 0 {
		g.empty++
		if g.empty > maxEmptyPages {
			return fmt.Errorf("%d empty pages in a row: %w", g.empty, ErrLoop)
		}
		return nil
	}
	g.empty = 0
	content := g.fingerprint(page)
	if content != g.content {
		g.content, g.repeats = content, 0
		return nil
	}
	g.repeats++
	if g.repeats >= maxRepeats {
		return fmt.Errorf("the same page came %d times under new links: %w", g.repeats+1, ErrLoop)
	}
	return nil
}

func (g *progressGuard) fingerprint(page *graph.DeltaPage) uint64 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	for i := range page.Items {
		h.WriteString(string(page.Items[i].ID))
		h.WriteByte(0)
		h.WriteString(page.Items[i].ETag)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// pause waits between restarts, longer each time.
func pause(ctx context.Context, n int) error {
	select {
	case <-time.After(time.Second << n):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
