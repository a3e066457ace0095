package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/trace"
	"github.com/spmirror/spmirror/view"
)

// Bounds of a trace. A mirror of a million files would otherwise be a million spans, which no collector keeps.
const (
	maxPageSpans  = 1000             // of one round
	firstItems    = 100              // downloads of a mirror that get a span whatever they are like
	slowItem      = 10 * time.Second // downloads that take longer get one as well, and so do failures,
	maxItemSpans  = 1000             // up to this many of a mirror
	notFinished   = "not finished"
	attrMirror    = "spmirror.mirror"
	attrCode      = "spmirror.code"
	attrTenant    = "spmirror.tenant"
	attrExitCode  = "spmirror.exit_code"
	attrItemCount = "spmirror.items"
)

// tracing turns what a command tells its watchers into spans. The nil tracing does nothing.
type tracing struct {
	view.Watchers // none: what is not traced is passed over
	recorder      *trace.Recorder
	now           func() time.Time
	root          *trace.Span

	mu      sync.Mutex
	phase   *trace.Span // refresh, plan or apply
	rounds  map[string]*roundTrace
	mirrors map[string]*mirrorTrace
}

type roundTrace struct {
	span  *trace.Span
	last  time.Time // when its last page ended
	pages int
}

type mirrorTrace struct {
	span         *trace.Span
	items, spans int
}

// newTracing begins the trace of a command if the environment asks for one. What keeps it from being made is said and
// does not keep the command from its work.
func newTracing(ctx context.Context, env *environment, command string) *tracing {
	asked, err := trace.Asked(env.lookup)
	if err != nil {
		fmt.Fprintln(env.stderr, "Warning: no trace is made: "+view.Message(err.Error()))
	}
	if !asked {
		return nil
	}
	recorder, err := trace.Start(ctx, env.lookup, version)
	if err != nil {
		fmt.Fprintln(env.stderr, "Warning: no trace is made: "+view.Message(err.Error()))
		return nil
	}
	return &tracing{
		recorder: recorder, now: env.now, root: recorder.Begin(nil, "spmirror "+command, env.now()),
		rounds: make(map[string]*roundTrace), mirrors: make(map[string]*mirrorTrace),
	}
}

// begin begins a phase of the command; the function that it returns ends it.
func (t *tracing) begin(name string) func(error) {
	if t == nil {
		return func(error) {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	span := t.recorder.Begin(t.root, name, t.now())
	t.phase = span
	return func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		now := t.now()
		t.endOpen(now)
		span.End(now, codeOfError(err))
		t.phase = nil
	}
}

// codeOfError is what a trace says of an error: its code, as the text may name files.
func codeOfError(err error) string {
	if err == nil {
		return ""
	}
	return explained(err).code
}

// below is the span that new ones belong to. The lock is held.
func (t *tracing) below() *trace.Span {
	if t.phase != nil {
		return t.phase
	}
	return t.root
}

// endOpen ends what has no end of its own. The lock is held.
func (t *tracing) endOpen(now time.Time) {
	for drive, r := range t.rounds {
		r.span.End(now, notFinished)
		delete(t.rounds, drive)
	}
	for address, m := range t.mirrors {
		m.span.End(now, notFinished)
		delete(t.mirrors, address)
	}
}

// CrawlStarted begins the span of a round.
func (t *tracing) CrawlStarted(c view.Crawl) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round(c)
}

func (t *tracing) round(c view.Crawl) *roundTrace {
	r := t.rounds[c.Drive]
	if r == nil {
		now := t.now()
		r = &roundTrace{last: now, span: t.recorder.Begin(t.below(), "round", now,
			trace.Attr{Key: attrMirror, Value: c.Mirror}, trace.Attr{Key: "spmirror.drive_id", Value: c.Drive}, trace.Attr{Key: "spmirror.mode", Value: c.Mode})}
		t.rounds[c.Drive] = r
	}
	return r
}

