//go:build !osroot

package target

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// shutdownRequest is EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which are the same.
const shutdownRequest = 0x8004587d

// What a file system does with its journal before it stops.
const (
	flushJournal = 1
	dropJournal  = 2
)

// powerCut stops a whole file system ahead of the n-th operation: what is not on the
// disk by then never gets there.
type powerCut struct {
	t       *testing.T
	dir     string
	n, seen int
	journal int
}

func (p *powerCut) Before(string, string) error {
	if p.seen++; p.seen != p.n {
		return nil
	}
	root, err := os.Open(p.dir)
	must(p.t, err)
	defer root.Close()
	must(p.t, unix.IoctlSetPointerInt(int(root.Fd()), shutdownRequest, p.journal))
	return fmt.Errorf("power cut: %w", syscall.EIO)
}

// TestAPowerCutAtAnyOperationLosesNothing cuts the power ahead of each operation of an
// update. After the restart the file is old or new and the old bytes are somewhere (I-01 to I-03, I-16).
func TestAPowerCutAtAnyOperationLosesNothing(t *testing.T) {
	journals := []int{dropJournal}
	if os.Getenv("SPMIRROR_LONG") != "" {
		journals = append(journals, flushJournal)
	}
	for _, k := range loopKinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			m, cuts := mountLoop(t, k), 0
			for _, journal := range journals {
				for _, policy := range []SyncPolicy{SyncFile, SyncBatch} {
					for n := 1; m.cutAt(t, n, journal, policy); n++ {
						cuts++
					}
				}
			}
			t.Logf("%d power cuts", cuts)
			if cuts < 30 {
				t.Errorf("only %d power cuts", cuts)
			}
		})
	}
}

// cutAt reports whether there was an n-th operation.
func (m loopMount) cutAt(t *testing.T, n, journal int, policy SyncPolicy) bool {
	t.Helper()
	dir := filepath.Join(m.dir, "t")
	must(t, os.RemoveAll(dir))
	must(t, Init(dir, testMarker))
	d := reopen(t, dir, WithSync(policy))
	old := put(t, d, "f", "old content")
	must(t, d.SyncAll())
	cut := &powerCut{t: t, dir: m.dir, n: n, journal: journal}
	d.faults = cut
	fp, err := update(d, old)
	if err == nil {
		err = d.SyncDirs()
	}
	if cut.seen < n {
		must(t, err)
		d.Close()
		m.cutAfter(t, dir, cut)
		return false
	}
	d.Close()
	if err == nil {
		t.Fatalf("operation %d: the update went on without power", n)
	}
	m.restart(t)
	d = reopen(t, dir, WithSync(policy))
	defer d.Close()
	look := func(when string) {
		text, err := os.ReadFile(d.abs("f"))
		if err != nil || string(text) != "old content" && string(text) != "new content" {
			t.Fatalf("operation %d, %s: f holds %q, %v", n, when, text, err)
		}
		if !holds(t, d.path, "old content") {
			t.Fatalf("operation %d, %s: the old bytes are gone: %v", n, when, texts(t, d.path))
		}
	}
	look("after the restart")
	finish(t, d, fp, old)
	look("after recovery")
	if text := read(t, d.abs("f")); text != "new content" {
		t.Fatalf("operation %d: recovery ended with %q", n, text)
	}
	return true
}

// cutAfter cuts the power after the end of an update, all of which is there then.
func (m loopMount) cutAfter(t *testing.T, dir string, cut *powerCut) {
	t.Helper()
	cut.n = cut.seen + 1
	if err := cut.Before("", ""); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	m.restart(t)
	trash := filepath.Join(dir, controlDir, "trash")
	if text := read(t, filepath.Join(dir, "f")); text != "new content" || !holds(t, trash, "old content") {
		t.Fatalf("the update ended, but after a restart f holds %q, the trash %v", text, texts(t, trash))
	}
}

// restart mounts the file system as after a power cut.
func (m loopMount) restart(t *testing.T) {
	t.Helper()
	must(t, unix.Unmount(m.dir, 0))
	if out, err := m.up(); err != nil {
		t.Fatal(errors.Join(err, errors.New(string(out))))
	}
}
