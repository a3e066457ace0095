package apply

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

var errKilled = errors.New("killed by the test")

// killer counts the effects of a run, on the disk and on the state, and stops the
// program at one of them: that effect and all that follow do not happen.
type killer struct {
	mu   sync.Mutex
	n    int
	at   int    // 0: never
	next string // kill at what follows the first effect with this prefix
	last string
}

func (k *killer) hit(what string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at != 0 && k.n >= k.at {
		return errKilled
	}
	if k.n++; k.n == k.at {
		k.last = what
		return errKilled
	}
	if k.next != "" && k.at == 0 && strings.HasPrefix(what, k.next) {
		k.at = k.n + 1
	}
	return nil
}

func (k *killer) killed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at != 0 && k.n >= k.at
}

// diskKiller and rowKiller are the two hooks of one killer.
type diskKiller struct{ *killer }

func (k diskKiller) Before(op, path string) error { return k.hit(op + " " + path) }

type rowKiller struct{ *killer }

func (k rowKiller) Before(op string) error { return k.hit(op) }

// campaign is one way to kill the runs of a scenario and to go on after that.
type campaign struct {
	name    string
	again   string // what the next process does: the same plan, or a fresh one
	flush   target.SyncPolicy
	workers int
	more    int // further kills, of the runs that clean up
	long    bool
	caps    func(target.Capabilities) target.Capabilities
}

// withoutFlags is a disk whose renames neither refuse nor exchange names.
func withoutFlags(c target.Capabilities) target.Capabilities {
	c.NoReplace, c.Exchange = false, false
	return c
}

// withoutLinks is one that knows no hard links either.
func withoutLinks(c target.Capabilities) target.Capabilities {
	c = withoutFlags(c)
	c.HardLinks = false
	return c
}

var campaigns = []campaign{
	{name: "same plan", again: "same plan", flush: target.SyncBatch, workers: 1},
	{name: "fresh plan", again: "fresh plan", flush: target.SyncBatch, workers: 1},
	{name: "killed four times", again: "same plan", flush: target.SyncBatch, workers: 1, more: 3},
	{name: "each file flushed", again: "same plan", flush: target.SyncFile, workers: 1, long: true},
	{name: "four workers", again: "fresh plan", flush: target.SyncBatch, workers: 4, long: true},
	{name: "without rename flags", again: "fresh plan", flush: target.SyncBatch, workers: 1, caps: withoutFlags},
	{name: "without hard links", again: "same plan", flush: target.SyncBatch, workers: 1, caps: withoutLinks, long: true},
}

// TestAKilledApplyLosesNothingAndConverges kills a run at every effect it has, on
// the disk or on the state, and lets a new process go on. The long tier kills at
// every single one, the other at some of each kind of run.
func TestAKilledApplyLosesNothingAndConverges(t *testing.T) {
	inMemory(t)
	every := os.Getenv("SPMIRROR_LONG") != ""
	total, further, ran, start := 0, 0, 0, time.Now()
	for _, c := range campaigns {
		if c.long && !every {
			continue
		}
		for _, sc := range scenarios {
			t.Run(sc.name+"/"+c.name, func(t *testing.T) {
				ran++
				ordinals := c.run(t, sc, &killer{}).effects
				step := 1
				if !every {
					step = max(1, ordinals/8)
				}
				for n := 1; n <= ordinals; n += step {
					out := c.run(t, sc, &killer{at: n})
					total, further = total+out.kills, further+max(0, out.kills-1)
					if t.Failed() {
						t.Fatalf("killed at effect %d of %d", n, ordinals)
					}
				}
			})
		}
	}
	t.Logf("%d kill points in %s, %d of them in runs that cleaned up after another kill", total, time.Since(start).Round(time.Second), further)
	if ran == len(campaigns)*len(scenarios) && total < 1000 {
		t.Errorf("only %d kill points: the campaign is to have 1,000", total)
	}
}

