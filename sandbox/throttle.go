package sandbox

import (
	"cmp"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// throttle keeps the budget of the current minute and the pause that was announced. The service keeps
// them per application and tenant (T5, T11); here all calls share one.
type throttle struct {
	mu        sync.Mutex
	limits    Throttle
	window    time.Time // when the current minute began
	used      int
	announced time.Time // when the pause was announced
	until     time.Time // when it ends
	enforce   bool      // requests inside are throttled again
}

// minute is the window of the limit (T10).
const minute = time.Minute

// defaultGrace covers requests that were under way when the pause was announced.
const defaultGrace = 250 * time.Millisecond

func (th *throttle) init(t *Tenant) { th.limits = t.opts.Throttle }

// SetThrottle replaces the budget and ends a pause.
func (t *Tenant) SetThrottle(limits Throttle) {
	t.throttle.mu.Lock()
	defer t.throttle.mu.Unlock()
	t.throttle.limits, t.throttle.used, t.throttle.until = limits, 0, time.Time{}
}

// announce begins a pause that the client was told of.
func (t *Tenant) announce(now time.Time, pause time.Duration, enforce bool) {
	th := &t.throttle
	th.mu.Lock()
	defer th.mu.Unlock()
	if until := now.Add(pause); until.After(th.until) {
		if !th.until.After(now) {
			th.announced = now
		}
		th.until, th.enforce = until, enforce
	}
}

// throttled charges a call and says whether it is refused.
func (c *call) throttled() *graphError {
	th := &c.t.throttle
	th.mu.Lock()
	defer th.mu.Unlock()
	cost := units[c.kind]
	c.t.counters.add(func(s *Stats) { s.Units += int64(cost) })
	if c.start.Before(th.until) {
		if c.start.After(th.announced.Add(cmp.Or(th.limits.Grace, defaultGrace))) {
			c.t.counters.add(func(s *Stats) { s.InsidePause++ })
			c.violate("inside pause", "a request inside an announced pause (T4, T5)")
		}
		if th.enforce && !th.limits.Tolerant {
			return th.refuse(th.until.Sub(c.start))
		}
	}
	limit := th.limits.UnitsPerMinute
	if limit <= 0 {
		return nil
	}
	if c.start.Sub(th.window) >= minute || c.start.Before(th.window) {
		th.window, th.used = c.start, 0
	}
	th.used += cost // throttled requests count as well (T4)
	reset := th.window.Add(minute).Sub(c.start)
	if th.used > limit {
		if !th.limits.HideRetryAfter {
			if !th.until.After(c.start) {
				th.announced = c.start
			}
			th.until, th.enforce = c.start.Add(reset), true
		}
		return th.refuse(reset)
	}
	if th.used*100 >= limit*80 && !th.limits.HideRateLimit { // only from 80 % on (T6)
		h := c.w.Header()
		h.Set("RateLimit-Limit", strconv.Itoa(limit))
		h.Set("RateLimit-Remaining", strconv.Itoa(limit-th.used))
		h.Set("RateLimit-Reset", strconv.Itoa(seconds(reset)))
	}
	return nil
}

// refuse is the answer of a limit that was passed (T1, T8).
func (th *throttle) refuse(wait time.Duration) *graphError {
	e := errorf(http.StatusTooManyRequests, "activityLimitReached", "The request has been throttled")
	e.inner, e.header = "throttledRequest", map[string]string{}
	if !th.limits.HideRetryAfter {
		e.header["Retry-After"] = strconv.Itoa(seconds(wait))
	}
	if !th.limits.HideRateLimit && th.limits.UnitsPerMinute > 0 {
		e.header["RateLimit-Limit"] = strconv.Itoa(th.limits.UnitsPerMinute)
		e.header["RateLimit-Remaining"] = "0"
		e.header["RateLimit-Reset"] = strconv.Itoa(seconds(wait))
	}
	return e
}

// seconds rounds up: whole seconds are what Retry-After carries (T2).
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
