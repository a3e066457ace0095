package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"
)

// platforms are the three ways in which a file system lets us publish.
var platforms = []struct {
	name  string
	force func(Capabilities) Capabilities
}{
	{"exchange", func(c Capabilities) Capabilities { return c }},
	{"links", func(c Capabilities) Capabilities { c.NoReplace, c.Exchange = false, false; return c }},
	{"bare", func(c Capabilities) Capabilities {
		c.NoReplace, c.Exchange, c.HardLinks = false, false, false
		return c
	}},
}

func onEveryPlatform(t *testing.T, test func(t *testing.T, opt Option)) {
	for _, p := range platforms {
		t.Run(p.name, func(t *testing.T) { test(t, WithCapabilities(p.force)) })
	}
}

func TestAPublishedFileHasItsBytesTimeAndMode(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt, WithModes(0o777|fs.ModeSetuid, 0o750))
		fp := put(t, d, "a/b/c.txt", "hello")
		got, err := d.Stat("a/b/c.txt")
		must(t, err)
		if got != fp {
			t.Errorf("on disk %+v, promised %+v", got, fp)
		}
		if got.Mode != 0o666 {
			t.Errorf("mode %v: execute or set-id bits must go, the rest must be exact", got.Mode)
		}
		if dir, _ := d.Stat("a"); dir.Mode.Perm() != 0o750 {
			t.Errorf("directory mode %v", dir.Mode)
		}
		if s := read(t, d.abs("a/b/c.txt")); s != "hello" {
			t.Errorf("content %q", s)
		}
	})
}

func TestALateFileSurvivesACreate(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		name, _ := stage(t, d, "k", "ours")
		write(t, d.abs("f"), "late")
		_, err := d.Publish(name, "f", nil)
		var e *Error
		if !errors.Is(err, ErrOccupied) || !errors.As(err, &e) || e.Found == nil || e.Found.Size != 4 {
			t.Fatalf("error %v", err)
		}
		if s := read(t, d.abs("f")); s != "late" {
			t.Errorf("the late file holds %q", s)
		}
		if _, err := d.Stat(stagingDir.Join(LocalName(name))); err != nil {
			t.Errorf("the staged file must stay for another try: %v", err)
		}
	})
}

func TestAReplacementReturnsTheDisplacedFile(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		old := put(t, d, "f", "old")
		name, fp := stage(t, d, "k", "new")
		dis, err := d.Publish(name, "f", &old)
		must(t, err)
		if read(t, d.abs("f")) != "new" || read(t, d.abs(dis.Path)) != "old" || dis.Inode != old.Inode {
			t.Fatalf("displaced %+v", dis)
		}
		if got, _ := d.Stat("f"); got != fp {
			t.Errorf("published %+v, promised %+v", got, fp)
		}
		kept, err := d.TrashAs(dis.Path, "f", &dis.Fingerprint, "20240101T000000Z")
		must(t, err)
		if read(t, d.abs(kept)) != "old" {
			t.Error("trash does not hold the old bytes")
		}
	})
}

func TestALocallyChangedFileIsNotReplaced(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		old := put(t, d, "f", "old")
		name, _ := stage(t, d, "k", "new")
		write(t, d.abs("f"), "local edit")
		_, err := d.Publish(name, "f", &old)
		if !errors.Is(err, ErrChanged) {
			t.Fatalf("error %v", err)
		}
		if s := read(t, d.abs("f")); s != "local edit" {
			t.Errorf("content %q", s)
		}
	})
}

// needExchange skips what only file systems with an atomic exchange promise.
func needExchange(t *testing.T, d *Dir) {
	t.Helper()
	if !d.Capabilities().Exchange {
		t.Skip("this file system cannot exchange names")
	}
}

// hook runs a function before one kind of operation, once.
type hook struct {
	op   string
	skip int
	do   func() error
}

func (h *hook) Before(op, _ string) error {
	if op != h.op || h.do == nil {
		return nil
	}
	if h.skip > 0 {
		h.skip--
		return nil
	}
	do := h.do
	h.do = nil
	return do()
}