// inMemory lets temporary directories be in memory: what is tested are kills, which
// no flush of a disk survives better, and a disk would take most of the time.
func inMemory(t *testing.T) {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "apply-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		t.Setenv("TMPDIR", dir)
	}
}

// outcome says how many effects the first run of a campaign had, and how many kills
// hit.
type outcome struct{ effects, kills int }

// run prepares a scenario, kills the run of its plan, and wants the next process to
// end well.
func (c campaign) run(t *testing.T, sc scenario, k *killer) outcome {
	t.Helper()
	w := newWorld(t)
	defer w.done()
	w.workers, w.checkpoint, w.flush, w.caps = c.workers, 1024, c.flush, c.caps
	w.reopen()
	before := w.prepare(sc)
	p := w.plan()
	w.asked.Store(0)
	counting := k.at == 0 && k.next == ""
	_, since, err := w.applyKilled(k, p, 0)
	if !counting && !k.killed() {
		return outcome{effects: k.n} // fewer effects than in the run that counted them
	}
	if counting && err != nil {
		t.Fatal(err)
	}
	if counting && w.parts != (parts{}) && w.asked.Load() == 0 {
		t.Fatal("nothing was asked for in parts")
	}
	w.nothingLost(before)
	w.knowsLastRun()
	out := outcome{effects: k.n, kills: 1}
	for i := range c.more {
		next := &killer{at: 1 + (k.n*(i+3))%19}
		if since != 0 {
			_, _, _ = w.applyKilled(next, p, since) // killed, or at its end
			w.nothingLost(before)
			w.knowsLastRun()
		}
		if next.killed() {
			out.kills++
		}
	}
	if since == 0 || c.again == "fresh plan" {
		w.check(Recover(context.Background(), w.store, w.key, w.dir))
		p, since = w.plan(), 0
	}
	report, _, err := w.apply(context.Background(), p, since)
	if err != nil {
		t.Fatalf("killed at %q: %v", k.last, err)
	}
	if report.Counts.Incomplete() {
		t.Errorf("killed at %q: %+v", k.last, report.Problems)
	}
	w.nothingLost(before)
	w.same()
	w.knowsLastRun()
	if last := w.dir.LastRun(); report.Counts.Added+report.Counts.Changed+report.Counts.Destroyed > 0 && last.Run != report.Run {
		t.Errorf("run %d is done, and the target names run %d", report.Run, last.Run)
	}
	if t.Failed() {
		t.Logf("killed at %q", k.last)
	}
	return out
}

// knowsLastRun wants the state to know the run that the target names: else it would be refused as an older one (I-37).
func (w *world) knowsLastRun() {
	w.t.Helper()
	last := w.dir.LastRun()
	if last.Run == 0 {
		return
	}
	run, known, err := w.store.RunByID(context.Background(), state.RunID(last.Run))
	w.check(err)
	if !known || !run.Started.Equal(last.Begun) || last.Lineage != w.store.Lineage() {
		w.t.Errorf("the target names %+v, the state knows %v, %+v", last, known, run)
	}
}

// prepare makes a mirror, edits its source, and returns what was in the mirror.
func (w *world) prepare(sc scenario) (before map[string]string) {
	w.t.Helper()
	if sc.policy != nil {
		sc.policy(w)
	}
	if sc.setup != nil {
		sc.setup(w)
		w.sync()
	}
	before = w.tenant.tree()
	sc.edit(w)
	return before
}

// applyKilled applies in a process that is killed, and starts the next one.
func (w *world) applyKilled(k *killer, p *plan.Plan, since state.RunID) (*Report, state.RunID, error) {
	w.t.Helper()
	w.diskFaults, w.rowFaults = diskKiller{k}, rowKiller{k}
	w.reopen()
	r, since, err := w.apply(context.Background(), p, since)
	w.diskFaults, w.rowFaults = nil, nil
	w.reopen()
	return r, since, err
}

