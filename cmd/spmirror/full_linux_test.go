package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spmirror/spmirror/sandbox"
)

// TestADiskThatIsFullAnywhereLosesNothing applies with a little more room each time:
// for state and mirror together, for the state alone, and in numbers of files. Too
// little room is an error or a block, never a wrong file, and more room is all that
// is needed to go on (F01, F02, S05, I-22).
func TestADiskThatIsFullAnywhereLosesNothing(t *testing.T) {
	needsRoot(t)
	steps := 6
	if long() {
		steps = 60
	}
	for _, test := range []struct {
		name   string
		least  int // in the unit of the mount option
		most   int
		option string
		apart  bool // the mirror has a disk of its own
	}{
		{"state and mirror", 400, 4500, "size=%dk", false},
		{"state", 100, 1600, "size=%dk", true},
		{"numbers of files", 10, 90, "nr_inodes=%d", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			codes := map[int]int{}
			for i := range steps {
				room := fmt.Sprintf(test.option, test.least+(test.most-test.least)*i/(steps-1))
				w := newFullWorld(t, room, test.apart)
				code, _, _ := w.try("apply", "-auto-approve")
				codes[code]++
				if code == exitOK {
					w.matchesTenant()
				}
				w.nothingWrong()
				w.remount()
				w.run(exitOK, "apply", "-auto-approve")
				w.matchesTenant()
				w.unchanged()
				if w.close(); t.Failed() {
					t.Fatalf("with %s, which ended with %d", room, code)
				}
			}
			t.Logf("exit codes: %v", codes)
			if codes[exitOK] == steps || codes[exitOK] == 0 {
				t.Error("the sizes prove little")
			}
		})
	}
}

// fullWorld is a world on a disk with little room.
type fullWorld struct {
	*world
	disks []string
}

func newFullWorld(t *testing.T, room string, apart bool) *fullWorld {
	t.Helper()
	var spec sandbox.DriveSpec
	for i := range 40 {
		spec.Files = append(spec.Files, sandbox.FileSpec{
			Path: fmt.Sprintf("f%d/file %d", i%5, i), Text: strings.Repeat(fmt.Sprintf("text %d ", i), 5000+i*50),
		})
	}
	w := &fullWorld{world: newWorld(t, spec)}
	config, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(w.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	w.dir = t.TempDir()
	w.mount(w.dir, room)
	w.write("main.hcl", strings.Replace(string(config), `"1MiB"`, `"0"`, 1))
	w.write("ca.pem", string(ca))
	if apart {
		if err := os.Mkdir(w.path("mirror"), 0o700); err != nil {
			t.Fatal(err)
		}
		w.mount(w.path("mirror"), "size=16m")
	}
	return w
}

func (w *fullWorld) mount(dir, room string) {
	w.t.Helper()
	mountMemory(w.t, dir, room)
	w.disks = append(w.disks, dir)
}

// remount gives the disk room.
func (w *fullWorld) remount() {
	w.t.Helper()
	if err := unix.Mount("none", w.disks[0], "", unix.MS_REMOUNT, "size=32m,nr_inodes=10000"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fullWorld) close() {
	for i := len(w.disks) - 1; i >= 0; i-- {
		_ = unix.Unmount(w.disks[i], unix.MNT_DETACH)
	}
}

// nothingWrong wants every file that is visible to be whole.
func (w *fullWorld) nothingWrong() {
	w.t.Helper()
	if _, err := os.Stat(w.path("mirror")); err != nil {
		return
	}
	for _, d := range w.differences() {
		if strings.HasSuffix(d, "has other bytes") || strings.HasSuffix(d, "is in the mirror only") {
			w.t.Error(d)
		}
	}
}
