package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// TestARelocationThatIsKilledBeforeItsRowLosesNothing kills the real program when it has
// moved the target and has not written the row yet: another program takes the write lock
// of the state at that moment, so that the row has to wait. Whatever is done then, nothing
// is lost and nothing is downloaded again.
func TestARelocationThatIsKilledBeforeItsRowLosesNothing(t *testing.T) {
	bin := buildBinary(t)
	for name, after := range map[string]func(k *killer){
		"the same plan again": func(k *killer) { k.finish("apply", "p.spplan") },
		"a fresh apply":       func(k *killer) { k.finish("apply", "-auto-approve") },
		"the source changes meanwhile": func(k *killer) {
			if _, err := k.w.tenant.Drive("people/Documents").Put("/sub/b.txt", "second"); err != nil {
				k.t.Fatal(err)
			}
			k.finish("apply", "-auto-approve")
		},
		"the configuration goes back": func(k *killer) {
			k.retarget("below/elsewhere", "mirror")
			k.finish("apply", "-auto-approve")
			k.retarget("mirror", "below/elsewhere")
			k.finish("apply", "-auto-approve")
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := relocationKilled(t, bin)
			w := k.w
			w.tenant.ResetStats()
			after(k)
			if n := w.tenant.Stats().Calls[sandbox.KindDownload]; n > 0 && name != "the source changes meanwhile" {
				t.Errorf("%d files were downloaded", n)
			}
			if _, err := os.Lstat(w.path("mirror")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something is at the old place: %v", err)
			}
			mine, err := os.ReadFile(w.path("below/elsewhere/mine.txt"))
			if err != nil || string(mine) != "not spmirror's" {
				t.Errorf("the file that is not spmirror's: %q, %v", mine, err)
			}
			if got := k.target(); got != w.path("below/elsewhere") {
				t.Errorf("the state knows the target as %s", got)
			}
			w.unchanged()
			for at, want := range map[string]string{"a.txt": "one", "sub/b.txt": "two"} {
				if strings.HasPrefix(at, "sub") && name == "the source changes meanwhile" {
					want = "second"
				}
				if got, err := os.ReadFile(w.path("below/elsewhere/" + at)); err != nil || string(got) != want {
					t.Errorf("%s holds %q, %v", at, got, err)
				}
			}
		})
	}
}

// retarget edits the target in the configuration.
func (k *killer) retarget(from, to string) {
	k.t.Helper()
	data, err := os.ReadFile(k.w.path("main.hcl"))
	if err != nil {
		k.t.Fatal(err)
	}
	k.w.write("main.hcl", strings.Replace(string(data), `target = "`+from+`"`, `target = "`+to+`"`, 1))
}

// target is where the state says that the mirror is.
func (k *killer) target() string {
	k.t.Helper()
	s, err := state.Open(context.Background(), k.w.path("spmirror.db"), state.Options{ReadOnly: true})
	if err != nil {
		k.t.Fatal(err)
	}
	defer s.Close()
	row, _, err := s.MirrorByAddress(context.Background(), "mirror.docs")
	if err != nil {
		k.t.Fatal(err)
	}
	return row.Target
}

// relocationKilled is a world whose target has moved and whose state does not know it. The
// lock may come too late: then another world is made.
func relocationKilled(t *testing.T, bin string) *killer {
	t.Helper()
	for range 20 {
		w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{
			{Path: "a.txt", Text: "one"}, {Path: "sub/b.txt", Text: "two"}, {Path: "nothing", Folder: true},
		}})
		k := &killer{t: t, w: w, bin: bin}
		k.finish("apply", "-auto-approve")
		w.write("mirror/mine.txt", "not spmirror's")
		k.retarget("mirror", "below/elsewhere")
		k.finish("plan", "-out=p.spplan")
		k.killRelocating("apply", "p.spplan")
		if k.target() == w.path("mirror") && k.moved() {
			return k
		}
	}
	t.Fatal("the row was always written before the lock could be taken")
	return nil
}

// killRelocating runs a command, takes the write lock of the state when it says that a
// target is about to move, and kills the command when the target has moved.
func (k *killer) killRelocating(args ...string) {
	k.t.Helper()
	ctx := context.Background()
	db, err := sql.Open("sqlite3", "file:"+k.w.path("spmirror.db"))
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	defer c.Close()
	moving, err := c.PrepareContext(ctx, `SELECT count(*) FROM meta WHERE key GLOB 'relocating:*'`)
	if err != nil {
		k.t.Fatal(err)
	}
	defer moving.Close()
	cmd, out := k.command(args...)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// until waits for something to be seen; it reports whether that was before the end.
	until := func(done func() bool) bool {
		k.t.Helper()
		for !done() {
			select {
			case err := <-ended:
				if err != nil {
					k.t.Fatalf("spmirror %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				return false
			default:
			}
		}
		return true
	}
	if !until(func() bool {
		n := 0
		err := moving.QueryRowContext(ctx).Scan(&n)
		return err == nil && n > 0
	}) {
		return
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		k.t.Fatal(err) // it waits for five seconds
	}
	if !until(k.moved) {
		return
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.t.Fatal(err)
	}
	<-ended
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		k.t.Fatal(err)
	}
}

// moved reports whether the target is at its new place.
func (k *killer) moved() bool {
	_, err := os.Lstat(k.w.path("below/elsewhere/.spmirror/marker.json"))
	return err == nil
}
