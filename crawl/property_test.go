package crawl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// plainTB hides that a test is a *testing.T: rapid would ask it for its deadline,
// which a bubble of synctest refuses.
type plainTB struct{ testing.TB }

// sequences sets how many random cases rapid tries, unless its flag says so.
func sequences(t *testing.T, usual, long int) {
	t.Helper()
	n := usual
	if os.Getenv("SPMIRROR_LONG") == "1" {
		n = long
	}
	if testing.Short() {
		n = usual / 10
	}
	f := flag.Lookup("rapid.checks")
	if f == nil || f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

// world is an emulated tenant with one drive and the state that follows it.
type world struct {
	t       *rapid.T
	tenant  *sandbox.Tenant
	drive   *sandbox.Drive
	clock   *clock
	store   **state.Store
	reopen  func()
	name    string
	source  Source
	loss    sandbox.TokenLoss
	planned []mirrored
	lag     time.Duration // after which the service shows a change (D25)
	noCTag  bool
	// doubtful says that items are gone for which no tombstone will ever come.
	doubtful bool
}

var (
	somewhere = []string{"/", "/a", "/b", "/a/c", "/a/c/d", "/ä ö"}
	someNames = []string{"x.txt", "X.TXT", "y.docx", "z", "日本.pdf", "c"}
	someOps   = []string{
		sandbox.OpPut, sandbox.OpPut, sandbox.OpPut, sandbox.OpPut, sandbox.OpMkdir, sandbox.OpMkdir, sandbox.OpRename, sandbox.OpMove,
		sandbox.OpMove, sandbox.OpSwap, sandbox.OpDelete, sandbox.OpDelete, sandbox.OpRestore, sandbox.OpTouch, sandbox.OpTransfer,
		sandbox.OpPackage, "replace", sandbox.OpTurn, "recase", "recreate", sandbox.OpVanish, sandbox.OpForget,
	}
)

// draw chooses an edit of the tenant. One that does not fit changes nothing.
func (w *world) draw() (edit func()) {
	dir := rapid.SampledFrom(somewhere).Draw(w.t, "folder")
	join := func(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }
	path := join(dir, rapid.SampledFrom(someNames).Draw(w.t, "name"))
	if dir != "/" && rapid.IntRange(0, 2).Draw(w.t, "on the folder") == 0 {
		path = dir
	}
	to := join(rapid.SampledFrom(somewhere).Draw(w.t, "to folder"), rapid.SampledFrom(someNames).Draw(w.t, "to name"))
	size := rapid.Int64Range(0, 3000).Draw(w.t, "size")
	op := rapid.SampledFrom(someOps).Draw(w.t, "op")
	put := func(e sandbox.Edit) bool {
		e.Drive = w.drive.Address()
		_, err := w.tenant.Apply(e)
		return err == nil
	}
	return func() { w.edit(op, path, to, size, put) }
}

func (w *world) edit(op, path, to string, size int64, put func(sandbox.Edit) bool) {
	w.clock.pass(time.Second)
	switch op {
	case "replace": // a file becomes a folder, or a folder a file
		if was, ok := w.drive.Lookup(path); ok && put(sandbox.Edit{Op: sandbox.OpDelete, Path: path}) {
			if was.Folder {
				put(sandbox.Edit{Op: sandbox.OpPut, Path: path, Size: &size})
			} else {
				put(sandbox.Edit{Op: sandbox.OpMkdir, Path: path})
			}
		}
	case "recase":
		base := path[strings.LastIndexByte(path, '/')+1:]
		put(sandbox.Edit{Op: sandbox.OpRename, Path: path, To: strings.ToUpper(base)})
	case "recreate":
		if put(sandbox.Edit{Op: sandbox.OpDelete, Path: path}) {
			put(sandbox.Edit{Op: sandbox.OpPut, Path: path, Size: &size})
		}
	case sandbox.OpVanish:
		w.doubtful = put(sandbox.Edit{Op: op, Path: path}) || w.doubtful
	case sandbox.OpForget:
		put(sandbox.Edit{Op: op})
		w.doubtful = w.doubtful || w.loss == sandbox.LossUpload
	case sandbox.OpPut:
		put(sandbox.Edit{Op: op, Path: path, Size: &size})
	case sandbox.OpTransfer:
		put(sandbox.Edit{Op: op, Path: path, ToDrive: "sites/b/Documents"})
	case sandbox.OpPackage:
		put(sandbox.Edit{Op: op, Path: path, To: "oneNote"})
	case sandbox.OpRename:
		put(sandbox.Edit{Op: op, Path: path, To: to[strings.LastIndexByte(to, '/')+1:]})
	default:
		put(sandbox.Edit{Op: op, Path: path, To: to})
	}
}

func (w *world) edits(most int) {
	for range rapid.IntRange(0, most).Draw(w.t, "edits") {
		w.draw()()
	}
}

// truth is the tenant's own tree in the form of lines by id.
func (w *world) truth() map[string]string {
	lines := map[string]string{}
	for _, it := range w.drive.Tree() {
		kind := "file"
		switch {
		case it.Path == "/":
			kind = "root"
		case it.Package != "":
			kind = "package " + it.Package
		case it.Folder:
			kind = "folder"
		}
		line := fmt.Sprintf("%s %s %s", it.Path, kind, it.ETag)
		if kind == "file" {
			line += fmt.Sprintf(" %d %s %s", it.Size, it.QuickXorHash, it.Modified.Format(time.RFC3339))
			if !w.noCTag {
				line += " " + it.CTag
			}
		}
		lines[string(it.ID)] = line
	}
	return lines
}

// observed is what the state says, in the same form. It knows nothing of rounds:
// ids, parents and names are all it goes by.
func (w *world) observed() map[string]string {
	items := map[string]state.Item{}
	for p, err := range (*w.store).PairsAll(context.Background(), state.Mirror{Drive: w.row().Key}) {
		if err != nil {
			w.t.Fatal(err)
		}
		items[string(p.Item.ID)] = *p.Item
	}
	lines := map[string]string{}
	for id, it := range items {
		path := ""
		for at, steps := it, 0; at.Class != state.Root; steps++ {
			up, ok := items[string(at.Parent)]
			if !ok || steps > len(items) {
				path = "/(orphan)" + path
				break
			}
			path, at = "/"+at.Name+path, up
		}
		line := fmt.Sprintf("%s %s %s", path, it.Class, it.ETag)
		switch it.Class {
		case state.Root:
			line = fmt.Sprintf("/ root %s", it.ETag)
		case state.Package:
			line = fmt.Sprintf("%s package %s %s", path, it.Note, it.ETag)
		case state.File:
			line += fmt.Sprintf(" %d %s %s", it.Size, it.Hash, it.Modified.Format(time.RFC3339))
			if !w.noCTag {
				line += " " + it.CTag
			}
		}
		lines[id] = line
	}
	return lines
}

func (w *world) row() state.Drive {
	d, ok, err := (*w.store).DriveByID(context.Background(), w.name, state.DriveID(w.drive.ID()))
	if err != nil || !ok {
		w.t.Fatalf("drive: %v, %v", ok, err)
	}
	return d
}

func (w *world) crawler() *Crawler {
	return &Crawler{Source: w.source, Store: *w.store, Query: graph.DeltaQuery{Select: graph.DeltaSelect()}, Now: w.clock.now}
}

// cutRefresh refreshes until the n-th event and is then killed; edits may happen
// while pages are read. Nothing that an unfinished round said may be believed.
func (w *world) cutRefresh() {
	before, link := w.observed(), w.row().DeltaLink
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Everything is drawn before: the crawl runs in goroutines of its own.
	cut := int64(rapid.IntRange(1, 40).Draw(w.t, "cut after"))
	fails := rapid.IntRange(1, 60).Draw(w.t, "network fails at call")
	full := rapid.IntRange(0, 5).Draw(w.t, "full") == 0
	edits := map[int]func(){}
	for range rapid.IntRange(0, 3).Draw(w.t, "edits while paging") {
		edits[rapid.IntRange(1, 12).Draw(w.t, "at call")] = w.draw()
	}
	var events atomic.Int64
	event := func() {
		if events.Add(1) == cut {
			cancel()
		}
	}
	c := w.crawler()
	c.Source = &faultySource{Source: w.source, fail: func(n int) error {
		event()
		if edit := edits[n]; edit != nil {
			edit()
		}
		if n == fails {
			return &netError{}
		}
		return ctx.Err()
	}}
	c.Now = func() time.Time { event(); return w.clock.now() }
	c.Watch = watcherFunc(event)
	_, err := c.Refresh(ctx, w.row(), full)
	var failed *netError
	var source *ErrSource
	if err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, &failed) && !errors.As(err, &source) {
		w.t.Fatalf("a cut refresh failed with %v", err)
	}
	if rapid.IntRange(0, 3).Draw(w.t, "reopen") == 0 {
		w.reopen()
	}
	if w.row().DeltaLink == link {
		if after := w.observed(); !maps.Equal(before, after) {
			w.t.Fatalf("an unfinished round was believed:\n%s", difference(before, after))
		}
	}
}

