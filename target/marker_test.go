package target

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInitMakesATargetOnceAndForOneMirror(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "target")
	m := NewMarker("lineage", "mirror.x", "drive", longAgo)
	must(t, Init(dir, m))
	if got, err := ReadMarker(dir); err != nil || got != m {
		t.Fatalf("%+v %v", got, err)
	}
	must(t, Init(dir, m))
	other := NewMarker("lineage", "mirror.y", "drive", longAgo)
	var foreign *ForeignMarkerError
	if err := Init(dir, other, AllowNonEmpty()); !errors.As(err, &foreign) || foreign.Have != m || foreign.Want != other {
		t.Errorf("another mirror's target was taken: %v", err)
	}
	for path, want := range map[string]fs.FileMode{"": 0o700, ".spmirror": 0o700, ".spmirror/staging": 0o700, ".spmirror/marker.json": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v %v", path, info.Mode(), err)
		}
	}
	if err := Init(t.TempDir(), Marker{}); !errors.Is(err, ErrBadMarker) {
		t.Errorf("without uuid: %v", err)
	}
}

func TestInitAdoptsFilesOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/file", "user's")
	if err := Init(dir, testMarker); !errors.Is(err, ErrNotEmpty) {
		t.Fatalf("error %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Error("a refused init left something behind")
	}
	must(t, Init(dir, testMarker, AllowNonEmpty()))
	if read(t, dir+"/file") != "user's" {
		t.Error("the file was touched")
	}
	fresh := t.TempDir() // a new ext4 has this one
	must(t, os.Mkdir(fresh+"/lost+found", 0o700))
	must(t, os.MkdirAll(fresh+"/.spmirror/staging", 0o700)) // an interrupted init
	must(t, Init(fresh, testMarker))
}

