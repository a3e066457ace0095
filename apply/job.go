package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Source is what a run asks of Microsoft Graph. *graph.Client is it.
type Source interface {
	Item(context.Context, graph.DriveID, graph.ItemID) (graph.Item, error)
	DownloadURL(context.Context, graph.DriveID, graph.ItemID) (graph.SecretURL, error)
	Open(context.Context, graph.ContentRequest) (*graph.Content, error)
}

// Mirror is one mirror of the plan with all that is needed to change it.
type Mirror struct {
	Plan   *plan.Mirror
	Key    state.MirrorKey
	Source Source
	Dir    *target.Dir
	// Reopen opens the target when the mirror's turn comes, with what closes it again: Dir was looked at and closed, because all
	// targets of a large run cannot be open at once. Nil: Dir is open.
	Reopen func(context.Context) (dir *target.Dir, release func(), err error)
	// Beside reads what is kept beside items; it may be nil if the plan asks for nothing of it.
	Beside BesideSource
	// Addresses are download addresses that the crawl brought with it; nil has none.
	Addresses *Addresses
	// Reserve is how many bytes of the disk earlier versions leave free: what a plan cannot
	// foresee, its guards cannot count.
	Reserve int64
	// Allowance is how many bytes earlier versions may have together, for the same reason; nil is no limit.
	Allowance *int64
	// Lacks says that planning anew comes to more than the plan has. The run settles nothing
	// then, and the next plan compares everything.
	Lacks bool
	// Within is the address of the mirror in whose target this one's lies, "" for most. It runs once that one
	// has: its directory may be made or moved before.
	Within string
	// Prepare opens the target of a mirror within another. It may say why the mirror has to wait for the
	// next plan.
	Prepare func(context.Context) (why string, err error)
	// Since is the first run of this very plan on the mirror: rows of that run or a
	// later one are what the plan has done already. Zero means Job.Run.
	Since state.RunID
}

// Job is one run of apply.
type Job struct {
	Store   *state.Store
	Header  *plan.Header
	Changes Changes
	// Saved says that the plan comes from a file.
	Saved bool
	// Mirrors are those to be changed, by address. A mirror of the plan that is
	// missing here is left alone; one without a Dir is only forgotten.
	Mirrors map[string]*Mirror
	// Overtaken reports changes that what is known by now does not confirm any more:
	// they are left out as superseded. Nil: there are none.
	Overtaken func(*plan.Change) bool
	Run       state.RunID
	// Workers is the number of downloads at a time; zero means DefaultWorkers.
	Workers  int
	FailFast bool
	Observer Observer
	Log      *slog.Logger
	Now      func() time.Time

	checkpoint int64 // tests: bytes between checkpoints, for checkpointEvery
	parts      parts // tests: when files are fetched in parts, for usualParts
}

// DefaultWorkers is how many files are fetched at a time. The gate of the graph
// client sets the pace; workers only have to be enough to fill it (DEPS B6).
const DefaultWorkers = 16

// mirrorsAtOnce bounds the mirrors that are changed at the same time.
const mirrorsAtOnce = 4

// Execute carries the plan out. A cancelled context stops it in order: no new work
// is taken, what runs is checkpointed and committed. The error is for what
// stopped the run or one of its mirrors; failures of items are in the report.
func (j Job) Execute(ctx context.Context) (*Report, error) {
	r := &running{Job: j.filled(), ctx: ctx}
	r.slots = make(chan struct{}, r.Workers)
	r.report = &Report{
		PlanID: j.Header.PlanID, Run: int64(j.Run), Started: r.Now(), Commit: j.Header.Configuration.Commit, Origins: OriginsOf(j.Mirrors),
	}
	var err error
	if r.latest, err = j.Store.LatestStart(context.WithoutCancel(ctx), j.Run, clockRuns); err != nil {
		return nil, fmt.Errorf("apply: read runs: %w", err)
	}
	mirrors, err := r.prepare()
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	defer r.sections.close()
	err = r.runAll(ctx, mirrors)
	r.finish(mirrors)
	r.report.Interrupted = ctx.Err() != nil
	return r.report, err
}

