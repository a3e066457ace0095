package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

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

// scenario is a mirror, edits of its source, and a kill at any point of applying them.
type scenario struct {
	name  string
	setup func(w *world)
	edit  func(w *world)
	// policy changes the mirror's settings.
	policy func(w *world)
	flush  target.SyncPolicy
}

var scenarios = []scenario{
	{
		name: "everything at once",
		setup: func(w *world) {
			for _, p := range []string{"keep", "change", "gone", "swap a", "swap b", "dir/in", "dir/sub/deep", "old/x", "old/y", "place", "big"} {
				w.tenant.put(p, "first "+p)
			}
		},
		edit: func(w *world) {
			s := w.tenant
			s.put("change", "second change")
			s.put("new/one", "new one")
			s.put("new/empty", "")
			s.put("big", random(1, 3000))
			s.remove("gone")
			a, b := s.find("swap a"), s.find("swap b")
			s.move(a, "swap c")
			s.move(b, "swap a")
			s.move(a, "swap b")
			s.move(s.find("dir/sub"), "sub")
			s.move(s.find("dir"), "sub/dir")
			s.remove("old")
			s.put("old", "a file now")
			s.remove("place")
			s.put("place/inside", "a folder now")
			s.put("swap b", "moved and changed")
		},
	},
	{
		name: "moves",
		setup: func(w *world) {
			for _, p := range []string{"a/1", "b/2", "c/3", "d/e/4", "x", "y", "z", "r"} {
				w.tenant.put(p, "text of "+p)
			}
		},
		edit: func(w *world) {
			s := w.tenant
			a, b, c := s.find("a"), s.find("b"), s.find("c")
			s.move(a, "t")
			s.move(c, "a")
			s.move(b, "c")
			s.move(a, "b")
			x, y, z := s.find("x"), s.find("y"), s.find("z")
			s.move(x, "t")
			s.move(z, "x")
			s.move(y, "z")
			s.move(x, "y")
			s.move(s.find("r"), "new/deep/R")
			e := s.find("d/e")
			d := s.find("d")
			s.move(e, "e2")
			s.move(d, "e2/d")
			s.move(e, "d")
		},
	},
	{
		name:   "deletes for good",
		policy: func(w *world) { w.policy.OnRemoteDelete, w.policy.TrashEnabled = "delete", false },
		setup: func(w *world) {
			for _, p := range []string{"a", "b/c", "b/d/e", "f", "place/x"} {
				w.tenant.put(p, "text of "+p)
			}
		},
		edit: func(w *world) {
			w.tenant.remove("a")
			w.tenant.remove("b")
			w.tenant.put("f", "changed")
			w.tenant.remove("place")
			w.tenant.put("place", "a file now")
		},
	},
	{
		name: "adds",
		edit: func(w *world) {
			for i := range 12 {
				w.tenant.put(fmt.Sprintf("d%d/f%d", i%3, i), random(i, 100*i))
			}
			w.tenant.put("large", random(9, 9000))
		},
	},
}

// TestAKilledApplyLosesNothingAndConverges kills a run at every effect it has, on
// the disk or on the state, and lets a new process go on: with the same plan, or
// with a fresh one.
func TestAKilledApplyLosesNothingAndConverges(t *testing.T) {
	total := 0
	list := slices.Clone(scenarios)
	for i := range list {
		list[i].flush = target.SyncNone
	}
	if os.Getenv("SPMIRROR_LONG") != "" { // every flush is a further point
		for _, sc := range scenarios {
			sc.name, sc.flush = sc.name+", flushed", target.SyncFile
			list = append(list, sc)
		}
	}
	for _, sc := range list {
		for _, again := range []string{"same plan", "fresh plan"} {
			t.Run(sc.name+"/"+again, func(t *testing.T) {
				ordinals := killAt(t, sc, again, &killer{})
				step := 1
				if os.Getenv("SPMIRROR_LONG") == "" {
					step = max(1, ordinals/14)
				}
				for n := 1; n <= ordinals; n += step {
					total++
					if killAt(t, sc, again, &killer{at: n}); t.Failed() {
						t.Fatalf("killed at effect %d of %d", n, ordinals)
					}
				}
			})
		}
	}
	t.Logf("%d kill points", total)
}

// killAt runs a scenario and returns how many effects it had.
func killAt(t *testing.T, sc scenario, again string, k *killer) int {
	t.Helper()
	w := newWorld(t)
	defer w.close()
	w.workers, w.checkpoint, w.flush = 1, 1024, sc.flush
	w.reopen()
	if sc.policy != nil {
		sc.policy(w)
	}
	if sc.setup != nil {
		sc.setup(w)
		w.sync()
	}
	before := w.tenant.tree()
	sc.edit(w)
	p := w.plan()
	counting := k.at == 0 && k.next == ""
	w.diskFaults, w.rowFaults = diskKiller{k}, rowKiller{k}
	w.reopen()
	_, since, err := w.apply(context.Background(), p, 0)
	if !counting && !k.killed() {
		return k.n // fewer effects than in the run that counted them
	}
	if counting && err != nil {
		t.Fatal(err)
	}
	w.diskFaults, w.rowFaults = nil, nil
	w.reopen()
	w.nothingLost(before)
	ordinals := k.n
	if since == 0 || again == "fresh plan" {
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
	if t.Failed() {
		t.Logf("killed at %q", k.last)
	}
	return ordinals
}

// TestAKillRightAfterAnEffectIsFoundOut aims where the journal matters most.
func TestAKillRightAfterAnEffectIsFoundOut(t *testing.T) {
	sc := scenario{
		name:  "replaced",
		flush: target.SyncFile,
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
		"mkdir", "commit", "committed",
	} {
		for _, again := range []string{"same plan", "fresh plan"} {
			t.Run(effect+"/"+again, func(t *testing.T) { killAt(t, sc, again, &killer{next: effect}) })
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
