package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAKilledRunIsFinishedByTheSameCommand kills the real program with SIGKILL at
// random moments of plans and applies, runs the same command again, and wants the
// tree of the source, an empty plan and nothing left over.
func TestAKilledRunIsFinishedByTheSameCommand(t *testing.T) {
	points := 12
	if long() {
		points = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	plant(t, dir)
	k := &killer{t: t, w: newWorld(t, library(t, dir)), bin: buildBinary(t), rand: random}
	// The first crawl and the first apply, from nothing.
	lengths := map[string]time.Duration{"first": k.finish("apply", "-auto-approve")}
	k.check()
	commands := []string{"plan", "saved", "fresh"}
	k.edit()
	lengths["plan"] = k.finish("plan", "-out=p.spplan")
	lengths["saved"] = k.finish("apply", "p.spplan")
	k.edit()
	lengths["fresh"] = k.finish("apply", "-auto-approve")
	t.Logf("without kills: %v", lengths)
	for i := range points {
		if i%4 == 3 {
			k.restart()
			k.kill(lengths["first"], "apply", "-auto-approve")
			k.finish("apply", "-auto-approve")
		} else {
			k.edit()
			k.strike(commands[i%4], lengths)
		}
		k.check()
		if t.Failed() {
			t.Fatalf("after kill %d: %s", i, k.last)
		}
	}
	t.Logf("%d of %d runs were killed before they ended", k.killed, k.runs)
	if k.killed < k.runs/3 {
		t.Errorf("only %d of %d runs were killed before they ended: the test proves little", k.killed, k.runs)
	}
}

// killer runs and kills the program as a process of its own.
type killer struct {
	t            *testing.T
	w            *world
	bin          string
	rand         *rand.Rand
	runs, killed int
	last         string
}

// strike kills one kind of run and lets the same command finish.
func (k *killer) strike(kind string, lengths map[string]time.Duration) {
	k.t.Helper()
	switch kind {
	case "plan":
		k.kill(lengths["plan"], "plan", "-out=p.spplan")
		k.finish("plan", "-out=p.spplan")
		k.finish("apply", "p.spplan")
	case "saved":
		k.finish("plan", "-out=p.spplan")
		k.kill(lengths["saved"], "apply", "p.spplan")
		if k.rand.IntN(3) == 0 {
			k.kill(lengths["saved"], "apply", "p.spplan")
		}
		k.finish("apply", "p.spplan")
	default:
		k.kill(lengths["fresh"], "apply", "-auto-approve")
		k.finish("apply", "-auto-approve")
	}
}

func (k *killer) command(args ...string) (*exec.Cmd, *strings.Builder) {
	cmd := exec.Command(k.bin, append([]string{"-chdir=" + k.w.dir}, args...)...)
	cmd.Env = k.w.env
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// kill starts a command and kills it within the time that it takes by itself.
func (k *killer) kill(length time.Duration, args ...string) {
	k.t.Helper()
	k.runs++
	cmd, out := k.command(args...)
	after := time.Duration(k.rand.Int64N(int64(length)))
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	k.last = strings.Join(args, " ") + " killed after " + after.String() + "\n" + out.String()
	var status *exec.ExitError
	switch {
	case errors.As(err, &status) && !status.Exited():
		k.killed++
	case err != nil:
		k.t.Fatalf("%s, but ended by itself: %v", k.last, err)
	}
}

// finish runs a command to its end and returns how long that takes.
func (k *killer) finish(args ...string) time.Duration {
	k.t.Helper()
	start := time.Now()
	cmd, out := k.command(args...)
	if err := cmd.Run(); err != nil {
		k.t.Fatalf("spmirror %s: %v\n%s\nbefore that: %s", strings.Join(args, " "), err, out, k.last)
	}
	return time.Since(start)
}

// edit lets the source change in every way.
func (k *killer) edit() {
	k.t.Helper()
	e := editor{t: k.t, w: k.w, rand: k.rand}
	for range 60 {
		e.edit()
	}
	big := strings.Repeat(string(rune('a'+k.rand.IntN(26))), 1<<20+k.rand.IntN(1<<20))
	if _, err := k.w.tenant.Drive("people/Documents").Put("/big.bin", big); err != nil {
		k.t.Fatal(err)
	}
}

// restart removes state and mirror.
func (k *killer) restart() {
	k.t.Helper()
	for _, pattern := range []string{"spmirror.db*", "mirror"} {
		names, err := filepath.Glob(k.w.path(pattern))
		if err != nil {
			k.t.Fatal(err)
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				k.t.Fatal(err)
			}
		}
	}
}

// check wants the tree of the source, an empty plan, and nothing in staging.
func (k *killer) check() {
	k.t.Helper()
	k.w.matchesTenant()
	k.w.unchanged()
	k.w.wellBehaved()
	for _, place := range []string{"staging", "park"} {
		err := filepath.WalkDir(k.w.path("mirror/.spmirror/"+place), func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				k.t.Errorf("left over: %s", name)
			}
			return nil
		})
		if err != nil {
			k.t.Fatal(err)
		}
	}
}