// filled is the job with its defaults.
func (j Job) filled() Job {
	if j.Workers <= 0 {
		j.Workers = DefaultWorkers
	}
	if j.Log == nil {
		j.Log = slog.New(slog.DiscardHandler)
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if j.Overtaken == nil {
		j.Overtaken = func(*plan.Change) bool { return false }
	}
	if j.checkpoint == 0 {
		j.checkpoint = checkpointEvery
	}
	if j.parts == (parts{}) {
		j.parts = usualParts
	}
	return j
}

// runAll runs the mirrors. What stops one of them does not stop the others.
func (r *running) runAll(ctx context.Context, mirrors []*mirrorRun) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.haltAll = func(h *halted) { stop(h) }
	outer := slices.DeleteFunc(slices.Clone(mirrors), func(m *mirrorRun) bool { return m.Within != "" })
	inner := slices.DeleteFunc(slices.Clone(mirrors), func(m *mirrorRun) bool { return m.Within == "" })
	err := r.runThese(ctx, outer, stop)
	ready, failed := r.prepareInner(ctx, inner)
	return errors.Join(err, failed, r.runThese(ctx, ready, stop))
}

// runThese runs mirrors that do not lie in each other.
func (r *running) runThese(ctx context.Context, mirrors []*mirrorRun, stop context.CancelCauseFunc) error {
	var g errgroup.Group
	g.SetLimit(mirrorsAtOnce)
	failed := make([]error, len(mirrors))
	for i, m := range mirrors {
		g.Go(func() error {
			err := m.runOpen(ctx)
			if err == nil || r.ctx.Err() != nil && errors.Is(err, r.ctx.Err()) {
				return nil
			}
			failed[i] = m.stopped(err)
			if r.FailFast {
				stop(&halted{m.code, "-fail-fast: " + m.Plan.Address + " was stopped by an error"})
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in failed
	return errors.Join(failed...)
}

// prepareInner opens the targets of mirrors that lie in others, one by one, and returns those that are ready. A run
// that is over prepares nothing.
func (r *running) prepareInner(ctx context.Context, mirrors []*mirrorRun) (ready []*mirrorRun, err error) {
	for _, m := range mirrors {
		if ctx.Err() != nil {
			if h := haltedBy(ctx); h != nil {
				m.code, m.problem = h.code, h.why
			}
			continue
		}
		why, failed := m.Prepare(ctx)
		switch {
		case failed != nil:
			err = errors.Join(err, m.stopped(failed))
		case why != "":
			m.code, m.problem = CodeWaits, why
			r.Log.Warn("mirror left to the next plan", "mirror", m.Plan.Address, "reason", why)
		default:
			ready = append(ready, m)
		}
	}
	return ready, err
}

// stopped notes the error that stopped a mirror.
func (m *mirrorRun) stopped(err error) error {
	m.code, m.problem = codeOf(err), err.Error()
	return fmt.Errorf("apply %s: %w", m.Plan.Address, err)
}

// running is a job under way.
type running struct {
	Job
	ctx      context.Context
	haltAll  func(*halted) // ends the run in order
	slots    chan struct{}
	sections *sections
	latest   time.Time // at which one of the runs before this one began

	mu     sync.Mutex
	report *Report
}

// maxProblems is how many results that are not done a report carries; the run's
// record has them all.
const maxProblems = 1000

// prepare makes the runs of the mirrors and counts what each has to do.
func (r *running) prepare() ([]*mirrorRun, error) {
	byAddress := make(map[string]*mirrorRun)
	var list []*mirrorRun
	for address, m := range r.Mirrors {
		run := newMirrorRun(r, m)
		byAddress[address] = run
		list = append(list, run)
	}
	slices.SortFunc(list, func(a, b *mirrorRun) int { return strings.Compare(a.Plan.Address, b.Plan.Address) })
	var err error
	r.sections, err = readAll(r.Changes, func(c plan.Change) error {
		if run := byAddress[c.Mirror]; run != nil {
			run.sort(c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, run := range list {
		if err := run.findLeaving(); err != nil {
			return nil, errors.Join(err, r.sections.close())
		}
	}
	return list, nil
}

// record takes the result of a change into the report.
func (r *running) record(res Result) {
	r.mu.Lock()
	r.report.Counts.add(&res)
	if res.Outcome != Done && len(r.report.Problems) < maxProblems {
		r.report.Problems = append(r.report.Problems, res)
	}
	r.mu.Unlock()
	if r.Observer != nil {
		r.Observer.Item(res)
	}
}

func (r *running) finish(mirrors []*mirrorRun) {
	r.report.Duration = r.Now().Sub(r.report.Started)
	for _, m := range mirrors {
		r.report.Mirrors = append(r.report.Mirrors, MirrorReport{
			Address: m.Plan.Address, Counts: m.counts, Code: m.code, Problem: m.problem, Left: m.total.ItemsTotal - m.total.ItemsDone,
		})
	}
	slices.SortStableFunc(r.report.Problems, func(a, b Result) int {
		return strings.Compare(a.Mirror+"\x00"+string(a.Path), b.Mirror+"\x00"+string(b.Path))
	})
}
