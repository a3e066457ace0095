package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/plan"
)

// UIVersion is the version of the event stream. A minor step adds, a major step
// breaks.
const UIVersion = "1.0"

// progressEvery is the least time between two apply_progress events of a mirror.
const progressEvery = 10 * time.Second

// Events writes the event stream of -json and -json-into: one JSON object a line,
// in the shape of Terraform's (UX 3.7). There is one event per mirror, and one
// per item only where something went wrong.
type Events struct {
	// Names is what is shown of files: full, folders or hashed.
	Names string

	mu    sync.Mutex
	w     io.Writer
	now   func() time.Time
	err   error
	torn  bool                 // the last line was cut
	shown map[string]time.Time // last progress of a mirror
	begun map[string]bool
}

var _ Watcher = (*Events)(nil)

// NewEvents returns a stream that writes to w and takes its times from now.
func NewEvents(w io.Writer, now func() time.Time) *Events {
	return &Events{w: w, now: now, shown: make(map[string]time.Time), begun: make(map[string]bool)}
}

// event is one line. Fields that an event does not have are left out.
type event struct {
	Level     string `json:"@level"`
	Message   string `json:"@message"`
	Module    string `json:"@module"`
	Timestamp string `json:"@timestamp"`
	Type      string `json:"type"`

	Spmirror   string           `json:"spmirror,omitempty"`
	UI         string           `json:"ui,omitempty"`
	Hook       any              `json:"hook,omitempty"`
	Change     any              `json:"change,omitempty"`
	Drift      any              `json:"drift,omitempty"`
	Diagnostic *plan.Diagnostic `json:"diagnostic,omitempty"`
	Changes    any              `json:"changes,omitempty"`
	Totals     any              `json:"totals,omitempty"`
	Causes     any              `json:"causes,omitempty"`
	Estimate   any              `json:"estimate,omitempty"`
	PlanID     string           `json:"plan_id,omitempty"`
	Digest     string           `json:"digest,omitempty"`
	Report     any              `json:"report,omitempty"`
}

// Levels of events.
const (
	levelInfo  = "info"
	levelWarn  = "warn"
	levelError = "error"
)

func (e *Events) emit(ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emitLocked(ev)
}

func (e *Events) emitLocked(ev event) {
	if e.err != nil {
		return
	}
	if ev.Level == "" {
		ev.Level = levelInfo
	}
	ev.Module = "spmirror.ui"
	ev.Timestamp = e.now().UTC().Format("2006-01-02T15:04:05.000Z07:00")
	e.err = e.write(ev)
}

// write writes a line, behind the end of one that was cut.
func (e *Events) write(ev event) error {
	line, err := marshal(ev)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if e.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := e.w.Write(line)
	e.torn = err != nil && (e.torn || n > 0)
	return err
}

// Begin forgets that an earlier line could not be written: a stream that lasts longer than one command goes on when there is room again.
func (e *Events) Begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = nil
}

// Close returns the first error of writing; the stream stays open.
func (e *Events) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// mirrorRef names a mirror as Terraform names a resource.
type mirrorRef struct {
	Addr string `json:"addr"`
	Name string `json:"name,omitempty"`
	Key  any    `json:"key,omitempty"`
}

func refOf(address string) mirrorRef {
	ref := mirrorRef{Addr: address}
	base, key, keyed := strings.Cut(address, "[")
	ref.Name = base[strings.LastIndexByte(base, '.')+1:]
	if keyed {
		key = strings.TrimSuffix(key, "]")
		if s, err := strconv.Unquote(key); err == nil {
			ref.Key = s
		} else if n, err := strconv.Atoi(key); err == nil {
			ref.Key = n
		}
	}
	return ref
}

// Version is the first event of every stream.
func (e *Events) Version(version string) {
	e.emit(event{Type: "version", Message: "spmirror " + version, Spmirror: version, UI: UIVersion})
}

