package target

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestTwoNamesAreSwappedThroughAParkedOne(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		put(t, d, "a/f", "in a")
		put(t, d, "b", "b")
		if err := d.Park("a", "id-1", KindFile); !errors.Is(err, ErrChanged) {
			t.Errorf("a directory in place of a file: %v", err)
		}
		must(t, d.Park("a", "id-1", KindDir))
		if _, err := d.Stat(ParkName("id-1")); err != nil {
			t.Fatal(err)
		}
		must(t, d.Move("b", "a", nil))
		must(t, d.Move(ParkName("id-1"), "b", nil))
		if read(t, d.abs("a")) != "b" || read(t, d.abs("b/f")) != "in a" {
			t.Error(texts(t, d.path))
		}
	})
}

func TestMovingNeverReplaces(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		put(t, d, "a", "a")
		put(t, d, "b", "b")
		put(t, d, "dir/f", "f")
		put(t, d, "full/g", "g")
		for _, m := range [][2]RelPath{{"a", "b"}, {"a", "dir"}, {"dir", "a"}, {"dir", "full"}} {
			if err := d.Move(m[0], m[1], nil); !errors.Is(err, ErrOccupied) {
				t.Errorf("%v: %v", m, err)
			}
		}
		must(t, d.Park("a", "k", KindFile))
		if err := d.Park("b", "k", KindFile); !errors.Is(err, ErrOccupied) {
			t.Errorf("a second thing was parked under one key: %v", err)
		}
		if err := d.Move(ParkName("k"), "b", nil); !errors.Is(err, ErrOccupied) {
			t.Errorf("out of the parking place: %v", err)
		}
		must(t, d.Move(ParkName("k"), "a", nil))
		got := texts(t, d.path)
		if got["a"] != "a" || got["b"] != "b" || got["dir/f"] != "f" || got["full/g"] != "g" {
			t.Error(got)
		}
	})
}

func TestMovingAnUnexpectedFilePutsItBack(t *testing.T) {
	h := &hook{op: OpRename}
	d := newTarget(t, WithFaults(h))
	needExchange(t, d)
	fp := put(t, d, "a", "a")
	h.do = func() error { return os.WriteFile(d.abs("a"), []byte("edited"), 0o600) }
	if err := d.Move("a", "b", &fp); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	if got := texts(t, d.path); got["a"] != "edited" || got["b"] != "" {
		t.Error(got)
	}
	dir := Fingerprint{Kind: KindDir, Inode: 1}
	must(t, d.MkdirAll("dir"))
	if err := d.Move("dir", "elsewhere", &dir); !errors.Is(err, ErrChanged) {
		t.Errorf("a folder with another identity: %v", err)
	}
}

func TestHardLinksAreNotTakenForARespelling(t *testing.T) {
	d := newTarget(t, WithCapabilities(func(c Capabilities) Capabilities { c.Folding = FoldCase; return c }))
	put(t, d, "name", "x")
	if err := os.Link(d.abs("name"), d.abs("NAME")); err != nil {
		t.Skip("this file system folds case itself")
	}
	if err := d.Move("name", "NAME", nil); !errors.Is(err, ErrOccupied) {
		t.Errorf("error %v", err)
	}
	if len(texts(t, d.path)) != 3 {
		t.Error(texts(t, d.path))
	}
}

func TestAMovedFolderIsNotWrittenToUnderItsOldName(t *testing.T) {
	d := newTarget(t)
	put(t, d, "a/f", "f")
	name, _ := stage(t, d, "k", "new")
	must(t, d.Move("a", "b", nil))
	if _, err := d.Publish(name, "a/g", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("our own move: %v", err)
	}
	put(t, d, "b/h", "h")
	outside := t.TempDir() + "/b"
	must(t, os.Rename(d.abs("b"), outside))
	if _, err := d.Publish(name, "b/g", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a move behind our back: %v", err)
	}
	must(t, os.Mkdir(d.abs("b"), 0o700))
	if _, err := d.Publish(name, "b/g", nil); err != nil || read(t, d.abs("b/g")) != "new" {
		t.Errorf("a new folder under the old name: %v", err)
	}
	must(t, os.Rename(d.abs("b"), outside+"2")) // replaced while its descriptor is held
	must(t, os.Mkdir(d.abs("b"), 0o700))
	name, _ = stage(t, d, "k", "newer")
	if _, err := d.Publish(name, "b/i", nil); err != nil || read(t, d.abs("b/i")) != "newer" {
		t.Errorf("a folder replaced at once: %v", err)
	}
	if len(texts(t, outside)) != 2 {
		t.Errorf("outside: %v", texts(t, outside))
	}
}

