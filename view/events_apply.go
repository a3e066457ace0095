package view

import (
	"fmt"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

type applyHook struct {
	Mirror         mirrorRef    `json:"mirror"`
	Done           int64        `json:"done"`
	Total          int64        `json:"total"`
	Bytes          int64        `json:"bytes"`
	BytesTotal     int64        `json:"bytes_total"`
	Failed         int64        `json:"failed"`
	ElapsedSeconds int64        `json:"elapsed_seconds"`
	Counts         *eventCounts `json:"counts,omitempty"`
}

type eventCounts struct {
	Added         int64 `json:"added"`
	Changed       int64 `json:"changed"`
	Destroyed     int64 `json:"destroyed"`
	Forgotten     int64 `json:"forgotten"`
	Imported      int64 `json:"imported"`
	Failed        int64 `json:"failed"`
	Superseded    int64 `json:"superseded"`
	Postponed     int64 `json:"postponed"`
	Blocked       int64 `json:"blocked"`
	DownloadFiles int64 `json:"download_files"`
	DownloadBytes int64 `json:"download_bytes"`
}

func countsOf(c apply.Counts) eventCounts {
	return eventCounts{
		Added: c.Added, Changed: c.Changed, Destroyed: c.Destroyed, Forgotten: c.Forgotten, Imported: c.Adopted,
		Failed: c.Failed, Superseded: c.Superseded, Postponed: c.Postponed, Blocked: c.Blocked,
		DownloadFiles: c.DownloadFiles, DownloadBytes: c.DownloadBytes,
	}
}

// Progress writes apply_start for the first news of a mirror, apply_complete or
// apply_errored for the last, and apply_progress now and then between them.
func (e *Events) Progress(p apply.Progress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	hook := applyHook{
		Mirror: refOf(p.Mirror), Done: p.ItemsDone, Total: p.ItemsTotal, Bytes: p.BytesDone, BytesTotal: p.BytesTotal,
		Failed: p.Failed, ElapsedSeconds: int64(max(0, now.Sub(p.Started)) / time.Second),
	}
	if !e.begun[p.Mirror] {
		e.begun[p.Mirror], e.shown[p.Mirror] = true, now
		e.emitLocked(event{Type: "apply_start", Hook: hook,
			Message: fmt.Sprintf("%s: Applying %s, %s", p.Mirror, plainCount(p.ItemsTotal, "change"), size(p.BytesTotal))})
	}
	switch {
	case p.Finished:
		counts := countsOf(p.Counts)
		hook.Counts = &counts
		ev := event{Type: "apply_complete", Hook: hook,
			Message: fmt.Sprintf("%s: Complete after %s", p.Mirror, span(now.Sub(p.Started)))}
		if p.Counts.Incomplete() {
			ev.Type, ev.Level = "apply_errored", levelError
			ev.Message = fmt.Sprintf("%s: Incomplete after %s", p.Mirror, span(now.Sub(p.Started)))
		}
		e.emitLocked(ev)
		delete(e.begun, p.Mirror)
	case now.Sub(e.shown[p.Mirror]) >= progressEvery:
		e.shown[p.Mirror] = now
		e.emitLocked(event{Type: "apply_progress", Hook: hook,
			Message: fmt.Sprintf("%s: %d/%s, %s", p.Mirror, p.ItemsDone, plainCount(p.ItemsTotal, "item"), size(p.BytesDone))})
	}
}

type itemHook struct {
	Mirror    mirrorRef     `json:"mirror"`
	Path      plan.RelPath  `json:"path"`
	ItemID    plan.ItemID   `json:"item_id"`
	Action    plan.Action   `json:"action"`
	Outcome   apply.Outcome `json:"outcome"`
	Code      string        `json:"code,omitempty"`
	Message   string        `json:"message,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
}

// Item writes item_errored for a change that failed or was overtaken; what
// worked, and deletes that wait, are counted by the mirror's events.
func (e *Events) Item(r apply.Result) {
	if r.Outcome != apply.Failed && r.Outcome != apply.Superseded {
		return
	}
	r = naming(e.Names).result(r)
	level := levelError
	if r.Outcome == apply.Superseded {
		level = levelWarn
	}
	e.emit(event{Type: "item_errored", Level: level, Message: fmt.Sprintf("%s: %s %s: %s", r.Mirror, r.Outcome, r.Path, r.Code),
		Hook: itemHook{Mirror: refOf(r.Mirror), Path: r.Path, ItemID: r.ItemID, Action: r.Action, Outcome: r.Outcome,
			Code: r.Code, Message: r.Message, RequestID: r.RequestID}})
}

type pauseHook struct {
	Tenant      string `json:"tenant"`
	Paused      bool   `json:"paused"`
	Reason      string `json:"reason,omitempty"`
	Count       int    `json:"count,omitempty"`
	WaitSeconds int64  `json:"wait_seconds,omitempty"`
	Until       string `json:"until,omitempty"`
}

// Paused writes throttle, the service asked for a pause, or network, nothing can be
// reached.
func (e *Events) Paused(p Pause) {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait := p.Until.Sub(e.now())
	e.emitLocked(event{Type: string(p.Kind), Level: levelWarn, Message: p.text(wait, asIs),
		Hook: pauseHook{Tenant: p.Tenant, Paused: true, Reason: p.Reason, Count: p.Count,
			WaitSeconds: int64(max(0, wait).Round(time.Second) / time.Second), Until: p.Until.UTC().Format(time.RFC3339)}})
}

// Resumed writes throttle or network: the pause is over.
func (e *Events) Resumed(p Pause) {
	e.emit(event{Type: string(p.Kind), Message: "going on with tenant " + p.Tenant, Hook: pauseHook{Tenant: p.Tenant}})
}

// traffic is what a run asked of the service and how long it waited, in events and reports.
type traffic struct {
	Requests      int64   `json:"requests"`
	ResourceUnits int64   `json:"resource_units"`
	Retries       int64   `json:"retries"`
	Renewals      int64   `json:"renewals"`
	Pauses        int64   `json:"pauses"`
	PausedSeconds float64 `json:"paused_seconds"`
	Outages       int64   `json:"outages"`
	OutageSeconds float64 `json:"outage_seconds"`
}

func trafficOf(t apply.Traffic) *traffic {
	return &traffic{
		Requests: t.Requests, ResourceUnits: t.ResourceUnits, Retries: t.Retries, Renewals: t.Renewals,
		Pauses: t.Pauses, PausedSeconds: t.PausedFor.Seconds(), Outages: t.Outages, OutageSeconds: t.LostFor.Seconds(),
	}
}

// runReport is the last event of a run. Its exit code has the name of the process
// exit code.
type runReport struct {
	Command        string       `json:"command"`
	ExitCode       int          `json:"exit_code"`
	Exit           string       `json:"exit"`
	PlanID         string       `json:"plan_id,omitempty"`
	Run            int64        `json:"run,omitempty"`
	Seconds        float64      `json:"seconds,omitempty"`
	Counts         *eventCounts `json:"counts,omitempty"`
	Traffic        *traffic     `json:"traffic,omitempty"`
	Interrupted    bool         `json:"interrupted,omitempty"`
	AlreadyApplied int64        `json:"already_applied,omitempty"`
	Messages       []string     `json:"messages,omitempty"`
}

// Report writes change_summary and what the run of an apply says at its end.
func (e *Events) Report(r *apply.Report) {
	e.emit(event{Type: "change_summary", Message: ApplyLine(r), Changes: changeSummary{
		Add: r.Counts.Added, Change: r.Counts.Changed, Import: r.Counts.Adopted, Remove: r.Counts.Destroyed,
		Forget: r.Counts.Forgotten, Operation: "apply",
	}})
}

// RunReport writes run_report, the last event of every stream: how a command
// ended. r is nil for commands other than apply.
func (e *Events) RunReport(command string, exit int, r *apply.Report) {
	out := runReport{Command: command, ExitCode: exit, Exit: ExitName(exit)}
	if r != nil {
		counts := countsOf(r.Counts)
		out.Counts = &counts
		out.PlanID, out.Run, out.Seconds = r.PlanID, r.Run, r.Duration.Seconds()
		out.Traffic = trafficOf(r.Traffic)
		out.Interrupted, out.AlreadyApplied, out.Messages = r.Interrupted, r.AlreadyApplied, r.Messages
	}
	level := levelInfo
	if exit != 0 && exit != 2 {
		level = levelError
	}
	e.emit(event{Type: "run_report", Level: level, Message: fmt.Sprintf("%s: %s (exit %d)", command, out.Exit, exit), Report: out})
}

// ExitName is the name of an exit code (DESIGN section 4).
func ExitName(code int) string {
	names := map[int]string{
		0: "ok", 1: "error", 2: "changes", 3: "blocked", 4: "incomplete", 5: "plan_refused", 6: "locked", 7: "declined",
		130: "interrupted", 143: "terminated",
	}
	if name, ok := names[code]; ok {
		return name
	}
	return fmt.Sprintf("exit_%d", code)
}
