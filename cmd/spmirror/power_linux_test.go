package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/state"
)

// TestAPowerCutLosesNothingAndConverges runs the real program with its state and its
// mirror on a file system of their own, cuts the power of that at a random moment,
// and looks at what is there after the restart: before the program runs again, and
// after. One time in three the power goes again while the program cleans up.
func TestAPowerCutLosesNothingAndConverges(t *testing.T) {
	cuts := 5
	if long() {
		cuts = 50
	}
	needsRoot(t)
	bin := buildBinary(t)
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			newOutage(t, newLoopDisk(t, kind), bin).run(cuts)
		})
	}
}

// outage cuts the power of one file system again and again.
type outage struct {
	killer
	disk *loopDisk

	cuts, again, done int // also: during recovery, after the end of the run
}

func newOutage(t *testing.T, disk *loopDisk, bin string) *outage {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	plant(t, dir)
	o := &outage{disk: disk}
	o.killer = killer{t: t, w: newWorld(t, library(t, dir)), bin: bin, rand: rand.New(rand.NewPCG(seed, 0))}
	for _, name := range []string{"main.hcl", "ca.pem"} {
		text, err := os.ReadFile(o.w.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(disk.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.w.dir = disk.dir
	disk.sync()
	return o
}

func (o *outage) run(cuts int) {
	start := time.Now()
	first := o.finish("apply", "-auto-approve")
	o.check()
	o.edit()
	later := o.finish("apply", "-auto-approve")
	o.check()
	for i := range cuts {
		before := o.versions()
		o.edit()
		if i%5 == 4 { // the first apply of all, from nothing
			o.restart()
			o.disk.sync()
			o.strike(nil, first)
		} else {
			o.strike(before, later)
		}
		o.finish("apply", "-auto-approve")
		o.check()
		if o.t.Failed() {
			o.t.Fatalf("after cut %d: %s", i, o.last)
		}
	}
	o.t.Logf("%d power cuts on %s in %s: %d while the program ran, %d after its end, and %d more while it cleaned up",
		o.cuts, o.disk.kind, time.Since(start).Round(time.Second), o.cuts-o.done, o.done, o.again)
}

// strike cuts the power during an apply, and perhaps once more during the next one.
func (o *outage) strike(before map[string]edition, length time.Duration) {
	o.t.Helper()
	after := o.versions()
	ended := o.blackout(length)
	o.cuts++
	if ended {
		o.done++
		o.matches()
	}
	o.nothingLost(before, after)
	o.rowsHold()
	if o.rand.IntN(3) == 0 {
		o.blackout(length)
		o.again++
		o.nothingLost(before, after)
		o.rowsHold()
	}
}

// blackout starts an apply, cuts the power within the time that it takes by itself, or
// right after its end, and mounts the disk again. It reports whether the program
// had said that all is done.
func (o *outage) blackout(length time.Duration) (ended bool) {
	o.t.Helper()
	cmd, out := o.command("apply", "-auto-approve")
	after := time.Duration(o.rand.Int64N(int64(length) * 5 / 4))
	journal := dropJournal
	if o.rand.IntN(3) == 0 {
		journal = flushJournal
	}
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var err error
	select {
	case err = <-exited:
		ended = err == nil
		o.disk.cut(journal)
	case <-time.After(after):
		o.disk.cut(journal)
		_ = cmd.Process.Kill()
		err = <-exited
	}
	o.last = fmt.Sprintf("apply on %s cut after %s (journal %d): %v\n%s", o.disk.kind, after, journal, err, out)
	o.disk.restart()
	return ended
}

// edition is one text of a file and where it was.
type edition struct {
	path string
	size int
}

// versions are the texts of the source by their SHA-256.
func (o *outage) versions() map[string]edition {
	o.t.Helper()
	found := make(map[string]edition)
	drive := o.w.tenant.Drive("people/Documents")
	for _, item := range drive.Tree() {
		if item.Folder {
			continue
		}
		text, err := drive.Content(item.Path)
		if err != nil {
			o.t.Fatal(err)
		}
		found[digest(text)] = edition{item.Path, len(text)}
	}
	return found
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// nothingLost wants every visible file to be one of its versions, and every text
// that was in the mirror to be there still, or in the trash, or set aside.
func (o *outage) nothingLost(before, after map[string]edition) {
	o.t.Helper()
	have := make(map[string]bool)
	root := o.w.path("mirror")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sum := digest(text)
		have[sum] = true
		rel := strings.TrimPrefix(name, root+"/")
		_, old := before[sum]
		_, now := after[sum]
		if !old && !now && !strings.HasPrefix(rel, ".spmirror/") {
			o.t.Errorf("%s holds %d bytes that no version has", rel, len(text))
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		o.t.Error(err)
	}
	for _, sum := range slices.Sorted(maps.Keys(before)) {
		if !have[sum] {
			o.t.Errorf("the old text of %s, %d bytes, is lost", before[sum].path, before[sum].size)
		}
	}
	if o.t.Failed() {
		o.t.Fatal(o.last)
	}
}

// rowsHold wants each row that claims a file to have that file: the state never says
// more than the disk holds (I-03). Rows with an open intent claim nothing.
func (o *outage) rowsHold() {
	o.t.Helper()
	ctx := context.Background()
	if _, err := os.Stat(o.w.path("spmirror.db")); os.IsNotExist(err) {
		return // cut before there was one
	}
	store, err := state.Open(ctx, o.w.path("spmirror.db"), state.Options{})
	if err != nil {
		o.t.Fatalf("%v\n%s", err, o.last)
	}
	defer store.Close()
	if err := store.Check(ctx, true); err != nil {
		o.t.Error(err)
	}
	row, ok, err := store.MirrorByAddress(ctx, "mirror.docs")
	if err != nil || !ok {
		return
	}
	open := make(map[state.ItemID]bool)
	for in, err := range store.Intents(ctx, row.Key) {
		if err != nil {
			o.t.Fatal(err)
		}
		open[in.Item], open[in.Displaced] = true, true
	}
	delete(open, "")
	for e, err := range store.EntriesByParent(ctx, row.Key) {
		if err != nil {
			o.t.Fatal(err)
		}
		if !e.Folder && !unsettled(o.t, store, row.Key, e, open) {
			o.rowHolds(store, row.Key, e)
		}
	}
	if o.t.Failed() {
		o.t.Fatal(o.last)
	}
}

// unsettled reports whether an item or a folder above it has an open intent, or is
// parked.
func unsettled(t *testing.T, store *state.Store, key state.MirrorKey, e state.Entry, open map[state.ItemID]bool) bool {
	t.Helper()
	for {
		if open[e.Item] {
			return true
		}
		if e.Parent == "" || e.Parent == state.Parked {
			return e.Parent != ""
		}
		up, ok, err := store.Entry(context.Background(), key, e.Parent)
		if err != nil || !ok {
			t.Fatalf("row of the folder %s: %v", e.Parent, err)
		}
		e = up
	}
}

func (o *outage) rowHolds(store *state.Store, key state.MirrorKey, e state.Entry) {
	o.t.Helper()
	path, err := store.EntryPath(context.Background(), key, e.Item)
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(o.w.path("mirror"), path))
	if err != nil {
		o.t.Errorf("a row claims %s: %v", path, err)
	} else if e.SHA256 != "" && digest(text) != e.SHA256 {
		o.t.Errorf("a row claims %d other bytes of %s, which has %d", e.Size, path, len(text))
	}
}

// matches wants all that was said to be done to be there (I-35).
func (o *outage) matches() {
	o.t.Helper()
	for _, d := range o.w.differences() {
		o.t.Errorf("the program said that all is done, but %s", d)
	}
}
