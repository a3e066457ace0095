package target

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testMarker = Marker{UUID: "8f14e45f-ceea-467f-a8f0-2b7c6d1e5a10", Lineage: "lineage-1", Mirror: "mirror.a", DriveID: "drive-1", Version: 1}

// newTarget makes an initialised target in a temporary directory and opens it.
func newTarget(t testing.TB, opts ...Option) *Dir {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "target")
	if err := Init(dir, testMarker); err != nil {
		t.Fatal(err)
	}
	return reopen(t, dir, opts...)
}

func reopen(t testing.TB, dir string, opts ...Option) *Dir {
	t.Helper()
	d, err := Open(dir, testMarker, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func (d *Dir) abs(rel RelPath) string { return filepath.Join(d.path, filepath.FromSlash(string(rel))) }

// stage puts text into staging under a key and returns its staging name.
func stage(t testing.TB, d *Dir, key, text string) (string, Fingerprint) {
	t.Helper()
	s, err := d.Stage(StageName(key), StageOptions{Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	fp, err := s.Finish(time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.Name(), fp
}

// put publishes text under a free name.
func put(t testing.TB, d *Dir, rel RelPath, text string) Fingerprint {
	t.Helper()
	if err := d.MkdirAll(rel.Dir()); err != nil {
		t.Fatal(err)
	}
	name, fp := stage(t, d, "put "+string(rel), text)
	if _, err := d.Publish(name, rel, nil); err != nil {
		t.Fatal(err)
	}
	return fp
}

// write makes a local file behind our back.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// texts returns the content of every regular file in a tree, by path below it.
func texts(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			out[strings.TrimPrefix(path, dir+"/")] = read(t, path)
		}
		return err
	}))
	return out
}

// holds reports whether some file below dir has exactly this content.
func holds(t testing.TB, dir, text string) bool {
	t.Helper()
	for _, have := range texts(t, dir) {
		if have == text {
			return true
		}
	}
	return false
}

// memoryDir is a temporary directory that need not survive a power loss, for tests that flush a lot.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "target-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// fsHasNoFlush reports that whole file systems cannot be flushed here.
func (d *Dir) fsHasNoFlush() bool { return errors.Is(d.root.syncFS(), errors.ErrUnsupported) }