// CrawlProgress adds the span of a page.
func (t *tracing) CrawlProgress(c view.Crawl) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, now := t.round(c), t.now()
	if r.pages++; r.pages <= maxPageSpans {
		t.recorder.Begin(r.span, "page", r.last, trace.Attr{Key: "spmirror.page", Value: c.Pages}).End(now, "")
	}
	r.last = now
}

// CrawlDone ends a round.
func (t *tracing) CrawlDone(c view.Crawl) {
	t.mu.Lock()
	defer t.mu.Unlock()
	problem := ""
	if c.Problem != "" || !c.Complete {
		problem = notFinished
	}
	t.round(c).span.End(t.now(), problem, trace.Attr{Key: attrItemCount, Value: c.Items}, trace.Attr{Key: "spmirror.pages", Value: c.Pages})
	delete(t.rounds, c.Drive)
}

// Paused notes a pause.
func (t *tracing) Paused(p view.Pause) {
	t.root.Event(t.now(), "pause", trace.Attr{Key: attrTenant, Value: p.Tenant}, trace.Attr{Key: "spmirror.pause", Value: string(p.Kind)})
}

// Resumed notes the end of a pause.
func (t *tracing) Resumed(p view.Pause) {
	t.root.Event(t.now(), "resume", trace.Attr{Key: attrTenant, Value: p.Tenant}, trace.Attr{Key: "spmirror.pause", Value: string(p.Kind)})
}

// Progress begins and ends the span of a mirror.
func (t *tracing) Progress(p apply.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mirrors[p.Mirror]
	if m == nil {
		m = &mirrorTrace{span: t.recorder.Begin(t.below(), "apply mirror", t.now(), trace.Attr{Key: attrMirror, Value: p.Mirror})}
		t.mirrors[p.Mirror] = m
	}
	if !p.Finished {
		return
	}
	problem := ""
	if p.Counts.Incomplete() {
		problem = "incomplete"
	}
	m.span.End(t.now(), problem, trace.Attr{Key: attrItemCount, Value: p.ItemsDone}, trace.Attr{Key: "spmirror.bytes", Value: p.Counts.DownloadBytes},
		trace.Attr{Key: "spmirror.failed", Value: p.Counts.Failed})
	delete(t.mirrors, p.Mirror)
}

// Item adds the span of a download, within bounds, and of everything that failed.
func (t *tracing) Item(r apply.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mirrors[r.Mirror]
	download := !r.Folder && (r.Action == plan.Add || r.Action == plan.Update)
	if m == nil || m.spans >= maxItemSpans || !download && r.Outcome != apply.Failed {
		return
	}
	if m.items++; m.items > firstItems && r.Duration < slowItem && r.Outcome != apply.Failed {
		return
	}
	m.spans++
	name := "download"
	if !download {
		name = string(r.Action)
	}
	problem := ""
	if r.Outcome == apply.Failed {
		problem = r.Code
	}
	t.recorder.Begin(m.span, name, r.At.Add(-r.Duration), trace.Attr{Key: "spmirror.item_id", Value: string(r.ItemID)},
		trace.Attr{Key: "spmirror.bytes", Value: r.Bytes}, trace.Attr{Key: "spmirror.outcome", Value: string(r.Outcome)},
		trace.Attr{Key: attrCode, Value: r.Code}).End(r.At, problem)
}

// end ends the trace and sends it.
func (t *tracing) end(ctx context.Context, env *environment, code int, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.endOpen(t.now())
	problem := ""
	if code != exitOK && code != exitChanges {
		problem = view.ExitName(code)
	}
	attrs := []trace.Attr{{Key: attrExitCode, Value: int64(code)}}
	if code == exitError {
		attrs = append(attrs, trace.Attr{Key: attrCode, Value: codeOfError(err)})
	}
	t.root.End(t.now(), problem, attrs...)
	t.mu.Unlock()
	if err := t.recorder.Close(ctx); err != nil {
		fmt.Fprintln(env.stderr, "Warning: "+view.Message(err.Error()))
	}
}
