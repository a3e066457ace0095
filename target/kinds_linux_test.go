//go:build !osroot

package target

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// loopKind is a kind of file system that can be made in a file.
type loopKind struct {
	name  string
	size  int64
	make  []string
	mount []string // followed by the file and the directory
	whole bool     // renames that refuse and that exchange
}

var loopKinds = []loopKind{
	{"ext4", 32 << 20, []string{"mkfs.ext4", "-q", "-F"}, []string{"mount", "-o", "loop"}, true},
	{"xfs", 320 << 20, []string{"mkfs.xfs", "-q", "-f"}, []string{"mount", "-o", "loop"}, true},
	{"btrfs", 128 << 20, []string{"mkfs.btrfs", "-q"}, []string{"mount", "-o", "loop"}, true},
	{"ntfs-3g", 32 << 20, []string{"mkntfs", "-F", "-Q"}, []string{"ntfs-3g"}, false},
}

// loopMount is a file system in a file, mounted.
type loopMount struct {
	loopKind
	image, dir string
}

// mountLoop makes a file system of a kind and mounts it for the time of a test.
func mountLoop(t *testing.T, k loopKind) loopMount {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	for _, tool := range []string{k.make[0], k.mount[0]} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s needs %s", k.name, tool)
		}
	}
	image, dir := filepath.Join(memoryDir(t), k.name), t.TempDir()
	write(t, image, "")
	must(t, os.Truncate(image, k.size))
	if out, err := exec.Command(k.make[0], append(k.make[1:], image)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", k.make[0], err, out)
	}
	m := loopMount{loopKind: k, image: image, dir: dir}
	if out, err := m.up(); err != nil {
		t.Skipf("%s cannot be mounted here: %v: %s", k.name, err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return m
}

func (m loopMount) up() ([]byte, error) {
	args := append(slices.Clone(m.mount[1:]), m.image, m.dir)
	return exec.Command(m.mount[0], args...).CombinedOutput()
}

// TestPublishingKeepsItsPromisesOnEveryKindOfFileSystem breaks an update at each of
// its operations, on real file systems with and without renames that refuse and
// exchange (F16).
func TestPublishingKeepsItsPromisesOnEveryKindOfFileSystem(t *testing.T) {
	test := func(t *testing.T, dir string, whole bool) {
		caps, err := Probe(dir)
		must(t, err)
		if whole != (caps.NoReplace && caps.Exchange) {
			t.Errorf("found %+v", caps)
		}
		if weak := strings.Join(caps.Weaknesses(), "; "); whole != (weak == "") {
			t.Errorf("weaknesses %q of %s", weak, caps.FSType)
		}
		for _, forGood := range []bool{false, true} {
			n := 1
			for ; strikeIn(t, dir, n, forGood, WithSync(SyncBatch)); n++ {
				must(t, os.RemoveAll(filepath.Join(dir, "t")))
			}
			if n < 10 {
				t.Errorf("only %d operations", n)
			}
			must(t, os.RemoveAll(filepath.Join(dir, "t")))
		}
		lateFiles(t, filepath.Join(dir, "t"))
	}
	for _, k := range loopKinds {
		t.Run(k.name, func(t *testing.T) { test(t, mountLoop(t, k).dir, k.whole) })
	}
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		mount(t, "none", dir, "tmpfs", 0, "size=16m")
		test(t, dir, true)
	})
}

// lateFiles wants local files that appear or change at the last moment to survive.
func lateFiles(t *testing.T, dir string) {
	t.Helper()
	must(t, Init(dir, testMarker))
	d := reopen(t, dir, WithSync(SyncBatch))
	defer d.Close()
	name, _ := stage(t, d, "late", "ours")
	write(t, d.abs("late"), "theirs")
	if _, err := d.Publish(name, "late", nil); err == nil || read(t, d.abs("late")) != "theirs" {
		t.Errorf("onto a late file: %v, it holds %q", err, read(t, d.abs("late")))
	}
	fp := put(t, d, "changed", "old")
	write(t, d.abs("changed"), "theirs, longer")
	name, _ = stage(t, d, "changed", "ours")
	if _, err := d.Publish(name, "changed", &fp); err == nil || read(t, d.abs("changed")) != "theirs, longer" {
		t.Errorf("onto a changed file: %v, it holds %q", err, read(t, d.abs("changed")))
	}
}

// TestFoldingIsFoundOnARealFileSystem asks one that takes names of either case for the
// same (F15): a second spelling never replaces the first.
func TestFoldingIsFoundOnARealFileSystem(t *testing.T) {
	m := mountLoop(t, loopKind{"ntfs-3g", 32 << 20, []string{"mkntfs", "-F", "-Q"}, []string{"lowntfs-3g", "-o", "ignore_case"}, false})
	dir := filepath.Join(m.dir, "t")
	must(t, Init(dir, testMarker))
	d := reopen(t, dir, WithSync(SyncBatch))
	defer d.Close()
	if d.Capabilities().Folding&FoldCase == 0 {
		t.Fatalf("found %+v", d.Capabilities())
	}
	fold := Naming{Folding: d.Capabilities().Folding}
	if fold.Fold("File") != fold.Fold("fILE") {
		t.Error("the names do not fold")
	}
	put(t, d, "File", "first")
	name, _ := stage(t, d, "k", "second")
	if _, err := d.Publish(name, "fILE", nil); !errors.Is(err, ErrOccupied) {
		t.Errorf("another spelling: %v", err)
	}
	if text := read(t, d.abs("File")); text != "first" {
		t.Errorf("the first holds %q", text)
	}
}