func TestOnlyEmptyDirectoriesAreRemoved(t *testing.T) {
	d := newTarget(t)
	must(t, d.MkdirAll("a/b"))
	write(t, d.abs("a/b/untracked"), "user's")
	put(t, d, "f", "f")
	must(t, os.Symlink("a", d.abs("link")))
	for _, rel := range []RelPath{"a", "a/b"} {
		if err := d.Rmdir(rel); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("%s: %v", rel, err)
		}
	}
	for _, rel := range []RelPath{"f", "link"} {
		if err := d.Rmdir(rel); !errors.Is(err, ErrNotPlain) {
			t.Errorf("%s: %v", rel, err)
		}
	}
	if err := d.Rmdir(""); !errors.Is(err, ErrReserved) && !errors.Is(err, ErrBadPath) {
		t.Errorf("the root: %v", err)
	}
	must(t, os.Remove(d.abs("a/b/untracked")))
	must(t, d.Rmdir("a/b"))
	must(t, d.Rmdir("a"))
}

func TestRemovingComparesAtTheCommitPoint(t *testing.T) {
	for _, force := range platforms {
		for _, op := range []string{OpRename, OpLink} {
			h := &hook{op: op}
			d := newTarget(t, WithFaults(h), WithCapabilities(force.force))
			fp := put(t, d, "f", "f")
			h.do = func() error { return os.WriteFile(d.abs("f"), []byte("edited"), 0o600) }
			err := d.Remove("f", fp)
			if h.do != nil {
				continue // this file system does not take this way
			}
			if !errors.Is(err, ErrChanged) || read(t, d.abs("f")) != "edited" {
				t.Errorf("%s, %s: %v %v", force.name, op, err, texts(t, d.path))
			}
			fp, _ = d.Stat("f")
			must(t, d.Remove("f", fp))
			if got := texts(t, d.path); len(got) != 1 {
				t.Errorf("%s: %v", force.name, got)
			}
		}
	}
	d := newTarget(t)
	put(t, d, "dir/f", "f")
	fp, _ := d.Stat("dir")
	if err := d.Remove("dir", fp); !errors.Is(err, ErrChanged) {
		t.Errorf("a directory: %v", err)
	}
}

func TestPathsAreCleanComponents(t *testing.T) {
	d := newTarget(t)
	put(t, d, "d/f", "x")
	fp, _ := d.Stat("d/f")
	name, _ := stage(t, d, "k", "new")
	for _, rel := range []RelPath{"/", "/abs", "a//b", "a/", "d/f/", "..", "../x", "d/../x", "./x", "d/.", "a\x00b", RelPath(strings.Repeat("n", 256))} {
		_, publish := d.Publish(name, rel, nil)
		_, stat := d.Stat(rel)
		_, list := d.ReadDir(rel)
		for what, err := range map[string]error{"publish": publish, "stat": stat, "list": list, "mkdir": d.MkdirAll(rel), "rmdir": d.Rmdir(rel),
			"move from": d.Move(rel, "x", nil), "move to": d.Move("d/f", rel, nil), "remove": d.Remove(rel, fp), "park": d.Park(rel, "k", KindFile),
			"sync": d.SyncDirs(rel), "restore": d.TrashDir().Restore(DefaultTrash+"/s/f", rel)} {
			if !errors.Is(err, ErrBadPath) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %q: %v", what, rel, err)
			}
		}
	}
	if got := texts(t, d.path); len(got) != 3 || got["d/f"] != "x" {
		t.Error(got)
	}
}

// Where a move is a link and an unlink, a kill between them leaves two names of one file: the old one goes. Nothing else goes.
func TestAHalfDoneMoveIsEndedAndNothingElse(t *testing.T) {
	d := newTarget(t, WithCapabilities(func(c Capabilities) Capabilities {
		c.NoReplace, c.Exchange, c.Folding = false, false, FoldCase
		return c
	}))
	for _, name := range []RelPath{"half", "other", "copy", "spelled"} {
		put(t, d, name, string("text of "+name))
	}
	must(t, os.Link(d.abs("half"), d.abs("whole")))
	must(t, os.Link(d.abs("spelled"), d.abs("Spelled"))) // what a folding disk shows of one name
	must(t, os.Link(d.abs("half"), d.abs("third")))
	must(t, os.Remove(d.abs("third")))
	must(t, os.Mkdir(d.abs("folder"), 0o700))
	for _, test := range []struct {
		from, to RelPath
		ended    bool
	}{
		{"half", "whole", true}, {"half", "whole", false}, // now it is gone
		{"other", "copy", false}, {"spelled", "Spelled", false}, {"folder", "folder", false}, {"missing", "copy", false}, {"copy", "missing", false},
		{"copy", "none/copy", false},
	} {
		ended, err := d.RecoverMove(test.from, test.to)
		if ended != test.ended || err != nil && !isMissing(err) {
			t.Errorf("from %s to %s: %v, %v", test.from, test.to, ended, err)
		}
	}
	got := texts(t, d.path)
	want := map[string]string{"whole": "text of half", "other": "text of other", "copy": "text of copy", "spelled": "text of spelled", "Spelled": "text of spelled"}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s holds %q", name, got[name])
		}
	}
	if _, still := got["half"]; still {
		t.Error("the old name is still there")
	}
}
