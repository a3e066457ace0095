package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAMirrorLivesOnFileSystemsOfOtherKinds mirrors a library of nasty names onto a
// file system without renames that refuse or exchange, and onto one in memory, with
// edits of the source and damage on the disk (F16).
func TestAMirrorLivesOnFileSystemsOfOtherKinds(t *testing.T) {
	needsRoot(t)
	rounds := 2
	if long() {
		rounds = 6
	}
	for name, mount := range map[string]func(t *testing.T, dir string){"ntfs-3g": mountNTFS, "tmpfs": func(t *testing.T, dir string) { mountMemory(t, dir, "size=64m") }} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir)
			w := newWorld(t, library(t, dir))
			if err := os.Mkdir(w.path("mirror"), 0o700); err != nil {
				t.Fatal(err)
			}
			mount(t, w.path("mirror"))
			random := rand.New(rand.NewPCG(3, 3))
			for round := range rounds {
				w.run(exitOK, "apply", "-auto-approve")
				w.matchesTenant()
				w.unchanged()
				w.run(exitOK, "verify")
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
				e := editor{t: t, w: w, rand: random}
				for range 80 {
					e.edit()
				}
				damage(t, w.path("mirror"), random)
			}
		})
	}
}

// needsRoot skips a test that mounts a file system where that is not allowed.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
}

// mountMemory mounts a file system in memory until the test ends.
func mountMemory(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func mountNTFS(t *testing.T, dir string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkntfs", "-F", "-Q", image}, {"ntfs-3g", image, dir}} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("this needs %s", args[0])
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", args[0], err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}