type watcherFunc func()

func (f watcherFunc) Crawling(state.DriveID, Report) { f() }

// check refreshes to the end and compares.
func (w *world) check() {
	w.clock.pass(w.lag + time.Second)
	full := w.doubtful || rapid.IntRange(0, 9).Draw(w.t, "full") == 0
	r, err := w.crawler().Refresh(context.Background(), w.row(), full)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.doubtful { // a resumed round may have been one that keeps
		if _, err := w.crawler().Refresh(context.Background(), w.row(), true); err != nil {
			w.t.Fatal(err)
		}
		w.doubtful = false
	}
	truth, observed := w.truth(), w.observed()
	if placed := withoutOrphans(observed); len(placed) < len(observed) {
		// A folder was deleted while its pages were read: what was listed before stays, without a place, until the next
		// full enumeration (I-23, I-31).
		if !maps.Equal(truth, placed) {
			w.t.Fatalf("apart from orphans the state differs from the tenant:\n%s", difference(truth, placed))
		}
		if _, err := w.crawler().Refresh(context.Background(), w.row(), true); err != nil {
			w.t.Fatal(err)
		}
		observed = w.observed()
	}
	if !maps.Equal(truth, observed) {
		w.t.Fatalf("the state differs from the tenant after a round in mode %s (%s):\n%s", r.Mode, r.Reason, difference(truth, observed))
	}
	if n := w.row().Items; n != int64(len(truth)) {
		w.t.Fatalf("%d items are counted, %d are there", n, len(truth))
	}
	if d := w.row(); d.Round != nil || d.DeltaLink == "" {
		w.t.Fatalf("after a complete refresh the drive is %+v", d)
	}
	if v := w.tenant.Violations(); len(v) > 0 {
		w.t.Fatalf("the crawl did what a client must not do: %v", v)
	}
}

