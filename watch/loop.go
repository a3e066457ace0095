package watch

import (
	"context"
	"sync"
	"time"
)

// Loop takes one look after another, each when the schedule says so. Its methods may be called at any time, also while
// a look is taken.
type Loop struct {
	schedule *Schedule
	look     func(context.Context, Task) Outcome
	now      func() time.Time

	mu   sync.Mutex // guards the schedule
	wake chan struct{}
}

// NewLoop makes a loop.
func NewLoop(s *Schedule, now func() time.Time, look func(context.Context, Task) Outcome) *Loop {
	return &Loop{schedule: s, look: look, now: now, wake: make(chan struct{}, 1)}
}

// Want replaces the drives that are watched.
func (l *Loop) Want(drives []Drive) { l.change(func(s *Schedule, _ time.Time) { s.Want(drives) }) }

// Notify says that a drive may have changed.
func (l *Loop) Notify(d Drive) { l.change(func(s *Schedule, now time.Time) { s.Notify(d, now) }) }

// Cover says whether a subscription tells of the changes of a drive. One that begins to is looked at once more: what
// happened before was not told (W19).
func (l *Loop) Cover(d Drive, covered bool) {
	l.change(func(s *Schedule, now time.Time) {
		s.Cover(d, covered)
		if covered {
			s.Notify(d, now)
		}
	})
}

func (l *Loop) change(f func(*Schedule, time.Time)) {
	l.mu.Lock()
	f(l.schedule, l.now())
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run takes looks until the context ends or stop is closed. A look under way when stop is closed is finished.
func (l *Loop) Run(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		default:
		}
		task, due, next := l.next()
		if !due {
			l.wait(ctx, stop, next)
			continue
		}
		o := l.look(ctx, task)
		l.mu.Lock()
		l.schedule.Done(task, o, l.now())
		l.mu.Unlock()
	}
}

func (l *Loop) next() (Task, bool, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	task, due, next := l.schedule.Next(l.now())
	if due {
		l.schedule.Begin(task)
	}
	return task, due, next
}

func (l *Loop) wait(ctx context.Context, stop <-chan struct{}, until time.Time) {
	timer := time.NewTimer(until.Sub(l.now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-stop:
	case <-l.wake:
	case <-timer.C:
	}
}
