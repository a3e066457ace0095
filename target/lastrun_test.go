package target

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestATargetNamesTheRunThatChangedItLast(t *testing.T) {
	d := newTarget(t)
	if got := d.LastRun(); got != (LastRun{}) {
		t.Errorf("a new target names %+v", got)
	}
	first, second := LastRun{"lineage", 1, longAgo}, LastRun{"lineage", 2, longAgo}
	must(t, d.NoteRun(first))
	must(t, d.NoteRun(second))
	looking := reopen(t, d.path, WithReadOnly())
	if got := looking.LastRun(); got != second {
		t.Errorf("it names %+v, want %+v", got, second)
	}
	if info, err := os.Stat(d.path + "/.spmirror/last-run.json"); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := looking.NoteRun(first); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a target that was opened for looking: %v", err)
	}
	must(t, looking.ForgetRun())
	must(t, looking.ForgetRun())
	if got := d.LastRun(); got != (LastRun{}) {
		t.Errorf("it still names %+v", got)
	}
}

func TestTheSameRunIsNotNotedTwice(t *testing.T) {
	d := newTarget(t)
	must(t, d.NoteRun(LastRun{"lineage", 1, longAgo}))
	d.faults = forbidden{t}
	must(t, d.NoteRun(LastRun{"lineage", 1, longAgo}))
}

func TestADamagedNoteNamesNoRun(t *testing.T) {
	d := newTarget(t)
	for _, text := range []string{"", "{", `{"run":"x"}`, "null", "\x00\x00"} {
		write(t, d.path+"/.spmirror/last-run.json", text)
		if got := d.LastRun(); got.Run != 0 {
			t.Errorf("%q names %+v", text, got)
		}
		must(t, d.NoteRun(LastRun{"lineage", 3, longAgo}))
		if got := d.LastRun(); got.Run != 3 {
			t.Errorf("after %q: %+v", text, got)
		}
	}
	must(t, os.Remove(d.path+"/.spmirror/last-run.json"))
	must(t, os.Symlink("/etc/passwd", d.path+"/.spmirror/last-run.json"))
	if got := d.LastRun(); got != (LastRun{}) {
		t.Errorf("a link names %+v", got)
	}
}

// Whatever happens while a run is noted, there is a whole note: the one before or the new one.
func TestANoteIsReplacedWholeOrNotAtAll(t *testing.T) {
	first, second := LastRun{"lineage", 1, longAgo}, LastRun{"lineage", 2, longAgo}
	for n := 1; ; n++ {
		d := newTarget(t)
		must(t, d.NoteRun(first))
		f := &failNth{n: n}
		d.faults = f
		err := d.NoteRun(second)
		d.faults = nil
		if got := d.LastRun(); got != first && got != second || err == nil && got != second {
			t.Fatalf("operation %d: %v, and it names %+v", n, err, got)
		}
		must(t, d.NoteRun(second))
		if f.n > 0 {
			return
		}
	}
}

// failNth fails the n-th operation.
type failNth struct{ n int }

func (f *failNth) Before(string, string) error {
	if f.n--; f.n == 0 {
		return fs.ErrPermission
	}
	return nil
}