type crawlHook struct {
	Mirror   mirrorRef `json:"mirror"`
	Drive    string    `json:"drive,omitempty"`
	Mode     string    `json:"mode,omitempty"`
	Items    *int64    `json:"items,omitempty"`
	Pages    *int64    `json:"pages,omitempty"`
	Complete *bool     `json:"complete,omitempty"`
	Problem  string    `json:"problem,omitempty"`
}

// CrawlStarted writes refresh_start.
func (e *Events) CrawlStarted(c Crawl) {
	e.emit(event{Type: "refresh_start", Message: c.Mirror + ": Reading source...",
		Hook: crawlHook{Mirror: refOf(c.Mirror), Drive: c.Drive, Mode: c.Mode}})
}

// CrawlProgress writes nothing; the stream has a start and an end.
func (e *Events) CrawlProgress(Crawl) {}

// CrawlDone writes refresh_complete or refresh_errored.
func (e *Events) CrawlDone(c Crawl) {
	ev := event{Type: "refresh_complete",
		Message: fmt.Sprintf("%s: Source read (%s, %s)", c.Mirror, plainCount(c.Items, "item"), plainCount(c.Pages, "page")),
		Hook: crawlHook{Mirror: refOf(c.Mirror), Drive: c.Drive, Mode: c.Mode,
			Items: &c.Items, Pages: &c.Pages, Complete: &c.Complete, Problem: c.Problem}}
	if c.Problem != "" {
		ev.Type, ev.Level = "refresh_errored", levelError
		ev.Message = c.Mirror + ": Source not read: " + c.Problem
	}
	e.emit(ev)
}

// Diagnostic writes an error or warning.
func (e *Events) Diagnostic(d plan.Diagnostic) {
	level := levelError
	if d.Severity == "warning" {
		level = levelWarn
	}
	word := "Error: "
	if level == levelWarn {
		word = "Warning: "
	}
	e.emit(event{Type: "diagnostic", Level: level, Message: word + d.Summary, Diagnostic: &d})
}

type plannedChange struct {
	Mirror        mirrorRef             `json:"mirror"`
	Actions       map[plan.Action]int64 `json:"actions"`
	DownloadBytes int64                 `json:"download_bytes"`
	Causes        map[plan.Cause]int64  `json:"causes"`
}

type driftCount struct {
	Mirror mirrorRef                `json:"mirror"`
	Kinds  map[plan.DriftKind]int64 `json:"kinds"`
}

type changeSummary struct {
	Add       int64  `json:"add"`
	Change    int64  `json:"change"`
	Import    int64  `json:"import"`
	Remove    int64  `json:"remove"`
	Forget    int64  `json:"forget"`
	Operation string `json:"operation"`
}

type planTotals struct {
	DownloadFiles int64 `json:"download_files"`
	DownloadBytes int64 `json:"download_bytes"`
	Update        int64 `json:"update"`
	Move          int64 `json:"move"`
	Metadata      int64 `json:"metadata"`
	Blocked       int64 `json:"blocked"`
}

type estimate struct {
	Requests      int64 `json:"requests"`
	ResourceUnits int64 `json:"resource_units"`
}

