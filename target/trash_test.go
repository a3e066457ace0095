package target

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

var longAgo = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

func TestTrashedFilesKeepTheirPathAndNeverReplaceEachOther(t *testing.T) {
	onEveryPlatform(t, func(t *testing.T, opt Option) {
		d := newTarget(t, opt)
		stamp := Stamp(longAgo, "run-1")
		long := RelPath(strings.Repeat("n", 255))
		for i, tc := range []struct {
			rel  RelPath
			want RelPath
		}{
			{"a/f", "20200102T030405Z-run-1/a/f"},
			{"a/f", "20200102T030405Z-run-1~1/a/f"},
			{long, "20200102T030405Z-run-1/" + long},
			{long, "20200102T030405Z-run-1~1/" + long},
		} {
			fp := put(t, d, tc.rel, strings.Repeat("x", i+1))
			got, err := d.Trash(tc.rel, &fp, stamp)
			must(t, err)
			if got != DefaultTrash+"/"+tc.want || len(read(t, d.abs(got))) != i+1 {
				t.Errorf("%s went to %s", tc.rel, got)
			}
		}
		// A file where an earlier one had a folder.
		must(t, d.Rmdir("a"))
		put(t, d, "a", "now a file")
		got, err := d.Trash("a", nil, stamp)
		must(t, err)
		if got != DefaultTrash+"/20200102T030405Z-run-1~2/a" {
			t.Errorf("a went to %s", got)
		}
	})
}

func TestOnlyExpectedRegularFilesAreTrashed(t *testing.T) {
	h := &hook{op: OpRename}
	d := newTarget(t, WithFaults(h))
	fp := put(t, d, "f", "f")
	must(t, d.MkdirAll("dir"))
	must(t, os.Symlink("f", d.abs("link")))
	for _, rel := range []RelPath{"dir", "link"} {
		if _, err := d.Trash(rel, nil, "s"); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", rel, err)
		}
	}
	for _, stamp := range []string{"", ".", "..", "a/b", "../x"} {
		if _, err := d.Trash("f", nil, stamp); !errors.Is(err, ErrBadPath) {
			t.Errorf("stamp %q: %v", stamp, err)
		}
	}
	if _, err := d.Trash("missing", nil, "s"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	other := fp
	other.Size++
	if _, err := d.Trash("f", &other, "s"); !errors.Is(err, ErrChanged) {
		t.Errorf("changed before: %v", err)
	}
	if d.caps.NoReplace {
		h.do = func() error { return os.WriteFile(d.abs("f"), []byte("edited"), 0o600) }
		if _, err := d.Trash("f", &fp, "s"); !errors.Is(err, ErrChanged) || read(t, d.abs("f")) != "edited" {
			t.Errorf("changed at the last instant: %v", err)
		}
	}
}

func TestTrashIsListedRestoredAndEmptied(t *testing.T) {
	for _, path := range []RelPath{DefaultTrash, "_trash", "deep/_trash"} {
		t.Run(string(path), func(t *testing.T) {
			d := newTarget(t, WithTrash(path))
			ctx := context.Background()
			trash := func(rel RelPath, at time.Time) RelPath {
				put(t, d, rel, string(rel))
				got, err := d.Trash(rel, nil, Stamp(at, ""))
				must(t, err)
				return got
			}
			now := longAgo.AddDate(0, 1, 0)
			old, older, recent := trash("a/old", longAgo), trash("a/b/older", longAgo.AddDate(-1, 0, 0)), trash("recent", now)
			must(t, os.Mkdir(d.abs(path)+"/by hand", 0o700))
			write(t, d.abs(path)+"/by hand/f", "user's")
			must(t, os.Symlink("/etc/passwd", d.abs(old)+"-link"))

			seen := map[RelPath]Trashed{}
			for e, err := range d.TrashDir().List(ctx) {
				must(t, err)
				seen[e.Path] = e
			}
			if len(seen) != 5 || seen[old].Original != "a/old" || !seen[old].At.Equal(longAgo) || seen[old].Size != 5 {
				t.Fatalf("%+v", seen)
			}

			must(t, d.TrashDir().Restore(old, "restored/here"))
			if read(t, d.abs("restored/here")) != "a/old" {
				t.Error("restored the wrong file")
			}
			if err := d.TrashDir().Restore(recent, "restored/here"); !errors.Is(err, ErrOccupied) {
				t.Errorf("restore over a file: %v", err)
			}
			for _, bad := range []RelPath{"restored/here", path, stagingDir + "/x", path + "/../../x"} {
				if err := d.TrashDir().Restore(bad, "x"); !errors.Is(err, ErrBadPath) {
					t.Errorf("restore %q: %v", bad, err)
				}
				if err := d.TrashDir().Purge(bad); !errors.Is(err, ErrBadPath) {
					t.Errorf("purge %q: %v", bad, err)
				}
			}

			trash("a/kept", longAgo)
			files, bytes, err := d.TrashDir().Empty(ctx, now, func(e Trashed) bool { return e.Original == "a/kept" })
			if files != 1 || bytes != int64(len("a/b/older")) || err != nil {
				t.Errorf("emptied %d files, %d bytes, %v", files, bytes, err)
			}
			if _, err := os.Lstat(d.abs(older.Dir())); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the emptied folder is still there")
			}
			if read(t, d.abs(recent)) != "recent" || read(t, d.abs(path)+"/by hand/f") != "user's" {
				t.Error("too much was emptied")
			}
			for listing, err := range d.Walk(ctx, "") {
				must(t, err)
				for _, e := range listing.Entries {
					if RelPath(e.Name) == path.Base().asPath() || e.Name == controlDir {
						t.Errorf("the walk saw %s in %q", e.Name, listing.Path)
					}
				}
			}
		})
	}
}

func (l LocalName) asPath() RelPath { return RelPath(l) }

func TestTheTrashCannotBePutAnywhere(t *testing.T) {
	d := newTarget(t)
	for path, want := range map[RelPath]error{"": ErrReserved, "/abs": ErrBadPath, "../x": ErrBadPath, "a/../../x": ErrBadPath,
		".spmirror": ErrReserved, stagingDir + "/t": ErrReserved, parkDir: ErrReserved} {
		if _, err := Open(d.path, testMarker, WithTrash(path)); !errors.Is(err, want) {
			t.Errorf("%q: %v", path, err)
		}
	}
	must(t, os.Symlink(t.TempDir(), d.abs("link")))
	if _, err := Open(d.path, testMarker, WithTrash("link/x")); !errors.Is(err, ErrNotPlain) {
		t.Errorf("through a link: %v", err)
	}
}

func TestDisplacedFilesAloneComeFromStagingToTheTrash(t *testing.T) {
	d := newTarget(t)
	name, _ := stage(t, d, "k", "x")
	for _, from := range []RelPath{stagingDir.Join(LocalName(name)), "f", ".spmirror/marker.json", stagingDir + "/../marker.json"} {
		if _, err := d.TrashAs(from, "f", nil, "s"); !errors.Is(err, ErrBadPath) {
			t.Errorf("%s: %v", from, err)
		}
	}
	for _, original := range []RelPath{"", "../f", ".spmirror/f"} {
		if _, err := d.TrashAs(stagingDir.Join(LocalName(swapNames(name)[0])), original, nil, "s"); !errors.Is(err, ErrBadPath) {
			t.Errorf("%q: %v", original, err)
		}
	}
}
