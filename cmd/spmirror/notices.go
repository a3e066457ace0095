package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// notices tell what goes on while a command works: lines on stderr, or events on
// stdout. They are never results.
type notices struct {
	view.Watcher
	w      io.Writer
	mu     sync.Mutex
	pauses map[pauseKey]int
	labels map[state.DriveID]string
	done   map[state.DriveID]bool
	once   sync.Once
}

func newNotices(w io.Writer, watcher view.Watcher) *notices {
	return &notices{Watcher: watcher, w: w, pauses: make(map[pauseKey]int), labels: make(map[state.DriveID]string), done: make(map[state.DriveID]bool)}
}

// close stops showing progress, once; results come after it.
func (n *notices) close() {
	n.once.Do(func() { _ = n.Watcher.Close() })
}

// line says something for people.
func (n *notices) line(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.w, view.Message(text))
}

// label names the mirror that a drive is read for.
func (n *notices) label(drive state.DriveID, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.labels[drive] = address
}

// gate tells that all work of a tenant waits, or goes on.
func (n *notices) gate(e graph.GateEvent) {
	p := view.Pause{Tenant: e.Tenant, Kind: view.PauseKind(e.Kind), Until: e.Until, Reason: e.Reason}
	if !e.Paused {
		n.Resumed(p)
		return
	}
	n.mu.Lock()
	key := pauseKey{e.Tenant, e.Kind}
	n.pauses[key]++
	p.Count = n.pauses[key]
	n.mu.Unlock()
	n.Paused(p)
}

// pauseKey is by what pauses are counted.
type pauseKey struct {
	tenant string
	kind   graph.PauseKind
}

// Crawling tells how a drive is read.
func (n *notices) Crawling(drive state.DriveID, r crawl.Report) {
	n.mu.Lock()
	c := view.Crawl{Mirror: n.labels[drive], Drive: string(drive), Mode: r.Mode, Items: r.Items, Pages: r.Pages, Complete: r.Done}
	again := n.done[drive]
	n.done[drive] = again || r.Done
	n.mu.Unlock()
	switch {
	case again:
	case r.Done:
		n.CrawlDone(c)
	case r.Pages == 0:
		n.CrawlStarted(c)
	default:
		n.CrawlProgress(c)
	}
}