// TestAKillRightAfterAnEffectIsFoundOut aims where the journal matters most.
func TestAKillRightAfterAnEffectIsFoundOut(t *testing.T) {
	inMemory(t)
	sc := scenario{
		name: "replaced",
		setup: func(w *world) {
			w.tenant.put("deleted", "old")
			w.tenant.put("changed", "old too")
			w.tenant.put("gone/x", "x")
		},
		edit: func(w *world) {
			w.tenant.remove("deleted")
			w.tenant.put("deleted", "another item")
			w.tenant.put("changed", "new")
			w.tenant.remove("gone")
		},
	}
	for _, effect := range []string{
		"exchange", "rename .spmirror/staging", "rename deleted", "rename .spmirror/trash", "rmdir", "unlink", "chmod", "times", "write", "create",
		"mkdir", "commit", "committed", "create .spmirror/last-run.json", "write .spmirror/last-run.json", "fsync .spmirror/last-run.json",
		"replace .spmirror/last-run.json", "fsyncdir .spmirror",
	} {
		for _, again := range []string{"same plan", "fresh plan"} {
			c := campaign{again: again, flush: target.SyncFile, workers: 1}
			t.Run(effect+"/"+again, func(t *testing.T) { c.run(t, sc, &killer{next: effect}) })
		}
	}
}

// TestARecoveryThatIsKilledIsRepeatedWhole kills a run when files were displaced and
// nothing is committed, and the recovery of that at each of its effects.
func TestARecoveryThatIsKilledIsRepeatedWhole(t *testing.T) {
	inMemory(t)
	for effects, n := 1, 1; n <= effects; n++ {
		w := newWorld(t)
		w.workers, w.flush = 1, target.SyncBatch
		w.reopen()
		before := w.prepare(scenarios[0])
		p := w.plan()
		_, since, _ := w.applyKilled(&killer{next: "fsyncdir .spmirror/trash"}, p, 0)
		k := &killer{at: n}
		w.diskFaults, w.rowFaults = diskKiller{k}, rowKiller{k}
		w.reopen()
		err := Recover(context.Background(), w.store, w.key, w.dir)
		if err == nil && n < 4 || err != nil && !k.killed() {
			t.Fatalf("killed at effect %d, the recovery ends with %v", n, err)
		}
		if err != nil {
			effects++
		}
		w.diskFaults, w.rowFaults = nil, nil
		w.reopen()
		w.nothingLost(before)
		_, _, err = w.apply(context.Background(), p, since)
		w.check(err)
		w.same()
		if w.close(); t.Failed() {
			t.Fatalf("the recovery was killed at effect %d, %q", n, k.last)
		}
	}
}

// nothingLost wants every local file to be whole, and every text of before to be
// somewhere still, if there is a trash.
func (w *world) nothingLost(before map[string]string) {
	w.t.Helper()
	known := make(map[string]bool)
	for _, tree := range []map[string]string{before, w.tenant.tree()} {
		for text := range maps.Values(tree) {
			known[text] = true
		}
	}
	disk := w.disk()
	for path, text := range disk {
		if !known[text] {
			w.t.Errorf("%q holds %.40q, which no version has", path, text)
		}
	}
	if !w.policy.TrashEnabled {
		return
	}
	have := append(slices.Collect(maps.Values(disk)), w.trashed()...)
	have = append(have, w.setAside()...)
	for path, text := range before {
		if text != "/" && !slices.Contains(have, text) {
			w.t.Errorf("the old text of %q is lost", path)
		}
	}
}

// setAside returns the texts of what stepped aside or was displaced.
func (w *world) setAside() []string {
	w.t.Helper()
	var out []string
	for _, dir := range []string{"staging", "park"} {
		fsys := os.DirFS(w.root() + "/.spmirror/" + dir)
		out = append(out, texts(w.t, fsys)...)
	}
	return out
}

// now kills the program at this moment; false when it is dead already.
func (k *killer) now() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at != 0 {
		return false
	}
	k.at = max(1, k.n)
	return true
}
