package target

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRelocatingReplacesNothingButAnEmptyDirectory(t *testing.T) {
	d := newTarget(t)
	put(t, d, "f", "x")
	base := t.TempDir()
	write(t, base+"/file", "user's")
	must(t, os.Mkdir(base+"/full", 0o700))
	write(t, base+"/full/f", "user's")
	must(t, os.Symlink(base+"/full", base+"/link"))
	for _, name := range []string{"file", "full", "link"} {
		if err := Relocate(d.path, filepath.Join(base, name), testMarker); !errors.Is(err, ErrOccupied) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(base, name)); err != nil {
			t.Errorf("%s was removed", name)
		}
	}
	if read(t, base+"/file") != "user's" || read(t, base+"/full/f") != "user's" {
		t.Error("local bytes were touched")
	}
	if err := Relocate(d.path, base+"/new", Marker{UUID: "other"}); !errors.Is(err, ErrForeignMarker) {
		t.Errorf("another mirror's target: %v", err)
	}
	must(t, os.Mkdir(base+"/empty", 0o700))
	must(t, Relocate(d.path, base+"/empty", testMarker))
	must(t, Relocate(d.path, base+"/empty", testMarker)) // a killed run repeats
	if read(t, base+"/empty/f") != "x" {
		t.Error("the target did not arrive")
	}
}

func TestAnUnmarkedDirectoryIsOnlyLookedAt(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	d, err := OpenUnmarked(dir)
	must(t, err)
	defer d.Close()
	if _, err := d.Stat("f"); err != nil {
		t.Error(err)
	}
	if err := d.Reidentify(); !errors.Is(err, ErrNoMarker) {
		t.Errorf("reidentify: %v", err)
	}
	if err := d.MkdirAll("x"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("mkdir: %v", err)
	}
	if _, err := d.PublishBatch([]PublishOp{{Staged: StageName("k"), To: "g"}}), d.SyncAll(); err != nil {
		t.Errorf("nothing to flush: %v", err)
	}
}
