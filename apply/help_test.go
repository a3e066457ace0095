package apply

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

var (
	testTime = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	errLine  = errors.New("connection reset by a test")
)

// world is one mirror of a tenant: a real state and a real target.
type world struct {
	t         testing.TB
	tenant    *tenant
	base      string
	store     *state.Store
	dir       *target.Dir
	key       state.MirrorKey
	drive     state.DriveKey
	policy    plan.Policy
	narrow    []string // -target-path
	sel       plan.Select
	folder    plan.ItemID // that is mirrored
	changes   bool        // plans look at what has changed only
	begun     state.RunID // the last plan's first run
	clock     time.Time
	addr      *Addresses
	source    Source // in place of the tenant
	flush     target.SyncPolicy
	workers   int
	fast      bool
	reserve   int64
	allowance *int64
	within    map[string]*Mirror // further mirrors of the run

	checkpoint int64
	parts      parts
	plans      []*plan.Plan
	asked      atomic.Int64 // parts asked for
	diskFaults target.Faults
	rowFaults  state.Faults
	caps       func(target.Capabilities) target.Capabilities // what the disk is said to be able to do
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, folder: "root", tenant: newTenant(), base: t.TempDir(), clock: testTime.Add(time.Hour), workers: 4, flush: target.SyncNone}
	w.policy = plan.Policy{
		OnRemoteDelete: "trash", OnDeselect: "forget", OnLocalChange: "restore", OnUntracked: "adopt", OnSuperseded: "skip",
		Verify: "quickxor", Unverifiable: "accept", Notebooks: "skip", Shortcuts: "skip", Times: true, TrashEnabled: true, TrashRetention: "30d",
	}
	store, err := state.Create(context.Background(), filepath.Join(w.base, "state.db"), state.Options{})
	w.check(err)
	lineage := store.Lineage()
	w.check(store.Tx(context.Background(), func(tx *state.Tx) (err error) {
		if w.drive, err = tx.PutDrive(state.Drive{Tenant: "contoso", ID: "drive", Name: "Documents", Root: "root"}); err != nil {
			return err
		}
		w.key, err = tx.PutMirror(state.Mirror{Address: "mirror.m", Drive: w.drive, Folder: "root", Target: w.root(), Created: w.clock})
		return err
	}))
	w.check(store.Close())
	w.check(target.Init(w.root(), target.NewMarker(lineage, "mirror.m", "drive", w.clock)))
	w.open()
	t.Cleanup(w.done)
	return w
}

func (w *world) root() string { return filepath.Join(w.base, "mirror") }

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = state.Open(context.Background(), filepath.Join(w.base, "state.db"), state.Options{Faults: w.rowFaults})
	w.check(err)
	w.dir, err = target.Open(w.root(), target.Marker{}, target.WithSync(w.flush), target.WithFaults(w.diskFaults), target.WithCapabilities(w.caps),
		target.WithQuickXor(func() hash.Hash { return quickxor.New() }))
	w.check(err)
}

func (w *world) close() {
	w.dir.Close()
	w.store.Close()
}

// done closes all that a world has open. Campaigns make thousands of them in one test.
func (w *world) done() {
	w.close()
	for _, p := range w.plans {
		p.Close()
	}
	w.plans = nil
}

// reopen is what a new process does.
func (w *world) reopen() {
	w.close()
	w.open()
}

// observe puts the tenant's items into the state, as a full enumeration.
func (w *world) observe() {
	w.t.Helper()
	items := []state.Item{{ID: "root", Name: "root", Class: state.Root}}
	w.tenant.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(w.tenant.nodes)) {
		n := w.tenant.nodes[id]
		items = append(items, n.row())
		if w.addr != nil {
			it := n.item()
			w.addr.Keep("drive", &it)
		}
	}
	w.tenant.mu.Unlock()
	w.check(w.store.Tx(context.Background(), func(tx *state.Tx) error {
		if err := tx.BeginRound(w.drive, state.Round{Full: true}); err != nil {
			return err
		}
		if err := tx.StagePage(w.drive, items, ""); err != nil {
			return err
		}
		_, err := tx.MergeRound(w.drive, state.Merge{DeltaLink: "https://graph.example/delta", At: w.clock})
		return err
	}))
}

