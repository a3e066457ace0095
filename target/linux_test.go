//go:build linux && !osroot

package target

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mount puts a file system at a path for the time of a test.
func mount(t *testing.T, source, path, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, path, kind, flags, data); err != nil {
		t.Skipf("mounting needs more rights: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
}

// Old kernels and sandboxes without openat2 and statx get the same answers.
func TestKernelsWithoutTheNewCallsAreConfinedToo(t *testing.T) {
	d := newTarget(t)
	d.root.calls.noOpenat2.Store(true)
	d.root.calls.noStatx.Store(true)
	outside := t.TempDir()
	write(t, outside+"/victim", "victim")
	must(t, os.Mkdir(outside+"/sub", 0o700))
	fp := put(t, d, "a/b/f", "x")
	if got, err := d.Stat("a/b/f"); err != nil || got != fp {
		t.Errorf("%+v %v", got, err)
	}
	must(t, os.Symlink(outside, d.abs("a/link")))
	name, _ := stage(t, d, "k", "new")
	for _, to := range []RelPath{"a/link/x", "a/link/victim", "a/link/sub/x", "a/b/f/x"} {
		if _, err := d.Publish(name, to, nil); !errors.Is(err, ErrNotPlain) {
			t.Errorf("%s: %v", to, err)
		}
		if _, err := d.Hash(context.Background(), to); !errors.Is(err, ErrNotPlain) {
			t.Errorf("hash %s: %v", to, err)
		}
	}
	if _, err := d.Stage("../../f", StageOptions{}); !errors.Is(err, ErrBadPath) {
		t.Error(err)
	}
	want := grow(t, d, 3, 20, 100)
	got := walked(t, d)
	for rel, kind := range want {
		if got[rel] != kind {
			t.Errorf("%s: %v, want %v", rel, got[rel], kind)
		}
	}
	must(t, os.Mkdir(d.abs("mnt"), 0o700))
	mount(t, "none", d.abs("mnt"), "tmpfs", 0, "size=64k")
	if _, err := d.Publish(name, "mnt/x", nil); !errors.Is(err, ErrCrossDevice) {
		t.Errorf("onto another device: %v", err)
	}
}

func TestMountsBelowTheRootAreForeign(t *testing.T) {
	d := newTarget(t)
	other := t.TempDir()
	write(t, other+"/f", "other")
	for _, dir := range []RelPath{"device", "bind", "inner"} {
		must(t, d.MkdirAll(dir))
	}
	put(t, d, "inside/f", "inside")
	write(t, d.abs("file"), "file")
	mount(t, "none", d.abs("device"), "tmpfs", 0, "size=64k")
	mount(t, other, d.abs("bind"), "", unix.MS_BIND, "")
	mount(t, d.abs("inside"), d.abs("inner"), "", unix.MS_BIND, "")
	mount(t, other+"/f", d.abs("file"), "", unix.MS_BIND, "")
	name, _ := stage(t, d, "k", "new")
	for _, dir := range []RelPath{"device", "bind", "inner"} {
		if _, err := d.Publish(name, dir.Join("x"), nil); !errors.Is(err, ErrCrossDevice) || !errors.Is(err, ErrNotPlain) {
			t.Errorf("publish into %s: %v", dir, err)
		}
		if err := d.MkdirAll(dir.Join("x/y")); !errors.Is(err, ErrCrossDevice) {
			t.Errorf("mkdir in %s: %v", dir, err)
		}
		if _, err := d.Trash(dir.Join("f"), nil, "s"); !errors.Is(err, ErrCrossDevice) {
			t.Errorf("trash from %s: %v", dir, err)
		}
		if err := d.Rmdir(dir); !errors.Is(err, ErrBusy) {
			t.Errorf("rmdir %s: %v", dir, err)
		}
	}
	if _, err := d.Hash(context.Background(), "file"); !errors.Is(err, ErrCrossDevice) {
		t.Errorf("hash of a mounted file: %v", err)
	}
	seen := 0
	for listing, err := range d.Walk(context.Background(), "") {
		must(t, errors.Join(err, listing.Err))
		if listing.Path != "" && listing.Path != "inside" {
			t.Errorf("entered %s", listing.Path)
		}
		for _, e := range listing.Entries {
			if e.Kind == KindOther {
				seen++
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d mount points reported, want 4", seen)
	}
	if got := read(t, other+"/f"); got != "other" {
		t.Error("the other tree was touched")
	}
}

func TestStagingOrTrashOnAnotherDeviceIsRefusedAtStart(t *testing.T) {
	for _, sub := range []string{"staging", "park", "trash"} {
		t.Run(sub, func(t *testing.T) {
			dir := t.TempDir() + "/t"
			must(t, Init(dir, testMarker))
			must(t, os.MkdirAll(dir+"/.spmirror/"+sub, 0o700))
			mount(t, "none", dir+"/.spmirror/"+sub, "tmpfs", 0, "size=64k")
			if _, err := Open(dir, testMarker); !errors.Is(err, ErrCrossDevice) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAMountOverTheRootIsNoticed(t *testing.T) {
	d := newTarget(t)
	mount(t, "none", d.path, "tmpfs", 0, "size=64k")
	if err := d.Reidentify(); !errors.Is(err, ErrReplaced) {
		t.Errorf("error %v", err)
	}
	if _, err := Open(d.path, testMarker); !errors.Is(err, ErrNoMarker) || !errors.Is(err, ErrNotMounted) {
		t.Errorf("opening the empty mount: %v", err)
	}
	if entries, _ := os.ReadDir(d.path); len(entries) != 0 {
		t.Error("something was written to the mount")
	}
}

// small is a target on a tiny file system.
func small(t *testing.T, data string, opts ...Option) *Dir {
	t.Helper()
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", 0, data)
	must(t, Init(dir, testMarker))
	return reopen(t, dir, opts...)
}

func TestAFullDiskIsSaidAndLeavesNothingPartial(t *testing.T) {
	d := small(t, "size=256k")
	if free, _, err := d.Free(); err != nil || free <= 0 || free > 256<<10 {
		t.Errorf("free: %d %v", free, err)
	}
	old := put(t, d, "f", "old")
	s, err := d.Stage(StageName("k"), StageOptions{})
	must(t, err)
	_, err = s.Write(make([]byte, 1<<20))
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write: %v", err)
	}
	if _, err := s.Finish(time.Time{}, 0); !errors.Is(err, ErrNoSpace) {
		t.Errorf("finish: %v", err)
	}
	if _, err := d.Stage(StageName("big"), StageOptions{Size: 4 << 20}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("reserving: %v", err)
	}
	if got := texts(t, d.abs(stagingDir)); len(got) != 0 {
		t.Errorf("staging: %d files", len(got))
	}
	name, _ := stage(t, d, "k", "new")
	if _, err := d.Publish(name, "f", &old); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestRunningOutOfInodesIsNoSpaceToo(t *testing.T) {
	d := small(t, "size=1m,nr_inodes=20")
	_, inodes, err := d.Free()
	if err != nil || inodes <= 0 || inodes > 20 {
		t.Errorf("free inodes: %d %v", inodes, err)
	}
	for i := range 30 {
		if _, err = d.Stage(StageName(strings.Repeat("k", i)), StageOptions{}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("stage: %v", err)
	}
	if err := d.MkdirAll("a/b/c"); !errors.Is(err, ErrNoSpace) {
		t.Errorf("mkdir: %v", err)
	}
}

func TestAReadOnlyMountIsSaid(t *testing.T) {
	d := small(t, "size=256k")
	put(t, d, "f", "x")
	must(t, unix.Mount("none", d.path, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if _, err := d.Stage(StageName("k"), StageOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("stage: %v", err)
	}
	if err := d.MkdirAll("a"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("mkdir: %v", err)
	}
	plan, err := Open(d.path, testMarker, WithReadOnly())
	must(t, err)
	defer plan.Close()
	if _, err := plan.Stat("f"); err != nil {
		t.Errorf("looking must work: %v", err)
	}
}

func TestRunningOutOfDescriptorsDropsTheHeldOnes(t *testing.T) {
	d := newTarget(t)
	for _, rel := range []RelPath{"a", "b", "c", "d"} {
		must(t, d.MkdirAll(rel))
	}
	d.parents.clear()
	for _, rel := range []RelPath{"a", "b", "c"} {
		p, err := d.parents.open(rel)
		must(t, err)
		p.release()
	}
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	highest, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Close(highest))
	lower := limit
	lower.Cur = uint64(highest)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &lower))
	_, statErr := d.Stat("d/none")
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if !errors.Is(statErr, os.ErrNotExist) {
		t.Errorf("with the descriptors used up: %v", statErr)
	}
}

func TestProbingFindsWhatLinuxOffers(t *testing.T) {
	d := small(t, "size=256k")
	caps := d.Capabilities()
	if caps.FSType != "tmpfs" || !caps.NoReplace || !caps.Exchange || !caps.HardLinks || caps.Folding != 0 || caps.TimeUnit != 1 {
		t.Errorf("%+v", caps)
	}
	if got := caps.Weaknesses(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
