package crawl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// Source is what a crawl asks of Microsoft Graph. *graph.Client is it.
type Source interface {
	DeltaStart(graph.DriveID, graph.DeltaQuery) graph.Link
	DeltaPage(context.Context, graph.Link, graph.DeltaQuery) (graph.DeltaPage, error)
	Drive(context.Context, graph.DriveID) (graph.Drive, error)
	Item(context.Context, graph.DriveID, graph.ItemID) (graph.Item, error)
}

// FullInterval is how often a drive is enumerated in full against lost
// tombstones (D32), unless configured otherwise.
const FullInterval = 7 * 24 * time.Hour

// clockSlack is how far ahead the time of a full enumeration may lie by chance.
const clockSlack = time.Hour

// FullDue tells whether a drive is to be enumerated in full for its time alone. A last time that lies ahead was written by a clock
// that was wrong, and says nothing (I-66).
func FullDue(last, now time.Time, interval time.Duration) bool {
	age := now.Sub(last)
	return age > interval || age < -clockSlack
}

// Bounds of a crawl. They are far beyond what a healthy service needs.
const (
	maxPages       = 4_000_000 // of one refresh; 30 million items (N13) at seven a page (Q19) fit (H-40)
	maxEmptyPages  = 2_000     // in a row; 500 were seen to be followed by data (Q1)
	maxRepeats     = 100       // pages in a row whose content came before in the round (H-38)
	maxRestarts    = 4         // of one refresh, with back-off between
	maxSettle      = 8         // rounds after the first until one is quiet (Q14)
	stageItems     = 4_000     // items staged in one transaction
	stageEvery     = 500 * time.Millisecond
	maxLostParents = 5_000 // parents fetched one by one
	maxBad         = 1_000 // bad items kept in a report
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
	// Seen is shown every item that a page brings, with its download address, which
	// goes into no state (C8). It must not keep the item itself; nil is fine.
	Seen func(graph.DriveID, *graph.Item)
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
	// of them, and the state remembers those that stayed unread (state.Unread).
	// BadItems counts them all, Bad names the first of them.
	Bad      []graph.BadItem
	BadItems int64
	Done     bool
	AsOf     time.Time
	Drive    state.Drive
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
	r := &refresh{Crawler: c, drive: drive, query: c.Query, asked: make(map[state.ItemID]bool)}
	r.report.Mode = ModeDelta
	err := r.run(ctx, full)
	r.report.Drive, r.report.Done = r.drive, err == nil
	if err != nil {
		return r.report, fmt.Errorf("crawl drive %s: %w", drive.ID, coded(err))
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
	// resumed says that the round was begun by an earlier run; pages counts those
	// that this run has read of it.
	resumed  bool
	pages    int64
	unstored bool                  // the state does not know of the round yet
	asked    map[state.ItemID]bool // by id, once each
}

func (r *refresh) run(ctx context.Context, full bool) error {
	for settle := 0; settle <= maxSettle; settle++ {
		merged, err := r.round(ctx, full && settle == 0)
		if err != nil {
			return err
		}
		r.report.Rounds++
		r.add(merged)
		// A quiet round proves that nothing changed while pages were read (Q14), unless an earlier run began it.
		if merged.Added+merged.Changed+merged.Removed == 0 && !r.resumed {
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
	left := r.drive.Round
	if left != nil && r.resumable(left, full) {
		r.resumed, r.pages, r.unstored = true, 0, false
		r.note(*left)
		return *left, nil
	}
	why := r.whyFull(full)
	if why == "" {
		return r.start(ctx, r.deltaRound(""))
	}
	// What a service that lost state does not list stays, until such a round is complete (D44).
	return r.start(ctx, r.fullRound(why, left != nil && left.Keep))
}

// resumable reports whether an unfinished round can be taken up where it stopped.
func (r *refresh) resumable(left *state.Round, full bool) bool {
	switch {
	case left.Next == "" || left.Headers != r.terms() || (full && !left.Full):
		return false
	case left.Started.Before(r.drive.CrawledAt):
		return false // older than the link in force: it would bring older states back
	}
	// An enumeration is no snapshot (Q14): what was deleted while it lay about may be in neither its pages nor the link
	// that ends it.
	return r.now().Sub(left.Started) <= r.interval()
}

// terms name what a stored link was obtained with. The headers belong to it (D46), the members selected travel in it (D7).
func (r *refresh) terms() string {
	return r.query.Headers() + "|" + strings.Join(r.query.Select, ",")
}

func (r *refresh) interval() time.Duration { return cmp.Or(r.Full, FullInterval) }

func (r *refresh) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// whyFull says why the drive must be enumerated in full, or nothing.
func (r *refresh) whyFull(asked bool) string {
	switch {
	case r.drive.DeltaLink == "":
		return "first crawl"
	case asked:
		return "requested"
	case r.drive.Headers != r.terms():
		return "the query changed (D46)"
	case r.drive.Root == "":
		return "no enumeration has shown the root yet (D20)"
	case FullDue(r.drive.FullAt, r.now(), r.interval()):
		return periodic + r.interval().String()
	case r.drive.UnnamedAt.After(r.drive.FullAt) && r.now().Sub(r.drive.FullAt) > r.interval()/unnamedShare:
		return "an item came without an id that could be asked for"
	}
	return ""
}

// unnamedShare divides the interval of full enumerations where an item came without
// an id: it cannot be asked for, and a source that names one badly each time must
// not be enumerated each time.
const unnamedShare = 7

// periodic begins the reason of a full enumeration that is made for its time alone.
const periodic = "last full enumeration is older than "

func isPeriodic(reason string) bool { return strings.HasPrefix(reason, periodic) }

// fullRound enumerates everything from nothing; deltaRound asks for what changed
// since the last complete round.
func (r *refresh) fullRound(reason string, keep bool) state.Round {
	return state.Round{Full: true, Keep: keep, Reason: reason, Headers: r.terms(), Next: string(r.startLink())}
}

func (r *refresh) deltaRound(reason string) state.Round {
	return state.Round{Reason: reason, Headers: r.terms(), Next: r.drive.DeltaLink}
}

func (r *refresh) startLink() graph.Link {
	return r.Source.DeltaStart(graph.DriveID(r.drive.ID), r.query)
}

// start begins a fresh round. One that goes on from the link in force is stored with its first page: until then there is nothing to
// take up, and a tenant of thousands of drives that did not change pays for each transaction.
func (r *refresh) start(ctx context.Context, round state.Round) (state.Round, error) {
	round.Started = r.now()
	r.resumed, r.pages, r.unstored = false, 0, !round.Full
	if round.Full {
		err := r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.BeginRound(r.drive.Key, round) })
		if err != nil {
			return round, fmt.Errorf("begin round: %w", err)
		}
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
	if err := r.reread(ctx, round); err != nil {
		return state.Merged{}, err
	}
	if err := r.askSurvivors(ctx, round); err != nil {
		return state.Merged{}, err
	}
	if err := r.fetchLostParents(ctx, round); err != nil {
		return state.Merged{}, err
	}
	end := state.Merge{DeltaLink: string(link), Headers: round.Headers, At: r.now()}
	var merged state.Merged
	err := r.Store.Tx(ctx, func(tx *state.Tx) (err error) {
		merged, err = tx.MergeRound(r.drive.Key, end)
		if err == nil && round.Full && !round.Keep && r.sharing() {
			err = tx.DropUnshared(r.drive.Key, version(&round))
		}
		return err
	})
	switch { // The rows can only fail again: the next run asks anew (I-25, H-47).
	case errors.Is(err, state.ErrRootGone):
		_, err = r.abandon(ctx, round, &ErrSource{CodeSourceEmpty, err})
	case errors.Is(err, state.ErrNoRoot):
		_, err = r.abandon(ctx, round, &ErrSource{CodeSourceBroken, err})
	}
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
// they are kept and reported. The root is not asked for: an enumeration without it
// is refused, not repaired (I-25).
func (r *refresh) fetchLostParents(ctx context.Context, round state.Round) error {
	for {
		ids, err := r.Store.StagedMissingParents(ctx, r.drive.Key)
		if err != nil {
			return fmt.Errorf("look for lost parents: %w", err)
		}
		var found []state.Item
		for _, id := range ids {
			if id == r.drive.Root || r.asked[id] || len(r.asked) >= maxReread+maxLostParents {
				continue
			}
			r.asked[id] = true
			it, ok, err := r.ask(ctx, id)
			if err != nil {
				return fmt.Errorf("fetch parent %s: %w", id, err)
			}
			if ok {
				found = append(found, observed(&it))
			}
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

// unreadable reports whether the service refuses an item for reasons of its own, so
// that asking again in this run is useless (E6).
func unreadable(err error) bool {
	if e, ok := graph.AsError(err); ok {
		return e.IsNotFound() || e.IsAccess() || e.IsLocked() || e.Status == http.StatusGone
	}
	return errors.Is(err, graph.ErrProtocol)
}
