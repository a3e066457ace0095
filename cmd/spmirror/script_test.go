package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"spmirror": program, "wide-tenant": wideTenant})
}

// program is main with a clock that scripts can set forward: LATER=100h.
func program() {
	env := processEnvironment()
	if later, err := time.ParseDuration(env.get("LATER")); err == nil {
		env.now = func() time.Time { return time.Now().Add(later) }
	}
	os.Exit(run(context.Background(), os.Args, env))
}

// TestTheCommandLineBehavesAsTheScriptsSay runs testdata/script. Every script has
// an empty directory of its own and sees only the environment given here.
func TestTheCommandLineBehavesAsTheScriptsSay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("SPMIRROR_UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", examples)
			// The race detector waits a second at the end of each of the many programs.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "device":
				return canMount(), nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "append": appendText, "replace": replace, "touch": touch, "same": same,
			"hold-lock": holdLock, "alter-plan": alterPlan, "sandboxed": sandboxed, "holds-to": holdsTo, "other-device": otherDevice, "adds-up": addsUp,
		},
	})
}

// canMount reports whether a script can have a directory on another device.
func canMount() bool {
	dir, err := os.MkdirTemp("", "device")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if exec.Command("mount", "-t", "tmpfs", "none", dir).Run() != nil {
		return false
	}
	return exec.Command("umount", dir).Run() == nil
}

// other-device DIR makes a directory that is on another device, until the script ends.
func otherDevice(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: other-device DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "none", dir).Run())
	ts.Defer(func() { _ = exec.Command("umount", dir).Run() })
}

// adds-up FILE wants every item that a saved plan compared in exactly one class (I-51).
func addsUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: adds-up FILE")
	}
	p, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer p.Close()
	for _, m := range p.Mirrors {
		if !m.Planned() {
			continue
		}
		sum := m.Unchanged - m.Reasons[plan.Move][plan.TargetMoved] - m.Reasons[plan.Move][plan.AddressMoved] // those are no items
		for _, s := range m.Summary {
			sum += s.Items
		}
		for _, n := range m.Skipped {
			sum += n
		}
		if sum != m.Compared {
			ts.Fatalf("%s: %d unchanged, %v changes and %v left out are not %d compared", m.Address, m.Unchanged, m.Summary, m.Skipped, m.Compared)
		}
	}
}

// exits CODE PROGRAM ARGS... runs a program that must end with CODE.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var status *exec.ExitError
		if !errors.As(err, &status) {
			ts.Fatalf("%v", err)
		}
		got = status.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// append FILE TEXT adds a line.
func appendText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: append FILE TEXT")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.WriteString(args[1] + "\n")
	ts.Check(errors.Join(err, f.Close()))
}

// replace FILE OLD NEW changes text that the file must hold.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

// touch FILE moves the modification time and nothing else.
func touch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: touch FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	later := info.ModTime().Add(90 * time.Minute)
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), later, later))
}

// same DIR DIR compares two trees byte for byte, without the place of spmirror.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same DIR DIR")
	}
	diff, err := compareTrees(ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	ts.Check(err)
	if neg == (len(diff) == 0) {
		ts.Fatalf("differences between %s and %s: %q", args[0], args[1], diff)
	}
}

// hold-lock STATE takes the lock of a state as another run would, until the script ends.
func holdLock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold-lock STATE")
	}
	who := state.Owner{PID: os.Getpid(), Operation: "apply", Since: time.Now().UTC(), Version: version}
	lock, err := state.Acquire(context.Background(), ts.MkAbs(args[0]), who, 0, nil)
	ts.Check(err)
	ts.Defer(func() { _ = lock.Release() })
}

// alter-plan FILE MEMBER OLD NEW replaces text in a member of a saved plan.
func alterPlan(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: alter-plan FILE MEMBER OLD NEW")
	}
	ts.Check(rewritePlan(ts.MkAbs(args[0]), args[1], args[2], args[3]))
}

func rewritePlan(name, member, before, after string) error {
	in, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer in.Close()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	changed := false
	for _, f := range in.File {
		data, err := readMember(f)
		if err != nil {
			return err
		}
		if f.Name == member {
			changed = bytes.Contains(data, []byte(before))
			data = bytes.ReplaceAll(data, []byte(before), []byte(after))
		}
		part, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: f.Method, Modified: f.Modified})
		if err != nil {
			return err
		}
		if _, err := part.Write(data); err != nil {
			return err
		}
	}
	if !changed {
		return fmt.Errorf("%s of %s does not hold %q", member, name, before)
	}
	return errors.Join(w.Close(), os.WriteFile(name, out.Bytes(), 0o600))
}

func readMember(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// sandboxed FILE... lets every tenant of configuration files be the emulated one,
// and leaves the rest of the files as it is.
func sandboxed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: sandboxed FILE...")
	}
	for _, name := range args {
		text, err := withSandbox(ts.ReadFile(name))
		if err != nil {
			ts.Fatalf("%s: %v", name, err)
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// withSandbox replaces the bodies of tenant blocks. The examples are in canonical
// form, so a block ends with the first brace at the start of a line.
func withSandbox(text string) (string, error) {
	var out []string
	inside := false
	for _, line := range strings.Split(text, "\n") {
		switch {
		case inside:
			inside = line != "}"
		case strings.HasPrefix(line, `tenant "`):
			out = append(out, line, "  sandbox {}", "}")
			inside = true
		default:
			out = append(out, line)
		}
	}
	if inside {
		return "", errors.New("a tenant block has no end")
	}
	return strings.Join(out, "\n"), nil
}
