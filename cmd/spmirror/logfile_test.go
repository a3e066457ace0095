package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// logLines are the lines of a log and its older files, the newest file first.
func logLines(t *testing.T, path string) (files int, lines []string) {
	t.Helper()
	for n := 0; ; n++ {
		name := path
		if n > 0 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return n, lines
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		for line := range strings.Lines(string(data)) {
			lines = append(lines, line)
		}
	}
}

func TestALogRotatesBySizeAndKeepsAFewFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spmirror.log")
	l, err := openLog(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if i == 150 { // a new process goes on in the same file
			_ = l.Close()
			if l, err = openLog(path, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fmt.Fprintf(l, "line %03d %s\n", i, strings.Repeat("x", 40)); err != nil { // 50 bytes
			t.Fatal(err)
		}
	}
	_ = l.Close()
	files, lines := logLines(t, path)
	if files != keptLogs+1 || len(lines) != (keptLogs+1)*20 {
		t.Errorf("%d files, %d lines", files, len(lines))
	}
	if !strings.HasPrefix(lines[19], "line 299 ") || !strings.HasPrefix(lines[len(lines)-20], "line 180 ") {
		t.Errorf("the newest ends with %q, the oldest begins with %q", lines[19], lines[len(lines)-20])
	}
}

func TestProcessesShareALogWithoutLosingLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spmirror.log")
	var writers sync.WaitGroup
	for p := range 3 { // each with a file of its own, as processes have
		l, err := openLog(path, 4000)
		if err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			defer l.Close()
			for i := range 100 {
				if _, err := fmt.Fprintf(l, "process %d line %02d %s\n", p, i, strings.Repeat("x", 20)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	_, lines := logLines(t, path)
	seen := make(map[string]bool)
	for _, line := range lines {
		if len(line) != len("process 0 line 00 \n")+20 || seen[line] {
			t.Errorf("%q", line)
		}
		seen[line] = true
	}
	if len(seen) != 300 {
		t.Errorf("%d lines", len(seen))
	}
}

func TestALogThatCannotRotateGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "spmirror.log")
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= keptLogs; n++ {
		if err := os.MkdirAll(filepath.Join(fmt.Sprintf("%s.%d", path, n), "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := openLog(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 10 {
		if _, err := l.Write([]byte(strings.Repeat("x", 50) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || len(data) != 510 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestALogMayBeNoOrdinaryFile(t *testing.T) {
	l, err := openLog(os.DevNull, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 5 {
		if _, err := l.Write([]byte("more than ten bytes\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(os.DevNull + ".1"); err == nil {
		t.Error("the device was moved")
	}
}

// The standard library tells in a log of its own what a host sends unasked. That may be a secret, and whoever reads our
// outputs expects no such lines (I-61).
func TestTheLogOfTheStandardLibraryGoesNowhere(t *testing.T) {
	var said strings.Builder
	log.SetOutput(&said)
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	env := &environment{now: time.Now, stdin: strings.NewReader(""), stdout: out, stderr: out}
	if code := run(t.Context(), []string{"spmirror", "version"}, env); code != 0 {
		t.Fatal(code)
	}
	log.Print("Unsolicited response received on idle HTTP channel")
	if said.Len() > 0 {
		t.Error(said.String())
	}
}
