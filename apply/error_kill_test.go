package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// striker lets one effect of a run fail, and all others happen.
type striker struct {
	mu      sync.Mutex
	n, at   int
	failure error
	last    string
}

func (s *striker) hit(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.n != s.at {
		return nil
	}
	s.last = what
	return fmt.Errorf("%s: %w", what, s.failure)
}

type diskStriker struct{ *striker }

func (s diskStriker) Before(op, path string) error { return s.hit(op + " " + path) }

type rowStriker struct{ *striker }

func (s rowStriker) Before(op string) error { return s.hit(op) }

// TestAnErrorOfAnyEffectLosesNothingAndIsNeverSuccess lets each effect of a run, on
// the disk or on the state, fail once with each error that a disk gives. The run
// says so or does it again; it never claims what did not happen, and the next run
// ends well (I-04, F01 to F12).
func TestAnErrorOfAnyEffectLosesNothingAndIsNeverSuccess(t *testing.T) {
	inMemory(t)
	every := os.Getenv("SPMIRROR_LONG") != ""
	errs := []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES, syscall.EROFS, syscall.EMFILE, syscall.EBUSY}
	total, start := 0, time.Now()
	for i, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			ordinals := campaigns[0].strike(t, sc, &striker{})
			step := 1
			if !every {
				step = max(1, ordinals/8)
			}
			for n := 1; n <= ordinals; n += step {
				list := errs
				if !every {
					list = errs[(n+i)%len(errs):][:1]
				}
				for _, failure := range list {
					total++
					if campaigns[0].strike(t, sc, &striker{at: n, failure: failure}); t.Failed() {
						t.Fatalf("effect %d of %d failed with %q", n, ordinals, failure)
					}
				}
			}
		})
	}
	t.Logf("%d errors in %s", total, time.Since(start).Round(time.Second))
}

// strike runs a scenario with one failing effect and returns how many effects it had.
func (c campaign) strike(t *testing.T, sc scenario, s *striker) int {
	t.Helper()
	w := newWorld(t)
	defer w.done()
	w.workers, w.checkpoint, w.flush = c.workers, 1024, c.flush
	w.reopen()
	before := w.prepare(sc)
	p := w.plan()
	w.diskFaults, w.rowFaults = diskStriker{s}, rowStriker{s}
	w.reopen()
	report, _, err := w.apply(context.Background(), p, 0)
	w.diskFaults, w.rowFaults = nil, nil
	w.reopen()
	w.nothingLost(before)
	if s.at == 0 {
		w.check(err)
		return s.n
	}
	if err == nil && !report.Counts.Incomplete() { // staging may have something that the next run sweeps
		w.equal(w.tenant.tree())
	}
	if err != nil && !errors.Is(err, s.failure) {
		t.Errorf("the run ended with %v", err)
	}
	w.check(Recover(context.Background(), w.store, w.key, w.dir))
	w.tenant.put("later", "something to do, for what could not be cleaned up")
	w.sync()
	w.nothingLost(before)
	w.same()
	if t.Failed() {
		t.Logf("%q failed: %v, %v", s.last, s.failure, err)
	}
	return s.n
}