func TestInitRefusesDangerousDirectories(t *testing.T) {
	home, err := os.UserHomeDir()
	must(t, err)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink("/etc", link))
	for _, dir := range []string{"/", home, filepath.Dir(home), "/etc", "/etc/spmirror", "/usr/share/x", "/tmp", "/var", "/home/", "/proc/self", link, link + "/x"} {
		if err := refuseDangerous(filepath.Clean(dir)); !errors.Is(err, ErrDangerous) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, dir := range []string{filepath.Join(home, "mirror"), "/srv/mirror", "/mnt/disk", "/var/lib/spmirror", "/home/u/x", t.TempDir()} {
		if err := refuseDangerous(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if err := Init("/etc", testMarker, AllowNonEmpty()); !errors.Is(err, ErrDangerous) {
		t.Errorf("init: %v", err)
	}
}

func TestOpenWantsTheRightMarker(t *testing.T) {
	good := newTarget(t)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")
	full := t.TempDir()
	write(t, full+"/f", "x")
	newer, broken, linked := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{newer, broken, linked} {
		must(t, os.MkdirAll(dir+"/.spmirror", 0o700))
	}
	write(t, newer+"/.spmirror/marker.json", `{"uuid":"u","version":99}`)
	write(t, broken+"/.spmirror/marker.json", `{"uuid":`)
	must(t, os.Symlink(good.path+"/.spmirror/marker.json", linked+"/.spmirror/marker.json"))
	controlLink := t.TempDir()
	must(t, os.Symlink(good.path+"/.spmirror", controlLink+"/.spmirror"))
	for _, tc := range []struct {
		name, dir string
		want      Marker
		err       error
		hint      bool
	}{
		{"right", good.path, testMarker, nil, false},
		{"anything", good.path, Marker{}, nil, false},
		{"renamed mirror", good.path, Marker{UUID: testMarker.UUID, Mirror: "mirror.new"}, nil, false},
		{"other uuid", good.path, Marker{UUID: "other"}, ErrForeignMarker, false},
		{"other lineage", good.path, Marker{UUID: testMarker.UUID, Lineage: "other"}, ErrForeignMarker, false},
		{"other drive", good.path, Marker{UUID: testMarker.UUID, DriveID: "other"}, ErrForeignMarker, false},
		{"missing", full + "/none", testMarker, fs.ErrNotExist, true},
		{"empty", t.TempDir(), testMarker, ErrNoMarker, true},
		{"full", full, testMarker, ErrNoMarker, false},
		{"file", file, testMarker, ErrNotDirectory, false},
		{"newer", newer, Marker{}, ErrBadMarker, false},
		{"broken", broken, Marker{}, ErrBadMarker, false},
		{"linked marker", linked, testMarker, ErrBadMarker, false},
		{"linked control directory", controlLink, testMarker, ErrNotPlain, false},
	} {
		d, err := Open(tc.dir, tc.want)
		if !errors.Is(err, tc.err) || errors.Is(err, ErrNotMounted) != tc.hint {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err == nil {
			d.Close()
		}
	}
	if entries, _ := os.ReadDir(full); len(entries) != 1 {
		t.Error("a refused open wrote something")
	}
}

func TestReidentifyNoticesEveryWayToLoseATarget(t *testing.T) {
	marker := "/.spmirror/marker.json"
	for name, tc := range map[string]struct {
		do   func(t *testing.T, dir string)
		want error
	}{
		"nothing":      {func(*testing.T, string) {}, nil},
		"renamed away": {func(t *testing.T, dir string) { must(t, os.Rename(dir, dir+"2")) }, ErrReplaced},
		"renamed and made again": {func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+"2"))
			must(t, Init(dir, testMarker))
		}, ErrReplaced},
		"marker removed":    {func(t *testing.T, dir string) { must(t, os.Remove(dir+marker)) }, ErrNoMarker},
		"marker of another": {func(t *testing.T, dir string) { write(t, dir+marker, `{"uuid":"other","version":1}`) }, ErrForeignMarker},
		"control dir moved": {func(t *testing.T, dir string) { must(t, os.Rename(dir+"/.spmirror", dir+"/x")) }, ErrReplaced},
		"staging replaced": {func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/.spmirror/staging", dir+"/x"))
			must(t, os.Symlink(dir+"/x", dir+"/.spmirror/staging"))
		}, ErrReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTarget(t)
			put(t, d, "a/f", "x")
			tc.do(t, d.path)
			if err := d.Reidentify(); !errors.Is(err, tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestALockExcludesUntilItIsGivenBack(t *testing.T) {
	d := newTarget(t)
	again := reopen(t, d.path)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	lock, err := d.Lock(done)
	must(t, err)
	if _, err := again.Lock(done); !errors.Is(err, ErrLocked) || !errors.Is(err, context.Canceled) {
		t.Errorf("a second lock: %v", err)
	}
	must(t, os.Remove(d.path+"/.spmirror/lock"))
	second, err := again.Lock(done)
	must(t, err) // a removed lock file cannot be defended; but then the new one excludes
	if _, err := d.Lock(done); !errors.Is(err, ErrLocked) {
		t.Errorf("a lock on the new file: %v", err)
	}
	must(t, second.Unlock())
	must(t, lock.Unlock())
	third, err := d.Lock(context.Background())
	must(t, err)
	must(t, third.Unlock())
	must(t, third.Unlock())
}

func TestALockWaitsForItsHolder(t *testing.T) {
	d := newTarget(t)
	lock, err := d.Lock(context.Background())
	must(t, err)
	got := make(chan error)
	go func() {
		l, err := reopen(t, d.path).Lock(context.Background())
		if err == nil {
			err = l.Unlock()
		}
		got <- err
	}()
	must(t, lock.Unlock())
	must(t, <-got)
}

func TestAReadOnlyTargetIsNeverWrittenTo(t *testing.T) {
	rw := newTarget(t)
	fp := put(t, rw, "a/f", "x")
	name, _ := stage(t, rw, "k", "y")
	before := snapshot(t, rw.path)
	d := reopen(t, rw.path, WithReadOnly(), WithFaults(forbidden{t}))
	if got, err := d.Stat("a/f"); err != nil || got != fp {
		t.Errorf("%+v %v", got, err)
	}
	_, publish := d.Publish(name, "g", nil)
	_, staged := d.Stage(name, StageOptions{})
	_, trash := d.Trash("a/f", nil, "s")
	_, sweep := d.Sweep(nil)
	for what, err := range map[string]error{"publish": publish, "stage": staged, "trash": trash, "sweep": sweep, "mkdir": d.MkdirAll("x/y"),
		"move": d.Move("a", "b", nil), "park": d.Park("a", "k", KindDir), "rmdir": d.Rmdir("a"), "remove": d.Remove("a/f", fp),
		"discard": d.DiscardStaged(name), "purge": d.TrashDir().Purge(DefaultTrash + "/s/f")} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, d.Reidentify())
	if after := snapshot(t, rw.path); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// forbidden fails the test at any effect.
type forbidden struct{ t *testing.T }

func (f forbidden) Before(op, path string) error {
	f.t.Errorf("%s %s on a read-only target", op, path)
	return nil
}

// snapshot is a tree as text: paths, types, sizes and times.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info fs.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
		}
		return err
	}))
	return b.String()
}

func TestProbingLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	caps, err := Probe(dir)
	must(t, err)
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if !caps.HardLinks || !caps.SyncDirs || !caps.Modes || caps.TimeUnit > time.Second || caps.FSType == "" {
		t.Errorf("%+v", caps)
	}
	if _, err := Probe(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, c := range []Capabilities{{}, {HardLinks: true, Folding: FoldCase}, {NoReplace: true, Exchange: true, HardLinks: true, SyncDirs: true, TimeUnit: 1}} {
		if got := c.Weaknesses(); (len(got) == 0) != c.Exchange {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestFreeSpaceIsKnown(t *testing.T) {
	bytes, inodes, err := newTarget(t).Free()
	if err != nil || bytes == 0 || inodes == 0 {
		t.Errorf("%d bytes, %d inodes, %v", bytes, inodes, err)
	}
}

func FuzzMarker(f *testing.F) {
	good, _ := json.Marshal(testMarker)
	f.Add(good)
	f.Add([]byte(`{"uuid":"u","version":1e9}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMarker(text)
		if err != nil && !errors.Is(err, ErrBadMarker) {
			t.Fatal(err)
		}
		if err == nil && (m.UUID == "" || m.Version != MarkerVersion) {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAdoptWritesTheMarkerAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	must(t, Init(dir, NewMarker("lost", "mirror.x", "drive", longAgo)))
	write(t, dir+"/file", "bytes")
	d, err := Open(dir, Marker{}, WithReadOnly())
	must(t, err)
	defer d.Close()
	next := d.Marker()
	next.Lineage, next.Mirror = "found", "mirror.y"

	if err := d.Adopt(Marker{}); !errors.Is(err, ErrBadMarker) {
		t.Errorf("a marker without uuid: %v", err)
	}
	other, err := Open(dir, Marker{})
	must(t, err)
	lock, err := other.Lock(t.Context())
	must(t, err)
	if err := d.Adopt(next); !errors.Is(err, ErrLocked) {
		t.Errorf("a target in use was taken over: %v", err)
	}
	must(t, lock.Unlock())
	other.Close()
	before := controlFiles(t, dir)
	must(t, d.Adopt(next))
	must(t, d.Adopt(next)) // again, after a kill
	if got, err := ReadMarker(dir); err != nil || got != next || d.Marker() != next {
		t.Errorf("the marker is %+v, %v", got, err)
	}
	if after := controlFiles(t, dir); after != before {
		t.Errorf("there is %s now, was %s", after, before)
	}
	if read(t, dir+"/file") != "bytes" {
		t.Error("a file was touched")
	}
	if info, err := os.Stat(dir + "/.spmirror/marker.json"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the marker's mode is %v, %v", info.Mode(), err)
	}
}

func TestAdoptRefusesATargetThatIsNotTheOneThatWasOpened(t *testing.T) {
	dir := t.TempDir() + "/target"
	must(t, Init(dir, NewMarker("lost", "mirror.x", "drive", longAgo)))
	d, err := Open(dir, Marker{}, WithReadOnly())
	must(t, err)
	defer d.Close()
	next := d.Marker()
	next.Lineage = "found"

	must(t, os.Rename(dir, dir+"-away"))
	must(t, Init(dir, NewMarker("lost", "mirror.x", "drive", longAgo)))
	if err := d.Adopt(next); !errors.Is(err, ErrReplaced) {
		t.Errorf("another directory was taken over: %v", err)
	}
	must(t, os.Rename(dir, dir+"-other"))
	must(t, os.Rename(dir+"-away", dir))
	rival := d.Marker()
	rival.Lineage = "rival"
	second, err := Open(dir, Marker{}, WithReadOnly())
	must(t, err)
	defer second.Close()
	must(t, second.Adopt(rival))
	if err := d.Adopt(next); !errors.Is(err, ErrForeignMarker) {
		t.Errorf("a target that somebody else took over was taken over: %v", err)
	}
}

// controlFiles are the names in the control directory of a target.
func controlFiles(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir + "/.spmirror")
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
