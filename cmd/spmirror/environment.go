package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/view"
)

// version of the program; releases set it when they link.
var version = "0.1.0"

// environment is what the process gives a command. Commands take it from here
// and nowhere else.
type environment struct {
	stdin          io.Reader
	stdout, stderr *os.File
	environ        []string
	now            func() time.Time
	stdinTerminal  bool
	// inside fills the options of a client whose tenant is emulated in this process; nil outside of tests.
	inside func(*config.Tenant, *graph.Options)
}

func processEnvironment() *environment {
	return &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		now: time.Now, stdinTerminal: isTerminal(os.Stdin),
	}
}

// lookup returns an environment variable.
func (e *environment) lookup(name string) (string, bool) {
	for i := len(e.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e.environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

// automation reports whether hints for people at a prompt are out of place.
func (e *environment) automation() bool {
	return e.get("SPMIRROR_IN_AUTOMATION") != "" || e.get("CI") == "true"
}

// networkWait is how long a run waits for a network that is gone, 0 for the default.
func (e *environment) networkWait() (time.Duration, error) {
	text := e.get("SPMIRROR_NETWORK_WAIT")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid SPMIRROR_NETWORK_WAIT=%q", text), detail: "It is a time such as 90s, 15m or 2h."}
	}
	return d, nil
}

// output is where results and progress go.
func (e *environment) output(color string) view.Output {
	o := view.NewOutput(e.stdout, e.stderr, e.lookup, color)
	o.Automation = e.automation()
	return o
}

// logger writes what SPMIRROR_LOG asks for to the file of SPMIRROR_LOG_PATH, or to
// stderr.
func (e *environment) logger() (*slog.Logger, func(), error) {
	level, path := e.get("SPMIRROR_LOG"), e.get("SPMIRROR_LOG_PATH")
	if level == "" && path == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	if !slices.Contains([]string{"", "info", "debug", "json"}, level) {
		return nil, nil, &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid SPMIRROR_LOG=%q", level), detail: "Allowed are info, debug and json."}
	}
	var w io.Writer = e.stderr
	done := func() {}
	if path != "" {
		f, err := openLog(path, maxLog)
		if err != nil {
			return nil, nil, &problem{code: "SPM0004", summary: "Cannot open the log file of SPMIRROR_LOG_PATH", err: err}
		}
		w, done = f, func() { f.Close() }
	}
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if level == "debug" {
		o.Level = slog.LevelDebug
	}
	if level == "json" || path != "" {
		return slog.New(slog.NewJSONHandler(w, o)), done, nil
	}
	return slog.New(slog.NewTextHandler(w, o)), done, nil
}