func withoutOrphans(observed map[string]string) map[string]string {
	placed := maps.Clone(observed)
	maps.DeleteFunc(placed, func(_, line string) bool { return strings.HasPrefix(line, "/(orphan)") })
	return placed
}

// difference lists what two sets do not share.
func difference(want, got map[string]string) string {
	var b strings.Builder
	ids := slices.Concat(slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if want[id] != got[id] {
			fmt.Fprintf(&b, "%s\n  want %s\n  got  %s\n", id, want[id], got[id])
		}
	}
	return b.String()
}

func someBehaviour(t *rapid.T) sandbox.Behaviour {
	return sandbox.Behaviour{
		Order:      rapid.SampledFrom([]sandbox.Order{sandbox.OrderNatural, sandbox.OrderParentFirst, sandbox.OrderChildFirst, sandbox.OrderShuffled}).Draw(t, "order"),
		PageSize:   rapid.IntRange(1, 9).Draw(t, "page size"),
		ShortPages: rapid.Bool().Draw(t, "short pages"),
		EmptyPages: rapid.IntRange(0, 60).Draw(t, "empty pages"),
		Duplicates: rapid.IntRange(0, 60).Draw(t, "duplicates"),
		Stale:      rapid.IntRange(0, 60).Draw(t, "stale"),
		EmptyFinal: rapid.Bool().Draw(t, "empty final"),
		FolderDelete: rapid.SampledFrom([]sandbox.FolderDelete{sandbox.DeleteFolders, sandbox.DeleteFolderOnly,
			sandbox.DeleteEverything}).Draw(t, "folder delete"),
		NoParentPath: rapid.Bool().Draw(t, "no parent path"), NoCTag: rapid.Bool().Draw(t, "no ctag"),
		CTagOnRename: rapid.Bool().Draw(t, "ctag on rename"), TombstonesInFull: rapid.Bool().Draw(t, "tombstones in full"),
		BareTombstones: rapid.Bool().Draw(t, "bare tombstones"), ZeroHashTombstones: rapid.Bool().Draw(t, "zero hashes"),
		FunctionLinks: rapid.Bool().Draw(t, "function links"), NoODataType: rapid.Bool().Draw(t, "no type"),
		DeltaLifetime: rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(t, "lifetime"),
		Lag:           rapid.SampledFrom([]time.Duration{0, 0, 4 * time.Second}).Draw(t, "lag"),
		TokenLoss: rapid.SampledFrom([]sandbox.TokenLoss{sandbox.LossResync, sandbox.LossApply, sandbox.LossUpload, sandbox.LossNoLocation,
			sandbox.LossNotFound, sandbox.LossInvalid, sandbox.LossStateNotFound}).Draw(t, "token loss"),
	}
}