func TestAChangeInTheLastInstantSurvives(t *testing.T) {
	edits := map[string]func(path string) error{
		"rewritten": func(path string) error { return os.WriteFile(path, []byte("local edit"), 0o600) },
		"replaced": func(path string) error {
			if err := os.WriteFile(path+"~", []byte("local edit"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+"~", path)
		},
	}
	for how, edit := range edits {
		for op, force := range map[string]int{OpExchange: 0, OpLink: 1} {
			t.Run(how+" before "+op, func(t *testing.T) {
				h := &hook{op: op}
				d := newTarget(t, WithFaults(h), WithCapabilities(platforms[force].force))
				if op == OpExchange {
					needExchange(t, d)
				}
				old := put(t, d, "f", "old")
				name, _ := stage(t, d, "k", "new")
				h.do = func() error { return edit(d.abs("f")) }
				_, err := d.Publish(name, "f", &old)
				if !errors.Is(err, ErrChanged) {
					t.Fatalf("error %v", err)
				}
				if s := read(t, d.abs("f")); s != "local edit" {
					t.Errorf("content %q", s)
				}
				fp, err := d.Stat("f")
				must(t, err)
				dis, err := d.Publish(name, "f", &fp)
				if err != nil || read(t, d.abs("f")) != "new" || read(t, d.abs(dis.Path)) != "local edit" {
					t.Errorf("a second try with the right fingerprint: %v", err)
				}
			})
		}
	}
}

// A second writer replaces our file while a first writer's file is being put back: both must be kept.
func TestTwoChangesInARowAreBothKept(t *testing.T) {
	h := &hook{op: OpExchange}
	d := newTarget(t, WithFaults(h))
	needExchange(t, d)
	old := put(t, d, "f", "old")
	name, _ := stage(t, d, "k", "new")
	h.do = func() error {
		h.op, h.do = OpExchange, func() error {
			write(t, d.abs("tmp"), "second edit")
			return os.Rename(d.abs("tmp"), d.abs("f"))
		}
		return os.WriteFile(d.abs("f"), []byte("first edit"), 0o600)
	}
	_, err := d.Publish(name, "f", &old)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != ErrChanged || e.Kept == "" {
		t.Fatalf("error %v", err)
	}
	if read(t, d.abs("f")) != "first edit" || read(t, d.abs(e.Kept)) != "second edit" {
		t.Errorf("in place %q, kept %q", read(t, d.abs("f")), read(t, d.abs(e.Kept)))
	}
}

func TestABatchPublishesWhatItCanAndReportsTheRest(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncFile, SyncBatch, SyncNone} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			counts := &counter{}
			d := newTarget(t, WithSync(policy), WithFaults(counts))
			must(t, d.MkdirAll("x/y"))
			write(t, d.abs("x/n3"), "late")
			*counts = counter{}
			var ops []PublishOp
			for i := range 20 {
				name, _ := stage(t, d, fmt.Sprint(i), fmt.Sprint("text ", i))
				to := RelPath(fmt.Sprintf("x/n%d", i))
				if i%2 == 0 {
					to = RelPath(fmt.Sprintf("x/y/n%d", i))
				}
				ops = append(ops, PublishOp{Staged: name, To: to})
			}
			ops = append(ops, PublishOp{Staged: StageName("never staged"), To: "x/ghost"})
			for i, r := range d.PublishBatch(ops) {
				want := error(nil)
				switch i {
				case 3:
					want = ErrOccupied
				case 20:
					want = fs.ErrNotExist
				}
				if !errors.Is(r.Err, want) || r.Published != (want == nil) {
					t.Errorf("%s: published %v, error %v", ops[i].To, r.Published, r.Err)
				}
				if want == nil && read(t, d.abs(ops[i].To)) != fmt.Sprint("text ", i) {
					t.Errorf("%s holds the wrong bytes", ops[i].To)
				}
			}
			if d.fsHasNoFlush() {
				return
			}
			got := [3]int{counts.of(OpSync), counts.of(OpSyncFS), counts.of(OpSyncDir)}
			if want := map[SyncPolicy][3]int{SyncFile: {20, 0, 2}, SyncBatch: {0, 1, 2}, SyncNone: {}}[policy]; got != want {
				t.Errorf("file, file system and directory flushes: %v, want %v", got, want)
			}
		})
	}
}

func TestADirectoryIsNeverReplacedByAFile(t *testing.T) {
	d := newTarget(t)
	must(t, d.MkdirAll("f"))
	fp, err := d.Stat("f")
	must(t, err)
	name, _ := stage(t, d, "k", "new")
	if _, err := d.Publish(name, "f", &fp); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	if _, err := d.Publish(name, "f", nil); !errors.Is(err, ErrOccupied) {
		t.Errorf("error %v", err)
	}
}

func TestPublishingOntoOrThroughALinkIsRefused(t *testing.T) {
	d := newTarget(t)
	outside := t.TempDir()
	write(t, outside+"/victim", "victim")
	must(t, os.Symlink(outside, d.abs("dir")))
	must(t, os.Symlink(outside+"/victim", d.abs("file")))
	must(t, d.MkdirAll("inside/sub"))
	must(t, os.Symlink("inside", d.abs("alias")))
	name, _ := stage(t, d, "k", "new")
	for _, to := range []RelPath{"dir/victim", "dir/x", "alias/x", "alias/sub/x"} {
		if _, err := d.Publish(name, to, nil); !errors.Is(err, ErrNotPlain) {
			t.Errorf("%s: %v", to, err)
		}
	}
	fp, err := d.Stat("file")
	must(t, err)
	if fp.Kind != KindSymlink {
		t.Errorf("kind %v", fp.Kind)
	}
	if _, err := d.Publish(name, "file", &fp); !errors.Is(err, ErrChanged) {
		t.Errorf("replacing a link: %v", err)
	}
	if err := d.MkdirAll("dir"); !errors.Is(err, ErrNotPlain) {
		t.Errorf("mkdir of a link: %v", err)
	}
	if got := texts(t, outside); len(got) != 1 || got["victim"] != "victim" {
		t.Errorf("outside: %v", got)
	}
}

