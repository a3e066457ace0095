package crawl

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// read follows a round to its deltaLink, one page being fetched while the one
// before is staged: links force the pages to come one after another, but not the
// disk to wait for the network.
func (r *refresh) read(ctx context.Context, round *state.Round) (graph.Link, error) {
	pages := make(chan graph.DeltaPage, 1)
	first := graph.Link(round.Next)
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	fetched := make(chan error, 1)
	go func() {
		defer close(pages)
		fetched <- r.fetch(fetching, first, pages)
	}()
	last, err := r.stage(ctx, round, pages)
	stop()
	failed := <-fetched
	switch {
	case err != nil:
		return "", err
	case failed != nil:
		return "", failed
	case last == "":
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
// transaction, so that a killed crawl goes on where it was (I-33). What was read
// before a page failed is written as well.
func (r *refresh) stage(ctx context.Context, round *state.Round, pages <-chan graph.DeltaPage) (graph.Link, error) {
	var batch []state.Item
	var sharing []state.Shared
	var last graph.Link
	since, waiting, next := r.now(), int64(0), round.Next
	flush := func() error {
		err := r.Store.Tx(ctx, func(tx *state.Tx) error {
			if r.unstored {
				if err := tx.BeginRound(r.drive.Key, *round); err != nil {
					return err
				}
			}
			if err := tx.NoteSharing(r.drive.Key, version(round), sharing); err != nil {
				return err
			}
			return tx.StagePage(r.drive.Key, batch, next)
		})
		if err != nil {
			return fmt.Errorf("stage page: %w", err)
		}
		r.unstored = false
		round.Next = next
		round.Pages += waiting
		batch, sharing, since, waiting = batch[:0], sharing[:0], r.now(), 0
		return nil
	}
	for page := range pages {
		for i := range page.Items {
			batch = append(batch, observed(&page.Items[i]))
			if r.sharing() {
				sharing = r.noteSharing(sharing, round, &page.Items[i])
			}
			if r.Seen != nil {
				r.Seen(graph.DriveID(r.drive.ID), &page.Items[i])
			}
		}
		for _, bad := range page.Bad {
			batch = append(batch, unread(bad))
		}
		waiting++
		r.tally(&page)
		if page.Delta != "" {
			last = page.Delta // the link of this page stays, to be asked again should the merge not happen
		} else {
			next = string(page.Next)
		}
		if page.Delta != "" || len(batch) >= stageItems || r.now().Sub(since) >= stageEvery {
			if err := flush(); err != nil {
				return "", err
			}
		}
	}
	if waiting > 0 && ctx.Err() == nil {
		if err := flush(); err != nil {
			return "", err
		}
	}
	return last, ctx.Err()
}

// tally counts a page and takes note of its bad items.
func (r *refresh) tally(page *graph.DeltaPage) {
	r.pages++
	r.report.Pages++
	r.report.Items += int64(len(page.Items))
	r.report.BadItems += int64(len(page.Bad))
	r.report.Bad = append(r.report.Bad, page.Bad[:min(len(page.Bad), maxBad-len(r.report.Bad))]...)
	r.watch(r)
}

// progressGuard finds paging that does not end: a link that comes again, pages
// with nothing new under ever new links, or empty pages without end (I-56, H-36 to
// H-40).
type progressGuard struct {
	seed    maphash.Seed
	links   map[uint64]struct{}
	content map[uint64]struct{}
	pages   int
	repeats int
	empty   int
}

func newProgressGuard() *progressGuard {
	return &progressGuard{seed: maphash.MakeSeed(), links: make(map[uint64]struct{}), content: make(map[uint64]struct{})}
}

func (g *progressGuard) check(link graph.Link, page *graph.DeltaPage) error {
	if !addNew(g.links, maphash.String(g.seed, string(link))) {
		return fmt.Errorf("the same nextLink came twice: %w", ErrLoop)
	}
	if page.Delta != "" {
		return nil
	}
	if g.pages++; g.pages > maxPages {
		return fmt.Errorf("no end after %d pages: %w", maxPages, ErrLoop)
	}
	content, items := g.fingerprint(page)
	if items == 0 {
		g.empty++
		if g.empty > maxEmptyPages {
			return fmt.Errorf("%d empty pages in a row: %w", g.empty, ErrLoop)
		}
		return nil
	}
	g.empty = 0
	if addNew(g.content, content) {
		g.repeats = 0
		return nil
	}
	g.repeats++
	if g.repeats >= maxRepeats {
		return fmt.Errorf("%d pages in a row brought what came before, under new links: %w", g.repeats, ErrLoop)
	}
	return nil
}

// addNew adds a key to a set and reports whether it was new.
func addNew(set map[uint64]struct{}, key uint64) bool {
	n := len(set)
	set[key] = struct{}{}
	return len(set) > n
}

// fingerprint is a hash over the items of a page and their number. The root does not count: it comes with pages that say
// nothing else (D20).
func (g *progressGuard) fingerprint(page *graph.DeltaPage) (sum uint64, items int) {
	var h maphash.Hash
	h.SetSeed(g.seed)
	for i := range page.Items {
		it := &page.Items[i]
		if it.Facets.Has(graph.Root) {
			continue
		}
		items++
		h.WriteString(string(it.ID))
		h.WriteByte(0)
		h.WriteString(it.ETag)
		h.WriteByte(0)
		h.WriteString(it.Name)
		h.WriteByte(0)
	}
	for i := range page.Bad {
		items++
		h.WriteString(string(page.Bad[i].ID))
		h.WriteByte(1)
	}
	return h.Sum64(), items
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
