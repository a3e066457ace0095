package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// diskTenant serves a directory with the given files and has followed its first round.
func diskTenant(t *testing.T, files ...string) (root string, d *Drive, r *replica) {
	t.Helper()
	root = t.TempDir()
	for i, f := range files {
		write(t, root, f, strings.Repeat("x", i+1))
	}
	tn := makeTenant(t, directoryOptions(root, ""))
	d, r = tn.Drive("d/Documents"), &replica{}
	r.round(t, tn, driveURL(d, "/root/delta"))
	return root, d, r
}

// rename renames within a root, in order: from, to, from, to.
func rename(t testing.TB, root string, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := os.Rename(filepath.Join(root, pairs[i]), filepath.Join(root, pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
}

// shownBy lists the names that one page of a link shows, sorted.
func shownBy(t *testing.T, tn *Tenant, link string) []string {
	t.Helper()
	var names []string
	for _, it := range values(object(t, ask(tn, link), 200)) {
		name := text(it, "name")
		if it["deleted"] != nil {
			name += " deleted"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func idsByPath(d *Drive) map[string]ItemID {
	ids := map[string]ItemID{}
	for _, x := range d.Tree() {
		ids[x.Path] = x.ID
	}
	return ids
}

func TestAMovedFolderIsOneChangeAndAllIdsStay(t *testing.T) {
	files := []string{"a/one", "a/sub/two", "a/sub/deep/three", "b/four", "b/sub/five", "c/six"}
	tests := []struct {
		name  string
		edit  func(t *testing.T, root string)
		moved map[string]string // path before → path now, of items whose ids stay
		shown []string
	}{
		{"a rename", func(t *testing.T, root string) { rename(t, root, "a", "z") },
			map[string]string{"/a": "/z", "/a/one": "/z/one", "/a/sub/deep/three": "/z/sub/deep/three"}, []string{"root", "z"}},
		{"a rename of an inner folder", func(t *testing.T, root string) { rename(t, root, "a/sub", "a/bus") },
			map[string]string{"/a/sub": "/a/bus", "/a/sub/deep/three": "/a/bus/deep/three"}, []string{"a", "bus", "root"}},
		{"a move below another folder", func(t *testing.T, root string) { rename(t, root, "a", "c/a") },
			map[string]string{"/a": "/c/a", "/a/sub/two": "/c/a/sub/two"}, []string{"a", "c", "root"}},
		{"a swap", func(t *testing.T, root string) { rename(t, root, "a", "t", "b", "a", "t", "b") },
			map[string]string{"/a": "/b", "/b": "/a", "/a/one": "/b/one", "/b/sub/five": "/a/sub/five", "/a/sub": "/b/sub"}, []string{"a", "b", "root"}},
		{"a swap of folder and folder below", func(t *testing.T, root string) { rename(t, root, "a/sub", "t", "a", "t/sub", "t", "a") },
			map[string]string{"/a/sub": "/a", "/a": "/a/sub", "/a/one": "/a/sub/one", "/a/sub/two": "/a/two"}, []string{"a", "root", "sub"}},
		{"nested moves", func(t *testing.T, root string) { rename(t, root, "a/sub/deep", "deep", "a", "deep/a", "b", "deep/a/b") },
			map[string]string{"/a/sub/deep": "/deep", "/a": "/deep/a", "/b": "/deep/a/b", "/b/four": "/deep/a/b/four", "/a/sub/two": "/deep/a/sub/two"},
			[]string{"a", "b", "deep", "root"}},
		{"a move to the place of what was removed", func(t *testing.T, root string) {
			if err := os.RemoveAll(filepath.Join(root, "b")); err != nil {
				t.Fatal(err)
			}
			rename(t, root, "a", "b")
		}, map[string]string{"/a": "/b", "/a/sub/two": "/b/sub/two"}, []string{" deleted", " deleted", "b", "root"}},
		{"a new folder at the old place", func(t *testing.T, root string) {
			rename(t, root, "a", "z")
			write(t, root, "a/new", "new")
		}, map[string]string{"/a": "/z", "/a/one": "/z/one"}, []string{"a", "new", "root", "z"}},
		{"a move and an edit within", func(t *testing.T, root string) {
			rename(t, root, "a", "z")
			write(t, root, "z/one", "another content")
			write(t, root, "z/more", "more")
		}, map[string]string{"/a": "/z", "/a/one": "/z/one"}, []string{"more", "one", "root", "z"}},
		{"a move into a new folder", func(t *testing.T, root string) {
			write(t, root, "n/file", "file")
			rename(t, root, "a", "n/a")
		}, map[string]string{"/a": "/n/a", "/a/sub": "/n/a/sub"}, []string{"a", "file", "n", "root"}},
		{"a swap of files", func(t *testing.T, root string) { rename(t, root, "a/one", "t", "b/four", "a/one", "t", "b/four") },
			map[string]string{"/a/one": "/b/four", "/b/four": "/a/one"}, []string{"a", "b", "four", "one", "root"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			root, d, r := diskTenant(t, files...)
			before, link := idsByPath(d), r.link
			tc.edit(t, root)
			if err := d.Rescan(); err != nil {
				t.Fatal(err)
			}
			if got := shownBy(t, d.t, link); !slices.Equal(got, tc.shown) {
				t.Errorf("the round shows %q, want %q", got, tc.shown)
			}
			r.round(t, d.t, "")
			sameTree(t, r, d)
			sameDisk(t, root, d)
			now := idsByPath(d)
			for from, to := range tc.moved {
				if before[from] == "" || now[to] != before[from] {
					t.Errorf("%s became %s and its id %q became %q", from, to, before[from], now[to])
				}
			}
			mark := d.seq
			if err := d.Rescan(); err != nil || d.seq != mark {
				t.Errorf("a scan without edits changed the history (%v)", err)
			}
		})
	}
}

func TestAFolderRenamedBetweenTwoProcessesIsOneChange(t *testing.T) {
	root, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	write(t, root, "dir/b.txt", "beta!!")
	write(t, root, "dir/sub/c.txt", "gamma")
	link := ""
	var before map[string]ItemID
	for i, step := range []struct {
		from, to string
		shown    []string
	}{{"", "", nil}, {"dir", "newdir", []string{"newdir", "root"}}, {"newdir/sub", "sub", []string{"root", "sub"}}} {
		if step.from != "" {
			rename(t, root, step.from, step.to)
		}
		tn := makeTenant(t, directoryOptions(root, state))
		d := tn.Drive("d/Documents")
		if i == 0 {
			before = idsByPath(d)
			link = driveURL(d, "/root/delta")
		} else if got := shownBy(t, tn, link); !slices.Equal(got, step.shown) {
			t.Errorf("after %s became %s the round shows %q, want %q", step.from, step.to, got, step.shown)
		}
		link = text(object(t, ask(tn, link), 200), "@odata.deltaLink")
		if i == 2 {
			now := idsByPath(d)
			for from, to := range map[string]string{"/dir": "/newdir", "/dir/b.txt": "/newdir/b.txt", "/dir/sub": "/sub", "/dir/sub/c.txt": "/sub/c.txt"} {
				if now[to] != before[from] {
					t.Errorf("%s became %s and lost its id", from, to)
				}
			}
		}
		if err := tn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnInodeUsedAgainIsNotTheSameFolder(t *testing.T) {
	_, d, _ := diskTenant(t, "a/one", "b/two")
	folder, file := d.walk("/a"), d.walk("/a/one")
	if folder.more.inode == 0 {
		t.Skip("no inodes here")
	}
	rest := []scanned{}
	for _, p := range []string{"b", "b/two"} {
		it := d.walk("/" + p)
		rest = append(rest, scanned{Path: p, Folder: it.folder != nil, Size: it.size, Mod: it.more.mod, Inode: it.more.inode})
	}
	if len(d.differences(append([]scanned{
		{Path: "a", Folder: true, Mod: folder.more.mod, Inode: folder.more.inode},
		{Path: "a/one", Size: file.size, Mod: file.more.mod, Inode: file.more.inode}}, rest...))) != 0 {
		t.Fatal("the scan made by hand is not what lies there")
	}
	for name, tc := range map[string]struct {
		s    []scanned
		same bool
	}{
		"the time of the folder stayed": {[]scanned{{Path: "z", Folder: true, Mod: folder.more.mod, Inode: folder.more.inode}}, true},
		"a child stayed": {[]scanned{{Path: "z", Folder: true, Mod: 1, Inode: folder.more.inode},
			{Path: "z/one", Size: file.size, Mod: file.more.mod, Inode: file.more.inode}}, true},
		"neither":         {[]scanned{{Path: "z", Folder: true, Mod: 1, Inode: folder.more.inode}}, false},
		"the kind is new": {[]scanned{{Path: "z", Mod: folder.more.mod, Inode: folder.more.inode}}, false},
	} {
		m := d.match(append(slices.Clone(rest), tc.s...))
		if _, same := m.from["z"]; same != tc.same {
			t.Errorf("%s: same is %t", name, same)
		}
	}
}

// sameDisk compares the paths of a library with those of its directory.
func sameDisk(t testing.TB, root string, d *Drive) {
	t.Helper()
	var disk, shown []string
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if p != root {
			rel, _ := filepath.Rel(root, p)
			disk = append(disk, fmt.Sprint("/", filepath.ToSlash(rel), e.IsDir()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range d.Tree() {
		if x.Path != "/" {
			shown = append(shown, fmt.Sprint(x.Path, x.Folder))
		}
	}
	slices.Sort(disk)
	slices.Sort(shown)
	if !slices.Equal(disk, shown) {
		t.Errorf("the disk holds\n%q\nand shown is\n%q", disk, shown)
	}
}

func TestAnyEditOfADirectoryIsFollowed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp(t.TempDir(), "disk")
		if err != nil {
			rt.Fatal(err)
		}
		state := root + ".state"
		for i, f := range []string{"a/one", "a/sub/two", "b/three", "b/sub/four"} {
			write(t, root, f, strings.Repeat("x", i+1))
		}
		tn := makeTenant(t, directoryOptions(root, state))
		d, r := tn.Drive("d/Documents"), &replica{}
		r.round(t, tn, driveURL(d, "/root/delta"))
		place := rapid.SampledFrom([]string{"a", "b", "c", "a/sub", "b/sub", "a/one", "b/one", "a/b", "b/a", "a/sub/x", "c/sub"})
		for range rapid.IntRange(1, 2).Draw(rt, "scans") {
			for range rapid.IntRange(1, 5).Draw(rt, "edits") {
				from, to := filepath.Join(root, place.Draw(rt, "from")), filepath.Join(root, place.Draw(rt, "to"))
				switch rapid.IntRange(0, 4).Draw(rt, "op") { // an edit that does not fit is refused by the disk
				case 0:
					_ = os.RemoveAll(from)
				case 1:
					_ = os.Mkdir(from, 0o755)
				case 2:
					_ = os.WriteFile(from, []byte(strings.Repeat("y", rapid.IntRange(0, 50).Draw(rt, "size"))), 0o644)
				default:
					_ = os.Rename(from, to)
				}
			}
			if rapid.Bool().Draw(rt, "restart") {
				tn.Close()
				tn = makeTenant(t, directoryOptions(root, state))
				d = tn.Drive("d/Documents")
			} else if err := d.Rescan(); err != nil {
				rt.Fatal(err)
			}
			r.round(t, tn, "")
			sameTree(t, r, d)
			sameDisk(t, root, d)
			if t.Failed() {
				rt.Fatal("see above")
			}
		}
	})
}