func TestControlFilesCannotBeTargets(t *testing.T) {
	d := newTarget(t)
	put(t, d, "f", "x")
	name, _ := stage(t, d, "k", "new")
	for _, to := range []RelPath{".spmirror", ".spmirror/marker.json", ".SPMirror/x", ".spmirror/trash/x", ".sp\u200dmirror", ".spmirror-x"} {
		if _, err := d.Publish(name, to, nil); !errors.Is(err, ErrReserved) {
			t.Errorf("publish %s: %v", to, err)
		}
		if err := d.Move("f", to, nil); !errors.Is(err, ErrReserved) {
			t.Errorf("move to %s: %v", to, err)
		}
		if err := d.Move(to, "g", nil); !errors.Is(err, ErrReserved) {
			t.Errorf("move from %s: %v", to, err)
		}
		if err := d.Rmdir(to); !errors.Is(err, ErrReserved) {
			t.Errorf("rmdir %s: %v", to, err)
		}
		if _, err := d.Trash(to, nil, "s"); !errors.Is(err, ErrReserved) {
			t.Errorf("trash %s: %v", to, err)
		}
	}
}

func TestRecoverFindsHowFarAPublicationGot(t *testing.T) {
	kill := errors.New("killed")
	for _, tc := range []struct {
		op    string
		skip  int
		force int
		want  PublishState
	}{
		{OpRename, 0, 0, PublishStaged},   // before it leaves its staging name
		{OpExchange, 0, 0, PublishStaged}, // under its swap name
		{OpSyncDir, 0, 0, PublishDone},    // exchanged, not flushed
		{OpLink, 0, 1, PublishStaged},
		{OpReplace, 0, 1, PublishStaged}, // old file linked
		{OpSyncDir, 0, 1, PublishDone},
	} {
		t.Run(tc.op+" "+platforms[tc.force].name, func(t *testing.T) {
			h := &deadAfter{op: tc.op, err: kill}
			d := newTarget(t, WithFaults(h), WithCapabilities(platforms[tc.force].force))
			if tc.force == 0 {
				needExchange(t, d)
			}
			old := put(t, d, "f", "old")
			name, fp := stage(t, d, "k", "new")
			h.armed = true
			if _, err := d.Publish(name, "f", &old); !errors.Is(err, kill) {
				t.Fatalf("the fault did not strike: %v", err)
			}
			d.Close()
			d = reopen(t, d.path, WithCapabilities(platforms[tc.force].force))
			state, dis, err := d.Recover(name, "f", fp)
			if err != nil || state != tc.want {
				t.Fatalf("state %v, want %v, error %v", state, tc.want, err)
			}
			if state == PublishStaged {
				dis, err = d.Publish(name, "f", &old)
				must(t, err)
			}
			if read(t, d.abs("f")) != "new" || read(t, d.abs(dis.Path)) != "old" {
				t.Errorf("final %q, displaced %+v", read(t, d.abs("f")), dis)
			}
		})
	}
	t.Run("lost", func(t *testing.T) {
		d := newTarget(t)
		name, fp := stage(t, d, "k", "new")
		must(t, d.DiscardStaged(name))
		write(t, d.abs("f"), "local")
		if state, dis, err := d.Recover(name, "f", fp); state != PublishLost || dis.Path != "" || err != nil {
			t.Errorf("%v %v %v", state, dis, err)
		}
	})
}

// deadAfter fails one operation and everything after it: a killed process does not tidy up.
type deadAfter struct {
	op    string
	err   error
	armed bool
	dead  bool
}

func (h *deadAfter) Before(op, _ string) error {
	if h.armed && op == h.op {
		h.dead = true
	}
	if h.dead {
		return h.err
	}
	return nil
}

func TestNoModeMakesAFileExecutable(t *testing.T) {
	d := newTarget(t)
	s, err := d.Stage(StageName("k"), StageOptions{})
	must(t, err)
	fp, err := s.Finish(longAgo, 0o755|fs.ModeSetuid)
	if err != nil || fp.Mode != 0o644 {
		t.Errorf("mode %v, %v", fp.Mode, err)
	}
}

func TestStrangeTimesAreClampedAndReported(t *testing.T) {
	d := newTarget(t)
	for _, tc := range []struct{ in, want time.Time }{
		{time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		{time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(1<<32-1, 0)},
		{time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC), time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)},
	} {
		s, err := d.Stage(StageName("t"), StageOptions{})
		must(t, err)
		fp, err := s.Finish(tc.in, 0)
		must(t, err)
		if !fp.MTime.Equal(tc.want) {
			t.Errorf("%v became %v, want %v", tc.in, fp.MTime, tc.want)
		}
	}
	s, err := d.Stage(StageName("t"), StageOptions{})
	must(t, err)
	fp, err := s.Finish(time.Time{}, 0)
	if err != nil || fp.MTime.Year() < 2020 {
		t.Errorf("the zero time must leave the time of writing: %v %v", fp.MTime, err)
	}
}
