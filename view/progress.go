package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/apply"
)

const (
	// redrawEvery is the least time between two drawings on a terminal.
	redrawEvery = 100 * time.Millisecond
	// lineEvery is the time between two lines of a mirror off a terminal.
	lineEvery = 30 * time.Second
	// maxLive bounds the live lines, so that they never scroll the screen.
	maxLive = 8
)

// Progress shows a run as it goes: on a terminal one live line for each active
// mirror, else a line now and then. It is the text form of a Watcher.
type Progress struct {
	out   Output
	now   func() time.Time
	mu    sync.Mutex
	lives []*live          // in the order they began
	pause map[string]Pause // by tenant
	drawn int              // live lines on the screen
	quiet int              // drives that were read without news
	err   error

	stop   chan struct{}
	done   chan struct{}
	closed bool
}

var _ Watcher = (*Progress)(nil)

// live is what is known of one mirror, or of one drive being read.
type live struct {
	name  string
	crawl *Crawl
	apply apply.Progress
	began time.Time
	lined time.Time // when it last got a line off a terminal
	rate  rate
}

// Progress returns a Progress that writes to Err. Close must be called.
func (o Output) Progress() *Progress {
	p := &Progress{out: o, now: time.Now, pause: make(map[string]Pause), stop: make(chan struct{}), done: make(chan struct{})}
	go p.loop()
	return p
}

// ApplyProgress is Progress by the name of its most frequent use.
func (o Output) ApplyProgress() *Progress { return o.Progress() }

// loop redraws what changes by itself: times left, countdowns, and lines due.
func (p *Progress) loop() {
	defer close(p.done)
	every := time.Second
	if p.out.Terminal {
		every = redrawEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.refresh()
			p.mu.Unlock()
		}
	}
}

// Close ends the display and leaves the terminal clean. Nothing is shown after it.
func (p *Progress) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return p.err
	}
	p.closed = true
	p.clear()
	if more := p.quiet - maxQuiet; more > 0 {
		p.print(count(int64(more), "more source") + " read, without news")
	}
	p.mu.Unlock()
	close(p.stop)
	<-p.done
	return p.err
}

// Progress takes how far a mirror is.
func (p *Progress) Progress(a apply.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	l := p.live(a.Mirror)
	a.ActiveNames = slices.Clone(a.ActiveNames)
	l.apply, l.crawl = a, nil
	if a.Finished {
		p.remove(l)
		p.print(p.finished(l))
		return
	}
	l.rate.add(p.now(), a.BytesDone)
}

// Item shows nothing by itself: failures are counted by Progress and listed at the end.
func (p *Progress) Item(apply.Result) {}

// CrawlStarted shows that a drive is being read.
func (p *Progress) CrawlStarted(c Crawl) { p.crawling(c) }

// CrawlProgress takes how far the reading of a drive is.
func (p *Progress) CrawlProgress(c Crawl) { p.crawling(c) }

func (p *Progress) crawling(c Crawl) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.live(c.Mirror).crawl = &c
}

// CrawlDone writes one line for a drive that was read.
func (p *Progress) CrawlDone(c Crawl) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	l := p.live(c.Mirror)
	p.remove(l)
	took := " in " + span(p.now().Sub(l.began))
	if c.Problem == "" && c.Complete && c.withoutNews() {
		if p.quiet++; p.quiet > maxQuiet {
			return
		}
	}
	switch {
	case c.Problem != "":
		p.print(Name(c.Mirror) + ": source not read: " + Message(c.Problem))
	case !c.Complete:
		p.print(Name(c.Mirror) + ": source read in part (" + crawlText(&c) + took + ")")
	default:
		p.print(Name(c.Mirror) + ": source read (" + crawlText(&c) + took + ")")
	}
}

// maxQuiet is how many drives that were read without news get a line of their own: a tenant may have thousands.
const maxQuiet = 20

// withoutNews reports whether a drive had nothing to tell: its page has the root alone (D20).
func (c *Crawl) withoutNews() bool { return c.Mode == "delta" && c.Pages <= 1 && c.Items <= 1 }

func crawlText(c *Crawl) string {
	text := count(c.Items, "item") + ", " + count(c.Pages, "page")
	if c.Mode != "" {
		text = Message(c.Mode) + ", " + text
	}
	return text
}

// Paused shows that all work of a tenant waits: one line, and on a terminal a
// countdown.
func (p *Progress) Paused(w Pause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	before, again := p.pause[w.Tenant]
	p.pause[w.Tenant] = w
	if again && before.Kind == w.Kind && before.Count == w.Count {
		return // the same pause, made longer
	}
	if !p.out.Terminal {
		p.print(p.waiting(w))
	}
}

