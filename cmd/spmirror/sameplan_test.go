package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThePlanFileIsTheSameWhateverTheOrderOfDirectoriesAndTheNumberOfProcessors plans the
// same changes and the same local damage again and again (I-44). Between the plans all
// names of the target leave their directories and come back in another order.
func TestThePlanFileIsTheSameWhateverTheOrderOfDirectoriesAndTheNumberOfProcessors(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	plant(t, dir)
	w := newWorld(t, library(t, dir))
	k := &killer{t: t, w: w, bin: buildBinary(t)}
	inMemory := canMount()
	if inMemory { // there directories list their names in the order of arrival
		if err := os.Mkdir(w.path("mirror"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "none", w.path("mirror")).Run(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = exec.Command("umount", w.path("mirror")).Run() })
	}
	k.finish("apply", "-auto-approve")
	e := editor{t: t, w: w, rand: random}
	for range 80 {
		e.edit()
	}
	damage(t, w.path("mirror"), random)
	if err := os.MkdirAll(w.path("mirror/not ours/deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("mirror/not ours/deep/file", "untracked")
	k.finish("plan", "-out=first.spplan")
	first := k.read("first.spplan")
	before, shuffled := k.order(), false
	for _, processors := range []string{"1", "2", "4", "1", "16"} {
		k.shuffle(random, w.path("mirror"))
		if err := os.Remove(w.path("mirror/.aside")); err != nil {
			t.Fatal(err)
		}
		shuffled = shuffled || !slices.Equal(before, k.order())
		w.env = append(slices.DeleteFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") }), "GOMAXPROCS="+processors)
		k.finish("plan", "-out=again.spplan")
		if !bytes.Equal(first, k.read("again.spplan")) {
			t.Errorf("with GOMAXPROCS=%s the plan file has other bytes", processors)
		}
		if err := os.Remove(w.path("again.spplan")); err != nil {
			t.Fatal(err)
		}
	}
	if inMemory && !shuffled {
		t.Error("the directories list in the same order as before: the test proves nothing")
	}
}

func (k *killer) read(name string) []byte {
	k.t.Helper()
	data, err := os.ReadFile(k.w.path(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return data
}

// order is how the directories of the mirror list their names.
func (k *killer) order() (names []string) {
	k.t.Helper()
	var walk func(dir string)
	walk = func(dir string) {
		for _, name := range k.names(dir) {
			names = append(names, name)
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.IsDir() && name != ".spmirror" {
				walk(filepath.Join(dir, name))
			}
		}
	}
	walk(k.w.path("mirror"))
	return names
}

func (k *killer) names(dir string) []string {
	k.t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		k.t.Fatal(err)
	}
	return names
}

// shuffle takes everything out of a directory and puts it back in another order; files
// and directories keep their inodes and times.
func (k *killer) shuffle(random *rand.Rand, dir string) {
	k.t.Helper()
	was, err := os.Lstat(dir)
	if err != nil {
		k.t.Fatal(err)
	}
	names := slices.DeleteFunc(k.names(dir), func(name string) bool { return name == ".spmirror" || name == ".aside" })
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	aside := k.w.path("mirror/.aside")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		k.t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil {
			k.t.Fatal(err)
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(aside, name), filepath.Join(dir, name)); err != nil {
			k.t.Fatal(err)
		}
	}
	for _, name := range names {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			k.shuffle(random, filepath.Join(dir, name))
		}
	}
	if err := os.Chtimes(dir, time.Time{}, was.ModTime()); err != nil {
		k.t.Fatal(err)
	}
}
