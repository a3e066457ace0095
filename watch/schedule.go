package watch

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of a schedule.
const (
	// MaxSafety is the longest time for which a drive may go without a look (I-66); the service suggests no more than one
	// such look a day beside notifications (T22).
	MaxSafety = 24 * time.Hour
	// patience is how many times the debounce a drive waits at most when notifications do not stop.
	patience = 10
	// lag is after what time a drive is looked at again that was said to have changed and had not: what is announced may
	// not be in the listing yet (D25).
	lag = time.Minute
	// A look that failed is repeated after firstRetry, then after twice that, and so on up to lastRetry.
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// Reason says why a look is taken.
type Reason string

// Reasons.
const (
	Start    Reason = "start"
	Notified Reason = "notification"
	Polled   Reason = "poll"
	Safety   Reason = "safety"
	Retried  Reason = "retry"
	Late     Reason = "late" // announced before, not seen then
)

// Task is a look to take.
type Task struct {
	All     bool    // everything that is configured, whether or not it changed
	Drives  []Drive // without All: these
	Retry   []Drive // of these: look even if nothing changed
	Reasons []Reason
}

// Outcome is what came of a look.
type Outcome struct {
	Failed    bool    // the whole look failed
	Unsettled []Drive // drives where something is left over, or could not be read
	Unchanged []Drive // drives that had nothing new
}

// Schedule decides what is due. It reads no clock: every method is told the time, which must carry a monotonic reading
// where clocks may jump (I-66).
type Schedule struct {
	Interval time.Duration // between looks at drives without a subscription
	Debounce time.Duration // quiet time after a notification before its drive is looked at
	Safety   time.Duration // between looks at everything
	Jitter   func() float64

	drives   map[Drive]*watched
	started  bool
	poll     time.Time
	safety   time.Time
	retry    time.Time // zero for none
	retryAll bool
	failures int
}

// watched is one drive.
type watched struct {
	covered     bool      // a subscription tells of its changes
	first, last time.Time // of the notifications not yet looked into; zero for none
	again       time.Time // the second look at what was announced
	unsettled   bool
}

// Want replaces the drives that are watched.
func (s *Schedule) Want(drives []Drive) {
	next := make(map[Drive]*watched, len(drives))
	for _, d := range drives {
		if next[d] = s.drives[d]; next[d] == nil {
			next[d] = &watched{}
		}
	}
	s.drives = next
}

// Cover notes whether a subscription tells of the changes of a drive.
func (s *Schedule) Cover(d Drive, covered bool) {
	if w := s.drives[d]; w != nil {
		w.covered = covered
	}
}

// Notify notes that a drive is said to have changed.
func (s *Schedule) Notify(d Drive, now time.Time) {
	w := s.drives[d]
	if w == nil {
		return
	}
	if w.first.IsZero() {
		w.first = now
	}
	w.last = now
}

// due is when the notifications of a drive are looked into.
func (w *watched) due(debounce time.Duration) time.Time {
	return earlier(w.last.Add(debounce), w.first.Add(patience*debounce))
}

// Next returns what is due, or when something will be.
func (s *Schedule) Next(now time.Time) (task Task, due bool, next time.Time) {
	if !s.started {
		return Task{All: true, Reasons: []Reason{Start}}, true, time.Time{}
	}
	if !now.Before(s.safety) {
		return Task{All: true, Reasons: []Reason{Safety}}, true, time.Time{}
	}
	if s.retryAll && !now.Before(s.retry) {
		return Task{All: true, Reasons: []Reason{Retried}}, true, time.Time{}
	}
	c := collector{now: now, next: s.safety, drives: make(map[Drive]bool), reasons: make(map[Reason]bool)}
	if !s.retry.IsZero() {
		c.next = earlier(c.next, s.retry)
	}
	for d, w := range s.drives {
		if !w.first.IsZero() {
			c.add(d, w.due(s.Debounce), Notified)
		}
		if !w.again.IsZero() {
			c.add(d, w.again, Late)
		}
		if !w.covered {
			c.add(d, s.poll, Polled)
		}
		if w.unsettled && !s.retry.IsZero() && c.add(d, s.retry, Retried) {
			task.Retry = append(task.Retry, d)
		}
	}
	task.Drives, task.Reasons = sortedDrives(maps.Keys(c.drives)), slices.Sorted(maps.Keys(c.reasons))
	task.Retry = sortedDrives(slices.Values(task.Retry))
	return task, len(task.Drives) > 0, c.next
}

// collector gathers what is due and finds the next moment.
type collector struct {
	now, next time.Time
	drives    map[Drive]bool
	reasons   map[Reason]bool
}

func (c *collector) add(d Drive, at time.Time, why Reason) bool {
	if c.now.Before(at) {
		c.next = earlier(c.next, at)
		return false
	}
	c.drives[d], c.reasons[why] = true, true
	return true
}

// Begin notes that a look starts: what is heard from now on is for the next one.
func (s *Schedule) Begin(t Task) {
	for d, w := range s.drives {
		if t.All || slices.Contains(t.Drives, d) {
			w.first, w.last = time.Time{}, time.Time{}
		}
	}
}

// Done notes what came of a look.
func (s *Schedule) Done(t Task, o Outcome, now time.Time) {
	s.started = true
	if t.All {
		s.safety = now.Add(s.spread(min(s.Safety, MaxSafety), 0.9, 1))
	}
	if t.All || slices.Contains(t.Reasons, Polled) {
		s.poll = now.Add(s.spread(s.Interval, 0.9, 1.1))
	}
	for d, w := range s.drives {
		if !t.All && !slices.Contains(t.Drives, d) {
			continue
		}
		w.again = time.Time{}
		if slices.Contains(t.Reasons, Notified) && slices.Contains(o.Unchanged, d) {
			w.again = now.Add(lag)
		}
		if w.unsettled && !t.All && !slices.Contains(t.Retry, d) && slices.Contains(o.Unchanged, d) {
			continue // what is left over was not tried
		}
		w.unsettled = slices.Contains(o.Unsettled, d) || o.Failed
	}
	s.plan(t, o, now)
}

// plan sets the time of the next try of what failed.
func (s *Schedule) plan(t Task, o Outcome, now time.Time) {
	if t.All {
		s.retryAll = o.Failed
	}
	left := s.retryAll
	for _, w := range s.drives {
		left = left || w.unsettled
	}
	tried := t.All || slices.Contains(t.Reasons, Retried)
	switch {
	case !left:
		s.retry, s.failures = time.Time{}, 0
	case s.retry.IsZero() || tried:
		wait := lastRetry
		if s.failures < 6 {
			wait = min(wait, firstRetry<<s.failures)
		}
		s.failures++
		s.retry = now.Add(s.spread(wait, 0.9, 1.1))
	}
}

// spread varies a time, so that many programs do not come at one moment.
func (s *Schedule) spread(d time.Duration, from, to float64) time.Duration {
	j := 0.5
	if s.Jitter != nil {
		j = s.Jitter()
	}
	return time.Duration(float64(d) * (from + (to-from)*j))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func sortedDrives(seq func(func(Drive) bool)) []Drive {
	return slices.SortedFunc(seq, func(a, b Drive) int {
		if c := strings.Compare(a.Tenant, b.Tenant); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
}