// waiting is the line of a pause, with the time that is left of it.
func (p *Progress) waiting(w Pause) string { return w.text(w.Until.Sub(p.now()), Message) }

// Resumed ends the display of a pause.
func (p *Progress) Resumed(w Pause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pause[w.Tenant].Kind == w.Kind {
		delete(p.pause, w.Tenant)
	}
}

func (p *Progress) live(name string) *live {
	for _, l := range p.lives {
		if l.name == name {
			return l
		}
	}
	now := p.now()
	l := &live{name: name, began: now, lined: now}
	p.lives = append(p.lives, l)
	return l
}

func (p *Progress) remove(l *live) {
	p.lives = slices.DeleteFunc(p.lives, func(o *live) bool { return o == l })
}

// refresh draws the live lines, or writes the lines that are due.
func (p *Progress) refresh() {
	if p.closed {
		return
	}
	if p.out.Terminal {
		p.draw()
		return
	}
	now := p.now()
	for _, l := range p.lives {
		if now.Sub(l.lined) >= lineEvery {
			l.lined = now
			p.print(p.text(l))
		}
	}
}

// print writes a line that stays, above the live ones.
func (p *Progress) print(line string) {
	p.clear()
	p.write(line + "\n")
	if p.out.Terminal {
		p.draw()
	}
}

// draw writes the live lines anew.
func (p *Progress) draw() {
	var lines []string
	for _, w := range p.pause {
		lines = append(lines, p.waiting(w))
	}
	slices.Sort(lines)
	for i, l := range p.lives {
		if i == maxLive-1 && len(p.lives) > maxLive {
			lines = append(lines, "... and "+count(int64(len(p.lives)-i), "more mirror"))
			break
		}
		lines = append(lines, p.text(l))
	}
	var b strings.Builder
	b.WriteString(p.erase())
	for _, l := range lines {
		// A line that wraps would break the count of lines to erase.
		b.WriteString(clip(l, p.out.width()-1) + "\n")
	}
	p.drawn = len(lines)
	p.write(b.String())
}

// clear removes the live lines.
func (p *Progress) clear() {
	if p.drawn > 0 {
		p.write(p.erase())
		p.drawn = 0
	}
}

// erase is the sequence that goes up over the live lines and clears to the end.
func (p *Progress) erase() string {
	if p.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", p.drawn)
}

func (p *Progress) write(s string) {
	if p.err == nil && s != "" {
		_, p.err = io.WriteString(p.out.Err, s)
	}
}

// clip cuts a line at n columns.
func clip(s string, n int) string {
	used := 0
	for i, r := range s {
		if used += runeCells(r); used > n {
			return s[:i]
		}
	}
	return s
}

// text is the line of a mirror that is under way.
func (p *Progress) text(l *live) string {
	if l.crawl != nil {
		return Name(l.name) + ": reading source (" + crawlText(l.crawl) + ")"
	}
	a := l.apply
	text := fmt.Sprintf("%s: %s/%s", Name(l.name), commas(a.ItemsDone), count(a.ItemsTotal, "item"))
	if a.BytesTotal > 0 {
		text += ", " + size(a.BytesDone) + "/" + size(a.BytesTotal)
	}
	if perSecond := l.rate.at(p.now()); perSecond > 0 {
		text += ", " + size(perSecond) + "/s"
		if rest := a.BytesTotal - a.BytesDone; rest > 0 {
			text += ", about " + span(time.Duration(float64(rest)/float64(perSecond)*float64(time.Second))) + " left"
		}
	}
	if a.Failed > 0 {
		text += ", " + commas(a.Failed) + " failed"
	}
	if p.out.Terminal && len(a.ActiveNames) > 0 && !p.out.names().hides() {
		text += "  " + fit(Name(a.ActiveNames[0]), 40)
	}
	return text
}

// finished is the line that stays when a mirror is done.
func (p *Progress) finished(l *live) string {
	c := l.apply.Counts
	var parts []string
	add := func(n int64, word string) {
		if n > 0 {
			parts = append(parts, commas(n)+" "+word)
		}
	}
	add(c.Added, "added")
	add(c.Changed, "changed")
	add(c.Destroyed, "destroyed")
	add(c.Forgotten, "forgotten")
	add(c.Adopted, "imported")
	if c.DownloadBytes > 0 {
		parts = append(parts, size(c.DownloadBytes))
	}
	add(c.Failed, "failed")
	add(c.Superseded, "changed since the plan")
	add(c.Postponed, "deletes postponed")
	add(c.Blocked, "blocked")
	if len(parts) == 0 {
		parts = append(parts, "nothing to do")
	}
	began := l.apply.Started
	if began.IsZero() {
		began = l.began
	}
	return Name(l.name) + ": done in " + span(p.now().Sub(began)) + " (" + strings.Join(parts, ", ") + ")"
}
