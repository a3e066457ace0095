package apply

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
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
	Open(context.Context, graph.ContentRequest) (*graph.Content, error)
}

// Changes is a plan's list of changes, readable any number of times.
type Changes interface {
	Changes() iter.Seq2[plan.Change, error]
}

// Mirror is one mirror of the plan with all that is needed to change it.
type Mirror struct {
	Plan   *plan.Mirror
	Key    state.MirrorKey
	Source Source
	Dir    *target.Dir
}

// Job is one run of apply.
type Job struct {
	Store   *state.Store
	Header  *plan.Header
	Changes Changes
	// Mirrors are those to be changed, by address. A mirror of the plan that is
	// missing here is left alone; one without a Dir is only forgotten.
	Mirrors map[string]*Mirror
	Run     state.RunID
	// Workers is the number of downloads at a time; zero means DefaultWorkers.
	Workers  int
	FailFast bool
	Observer Observer
	Log      *slog.Logger
	Now      func() time.Time
}

// DefaultWorkers is how many files are fetched at a time. The gate of the graph
// client sets the pace; workers only have to be enough to fill it (DEPS B6).
const DefaultWorkers = 16

// mirrorsAtOnce bounds the mirrors that are changed at the same time.
const mirrorsAtOnce = 4

// Execute carries the plan out. A cancelled context stops it in order: no new work
// is taken, what runs is checkpointed and committed. The error is for what
// stopped the run; failures of items are in the report.
func (j Job) Execute(ctx context.Context) (*Report, error) {
	r := &running{Job: j, ctx: ctx}
	if r.Workers == 0 {
		r.Workers = DefaultWorkers
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	r.slots = make(chan struct{}, r.Workers)
	r.report = &Report{PlanID: j.Header.PlanID, Run: int64(j.Run), Started: j.Now()}
	mirrors, err := r.prepare()
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(mirrorsAtOnce)
	for _, m := range mirrors {
		g.Go(func() error {
			if err := m.run(gctx); err != nil {
				return fmt.Errorf("apply %s: %w", m.Plan.Address, err)
			}
			return nil
		})
	}
	err = g.Wait()
	r.finish(mirrors)
	if ctx.Err() != nil {
		r.report.Interrupted = true
		return r.report, nil
	}
	return r.report, err
}

// running is a job under way.
type running struct {
	Job
	ctx   context.Context
	slots chan struct{}

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
	for c, err := range r.Changes.Changes() {
		if err != nil {
			return nil, err
		}
		run := byAddress[c.Mirror]
		if run == nil {
			continue
		}
		if err := run.sort(c); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// of yields the changes of one mirror with one action.
func (r *running) of(address string, action plan.Action) iter.Seq2[plan.Change, error] {
	return func(yield func(plan.Change, error) bool) {
		for c, err := range r.Changes.Changes() {
			if err == nil && (c.Mirror != address || c.Action() != action) {
				continue
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
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
			Address: m.Plan.Address, Counts: m.counts, Code: m.code, Problem: m.problem,
		})
	}
	slices.SortStableFunc(r.report.Problems, func(a, b Result) int {
		return strings.Compare(a.Mirror+"\x00"+string(a.Path), b.Mirror+"\x00"+string(b.Path))
	})
}

// mirrorRun is one mirror being changed.
type mirrorRun struct {
	*running
	*Mirror
	structure []*structural // folders to make and items to move
	folders   []plan.Change // folders to delete
	replaced  map[plan.ItemID]bool
	// leaving are files whose place an add takes, as the plan found them on disk.
	leaving map[plan.ItemID]*plan.Local
	total   Progress

	mu       sync.Mutex
	counts   Counts
	leftover []state.Pending
	inFlight map[plan.ItemID]string
	pending  []Result // results that wait for the next commit
	code     string
	problem  string
}

func newMirrorRun(r *running, m *Mirror) *mirrorRun {
	return &mirrorRun{
		running: r, Mirror: m,
		replaced: make(map[plan.ItemID]bool),
		leaving:  make(map[plan.ItemID]*plan.Local),
		inFlight: make(map[plan.ItemID]string),
		total:    Progress{Mirror: m.Plan.Address},
	}
}

// sort puts a change where its phase will look for it. Files are not kept: their
// phases read the plan again.
func (m *mirrorRun) sort(c plan.Change) error {
	m.total.ItemsTotal++
	m.total.BytesTotal += c.DownloadBytes()
	switch {
	case c.Action() == plan.Blocked:
		m.total.ItemsTotal--
		m.hold(c)
	case c.Reason == plan.TargetMoved:
		m.note(m.result(&c, Done), "") // the target was moved before it was opened
	case c.Folder && c.Action() == plan.Delete:
		m.folders = append(m.folders, c)
	case c.Action() == plan.Delete && m.replaced[c.ItemID]: // adds come before deletes
		m.leaving[c.ItemID] = c.Local
	case c.Moves() || (c.Folder && (c.Action() == plan.Add || c.Action() == plan.Adopt)):
		m.structure = append(m.structure, newStructural(c))
	}
	if c.Replaces != "" {
		m.replaced[c.Replaces] = true
	}
	return nil
}

// run goes through the phases. Deletes come last, and only if nothing failed
// before them (I-27).
func (m *mirrorRun) run(ctx context.Context) error {
	m.total.Started = m.Now()
	m.progress()
	for _, phase := range m.phases() {
		if err := m.reidentify(); err != nil {
			return err
		}
		if err := phase(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return m.flushResults()
		}
	}
	m.mu.Lock()
	m.total.Finished = true
	m.mu.Unlock()
	m.progress()
	return nil
}

// phases of a mirror; one that is only forgotten has no target to be opened.
func (m *mirrorRun) phases() []func(context.Context) error {
	if m.Dir == nil {
		return []func(context.Context) error{m.forget, m.forgetMirror}
	}
	return []func(context.Context) error{m.arrange, m.transfer, m.remove, m.forget, m.settle, m.sweep}
}

// reidentify makes sure that the target is still the one that was opened (I-19).
func (m *mirrorRun) reidentify() error {
	if m.Dir == nil {
		return nil
	}
	if err := m.Dir.Reidentify(); err != nil {
		return fmt.Errorf("the target is not what it was: %w", err)
	}
	return nil
}

// failures counts what must keep deletes from running.
func (m *mirrorRun) failures() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts.Failed + m.counts.Superseded
}

// result makes the result of a change.
func (m *mirrorRun) result(c *plan.Change, o Outcome) Result {
	return Result{
		Mirror: c.Mirror, Path: c.Path, ItemID: c.ItemID, Folder: c.Folder,
		Action: c.Action(), Outcome: o, At: m.Now().UTC(),
	}
}

// hold records a change that the plan itself held back.
func (m *mirrorRun) hold(c plan.Change) {
	res := m.result(&c, Held)
	res.Code, res.Message = codeOfReason(c.Reason), c.Detail
	m.note(res, string(c.Reason))
}

// note takes a result that needs no commit of its own: it is written with the next.
func (m *mirrorRun) note(res Result, reason string) {
	m.mu.Lock()
	m.counts.add(&res)
	if res.Outcome != Done && res.Outcome != Postponed {
		m.leftover = append(m.leftover, state.Pending{
			Item: state.ItemID(res.ItemID), Action: pendingAction(res), Code: res.Code, Reason: reason,
			Path: string(res.Path), Last: m.Now(), RequestID: res.RequestID,
		})
	}
	if res.Outcome == Postponed {
		m.leftover = append(m.leftover, state.Pending{
			Item: state.ItemID(res.ItemID), Action: string(plan.Delete), Code: CodePostponed,
			Reason: reason, Path: string(res.Path), Last: m.Now(),
		})
	}
	m.pending = append(m.pending, res)
	m.total.ItemsDone++
	m.mu.Unlock()
	m.record(res)
	m.progress()
}

func pendingAction(res Result) string {
	if res.Outcome == Held {
		return string(plan.Blocked)
	}
	return string(res.Action)
}

// fail records a change that could not be made.
func (m *mirrorRun) fail(c *plan.Change, err error) {
	res := m.result(c, Failed)
	classify(&res, err)
	m.Log.Warn("item not applied", "mirror", c.Mirror, "path", string(c.Path), "code", res.Code, "error", res.Message)
	m.note(res, res.Message)
}

// commit runs one transaction that also writes the results noted so far.
func (m *mirrorRun) commit(results []Result, write func(*state.Tx) error) error {
	m.mu.Lock()
	rows := append(m.pending, results...)
	m.pending = nil
	m.mu.Unlock()
	items := make([]state.RunItem, len(rows))
	for i, res := range rows {
		items[i] = runItem(res)
	}
	// What has happened is recorded even when the run is being stopped.
	return m.Store.Tx(context.WithoutCancel(m.ctx), func(tx *state.Tx) error {
		if write != nil {
			if err := write(tx); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			return nil
		}
		return tx.PutRunItems(m.Run, items)
	})
}

func (m *mirrorRun) flushResults() error { return m.commit(nil, nil) }

// done takes committed results into the counts.
func (m *mirrorRun) done(results []Result) {
	m.mu.Lock()
	for i := range results {
		m.counts.add(&results[i])
		m.total.ItemsDone++
		delete(m.inFlight, results[i].ItemID)
	}
	m.mu.Unlock()
	for _, res := range results {
		m.record(res)
	}
	m.progress()
}

func runItem(r Result) state.RunItem {
	return state.RunItem{
		Mirror: r.Mirror, Item: state.ItemID(r.ItemID), Path: string(r.Path), Action: string(r.Action),
		Outcome: string(r.Outcome), Code: r.Code, Message: r.Message, RequestID: r.RequestID,
		Verdict: state.Verdict(r.Verdict), Hash: r.Hash, SHA256: r.SHA256, ETag: r.ETag,
		Bytes: r.Bytes, Duration: r.Duration, At: r.At,
	}
}

// progress tells the observer how far the mirror is.
func (m *mirrorRun) progress() {
	if m.Observer == nil {
		return
	}
	m.mu.Lock()
	p := m.total
	p.Counts, p.Failed = m.counts, m.counts.Failed
	for _, name := range m.inFlight {
		p.ActiveNames = append(p.ActiveNames, name)
	}
	m.mu.Unlock()
	slices.Sort(p.ActiveNames)
	m.Observer.Progress(p)
}

// fileMode is that of the policy, or 0600 (I-21).
func fileMode(p plan.Policy) fs.FileMode {
	if p.FileMode != 0 {
		return fs.FileMode(p.FileMode) & 0o666
	}
	return 0o600
}
