package sandbox

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Stats counts what was asked of a tenant.
type Stats struct {
	// Calls by kind, Status by HTTP status.
	Calls  map[Kind]int64 `json:"calls"`
	Status map[int]int64  `json:"status"`
	// Bytes is what was sent in bodies before compression, ContentBytes the part of the content host.
	Bytes        int64 `json:"bytes"`
	ContentBytes int64 `json:"content_bytes"`
	// Units are the resource units charged (T10).
	Units int64 `json:"units"`
	// InsidePause counts requests that began while an announced pause was running (T4, T5).
	InsidePause int64 `json:"inside_pause"`
	// Faults counts the scripted faults that struck, by name.
	Faults map[string]int64 `json:"faults"`
	// Violations is the number of things a client must not do.
	Violations int64 `json:"violations"`
}

// Violation is something a client must not do.
type Violation struct {
	Kind    string    `json:"kind"`
	Detail  string    `json:"detail"`
	Call    Kind      `json:"call"`
	Request string    `json:"request"` // method and path; never the query, it may be a secret (C8)
	At      time.Time `json:"at"`
}

// keptViolations bounds the list; all are counted.
const keptViolations = 1000

type counters struct {
	mu         sync.Mutex
	stats      Stats
	violations []Violation
	requests   uint64
	epoch      uint64 // number of resets: a call that began before the last one is not counted
}

func (c *counters) init() { c.reset() }

func (c *counters) reset() {
	c.epoch++
	c.stats = Stats{Calls: map[Kind]int64{}, Status: map[int]int64{}, Faults: map[string]int64{}}
	c.violations = nil
}

func (c *counters) requestID(seed uint64) string {
	c.mu.Lock()
	c.requests++
	n := c.requests
	c.mu.Unlock()
	var g guid
	binary.BigEndian.PutUint64(g[:8], mix(seed))
	binary.BigEndian.PutUint64(g[8:], mix(seed^n))
	return g.String()
}

// now is the epoch of a call that begins.
func (c *counters) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// done records a call that was answered. The client may have had its answer for a
// while, and have asked for a reset since.
func (c *counters) done(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.epoch != c.epoch {
		return
	}
	c.stats.Calls[call.kind]++
	c.stats.Status[call.status]++
	c.stats.Bytes += call.bytes
	if call.kind == KindDownload {
		c.stats.ContentBytes += call.bytes
	}
}

func (c *counters) add(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.stats)
}

// Stats returns the counters.
func (t *Tenant) Stats() Stats {
	t.counters.mu.Lock()
	defer t.counters.mu.Unlock()
	s := t.counters.stats
	s.Calls, s.Status, s.Faults = maps.Clone(s.Calls), maps.Clone(s.Status), maps.Clone(s.Faults)
	return s
}

// Violations returns what clients did that they must not do, oldest first.
func (t *Tenant) Violations() []Violation {
	t.counters.mu.Lock()
	defer t.counters.mu.Unlock()
	return append([]Violation(nil), t.counters.violations...)
}

// ResetStats forgets all counters and violations.
func (t *Tenant) ResetStats() {
	t.counters.mu.Lock()
	defer t.counters.mu.Unlock()
	t.counters.reset()
}

// violate records that the client did what it must not do.
func (c *call) violate(kind, detail string) {
	k := &c.t.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats.Violations++
	c.violated = true
	if len(k.violations) < keptViolations {
		k.violations = append(k.violations, Violation{kind, detail, c.kind, c.r.Method + " " + c.r.URL.Path, c.start})
	}
}

// checkAgent wants a decorated User-Agent (T20).
func (c *call) checkAgent() {
	agent := c.r.Header.Get("User-Agent")
	if !strings.Contains(agent, "ISV|") { // of NONISV| as well
		c.violate("user-agent", fmt.Sprintf("the User-Agent %q is not decorated (T20)", agent))
	}
}

// admit decides whether a Graph call may go on: decoration, token, throttle, in this order.
func (c *call) admit() *graphError {
	c.checkAgent()
	if c.r.Header.Get("Cookie") != "" {
		c.violate("cookie", "a cookie at Graph")
	}
	if c.t.opts.Strict && c.violated {
		return errorf(http.StatusBadRequest, "invalidRequest", "The sandbox is strict: see its list of violations.")
	}
	if e := c.authorize(); e != nil {
		return e
	}
	return c.throttled()
}