func TestWhateverThePagesTheStateEqualsTheTenantInTheEnd(t *testing.T) {
	sequences(t, 300, 10_000)
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		store, err := state.Create(context.Background(), path, state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		cases := 0
		rapid.Check(plainTB{t}, func(rt *rapid.T) {
			cases++
			time.Sleep(100 * time.Millisecond) // fake time: it bounds how long rapid shrinks
			clk := newClock()
			behave := someBehaviour(rt)
			tenant, err := sandbox.New(sandbox.Options{
				Seed: rapid.Uint64().Draw(rt, "seed"), StaticTokens: []string{"emu"}, Now: func() time.Time { clk.mu.Lock(); defer clk.mu.Unlock(); return clk.at },
				Behaviour: behave, Epoch: clk.at.Add(-24 * time.Hour),
				Sites: []sandbox.SiteSpec{
					{Path: "sites/a", Drives: []sandbox.DriveSpec{{Name: "Documents", Files: []sandbox.FileSpec{
						{Path: "a/x.txt", Text: "x"}, {Path: "a/c/d/z", Size: 900}, {Path: "b/y.docx", Size: 10}, {Path: "ä ö", Folder: true}, {Path: "empty"}}}}},
					{Path: "sites/b", Drives: []sandbox.DriveSpec{{Name: "Documents"}}},
				},
			})
			if err != nil {
				rt.Fatal(err)
			}
			defer tenant.Close()
			client, end, err := connect(tenant.Handler())
			if err != nil {
				rt.Fatal(err)
			}
			defer end()
			w := &world{t: rt, tenant: tenant, drive: tenant.Drive("sites/a/Documents"), clock: clk, store: &store, name: fmt.Sprint("t", cases),
				source: client, loss: behave.TokenLoss, lag: behave.Lag, noCTag: behave.NoCTag}
			w.reopen = func() {
				if err := store.Close(); err != nil {
					rt.Fatal(err)
				}
				if store, err = state.Open(context.Background(), path, state.Options{}); err != nil {
					rt.Fatal(err)
				}
			}
			err = store.Tx(context.Background(), func(tx *state.Tx) error {
				_, err := tx.PutDrive(state.Drive{Tenant: w.name, ID: state.DriveID(w.drive.ID())})
				return err
			})
			if err != nil {
				rt.Fatal(err)
			}
			w.run(behave.DeltaLifetime)
		})
		t.Logf("%d sequences", cases)
	})
}

// run is one life of a drive and its mirrors: edits, crawls that are cut, and crawls that
// are not.
func (w *world) run(lifetime time.Duration) {
	w.planned = w.mirrors()
	for range rapid.IntRange(1, 4).Draw(w.t, "rounds") {
		w.edits(10)
		for range rapid.IntRange(0, 3).Draw(w.t, "cuts") {
			w.cutRefresh()
			w.applySome()
			w.edits(3)
			if lifetime > 0 && rapid.Bool().Draw(w.t, "tokens die") {
				w.clock.pass(2 * lifetime)
				w.doubtful = w.doubtful || w.loss == sandbox.LossUpload
			}
		}
		w.check()
		w.checkMirrors()
	}
}
