package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// vigil is `spmirror watch -json` at work on a world.
type vigil struct {
	t      *testing.T
	w      *world
	cmd    *exec.Cmd
	port   string
	events chan map[string]any
	mu     sync.Mutex
	said   strings.Builder // everything on stdout and stderr
}

// keepVigil starts a watch that listens for notifications.
func keepVigil(t *testing.T, bin string, w *world, args ...string) *vigil {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	return listen(t, bin, w, port, args...)
}

func listen(t *testing.T, bin string, w *world, port string, args ...string) *vigil {
	t.Helper()
	return startVigil(t, bin, w, port, append([]string{
		"-listen=127.0.0.1:" + port, "-notification-url=http://127.0.0.1:" + port + "/hook", "-interval=24h", "-debounce=200ms",
	}, args...)...)
}

// again starts another watch in the place of one that is dead.
func (v *vigil) again(args ...string) *vigil {
	v.t.Helper()
	return listen(v.t, v.cmd.Path, v.w, v.port, args...)
}

func startVigil(t *testing.T, bin string, w *world, port string, args ...string) *vigil {
	t.Helper()
	v := &vigil{t: t, w: w, port: port, events: make(chan map[string]any, 10_000)}
	v.cmd = exec.Command(bin, append([]string{"watch", "-json"}, args...)...)
	v.cmd.Dir, v.cmd.Env = w.dir, w.env
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.cmd.Stderr = v
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go v.read(out)
	t.Cleanup(func() {
		_ = v.cmd.Process.Kill() // if the test did not end it
		for range v.events {     // until the reader is done
		}
		_ = v.cmd.Wait()
		if t.Failed() {
			t.Log(v.text())
		}
	})
	return v
}

// Write keeps what is said on stderr.
func (v *vigil) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.said.Write(p)
}

func (v *vigil) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.said.String()
}

func (v *vigil) read(out io.Reader) {
	defer close(v.events)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = v.Write(append(slices.Clone(lines.Bytes()), '\n'))
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			v.t.Errorf("%v: %s", err, lines.Text())
			continue
		}
		v.events <- e
	}
}

// event waits for an event of a type that satisfies a condition.
func (v *vigil) event(kind string, fits func(map[string]any) bool) map[string]any {
	v.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case e, open := <-v.events:
			if !open {
				v.t.Fatalf("the watch ended before it said %s", kind)
			}
			if e["type"] == kind && (fits == nil || fits(e)) {
				return e
			}
		case <-deadline:
			v.t.Fatalf("the watch did not say %s", kind)
		}
	}
}

// looked waits for a look that ended so.
func (v *vigil) looked(result string) map[string]any {
	v.t.Helper()
	e := v.event("watch", func(e map[string]any) bool { return e["hook"].(map[string]any)["state"] == "looked" })
	hook := e["hook"].(map[string]any)
	if hook["result"] != result {
		v.t.Fatalf("the look ended as %v, want %s", hook, result)
	}
	return hook
}

// complains waits for a diagnostic with a code.
func (v *vigil) complains(code string) {
	v.t.Helper()
	v.event("diagnostic", func(e map[string]any) bool { return e["diagnostic"].(map[string]any)["code"] == code })
}

// subscribed waits until the tenant has so many subscriptions, all for this watch, none of them one of those before.
func (v *vigil) subscribed(n int, before ...sandbox.Subscribed) []sandbox.Subscribed {
	v.t.Helper()
	var list []sandbox.Subscribed
	eventually(v.t, "subscriptions", func() bool {
		list = v.w.tenant.Subscriptions()
		for _, s := range list {
			if slices.ContainsFunc(before, func(b sandbox.Subscribed) bool { return b.ID == s.ID }) {
				return false
			}
		}
		return len(list) == n
	})
	return list
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain waited for %s", what)
		}
	}
}

// edit changes the source.
func (v *vigil) edit(e sandbox.Edit) {
	v.t.Helper()
	e.Drive = "people/Documents"
	if _, err := v.w.tenant.Apply(e); err != nil {
		v.t.Fatal(err)
	}
}

func (v *vigil) put(path, text string) {
	v.edit(sandbox.Edit{Op: sandbox.OpPut, Path: path, Text: &text})
}

// mirrors waits until the mirror equals its source.
func (v *vigil) mirrors() {
	v.t.Helper()
	v.w.matchesTenant()
}

// end ends the watch by a signal and wants it to leave in order.
func (v *vigil) end(s os.Signal) {
	v.t.Helper()
	began := time.Now()
	if err := v.cmd.Process.Signal(s); err != nil {
		v.t.Fatal(err)
	}
	v.event("watch", func(e map[string]any) bool { return e["hook"].(map[string]any)["state"] == "stopped" })
	for range v.events {
	}
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("it ended with %v", err)
	}
	if took := time.Since(began); took > 10*time.Second { // DESIGN section 4
		v.t.Errorf("it took %s", took)
	}
	if left := v.w.tenant.Subscriptions(); len(left) != 0 {
		v.t.Errorf("subscriptions are left: %v", left)
	}
}

// command runs another command beside the watch.
func (v *vigil) command(want int, args ...string) string {
	v.t.Helper()
	cmd := exec.Command(v.cmd.Path, append(args, "-lock-timeout=1m")...) // the look that was just told of may not be over
	cmd.Dir, cmd.Env = v.w.dir, v.w.env
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != want {
		v.t.Fatalf("spmirror %s ended with %d, %v\n%s", strings.Join(args, " "), code, err, out)
	}
	return string(out)
}

// holds looks for a text in all files below the directory of the world.
func (w *world) holds(text string) (files []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if strings.Contains(string(data), text) {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}
