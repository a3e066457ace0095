package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/view"
	"github.com/spmirror/spmirror/watch"
)

// teller says what a watch does: lines with their time on stderr, or events on stdout. What goes on being so is said
// once.
type teller struct {
	env    *environment
	events *view.Events // with -json, else nil

	mu    sync.Mutex
	said  map[string]string
	begun bool
}

func newTeller(env *environment, events *view.Events) *teller {
	return &teller{env: env, events: events, said: make(map[string]string)}
}

// line says something for people.
func (t *teller) line(text string) {
	if t.events != nil {
		return
	}
	fmt.Fprintf(t.env.stderr, "%s%s\n", t.stamp(), view.Message(text))
}

// stamp is the time at the start of a line.
func (t *teller) stamp() string { return t.env.now().UTC().Format("2006-01-02T15:04:05Z") + "  " }

// problem says what went wrong.
func (t *teller) problem(p *problem) {
	if t.events == nil {
		fmt.Fprint(t.env.stderr, t.stamp())
		writeProblem(t.env.stderr, p)
		return
	}
	t.events.Diagnostic(*asDiagnostic(p, ""))
}

// once says what went wrong with something, unless it was the last that was said of it.
func (t *teller) once(what string, p *problem) {
	text := p.code + " " + p.summary
	t.mu.Lock()
	known := t.said[what] == text
	t.said[what] = text
	t.mu.Unlock()
	if !known {
		t.problem(p)
	}
}

// settled notes that nothing is wrong with something any more.
func (t *teller) settled(what string) {
	t.mu.Lock()
	was := t.said[what]
	delete(t.said, what)
	t.mu.Unlock()
	if was != "" {
		t.line("Settled: " + was)
	}
}

// started says once what is watched, and how.
func (t *teller) started(mirrors, drives int, c *cli.Command) {
	t.mu.Lock()
	begun := t.begun
	t.begun = true
	t.mu.Unlock()
	if begun {
		return
	}
	how := fmt.Sprintf("asking every %s", c.Duration("interval"))
	if c.String("listen") != "" {
		how = "listening on " + c.String("listen") + ", " + how + " where no notifications come"
	}
	text := fmt.Sprintf("Watching %s on %s: %s.", plural(mirrors, "mirror"), plural(drives, "drive"), how)
	if t.events != nil {
		t.events.Watch(view.WatchNote{State: view.WatchStarted}, text)
		return
	}
	t.line(text)
}

// looking says what is planned, and why.
func (t *teller) looking(task watch.Task, mirrors []string) {
	t.line(fmt.Sprintf("Planned %s (%s).", strings.Join(mirrors, ", "), strings.Join(reasons(task), ", ")))
}

// looked says what came of a look.
func (t *teller) looked(n view.WatchNote) {
	text := "Look: " + strings.ReplaceAll(n.Result, "_", " ")
	held := n.Result == "blocked" || n.Result == "needs_review"
	switch {
	case n.PlanFile != "":
		text = fmt.Sprintf("The plan is left to a person: spmirror apply %s", n.PlanFile)
	case held:
		text = "The plan is left to a person, and not saved: `spmirror apply` makes it again, -out=DIR keeps such plans."
	}
	if t.events != nil {
		t.events.Watch(n, text)
		return
	}
	if held || n.PlanFile != "" || n.Result == "incomplete" || n.Result == "failed" {
		t.line(text)
	}
}

// stopped says the last word.
func (t *teller) stopped(counts *watch.Counts) {
	text := "Stopped watching."
	note := view.WatchNote{State: view.WatchStopped}
	if counts != nil {
		data, err := json.Marshal(counts)
		if err == nil && json.Unmarshal(data, &note.Notifications) == nil {
			text += fmt.Sprintf(" Notifications: %d accepted, %d unknown, %d forged, %d malformed.", counts.Accepted, counts.Unknown, counts.Forged, counts.Malformed)
		}
	}
	if t.events != nil {
		t.events.Watch(note, text)
		return
	}
	t.line(text)
}
