package view

import (
	"github.com/spmirror/spmirror/apply"
)

// Crawl is how far the reading of one drive is.
type Crawl struct {
	// Mirror is the address of the mirror, or of the first one, that is read for.
	Mirror string
	Drive  string
	Mode   string // delta or full
	Items  int64
	Pages  int64
	// Complete is false if the listing ended early; Problem says why.
	Complete bool
	Problem  string
}

// Watcher shows what a run does while it does it. Its methods are safe for
// concurrent use and do not block longer than a write takes.
type Watcher interface {
	apply.Observer
	CrawlStarted(Crawl)
	CrawlProgress(Crawl)
	CrawlDone(Crawl)
	Paused(Pause)
	// Resumed tells that a pause of this tenant and kind is over.
	Resumed(Pause)
	// Close stops showing and leaves the sink clean.
	Close() error
}

// Watchers passes everything on to several watchers: text and -json-into.
type Watchers []Watcher

var _ Watcher = Watchers(nil)

// Progress passes on how far a mirror is.
func (w Watchers) Progress(p apply.Progress) {
	for _, one := range w {
		one.Progress(p)
	}
}

// Item passes on the result of one change.
func (w Watchers) Item(r apply.Result) {
	for _, one := range w {
		one.Item(r)
	}
}

// CrawlStarted passes on that a drive is being read.
func (w Watchers) CrawlStarted(c Crawl) {
	for _, one := range w {
		one.CrawlStarted(c)
	}
}

// CrawlProgress passes on how far the reading is.
func (w Watchers) CrawlProgress(c Crawl) {
	for _, one := range w {
		one.CrawlProgress(c)
	}
}

// CrawlDone passes on that a drive was read.
func (w Watchers) CrawlDone(c Crawl) {
	for _, one := range w {
		one.CrawlDone(c)
	}
}

// Paused passes on that all work of a tenant waits.
func (w Watchers) Paused(p Pause) {
	for _, one := range w {
		one.Paused(p)
	}
}

// Resumed passes on that a pause is over.
func (w Watchers) Resumed(p Pause) {
	for _, one := range w {
		one.Resumed(p)
	}
}

// Close closes all and returns the first error.
func (w Watchers) Close() error {
	var first error
	for _, one := range w {
		if err := one.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
