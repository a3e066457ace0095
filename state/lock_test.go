package state

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the other process of the lock tests: it takes the lock, says so, and holds it until its input ends.
func TestMain(m *testing.M) {
	path := os.Getenv("SPMIRROR_TEST_HOLD")
	if path == "" {
		os.Exit(m.Run())
	}
	l, err := Acquire(context.Background(), path, Owner{Operation: "apply"}, 0, nil)
	if err != nil {
		os.Exit(3)
	}
	if _, err := os.Stdout.WriteString("held\n"); err != nil {
		os.Exit(4)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if l.Release() != nil {
		os.Exit(5)
	}
	os.Exit(0)
}

// holder starts a process that holds the lock.
func holder(t *testing.T, path string) (cmd *exec.Cmd, release io.Closer) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SPMIRROR_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	return cmd, in
}

func TestALockHeldByAnotherProcessIsRefusedWithItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	cmd, in := holder(t, path)
	_, err := Acquire(t.Context(), path, Owner{}, 0, nil)
	var locked *LockedError
	if !errors.As(err, &locked) || !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if o := locked.Owner; o.PID != cmd.Process.Pid || o.Operation != "apply" || o.Since.IsZero() || !locked.Alive {
		t.Errorf("%+v", locked)
	}
	if who, alive := LockHolder(path); who != locked.Owner || !alive {
		t.Error(who, alive)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if who, _ := LockHolder(path); who != (Owner{}) {
		t.Error("the text outlived the lock:", who)
	}
}

func TestALockDiesWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	cmd, in := holder(t, path)
	defer in.Close()
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if who, alive := LockHolder(path); who.PID != cmd.Process.Pid || alive {
		t.Error(who, alive)
	}
	l, err := Acquire(t.Context(), path, Owner{Operation: "plan"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who, alive := LockHolder(path); who.PID != os.Getpid() || who.Operation != "plan" || !alive {
		t.Error(who, alive)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestWaitingForALockNamesTheHolderOnceAndSucceeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	cmd, in := holder(t, path)
	told := 0
	l, err := Acquire(t.Context(), path, Owner{}, time.Minute, func(o Owner) {
		told++
		if o.PID != cmd.Process.Pid {
			t.Error(o)
		}
		in.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if told != 1 {
		t.Error("told", told, "times")
	}
	if err := errors.Join(l.Release(), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	l, err := Acquire(t.Context(), path, Owner{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Acquire(ctx, path, Owner{}, time.Hour, func(Owner) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestALockFileThatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link.lock")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "pipe"} {
		if l, err := Acquire(t.Context(), filepath.Join(dir, name), Owner{}, 0, nil); err == nil {
			l.Release()
			t.Error(name, "was taken for a lock file")
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("the link was followed")
	}
}
