package apply

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// mirrorRun is one mirror being changed.
type mirrorRun struct {
	*running
	*Mirror
	tree      *tree
	structure []*structural // folders to make and items to move
	folders   []plan.Change // folders to delete
	forgotten []plan.Change // folders to forget
	canaries  canaries
	replaced  map[plan.ItemID]bool
	leaving   map[plan.ItemID]*plan.Local // replaced items that may be displaced, as the plan found them
	turned    map[plan.ItemID]bool        // items that are folders by now, or files, and were not
	former    []plan.ItemID               // ids of what was applied for them
	partials  map[state.ItemID]bool       // items with a partial download when the run began
	total     Progress
	lists     bool          // there are lists beside the marker
	reclaim   sync.Mutex    // one at a time makes space
	halt      func(*halted) // ends the mirror in order

	mu       sync.Mutex
	counts   Counts
	leftover []state.Pending
	inFlight map[plan.ItemID]string
	told     time.Time // when the observer last heard of progress
	pending  []Result  // results that wait for the next commit
	failed   map[plan.ItemID]bool
	forsaken int // downloads given up since one arrived
	code     string
	problem  string
}

func newMirrorRun(r *running, m *Mirror) *mirrorRun {
	return &mirrorRun{
		running: r, Mirror: m,
		replaced: make(map[plan.ItemID]bool),
		leaving:  make(map[plan.ItemID]*plan.Local),
		turned:   make(map[plan.ItemID]bool),
		partials: make(map[state.ItemID]bool),
		inFlight: make(map[plan.ItemID]string),
		failed:   make(map[plan.ItemID]bool),
		total:    Progress{Mirror: m.Plan.Address},
	}
}

// sort puts a change where its phase will look for it. Files are not kept: their
// phases read the plan again.
func (m *mirrorRun) sort(c plan.Change) {
	m.noteTurned(&c)
	if c.Action() == plan.Blocked {
		m.hold(c)
		return
	}
	m.total.ItemsTotal++
	if m.Overtaken(&c) {
		res := m.result(&c, Superseded)
		res.Code, res.Message = CodeSuperseded, "overtaken: what was read from the source since the plan leads to something else"
		m.note(res, res.Message)
		return
	}
	m.total.BytesTotal += c.DownloadBytes()
	m.canaries.offer(&c)
	switch {
	case c.OfMirror():
		res := m.result(&c, Done) // before the target was opened
		res.Message = c.Detail
		m.note(res, "")
	case c.Folder && c.Action() == plan.Delete:
		m.folders = append(m.folders, c)
	case c.Folder && c.Action() == plan.Forget:
		m.forgotten = append(m.forgotten, c)
	case c.Moves() || (c.Folder && (c.Action() == plan.Add || c.Action() == plan.Adopt)):
		m.structure = append(m.structure, newStructural(c))
	}
	if c.Replaces != "" {
		m.replaced[c.Replaces] = true
	}
}

// findLeaving finds which of the replaced items leave their place without a move:
// this very plan deletes them, or found them missing on disk. Only those may be
// displaced: the others move away by themselves, or a narrowed plan leaves them where
// they are (I-45).
func (m *mirrorRun) findLeaving() error {
	if len(m.replaced) == 0 {
		return nil
	}
	for _, action := range []plan.Action{plan.Add, plan.Delete} {
		for c, err := range m.of(action) {
			if err != nil {
				return err
			}
			if m.replaced[c.ItemID] && (action == plan.Delete || c.Reason == plan.MissingOnDisk) {
				m.leaving[c.ItemID] = c.Local
			}
		}
	}
	return nil
}

// of yields the changes of the mirror with one action, without those that are overtaken.
func (m *mirrorRun) of(action plan.Action) iter.Seq2[plan.Change, error] {
	return func(yield func(plan.Change, error) bool) {
		for c, err := range m.sections.of(m.Plan.Address, action) {
			if (err != nil || !m.Overtaken(&c)) && !yield(c, err) {
				return
			}
		}
	}
}

// runOpen runs the mirror with its target open.
func (m *mirrorRun) runOpen(ctx context.Context) error {
	if m.Reopen != nil && ctx.Err() == nil {
		dir, release, err := m.Reopen(ctx)
		if err != nil {
			return err
		}
		defer release()
		m.Dir = dir
	}
	return m.runUntilHalted(ctx)
}

// runUntilHalted runs the mirror, and says what it was if something ended it in order.
func (m *mirrorRun) runUntilHalted(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m.halt = func(h *halted) { stop(h) }
	err := m.run(ctx)
	if h := haltedBy(ctx); h != nil && !m.total.Finished && (err == nil || errors.Is(err, context.Canceled)) {
		err = nil
		m.code, m.problem = h.code, h.why
		m.Log.Warn("mirror not finished", "mirror", m.Plan.Address, "code", h.code, "reason", h.why)
	}
	return err
}

// run goes through the phases. Deletes come last, and only if nothing failed
// before them (I-27).
func (m *mirrorRun) run(ctx context.Context) error {
	m.total.Started = m.Now()
	m.progress()
	err := m.runPhases(ctx)
	stopped := err != nil || ctx.Err() != nil
	if stopped {
		// What has a result keeps it, whatever stopped the run.
		if flushed := m.flushResults(); err == nil {
			err = flushed
		}
	}
	m.sign()
	if stopped {
		return err
	}
	m.mu.Lock()
	m.total.Finished = true
	m.mu.Unlock()
	m.progress()
	return nil
}

