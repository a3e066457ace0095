package crawl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// Source is what a crawl asks of Microsoft Graph. *graph.Client is it.
type Source interface {
	DeltaStart(graph.DriveID, graph.DeltaQuery) graph.Link
	DeltaPage(context.Context, graph.Link, graph.DeltaQuery) (graph.DeltaPage, error)
	Item(context.Context, graph.DriveID, graph.ItemID) (graph.Item, error)
}

// FullInterval is how often a drive is enumerated in full against lost
// tombstones (D32), unless configured otherwise.
const FullInterval = 7 * 24 * time.Hour

// Bounds of a crawl. They are far beyond what a healthy service needs.
const (
	maxEmptyPages  = 2_000 // in a row; 500 were seen to be followed by data (Q1)
	maxRepeats     = 3     // pages in a row with the same content under new links (H-38)
	maxRestarts    = 4     // of one refresh, with back-off between
	maxSettle      = 8     // rounds after the first until one is quiet (Q14)
	stageItems     = 4_000 // items staged in one transaction
	stageEvery     = 500 * time.Millisecond
	maxLostParents = 5_000 // parents fetched one by one
)

// Crawler refreshes drives. It is safe for use on several drives at once; the
// state serialises its writes.
type Crawler struct {
	Source Source
	Store  *state.Store
	Query  graph.DeltaQuery
	// Full is the interval of full enumerations; zero means FullInterval.
	Full  time.Duration
	Now   func() time.Time
	Log   *slog.Logger
	Watch Watcher
}

// Watcher is told how a crawl proceeds. It must not block; nil watches nothing.
type Watcher interface {
	Crawling(drive state.DriveID, report Report)
}

// Report says how one drive was read.
type Report struct {
	Mode   string // "delta" or "full"
	Reason string // why in full
	Pages  int64
	Items  int64
	Rounds int
	Merged state.Merged
	// Bad are items whose description broke the protocol. They keep what was known
	// of them.
	Bad   []graph.BadItem
	Done  bool
	AsOf  time.Time
	Drive state.Drive
}

// Modes of a report.
const (
	ModeDelta = "delta"
	ModeFull  = "full"
)

// ErrLoop says that paging does not progress (I-56).
var ErrLoop = graph.ErrLoop

// Refresh brings one drive up to date: it continues an unfinished round or starts
// one, merges it, and asks again until a round is quiet. full asks for a complete
// enumeration.
func (c *Crawler) Refresh(ctx context.Context, drive state.Drive, full bool) (Report, error) {
	r := &refresh{Crawler: c, drive: drive, query: c.Query}
	r.report.Mode = ModeDelta
	err := r.run(ctx, full)
	r.report.Drive, r.report.Done = r.drive, err == nil
	if err != nil {
		return r.report, fmt.Errorf("crawl drive %s: %w", drive.ID, err)
	}
	c.watch(r)
	return r.report, nil
}

func (c *Crawler) watch(r *refresh) {
	if c.Watch != nil {
		c.Watch.Crawling(r.drive.ID, r.report)
	}
}

// refresh is one call of Refresh.
type refresh struct {
	*Crawler
	drive    state.Drive
	query    graph.DeltaQuery
	report   Report
	restarts int
}

func (r *refresh) run(ctx context.Context, full bool) error {
	for settle := 0; settle <= maxSettle; settle++ {
		merged, err := r.round(ctx, full && settle == 0)
		if err != nil {
			return err
		}
		r.report.Rounds++
		r.add(merged)
		// A quiet round proves that nothing changed while pages were read (Q14).
		if merged.Added+merged.Changed+merged.Removed == 0 {
			break
		}
	}
	r.report.AsOf = r.drive.CrawledAt
	return nil
}

func (r *refresh) add(m state.Merged) {
	sum := &r.report.Merged
	if r.report.Rounds == 1 {
		sum.ItemsBefore = m.ItemsBefore
	}
	sum.Added += m.Added
	sum.Changed += m.Changed
	sum.Removed += m.Removed
	sum.UnknownTombstones += m.UnknownTombstones
	sum.ItemsAfter, sum.Generation = m.ItemsAfter, m.Generation
}

