package target

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestResumingCutsToTheDurableOffset(t *testing.T) {
	d := newTarget(t)
	name := StageName("k")
	s, err := d.Stage(name, StageOptions{})
	must(t, err)
	_, err = s.Write([]byte("durable|not durable"))
	must(t, err)
	must(t, s.Close())

	s, err = d.Stage(name, StageOptions{Offset: 8})
	must(t, err)
	if s.Offset() != 8 {
		t.Errorf("offset %d", s.Offset())
	}
	_, err = s.Write([]byte("rest"))
	must(t, err)
	fp, err := s.Finish(time.Time{}, 0)
	must(t, err)
	if got := read(t, d.abs(s.rel())); got != "durable|rest" || fp.Size != 12 {
		t.Errorf("%q, %d bytes", got, fp.Size)
	}
}

func TestStartingAnewLeavesNothingOfTheOldAttempt(t *testing.T) {
	d := newTarget(t)
	stage(t, d, "k", "a long first attempt")
	name, _ := stage(t, d, "k", "short")
	if got := read(t, d.abs(stagingDir.Join(LocalName(name)))); got != "short" {
		t.Errorf("%q", got)
	}
}

func TestWhatCannotBeResumedIsRefusedAndLeftAlone(t *testing.T) {
	d := newTarget(t)
	name := StageName("k")
	path := d.abs(stagingDir.Join(LocalName(name)))
	resume := func() error {
		s, err := d.Stage(name, StageOptions{Offset: 5})
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := resume(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	write(t, path, "1234")
	if err := resume(); !errors.Is(err, ErrChanged) {
		t.Errorf("too short: %v", err)
	}
	write(t, path, "123456789")
	must(t, os.Link(path, d.abs("second name")))
	if err := resume(); !errors.Is(err, ErrChanged) {
		t.Errorf("with a second name: %v", err)
	}
	if got := read(t, d.abs("second name")); got != "123456789" {
		t.Errorf("the second name was cut: %q", got)
	}
	must(t, os.Remove(path))
	must(t, os.Symlink(d.abs("second name"), path))
	for _, offset := range []int64{0, 5} {
		if _, err := d.Stage(name, StageOptions{Offset: offset}); !errors.Is(err, ErrNotRegular) && !errors.Is(err, ErrNotPlain) {
			t.Errorf("a link, from %d: %v", offset, err)
		}
	}
	if got := read(t, path); got != "123456789" {
		t.Errorf("the link or what it leads to was touched: %q", got)
	}
}

func TestOnlyStagingNamesAreStaged(t *testing.T) {
	d := newTarget(t)
	put(t, d, "f", "x")
	for _, name := range []string{"", "x", "../f", "../../f", StageName("k") + "/..", strings.TrimSuffix(StageName("k"), partSuffix), "spm-../../../../../../../f.part", strings.ToUpper(StageName("k"))} {
		if _, err := d.Stage(name, StageOptions{}); !errors.Is(err, ErrBadPath) {
			t.Errorf("stage %q: %v", name, err)
		}
		if _, err := d.Publish(name, "g", nil); err == nil {
			t.Errorf("publish %q", name)
		}
		if err := d.DiscardStaged(name); !errors.Is(err, ErrBadPath) {
			t.Errorf("discard %q: %v", name, err)
		}
	}
	if read(t, d.abs("f")) != "x" {
		t.Error("f was touched")
	}
}

func TestAFailedFlushIsFinal(t *testing.T) {
	d := newTarget(t)
	h := &hook{op: OpSync, do: func() error { return syscall.EIO }}
	d.faults = h
	s, err := d.Stage(StageName("k"), StageOptions{})
	must(t, err)
	_, err = s.Write([]byte("x"))
	must(t, err)
	if err := s.Sync(); !errors.Is(err, ErrNotDurable) || !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	counts := &counter{}
	d.faults = counts
	if _, err := s.Write([]byte("y")); err == nil {
		t.Error("a write after a failed flush")
	}
	if err := s.Sync(); err == nil {
		t.Error("a second flush succeeded")
	}
	if _, err := s.Finish(time.Time{}, 0); !errors.Is(err, ErrNotDurable) {
		t.Errorf("finish: %v", err)
	}
	if counts.of(OpSync) != 0 {
		t.Error("the flush was tried again (I-04)")
	}
	if got := texts(t, d.abs(stagingDir)); len(got) != 0 {
		t.Errorf("staging: %v", got)
	}
}

func TestAFailedFlushOfTheFileSystemLosesAllItCovered(t *testing.T) {
	d := newTarget(t, WithSync(SyncBatch))
	early, _ := stage(t, d, "early", "early")
	must(t, d.SyncAll())
	halfway, err := d.Stage(StageName("halfway"), StageOptions{})
	must(t, err)
	_, err = halfway.Write([]byte("half"))
	must(t, err)
	var ops []PublishOp
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		name, _ := stage(t, d, key, key)
		ops = append(ops, PublishOp{Staged: name, To: RelPath(key)})
	}
	d.faults = &hook{op: OpSyncFS, do: func() error { return syscall.EIO }}
	for _, r := range d.PublishBatch(append(ops, PublishOp{Staged: early, To: "early"})) {
		if (r.Err == nil) != r.Published {
			t.Error(r)
		}
	}
	if _, err := halfway.Finish(time.Time{}, 0); !errors.Is(err, ErrNotDurable) {
		t.Errorf("a file that was being written: %v", err)
	}
	got := texts(t, d.path)
	delete(got, ".spmirror/marker.json")
	if len(got) != 1 || got["early"] != "early" {
		t.Errorf("left: %v", got)
	}
	name, _ := stage(t, d, "a", "a")
	if _, err := d.Publish(name, "a", nil); err != nil {
		t.Errorf("after fetching again: %v", err)
	}
}

func TestPublishFlushesWhatIsNotYetDurable(t *testing.T) {
	counts := &counter{}
	d := newTarget(t, WithSync(SyncBatch), WithFaults(counts))
	name, _ := stage(t, d, "k", "x")
	if counts.of(OpSync)+counts.of(OpSyncFS) != 0 {
		t.Fatal("flushed too early")
	}
	_, err := d.Publish(name, "f", nil)
	must(t, err)
	if counts.of(OpSync) != 1 || slices.Index(counts.ops, OpSync) > slices.IndexFunc(counts.ops, func(op string) bool { return op == OpRename || op == OpLink }) {
		t.Errorf("order of operations: %v", counts.ops)
	}
}

func TestSweepRemovesOnlyOurUnknownPartials(t *testing.T) {
	d := newTarget(t)
	staging := d.abs(stagingDir) + "/"
	gone, kept, open, swapped := StageName("gone"), StageName("kept"), StageName("open"), swapNames(StageName("x"))[2]
	for _, name := range []string{gone, kept, swapped, "foreign", "spm-short.part", gone + "~"} {
		write(t, staging+name, name)
	}
	must(t, os.Symlink("/etc/passwd", staging+StageName("link")))
	must(t, os.Mkdir(staging+StageName("dir"), 0o700))
	s, err := d.Stage(open, StageOptions{})
	must(t, err)
	defer s.Discard()
	foreign, err := d.Sweep(func(name string) bool { return name == kept })
	must(t, err)
	slices.Sort(foreign)
	want := []string{swapped, "foreign", "spm-short.part", gone + "~", StageName("link"), StageName("dir")}
	slices.Sort(want)
	if !slices.Equal(foreign, want) {
		t.Errorf("reported %q\nwant %q", foreign, want)
	}
	entries, _ := os.ReadDir(staging)
	if len(entries) != len(want)+2 {
		t.Errorf("%d entries are left", len(entries))
	}
	if _, err := os.Stat(staging + gone); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the unknown partial is still there")
	}
}