func (m *mirrorRun) runPhases(ctx context.Context) error {
	for _, phase := range m.phases() {
		if err := m.reidentify(); err != nil {
			return err
		}
		if err := phase(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// phases of a mirror; one that is only forgotten has no target to be opened.
// A folder keeps its row as long as anything in it has one, so folders leave last.
func (m *mirrorRun) phases() []func(context.Context) error {
	if m.Dir == nil {
		return []func(context.Context) error{m.forget, m.forgetFolders, m.forgetMirror}
	}
	return []func(context.Context) error{
		m.open, m.distrust, m.arrange, m.transfer, m.forget, m.remove, m.forgetFolders, m.removeFolders, m.beside, m.returnNames, m.settle, m.sweep, m.expire,
	}
}

// sign names the run at the target, so that a state that does not know it is found out
// to be an older one (I-37). It does so at the end, when the record of the run is not
// the latest transaction of the state any more: nothing that a kill or a power cut takes
// from the state may turn the state into an older one. A run that came to no result
// changed nothing. Without the signature only that is not noticed, so it fails nothing.
func (m *mirrorRun) sign() {
	if m.Dir == nil || m.total.ItemsDone == 0 {
		return
	}
	begun, known, err := m.Store.RunStarted(context.WithoutCancel(m.ctx), m.Run)
	if err == nil && known {
		err = m.Dir.NoteRun(target.LastRun{Lineage: m.Store.Lineage(), Run: int64(m.Run), Begun: begun.UTC()})
	}
	if err != nil {
		m.Log.Warn("run not noted at the target", "mirror", m.Plan.Address, "error", err)
	}
}

// open resolves what a killed run left and reads what the run needs of the state.
func (m *mirrorRun) open(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := Recover(ctx, m.Store, m.Key, m.Dir); err != nil {
		return err
	}
	if err := m.renameTurned(ctx); err != nil {
		return err
	}
	for p, err := range m.Store.Partials(ctx, m.Key) {
		if err != nil {
			return fmt.Errorf("read partials: %w", err)
		}
		m.partials[p.Item] = true
	}
	if err := m.expectLists(ctx); err != nil {
		return err
	}
	var err error
	m.tree, err = loadTree(ctx, m.Store, m.Key)
	return err
}

// leaves reports whether a replaced item may be displaced.
func (m *mirrorRun) leaves(id plan.ItemID) bool {
	_, ok := m.leaving[id]
	return ok
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

// resumed reports whether an earlier run of this plan may have done part of it.
func (m *mirrorRun) resumed() bool { return m.Since != 0 && m.Since < m.Run }

// ours reports whether this plan wrote a row, in this run or an earlier one. Times
// would not tell: the plan may come from a machine with another clock.
func (m *mirrorRun) ours(e *state.Entry) bool {
	if m.Since == 0 {
		return e.Run == m.Run
	}
	return e.Run >= m.Since
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
	if res.Outcome != Done {
		m.leftover = append(m.leftover, state.Pending{
			Item: state.ItemID(res.ItemID), Action: pendingAction(res), Code: res.Code, Reason: reason,
			Path: string(res.Path), Last: m.Now(), RequestID: res.RequestID,
		})
	}
	m.pending = append(m.pending, res)
	if res.Outcome != Held {
		m.total.ItemsDone++
	}
	delete(m.inFlight, res.ItemID)
	m.mu.Unlock()
	m.record(res)
	m.progress()
	m.failedFast(&res)
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
	m.mu.Lock()
	m.failed[c.ItemID] = true
	m.mu.Unlock()
	m.Log.Warn("item not applied", "mirror", c.Mirror, "path", string(c.Path), "code", res.Code, "error", res.Message)
	m.note(res, res.Message)
}

// hasFailed reports whether an item has its result already: one whose move failed is
// not changed where it is.
func (m *mirrorRun) hasFailed(c *plan.Change) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed[c.ItemID]
}

// commit runs one transaction that also writes the results noted so far.
func (m *mirrorRun) commit(results []Result, write func(*state.Tx) error) error {
	m.mu.Lock()
	noted := m.pending
	m.pending = nil
	m.mu.Unlock()
	rows := slices.Concat(noted, results)
	if len(rows) == 0 && write == nil {
		return nil
	}
	items := make([]state.RunItem, len(rows))
	for i, res := range rows {
		items[i] = runItem(res)
	}
	// What has happened is recorded even when the run is being stopped.
	err := m.Store.Tx(context.WithoutCancel(m.ctx), func(tx *state.Tx) error {
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
	if err != nil { // what was only noted waits for the next
		m.mu.Lock()
		m.pending = append(noted, m.pending...)
		m.mu.Unlock()
	}
	return err
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

// progressEvery is how often the observer hears of progress: more than anybody can
// read costs more than a small file.
const progressEvery = 50 * time.Millisecond

// progress tells the observer how far the mirror is.
func (m *mirrorRun) progress() {
	if m.Observer == nil {
		return
	}
	m.mu.Lock()
	now := time.Now()
	if !m.total.Finished && now.Sub(m.told) < progressEvery {
		m.mu.Unlock()
		return
	}
	m.told = now
	p := m.total
	p.Counts, p.Failed = m.counts, m.counts.Failed
	for _, name := range m.inFlight {
		p.ActiveNames = append(p.ActiveNames, name)
	}
	m.mu.Unlock()
	slices.Sort(p.ActiveNames)
	m.Observer.Progress(p)
}