// round reads and merges one round, restarting it as often as the service makes
// it necessary and the bounds allow.
func (r *refresh) round(ctx context.Context, full bool) (state.Merged, error) {
	round, err := r.begin(ctx, full)
	for {
		if err != nil {
			return state.Merged{}, err
		}
		var last graph.Link
		last, err = r.read(ctx, &round)
		if err == nil {
			return r.merge(ctx, round, last)
		}
		if ctx.Err() != nil {
			return state.Merged{}, err
		}
		round, err = r.recover(ctx, round, err)
	}
}

// begin continues an unfinished round or starts one.
func (r *refresh) begin(ctx context.Context, full bool) (state.Round, error) {
	headers := r.query.Headers()
	if u := r.drive.Round; u != nil && u.Headers == headers && (u.Full || !full) && u.Next != "" {
		r.note(*u)
		return *u, nil
	}
	why := r.whyFull(full, headers)
	round := state.Round{Full: why != "", Reason: why, Headers: headers, Next: r.drive.DeltaLink}
	if round.Full {
		round.Next = string(r.Source.DeltaStart(graph.DriveID(r.drive.ID), r.query))
	}
	return r.start(ctx, round)
}

// whyFull says why the drive must be enumerated in full, or nothing.
func (r *refresh) whyFull(asked bool, headers string) string {
	interval := r.Full
	if interval == 0 {
		interval = FullInterval
	}
	switch {
	case r.drive.DeltaLink == "":
		return "first crawl"
	case asked:
		return "requested"
	case r.drive.Headers != headers:
		return "request headers changed (D46)"
	case r.Now().Sub(r.drive.FullAt) > interval:
		return fmt.Sprintf("last full enumeration is older than %s", interval)
	}
	return ""
}

// start stores a fresh round.
func (r *refresh) start(ctx context.Context, round state.Round) (state.Round, error) {
	round.Started, round.Pages, round.Items = r.Now(), 0, 0
	err := r.Store.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.AbandonRound(r.drive.Key); err != nil {
			return err
		}
		return tx.BeginRound(r.drive.Key, round)
	})
	if err != nil {
		return round, fmt.Errorf("begin round: %w", err)
	}
	r.note(round)
	return round, nil
}

func (r *refresh) note(round state.Round) {
	if round.Full {
		r.report.Mode, r.report.Reason = ModeFull, round.Reason
	}
	r.watch(r)
}

// merge believes a complete round.
func (r *refresh) merge(ctx context.Context, round state.Round, link graph.Link) (state.Merged, error) {
	if err := r.fetchLostParents(ctx, round); err != nil {
		return state.Merged{}, err
	}
	now := r.Now()
	var merged state.Merged
	err := r.Store.Tx(ctx, func(tx *state.Tx) (err error) {
		merged, err = tx.MergeRound(r.drive.Key, state.Merge{DeltaLink: string(link), Headers: round.Headers, At: now})
		return err
	})
	if err != nil {
		return merged, fmt.Errorf("merge round: %w", err)
	}
	drive, ok, err := r.Store.DriveByID(ctx, r.drive.Tenant, r.drive.ID)
	if err != nil || !ok {
		return merged, fmt.Errorf("read drive after merge: %w", errors.Join(err, errNoRow(ok)))
	}
	r.drive = drive
	return merged, nil
}

func errNoRow(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("the drive's row is gone")
}

// fetchLostParents asks by id for parents that the round names and nobody knows
// (Q2). One that the service does not know either leaves its children orphaned:
// they are kept and reported.
func (r *refresh) fetchLostParents(ctx context.Context, round state.Round) error {
	asked := make(map[state.ItemID]bool)
	for {
		ids, err := r.Store.StagedMissingParents(ctx, r.drive.Key)
		if err != nil {
			return fmt.Errorf("look for lost parents: %w", err)
		}
		var found []state.Item
		for _, id := range ids {
			if asked[id] || len(asked) >= maxLostParents {
				continue
			}
			asked[id] = true
			it, err := r.Source.Item(ctx, graph.DriveID(r.drive.ID), graph.ItemID(id))
			if e, ok := graph.AsError(err); ok && e.IsNotFound() {
				continue
			}
			if err != nil {
				return fmt.Errorf("fetch parent %s: %w", id, err)
			}
			found = append(found, observed(&it))
		}
		if len(found) == 0 {
			return nil
		}
		err = r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.StagePage(r.drive.Key, found, round.Next) })
		if err != nil {
			return fmt.Errorf("stage parents: %w", err)
		}
	}
}
