package apply

import (
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// brokenState fails the next commits, from a moment on.
type brokenState struct {
	mu   sync.Mutex
	left int
}

func (b *brokenState) breaks(n int) {
	b.mu.Lock()
	b.left = n
	b.mu.Unlock()
}

func (b *brokenState) Before(op string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if op != state.OpCommit || b.left == 0 {
		return nil
	}
	b.left--
	return syscall.EIO
}

// A state that cannot be written is no broken line: the download is not tried again for it, and
// what is said is not that the network failed.
func TestAFailedCommitEndsADownload(t *testing.T) {
	t.Run("of a checkpoint", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world, n *node) {
			rows := &brokenState{}
			w.rowFaults = rows
			w.reopen()
			w.tenant.onOpen = func(*node, graph.ContentRequest, int) (*graph.Content, error, bool) {
				rows.breaks(1)
				return nil, nil, false
			}
			start := time.Now()
			wantProblems(t, w.run(), map[string]string{"file": CodeDisk})
			if took := time.Since(start); took > time.Second || w.tenant.opens != 1 {
				t.Errorf("it took %s and %d requests", took, w.tenant.opens)
			}
			w.equal(map[string]string{"file": "old text"})
			w.tenant.onOpen = nil
			w.sync()
			w.same()
		})
	})
	t.Run("that would forget one", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world, n *node) {
			w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
			w.run()
			rows := &brokenState{}
			w.rowFaults = rows
			w.reopen()
			w.tenant.resetCounts()
			w.tenant.onOpen = func(n *node, _ graph.ContentRequest, nth int) (*graph.Content, error, bool) {
				if nth > 1 {
					return nil, nil, false
				}
				rows.breaks(1)
				return body(n.text, nil, 0, int64(len(n.text))), nil, true // the whole file, to a range
			}
			wantProblems(t, w.run(), map[string]string{"file": CodeDisk})
			w.equal(map[string]string{"file": "old text"})
			w.tenant.onOpen = nil
			w.sync()
			w.same()
		})
	})
}

// What failed is in the run's record, whatever else could not be written (I-50).
func TestResultsWaitForACommitThatWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		rows := &brokenState{}
		w.workers, w.rowFaults = 1, rows
		w.reopen()
		w.tenant.put("a", "not to be had")
		w.tenant.put("b", "fine")
		w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
			if n.name == "a" {
				return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, true
			}
			rows.breaks(1) // the intent of b
			return nil, nil, false
		}
		r, _, err := w.apply(t.Context(), w.plan(), 0)
		if err == nil {
			t.Fatalf("%+v", r)
		}
		recorded := collect(t, w.store.RunItems(t.Context(), state.RunID(r.Run)))
		if len(recorded) != 1 || recorded[0].Path != "a" || recorded[0].Code != CodeLocked {
			t.Errorf("the record has %+v", recorded)
		}
	})
}

// effects lists what happens to the disk and to the state.
type effects struct {
	mu   sync.Mutex
	list []string
}

func (e *effects) note(what string) error {
	e.mu.Lock()
	e.list = append(e.list, what)
	e.mu.Unlock()
	return nil
}

type diskEffects struct{ *effects }

func (e diskEffects) Before(op, _ string) error { return e.note(op) }

type rowEffects struct{ *effects }

func (e rowEffects) Before(op string) error { return e.note(op) }

// What the killed run has done may be in memory only: it is flushed before a row claims it (I-03).
func TestARecoveryFlushesBeforeItCommits(t *testing.T) {
	for _, effect := range []string{"rename", "rename .spmirror/trash", "mkdir", "rmdir", "exchange"} {
		t.Run(effect, func(t *testing.T) {
			w := newWorld(t)
			w.workers, w.flush = 1, target.SyncBatch
			w.reopen()
			w.prepare(scenarios[0])
			_, _, _ = w.applyKilled(&killer{next: effect}, w.plan(), 0)
			e := &effects{}
			w.diskFaults, w.rowFaults = diskEffects{e}, rowEffects{e}
			w.reopen()
			w.check(Recover(t.Context(), w.store, w.key, w.dir))
			flush, commit := slices.Index(e.list, target.OpSyncFS), slices.Index(e.list, state.OpCommit)
			if commit < 0 || flush < 0 || flush > commit {
				t.Errorf("the recovery does %v", e.list)
			}
			w.diskFaults, w.rowFaults = nil, nil
			w.reopen()
			w.sync()
			w.same()
		})
	}
}

// Local bytes that could neither be put back nor brought to the trash are in the staging
// directory, where nobody looks. The next run brings them to the trash (I-16).
func TestLocalBytesThatAreInBetweenComeToTheTrash(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("file", "first")
	w.sync()
	w.tenant.put("file", "second")
	p := w.plan()
	exchanges := 0
	w.diskFaults = faultFunc(func(op, _ string) error {
		if op != target.OpExchange {
			return nil
		}
		if exchanges++; exchanges == 1 {
			w.write("file", "saved in the last instant")
			return nil
		}
		return syscall.EIO
	})
	w.reopen()
	r, _, err := w.apply(t.Context(), p, 0)
	w.diskFaults = nil
	w.reopen()
	if err != nil || exchanges < 2 {
		t.Fatalf("%d exchanges, %+v, %v", exchanges, r, err)
	}
	wantProblems(t, r, map[string]string{"file": CodeLocalChanged})
	w.check(Recover(t.Context(), w.store, w.key, w.dir))
	w.sync()
	w.same()
	if !slices.Contains(w.trashed(), "saved in the last instant") {
		t.Errorf("the trash holds %q", w.trashed())
	}
}