// plan observes the source and makes a plan.
func (w *world) plan() *plan.Plan {
	w.t.Helper()
	w.observe()
	return w.planOnly()
}

func (w *world) planOnly() *plan.Plan {
	w.t.Helper()
	ctx := context.Background()
	row, _, err := w.store.MirrorByAddress(ctx, "mirror.m")
	w.check(err)
	drive, _, err := w.store.DriveByID(ctx, "contoso", "drive")
	w.check(err)
	files, folders, size, err := w.store.EntryCount(ctx, w.key)
	w.check(err)
	m := &plan.Mirror{
		Address: "mirror.m", Policy: w.policy, Select: w.sel,
		Source:     plan.SourceRef{Tenant: "contoso", DriveID: "drive", FolderID: w.folder},
		Target:     plan.TargetRef{Path: w.root()},
		Generation: plan.GenerationRef{Base: row.Generation, Observed: plan.Generation(drive.Generation)},
		Listing:    plan.Listing{Complete: true},
		Tracked:    plan.Sum{Items: files + folders, Files: files, Folders: folders, Bytes: size},
	}
	header := &plan.Header{Mode: plan.ModeNormal, Options: plan.Options{TargetPaths: w.narrow}}
	draft, err := plan.NewDraft(header, w.t.TempDir())
	w.check(err)
	draft.Mirror(m)
	req := plan.Request{
		Mirror: m, Full: !w.changes || row.Settled < drive.LogFloor, Since: plan.Generation(row.Settled), Unfinished: w.begun > row.SettledRun,
		Store: recorded.Store(w.store, row), Disk: recorded.Disk{Dir: w.dir}, Only: w.narrow, Verify: plan.VerifyStat,
		Names: recorded.Names{Naming: target.Naming{Folding: w.dir.Capabilities().Folding}}, Emit: draft.Add, Drift: draft.AddDrift,
	}
	if settled, ok := DecodeSettled(row.Select); ok {
		req.Previous, req.PreviousFolder = &settled.Select, w.folder
	}
	side := w.sidecars(row)
	req.Emit, req.Kept = side.Attach(draft.Add), side.Keep
	w.check(req.Run(ctx))
	w.check(side.Rest(ctx, req))
	p := draft.Finish(w.clock, nil, nil)
	w.plans = append(w.plans, p)
	return p
}

// sidecars is what the policy wants beside the items.
func (w *world) sidecars(row state.Mirror) *plan.Sidecars {
	w.t.Helper()
	columns := ColumnChoice(w.policy.Columns)
	side := &plan.Sidecars{Columns: columns != "", Versions: w.policy.Versions != ""}
	var needs []plan.Need
	for n, err := range w.store.Needs(context.Background(), row, state.Wants{Columns: columns, Versions: w.policy.Versions}) {
		w.check(err)
		needs = append(needs, plan.Need{Item: plan.ItemID(n.Item), Columns: n.Columns, Versions: n.Versions})
	}
	w.check(side.Load(func(yield func(plan.Need, error) bool) {
		for _, n := range needs {
			if !yield(n, nil) {
				return
			}
		}
	}))
	return side
}

// apply executes a plan; since is the first run of the plan, zero for this one.
func (w *world) apply(ctx context.Context, p *plan.Plan, since state.RunID) (*Report, state.RunID, error) {
	w.t.Helper()
	var run state.RunID
	err := w.store.Tx(context.Background(), func(tx *state.Tx) (err error) {
		if run, err = tx.BeginRun(state.Run{Kind: "apply", Started: w.clock}); err != nil || since != 0 {
			return err
		}
		return tx.AdvanceMirror(w.key)
	})
	if err != nil {
		return nil, cmp.Or(since, run), err
	}
	w.begun = cmp.Or(since, run)
	source := w.source
	if source == nil {
		source = w.tenant
	}
	job := Job{
		Store: w.store, Header: p.Header, Changes: p, Run: run, Workers: w.workers, FailFast: w.fast,
		Mirrors: map[string]*Mirror{"mirror.m": {Plan: p.Mirrors[0], Key: w.key, Source: source, Beside: w.tenant, Dir: w.dir, Addresses: w.addr, Since: cmp.Or(since, run), Reserve: w.reserve, Allowance: w.allowance}},
		Now:     func() time.Time { return w.clock }, checkpoint: w.checkpoint, parts: w.parts,
	}
	maps.Copy(job.Mirrors, w.within)
	report, err := job.Execute(ctx)
	return report, cmp.Or(since, run), err
}