func TestSweepRemovesWhatKilledProbesLeft(t *testing.T) {
	d := newTarget(t)
	probeOf := func(name string, age time.Duration, files ...string) string {
		path := d.abs(controlDir) + "/" + name
		must(t, os.Mkdir(path, 0o700))
		for _, f := range files {
			must(t, os.WriteFile(path+"/"+f, nil, 0o600))
		}
		then := time.Now().Add(-age)
		must(t, os.Chtimes(path, then, then))
		return path
	}
	gone := probeOf(".spmirror-probe-AAAAAAAA", 2*time.Hour, "case-a", "full-ß", "swap-a", "rename-c")
	empty := probeOf(".spmirror-probe-BBBBBBBB", 2*time.Hour)
	running := probeOf(".spmirror-probe-CCCCCCCC", 0, "case-a")
	foreign := probeOf(".spmirror-probe-DDDDDDDD", 2*time.Hour, "case-a", "a person's")
	other := probeOf("other", 2*time.Hour, "case-a")
	_, err := d.Sweep(nil)
	must(t, err)
	for path, files := range map[string]int{gone: -1, empty: -1, running: 1, foreign: 1, other: 1} {
		list, err := os.ReadDir(path)
		if left := len(list); errors.Is(err, fs.ErrNotExist) != (files < 0) || files >= 0 && left != files {
			t.Errorf("%s holds %d files (%v), want %d", path, left, err, files)
		}
	}
}
