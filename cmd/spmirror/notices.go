package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// notices are the lines that say what goes on while a command works: progress on
// stderr, never results.
type notices struct {
	mu       sync.Mutex
	w        io.Writer
	progress *view.Progress
	pauses   map[string]int
	labels   map[state.DriveID]string
	done     map[state.DriveID]bool
}

func newNotices(env *environment, out view.Output, quiet bool) *notices {
	n := &notices{w: env.stderr, pauses: make(map[string]int), labels: make(map[state.DriveID]string), done: make(map[state.DriveID]bool)}
	if quiet {
		n.w = io.Discard
		out.Err, out.Terminal = io.Discard, false
	}
	n.progress = out.ApplyProgress()
	return n
}

func (n *notices) close() { n.progress.Close() }

func (n *notices) line(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.w, view.Message(text))
}

// gate tells of pauses that the service asked for.
func (n *notices) gate(e graph.GateEvent) {
	if !e.Paused {
		n.progress.Resumed(e.Tenant)
		return
	}
	n.mu.Lock()
	n.pauses[e.Tenant]++
	count := n.pauses[e.Tenant]
	n.mu.Unlock()
	n.progress.Paused(e.Tenant, e.Until, e.Reason, count)
}

// Crawling tells how a drive is read.
func (n *notices) Crawling(drive state.DriveID, r crawl.Report) {
	n.mu.Lock()
	label := n.labels[drive]
	again := n.done[drive]
	n.done[drive] = n.done[drive] || r.Done
	n.mu.Unlock()
	switch {
	case again:
	case r.Done:
		n.progress.CrawlDone(label, r.Mode, r.Items, r.Pages)
	case r.Pages == 0:
		n.progress.CrawlStarted(label, r.Mode)
	default:
		n.progress.CrawlProgress(label, r.Items, r.Pages)
	}
}

// waited is how long something took, for lines that mention it.
func waited(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