// sync plans and applies, and wants everything to be done.
func (w *world) sync() *Report {
	w.t.Helper()
	r := w.run()
	if r.Counts.Incomplete() {
		w.t.Fatalf("the apply is incomplete: %+v", r.Problems)
	}
	return r
}

// run plans and applies, and wants every change to have a result.
func (w *world) run() *Report {
	w.t.Helper()
	p := w.plan()
	return w.execute(p)
}

func (w *world) execute(p *plan.Plan) *Report {
	w.t.Helper()
	r, _, err := w.apply(w.t.Context(), p, 0)
	w.check(err)
	w.conserved(p, r)
	return r
}

// conserved wants the counts of a report to add up to the plan (I-51).
func (w *world) conserved(p *plan.Plan, r *Report) {
	w.t.Helper()
	c := r.Counts
	done := c.Added + c.Changed + c.Destroyed + c.Forgotten + c.Adopted
	planned := p.Totals.Changes() + p.Totals.Count(plan.Blocked)
	if done+c.Failed+c.Superseded+c.Postponed+c.Blocked != planned {
		w.t.Errorf("%d changes are planned, the results are %+v", planned, c)
	}
	var recorded int64
	for row, err := range w.store.RunItems(w.t.Context(), state.RunID(r.Run)) {
		w.check(err)
		if !strings.HasPrefix(row.Message, "version ") { // these are no changes of their own
			recorded++
		}
	}
	if recorded != planned {
		w.t.Errorf("%d changes are planned, %d results are recorded", planned, recorded)
	}
}

// disk is what lies in the mirror: text by path, "/" for folders.
func (w *world) disk() map[string]string {
	w.t.Helper()
	out := make(map[string]string)
	w.check(filepath.WalkDir(w.root(), func(name string, d fs.DirEntry, err error) error {
		rel := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(name, w.root()), "/"))
		switch {
		case err != nil || rel == "":
			return err
		case rel == ".spmirror":
			return fs.SkipDir
		case d.IsDir():
			out[rel] = "/"
			return nil
		}
		data, err := os.ReadFile(name)
		out[rel] = string(data)
		return err
	}))
	return out
}

// same wants the mirror to be the tree of the source, tidy and settled.
func (w *world) same() {
	w.t.Helper()
	w.equal(w.tenant.tree())
	w.settled()
}

