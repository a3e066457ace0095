package graph

import (
	"time"
)

// PauseKind says why all work waits.
type PauseKind string

// Kinds of pauses.
const (
	PauseAsked   PauseKind = "throttle" // the service asked for it
	PauseNetwork PauseKind = "network"  // nothing can be reached
)

// GateEvent tells that all work of a tenant pauses, or goes on.
type GateEvent struct {
	Tenant string
	Kind   PauseKind
	Paused bool      // false: the pause is over
	Until  time.Time // end of the pause; of one for the network, when it is given up
	Reason string    // why, in words fit for a progress line
	At     time.Time
}

// GateStats are the counters of a gate.
type GateStats struct {
	Requests  int64         // requests let through
	Units     int64         // resource units they cost
	Answers   [6]int64      // by the first digit of their status; those without any are at 0
	Retries   int64         // attempts after the first one of a call
	Renewals  int64         // tokens renewed because one was refused
	Expired   int64         // download addresses that a content host took no more
	Throttled int64         // answers that asked for a pause
	Pauses    int64         // pauses begun
	PausedFor time.Duration // time spent in pauses that are over
	Outages   int64         // losses of the network
	LostFor   time.Duration // time spent in those that are over
	Bytes     int64         // bytes of bodies
	InFlight  int           // requests under way
	Limit     int           // how many may be under way now
	Waiting   int           // requests that wait
	Until     time.Time     // end of the present pause, zero if there is none
}

// Stats returns the counters as they stand.
func (g *Gate) Stats() GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	s.Bytes = g.moved.Load()
	s.InFlight, s.Waiting, s.Until = g.inFlight, len(g.waiting), g.until
	s.Limit = g.allowed(time.Now())
	return s
}

// MaxPause is the longest pause the gate waits for.
func (g *Gate) MaxPause() time.Duration { return g.cfg.MaxPause }

// tell hands events to the observer, in order and without the lock, so that an observer may ask the gate.
func (g *Gate) tell() {
	if g.cfg.Observer == nil {
		return
	}
	g.mu.Lock()
	nothing := len(g.events) == 0
	g.mu.Unlock()
	if nothing {
		return
	}
	g.telling.Lock()
	defer g.telling.Unlock()
	g.mu.Lock()
	events := g.events
	g.events = nil
	g.mu.Unlock()
	for _, e := range events {
		g.cfg.Observer(e)
	}
}

// count changes counters that belong to requests and not to the gate itself.
func (g *Gate) count(change func(*GateStats)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.stats)
}
