package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shutdownRequest is EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which are the same.
const shutdownRequest = 0x8004587d

// What a file system does with its journal before it stops. Nothing else that is
// not on the disk yet gets there.
const (
	flushJournal = 1
	dropJournal  = 2
)

// loopDisk is a file system of its own in a file, whose power can be cut.
type loopDisk struct {
	t     *testing.T
	kind  string
	image string
	dir   string // where it is mounted
	check []string
}

// newLoopDisk makes a file system and mounts it, which needs root. Where it is
// impossible, the test is skipped and says why.
func newLoopDisk(t *testing.T, kind string) *loopDisk {
	t.Helper()
	d := &loopDisk{t: t, kind: kind, dir: t.TempDir()}
	size, make := int64(128<<20), []string{"mkfs.ext4", "-q", "-F"}
	d.check = []string{"e2fsck", "-fn"}
	if kind == "xfs" {
		size, make, d.check = 320<<20, []string{"mkfs.xfs", "-q", "-f"}, []string{"xfs_repair", "-n"}
	}
	for _, tool := range []string{make[0], d.check[0], "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("a power cut on %s needs %s", kind, tool)
		}
	}
	images, err := os.MkdirTemp("/dev/shm", "power-test-") // sparse, and faster than a disk
	if err != nil {
		images = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(images) })
	d.image = filepath.Join(images, kind)
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	d.run(append(make, d.image)...)
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("no loop device can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.dir).Run() })
	return d
}

func (d *loopDisk) run(args ...string) {
	d.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// cut stops the file system at once: what is not on the disk now never gets there,
// and every call after this one fails.
func (d *loopDisk) cut(journal int) {
	d.t.Helper()
	root, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer root.Close()
	if err := unix.IoctlSetPointerInt(int(root.Fd()), shutdownRequest, journal); err != nil {
		d.t.Fatalf("shut %s down: %v", d.kind, err)
	}
}

// restart mounts the file system as after a power cut, which replays its journal,
// and wants it to be sound.
func (d *loopDisk) restart() {
	d.t.Helper()
	d.unmount()
	d.run("mount", "-o", "loop", d.image, d.dir)
	d.unmount()
	d.run(append(d.check, d.image)...)
	d.run("mount", "-o", "loop", d.image, d.dir)
}

// sync makes all that is on it durable.
func (d *loopDisk) sync() {
	d.t.Helper()
	root, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		d.t.Fatal(err)
	}
}

// unmount waits for the last files of a killed process to be closed.
func (d *loopDisk) unmount() {
	d.t.Helper()
	var err error
	for range 100 {
		if err = unix.Unmount(d.dir, 0); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.t.Fatal(fmt.Errorf("unmount %s: %w", d.kind, err))
}