func (w *world) equal(want map[string]string) {
	w.t.Helper()
	got := w.disk()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if text, ok := got[path]; !ok || text != want[path] {
			w.t.Errorf("%q holds %.40q (there: %v), want %.40q", path, text, ok, want[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			w.t.Errorf("%q is not at the source: %.40q", path, got[path])
		}
	}
}

// settled wants nothing to be left over: no change in the next plan, nothing in
// staging, nothing parked, no intents, no partials.
func (w *world) settled() {
	w.t.Helper()
	p := w.plan()
	for c, err := range p.Changes() {
		w.check(err)
		if c.Action() != plan.Blocked {
			w.t.Errorf("the next plan has %s %s (%s)", c.Action(), c.Path, c.Reason)
		}
	}
	w.tidy()
	w.listed()
}

// listed wants the lists beside the marker to say what the source has, if the policy asks for them.
func (w *world) listed() {
	w.t.Helper()
	if len(w.policy.Columns) == 0 && w.policy.Versions == "" {
		return
	}
	columns, versions := w.lines(besideName), w.lines(versionsName)
	for path, text := range w.tenant.tree() {
		n := w.tenant.find(path)
		if len(w.policy.Columns) > 0 {
			want := fmt.Sprintf(`"path":"/%s","id":"%s"`, path, n.id)
			if !slices.ContainsFunc(columns, func(l string) bool {
				return strings.Contains(l, want) && strings.Contains(l, fmt.Sprintf(`"Change":%d}`, n.change))
			}) {
				w.t.Errorf("the columns of %q are not listed: %q", path, columns)
			}
		}
		for i, old := range n.old {
			if w.policy.Versions == "" || text == "/" {
				break
			}
			want := fmt.Sprintf(`"path":"/%s","id":"%s","version":"%s"`, path, n.id, versionID(i))
			sha, _ := hashes(old)
			if !slices.ContainsFunc(versions, func(l string) bool { return strings.Contains(l, want) && strings.Contains(l, sha) }) {
				w.t.Errorf("version %s of %q is not listed: %q", versionID(i), path, versions)
			}
			kept, err := os.ReadFile(filepath.Join(w.root(), ".spmirror/versions", target.ControlName(n.id, ""), versionID(i)+filepath.Ext(n.name)))
			if err != nil || string(kept) != old {
				w.t.Errorf("version %s of %q holds %.40q (%v)", versionID(i), path, kept, err)
			}
		}
	}
	if len(w.policy.Columns) > 0 && len(columns) != len(w.tenant.tree()) {
		w.t.Errorf("%d items are listed, there are %d", len(columns), len(w.tenant.tree()))
	}
}

// lines are those of a list beside the marker.
func (w *world) lines(name string) []string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.root(), ".spmirror", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	w.check(err)
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

func (w *world) tidy() {
	w.t.Helper()
	for _, name := range []string{"staging", "park"} {
		list, err := os.ReadDir(filepath.Join(w.root(), ".spmirror", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.t.Fatal(err)
		}
		for _, e := range list {
			w.t.Errorf("%s is left in %s", e.Name(), name)
		}
	}
	for in, err := range w.store.Intents(w.t.Context(), w.key) {
		w.check(err)
		w.t.Errorf("intent %+v is left", in)
	}
	for p, err := range w.store.Partials(w.t.Context(), w.key) {
		w.check(err)
		w.t.Errorf("partial of %s is left", p.Item)
	}
	rows := make(map[string]bool)
	for row, err := range w.store.Trash(w.t.Context(), w.key) {
		w.check(err)
		rows[row.Path] = true
	}
	for f, err := range w.dir.TrashDir().List(w.t.Context()) {
		w.check(err)
		if !rows[string(f.Path)] {
			w.t.Errorf("%s is in the trash without a row", f.Path)
		}
		delete(rows, string(f.Path))
	}
	for path := range rows {
		w.t.Errorf("the row of %s has no file in the trash", path)
	}
}

// trashed returns the texts in the trash.
func (w *world) trashed() []string {
	w.t.Helper()
	var out []string
	for f, err := range w.dir.TrashDir().List(w.t.Context()) {
		w.check(err)
		data, err := os.ReadFile(filepath.Join(w.root(), string(f.Path)))
		w.check(err)
		out = append(out, string(data))
	}
	slices.Sort(out)
	return out
}

// write changes a local file behind spmirror's back.
func (w *world) write(path, text string) {
	w.t.Helper()
	name := filepath.Join(w.root(), path)
	w.check(os.MkdirAll(filepath.Dir(name), 0o700))
	w.check(os.WriteFile(name, []byte(text), 0o600))
}

func (w *world) pending() map[string]string {
	w.t.Helper()
	out := make(map[string]string)
	for p, err := range w.store.PendingItems(w.t.Context(), w.key) {
		w.check(err)
		out[p.Path] = p.Code
	}
	return out
}

// problems are the codes of what was not done, by path.
func problems(r *Report) map[string]string {
	out := make(map[string]string)
	for _, p := range r.Problems {
		out[string(p.Path)] = p.Code
	}
	return out
}

// wantProblems wants exactly these codes.
func wantProblems(t testing.TB, r *Report, want map[string]string) {
	t.Helper()
	if got := problems(r); !maps.Equal(got, want) {
		t.Errorf("problems are %v, want %v: %+v", got, want, r.Problems)
	}
}

// random is text that no other seed gives.
func random(seed, size int) string {
	var out bytes.Buffer
	for i := 0; out.Len() < size; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, i))
		out.Write(sum[:])
	}
	return out.String()[:size]
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// texts reads every file of a directory tree.
func texts(t testing.TB, fsys fs.FS) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		out = append(out, string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
