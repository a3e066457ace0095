package apply

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spmirror/spmirror/target"
)

func TestOldTrashIsDeletedWithItsRows(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "one")
	w.tenant.put("b", "one b")
	w.sync()
	w.tenant.put("a", "two")
	w.sync()
	w.clock = w.clock.Add(20 * 24 * time.Hour)
	w.tenant.remove("b")
	w.sync()
	if got := w.trashed(); !slices.Equal(got, []string{"one", "one b"}) {
		t.Fatalf("the trash holds %q", got)
	}
	w.clock = w.clock.Add(11 * 24 * time.Hour)
	w.tenant.put("a", "three")
	w.sync()
	if got := w.trashed(); !slices.Equal(got, []string{"one b", "two"}) {
		t.Errorf("the trash holds %q", got)
	}
	w.same()
}

func TestRetentionIsReadAsTheConfigurationWritesIt(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "5s": 5 * time.Second, "1s500ms": 1500 * time.Millisecond,
		"0s": 0, "": 0, "d": 0, "12": 0, "3w": 0, "-1d": 0, "99999999999999999999d": 0, "1d ": 0,
	} {
		if got := retention(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestAFullDiskGivesUpOldTrashAndTriesAgain(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "one")
	w.sync()
	w.tenant.put("a", "two")
	w.sync()
	w.clock = w.clock.Add(31 * 24 * time.Hour)
	w.tenant.put("b", "b")
	p := w.plan()
	full := true
	w.diskFaults = faultFunc(func(op, path string) error {
		if op == target.OpUnlink && filepath.Base(path) == "a" {
			full = false
		}
		if full && op == target.OpWrite {
			return &target.Error{Op: op, Kind: target.ErrNoSpace}
		}
		return nil
	})
	w.reopen()
	r, _, err := w.apply(t.Context(), p, 0)
	if err != nil || r.Counts.Incomplete() || full {
		t.Errorf("%+v, %v", r, err)
	}
	w.diskFaults = nil
	w.reopen()
	w.same()
}

type faultFunc func(op, path string) error

func (f faultFunc) Before(op, path string) error { return f(op, path) }

func TestAFlushThatFailsPublishesNothing(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "a")
	p := w.plan()
	w.diskFaults = faultFunc(func(op, _ string) error {
		if op == target.OpClose {
			return os.ErrInvalid
		}
		return nil
	})
	w.reopen()
	r, _, err := w.apply(t.Context(), p, 0)
	if err != nil || r.Counts.Failed != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	w.equal(map[string]string{})
	w.diskFaults = nil
	w.reopen()
	w.sync()
	w.same()
}
