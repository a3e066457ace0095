package main

import (
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// slowWorld is a library whose downloads take their time, mirrored by the real program.
func slowWorld(t *testing.T, bin string) *killer {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir)
	k := &killer{t: t, w: newWorld(t, library(t, dir)), bin: bin, rand: rand.New(rand.NewPCG(1, 1))}
	k.w.tenant.AddFault(sandbox.Fault{
		Name: "slow", On: []sandbox.Kind{sandbox.KindDownload}, Path: "sites/people/Documents/big.bin",
		Action: sandbox.ActionDrip, Chunk: 40_000, Delay: 50 * time.Millisecond,
	})
	return k
}

// TestARunSurvivesSignalsAndOutputsThatNobodyReads treats the real program badly in
// the middle of a download (R06, R07, R12, I-49).
func TestARunSurvivesSignalsAndOutputsThatNobodyReads(t *testing.T) {
	bin := buildBinary(t)
	for _, test := range []struct {
		name    string
		signals []os.Signal
		code    int
	}{
		{"interrupted", []os.Signal{syscall.SIGINT}, exitInterrupted},
		{"terminated", []os.Signal{syscall.SIGTERM}, exitTerminated},
		{"interrupted twice", []os.Signal{syscall.SIGINT, syscall.SIGINT}, exitInterrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := slowWorld(t, bin)
			cmd, out := k.downloading("apply", "-auto-approve")
			for i, s := range test.signals {
				if i > 0 {
					time.Sleep(10 * time.Millisecond)
				}
				_ = cmd.Process.Signal(s)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("it ended with %d, want %d\n%s", code, test.code, out)
			}
			if _, err := os.Stat(k.w.path("mirror/big.bin")); err == nil {
				t.Error("it went on to the end of the download")
			}
			k.w.tenant.ClearFaults()
			k.finish("apply", "-auto-approve")
			k.check()
		})
	}
	t.Run("stopped, and continued when addresses and tokens have ended", func(t *testing.T) {
		k := slowWorld(t, bin)
		cmd, out := k.downloading("apply", "-auto-approve")
		_ = cmd.Process.Signal(syscall.SIGSTOP)
		k.w.tenant.ClearFaults()
		k.w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Times: 3, Action: sandbox.ActionExpireURL})
		k.w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{"graph"}, Times: 1, Action: sandbox.ActionRevoke})
		_ = cmd.Process.Signal(syscall.SIGCONT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		k.check()
	})
	t.Run("interrupted while it plans", func(t *testing.T) {
		k := slowWorld(t, bin)
		k.w.tenant.AddFault(sandbox.Fault{Name: "slow", On: []sandbox.Kind{sandbox.KindDeltaFull}, Action: sandbox.ActionDrip, Chunk: 1000, Delay: 50 * time.Millisecond})
		cmd, out := k.downloading("plan")
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(), "Interrupt received") || strings.Contains(out.String(), "SPM0000") {
			t.Errorf("it ends with %d and says\n%s", code, out)
		}
	})
	t.Run("output closed", func(t *testing.T) {
		k := slowWorld(t, bin)
		k.w.tenant.ClearFaults()
		cmd, r, w := k.piped("apply", "-auto-approve", "-json")
		r.Close()
		_ = cmd.Run()
		w.Close()
		k.finish("apply", "-auto-approve")
		k.check()
	})
	t.Run("output read late", func(t *testing.T) {
		k := slowWorld(t, bin)
		k.w.tenant.ClearFaults()
		cmd, r, w := k.piped("apply", "-auto-approve", "-json")
		if _, err := w.Write(make([]byte, 64<<10)); err != nil { // the pipe is full
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		time.Sleep(500 * time.Millisecond)
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		k.check()
	})
}

// downloading starts a command and waits until the large file is on its way.
func (k *killer) downloading(args ...string) (*exec.Cmd, *strings.Builder) {
	k.t.Helper()
	cmd, out := k.command(args...)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	for range 1500 {
		if k.w.tenant.Stats().Faults["slow"] > 0 {
			return cmd, out
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	k.t.Fatalf("the download does not begin\n%s", out)
	return nil, nil
}

// piped is a command with a pipe as its output.
func (k *killer) piped(args ...string) (cmd *exec.Cmd, r, w *os.File) {
	k.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { r.Close() })
	cmd = exec.Command(k.bin, append([]string{"-chdir=" + k.w.dir}, args...)...)
	cmd.Env, cmd.Stdout = k.w.env, w
	return cmd, r, w
}
