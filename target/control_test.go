package target

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file beside the marker appears whole, replaces the one before, and is left alone when writing fails.
func TestControlFilesAppearWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	marker := NewMarker("lineage", "mirror.m", "b!1", time.Unix(0, 0))
	if err := Init(dir, marker); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, marker)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	say := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error { _, werr := fmt.Fprint(w, text); return errors.Join(werr, err) }
	}
	path := filepath.Join(dir, ".spmirror", "metadata.jsonl")
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("the file holds %q, want %q (%v)", got, want, err)
		}
	}
	for _, text := range []string{"one", "two"} {
		if err := d.WriteControl("metadata.jsonl", say(text, nil)); err != nil {
			t.Fatal(err)
		}
		check(text)
	}
	broken := errors.New("broken")
	if err := d.WriteControl("metadata.jsonl", say("half", broken)); !errors.Is(err, broken) {
		t.Errorf("a broken write gave %v", err)
	}
	check("two")
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file is left: %v", err)
	}
	for range 2 {
		if err := d.RemoveControl("metadata.jsonl"); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	for _, name := range []string{"marker.json", "staging", "../x", "trash"} {
		if err := d.WriteControl(name, say("mine", nil)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if err := d.RemoveControl("marker.json"); err == nil {
		t.Error("the marker was removed")
	}
}

// An id is its own name only where every file system holds it, and keeps it apart from others.
func TestNamesOfControlFilesArePlain(t *testing.T) {
	for _, test := range []struct{ id, ext, want string }{
		{"01GZ5G554OERALU77VHHLQP4WV5VFK3D75", "", "01GZ5G554OERALU77VHHLQP4WV5VFK3D75"},
		{"3.0", ".txt", "3.0.txt"}, {"3.0", ".TXT", "3.0.TXT"}, {"3.0", "", "3.0"},
		{"3.0", ".t/t", "3.0"}, {"3.0", ".averylongone", "3.0"}, {"3.0", ".", "3.0"},
	} {
		if got := ControlName(test.id, test.ext); got != test.want {
			t.Errorf("%q %q gives %q, want %q", test.id, test.ext, got, test.want)
		}
	}
	seen := map[string]string{}
	for _, id := range []string{"", ".", "..", "../../x", "a", "A", "A b", "x\x00", "..A", "A.", "!park", "A/B"} {
		name := ControlName(id, "")
		if other, ok := seen[name]; ok || checkComponent(name) != nil {
			t.Errorf("%q gives %q, as %q does", id, name, other)
		}
		seen[name] = id
	}
}