// Plan writes the events of a finished plan: drift and changes of each mirror,
// what guards and checks say, and the two summaries.
func (e *Events) Plan(h *plan.Header, p Plan) error {
	t, err := countItems(h, p)
	if err == nil {
		err = e.drift(p)
	}
	if err != nil {
		return fmt.Errorf("write plan events: %w", err)
	}
	for _, m := range h.Mirrors {
		if n := m.Changes() + t.of(m).of(plan.Blocked); n > 0 {
			e.emit(event{Type: "planned_change", Message: fmt.Sprintf("%s: Plan to change %s", m.Address, plainCount(m.Changes(), "item")),
				Change: plannedOf(m, t.of(m))})
		}
	}
	e.findings(h)
	e.emit(event{Type: "change_summary", Message: PlanLine(h.Totals), Changes: changeSummary{
		Add: h.Totals.Count(plan.Add), Change: h.Totals.Changed(), Import: h.Totals.Count(plan.Adopt),
		Remove: h.Totals.Count(plan.Delete), Forget: h.Totals.Count(plan.Forget), Operation: "plan",
	}})
	causes := make(map[plan.Cause]int64)
	for _, by := range plan.Causes {
		causes[by] = t.total.cause(by)
	}
	e.emit(event{Type: "plan_summary", Message: transferLine(h.Totals, t), PlanID: h.PlanID, Digest: h.Digest,
		Totals: planTotals{
			DownloadFiles: h.Totals.DownloadFiles, DownloadBytes: h.Totals.DownloadBytes,
			Update: h.Totals.Count(plan.Update), Move: h.Totals.Count(plan.Move),
			Metadata: h.Totals.Count(plan.Metadata), Blocked: h.Totals.Count(plan.Blocked),
		},
		Causes: causes, Estimate: estimate{h.Totals.Requests, h.Totals.ResourceUnits}})
	return e.Close()
}

func plannedOf(m *plan.Mirror, c *counts) plannedChange {
	out := plannedChange{Mirror: refOf(m.Address), Actions: make(map[plan.Action]int64), Causes: make(map[plan.Cause]int64),
		DownloadBytes: m.Summary[plan.Add].Bytes + m.Summary[plan.Update].Bytes}
	for _, a := range plan.Actions {
		out.Actions[a] = c.of(a)
	}
	for _, by := range plan.Causes {
		out.Causes[by] = c.cause(by)
	}
	return out
}

// drift writes one resource_drift for each mirror whose disk differs.
func (e *Events) drift(p Plan) error {
	at := ""
	kinds := make(map[plan.DriftKind]int64)
	finish := func() {
		if at == "" {
			return
		}
		var total int64
		for _, n := range kinds {
			total += n
		}
		e.emit(event{Type: "resource_drift", Message: fmt.Sprintf("%s: Changed on disk: %s", at, plainCount(total, "item")),
			Drift: driftCount{Mirror: refOf(at), Kinds: kinds}})
		kinds = make(map[plan.DriftKind]int64)
	}
	for d, err := range p.Drifts() {
		if err != nil {
			return err
		}
		if d.Mirror != at {
			finish()
			at = d.Mirror
		}
		kinds[d.Kind]++
	}
	finish()
	return nil
}

// findings writes what keeps the plan back, or warns of it, as diagnostics.
func (e *Events) findings(h *plan.Header) {
	said := make(map[plan.Diagnostic]bool)
	for _, m := range h.Mirrors {
		if m.Problem != nil {
			d := *m.Problem
			d.Address = m.Address
			e.Diagnostic(d)
			said[d] = true
		}
	}
	for _, d := range h.Diagnostics {
		if !said[d] {
			e.Diagnostic(d)
		}
	}
	for _, g := range h.Guards {
		if g.Status == plan.GuardPass {
			continue
		}
		g = naming(e.Names).guard(g)
		severity, word := "error", "Plan blocked by guard "
		if !g.Blocks() {
			severity, word = "warning", "Guard overridden: "
		}
		value, limit, detail := guardText(g)
		e.Diagnostic(plan.Diagnostic{Severity: severity, Code: CodeGuard, Summary: word + g.Name,
			Detail: value + detail + ", limit " + limit, Address: g.Mirror})
	}
	for _, c := range h.Checks {
		if c.Status == "pass" {
			continue
		}
		severity := "warning"
		if c.Blocks() {
			severity = "error"
		}
		e.Diagnostic(plan.Diagnostic{Severity: severity, Code: CodeCheck, Summary: "Check failed: " + c.Name,
			Detail: strings.Join(c.Messages, "; "), Address: "check." + c.Name})
	}
}

// Codes of the diagnostics that a plan's guards and checks give rise to.
const (
	CodeGuard = "SPM0301"
	CodeCheck = "SPM0310"
)

// Error returns the first error of writing.
func (e *Events) Error() error { return e.Close() }
