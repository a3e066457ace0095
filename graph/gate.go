package graph

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Defaults and limits of the gate.
const (
	defaultInFlight = 16               // more parallel streams get an app blocked (quirk Q73)
	startInFlight   = 4                // start low and grow (T21)
	defaultMaxPause = 10 * time.Minute // a longer wish ends the run instead (I-53)
	maxInARow       = 20               // throttles without a success between them; more is a block (T1, T3)
	maxThrottledFor = time.Hour        // the same in time
	maxRest         = 24 * time.Hour   // longest time for which a gate that gave up keeps others from trying again
	firstBackOff    = 30 * time.Second // when the service throttles without a word (T3, Q65)
	bandwidthBurst  = 256 << 10        // bytes handed out at once
	slowBelow       = 0.2              // share of the limit at which RateLimit headers slow us down (T6)
)

// GateConfig sets the limits of a gate. The zero value is a sensible gate without budget, bandwidth or quiet hours.
type GateConfig struct {
	Tenant     string        // named in events
	InFlight   int           // most requests at once, 0 for the default
	PerMinute  int           // resource units a minute (T10, T11), 0 for no budget
	Bandwidth  int64         // bytes a second of all bodies together, 0 for no limit
	QuietHours QuietHours    // times of day with one request at a time
	MaxPause   time.Duration // longest pause that is waited for, 0 for the default
	// NetworkWait is how long the gate waits for a network that is gone; 0 for the defaults.
	NetworkWait time.Duration
	Observer    func(GateEvent) // told in order, one event at a time; must return soon and must not call Pause

	firstWait time.Duration // NetworkWait as long as nothing has answered
}

// Gate paces every request of one (tenant, app) pair: limits belong to the pair, not to a connection (T5, Q66), so there
// must be exactly one gate for it. After a throttle nothing starts until the pause is over; then one request goes ahead,
// and only its success opens the gate again, at half the concurrency.
type Gate struct {
	cfg    GateConfig
	units  *rate.Limiter
	normal rate.Limit // of units, when no header slows us down
	bytes  *rate.Limiter
	turn   chan struct{} // held by the one that waits for the budget
	gone   chan struct{} // closed when the gate gives up

	mu       sync.Mutex
	limit    float64 // adaptive concurrency
	inFlight int
	waiting  []*waiter // in order of arrival
	until    time.Time // end of the pause
	began    time.Time // of the pause
	backOff  int       // pauses in a row that had no wish to follow
	answers  int64     // other than throttles
	halfOpen bool      // the pause is over or not, and no success has come since
	probe    *Ticket   // the one request on its way while half open
	slowed   time.Time // until when headers slow the budget
	wake     *time.Timer
	inARow   int       // throttles since the last success
	rowBegan time.Time // when the first of them came
	outage   outage
	stopped  error     // why nothing is let through any more
	rest     time.Time // end of the pause because of which it stopped
	stats    GateStats
	moved    atomic.Int64 // bytes of bodies

	events  []GateEvent // not yet told
	telling sync.Mutex
}

type waiter struct {
	ready  chan struct{}
	ticket *Ticket
}

// Ticket is the right to have one request under way.
type Ticket struct {
	gate    *Gate
	started time.Time
	told    bool
	done    bool
}

// NewGate makes a gate.
func NewGate(cfg GateConfig) *Gate {
	if cfg.InFlight <= 0 {
		cfg.InFlight = defaultInFlight
	}
	if cfg.MaxPause <= 0 {
		cfg.MaxPause = defaultMaxPause
	}
	cfg.NetworkWait, cfg.firstWait = networkWaits(cfg.NetworkWait)
	g := &Gate{cfg: cfg, turn: make(chan struct{}, 1), gone: make(chan struct{}), normal: rate.Inf, limit: float64(min(startInFlight, cfg.InFlight))}
	burst := 16 // a few requests may start together; more would be a burst (T21)
	if cfg.PerMinute > 0 {
		g.normal = rate.Limit(float64(cfg.PerMinute) / 60)
		burst = max(burst, cfg.PerMinute/60)
	}
	g.units = rate.NewLimiter(g.normal, burst)
	if cfg.Bandwidth > 0 {
		g.bytes = rate.NewLimiter(rate.Limit(cfg.Bandwidth), bandwidthBurst)
	}
	return g
}

// Acquire waits until a request of this many resource units may start. The ticket must be told of the answer and be
// closed, in this order. A gate that has given up lets nothing through: the error is an ErrGaveUp.
func (g *Gate) Acquire(ctx context.Context, units int) (*Ticket, error) {
	if err := g.Stopped(); err != nil {
		return nil, err
	}
	if err := g.afford(ctx, min(units, g.units.Burst())); err != nil {
		return nil, err
	}
	w := &waiter{ready: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	g.dispatch()
	g.mu.Unlock()
	g.tell()
	select {
	case <-w.ready:
	case <-ctx.Done():
		g.leave(w)
		return nil, waitError(ctx, ctx.Err())
	}
	if w.ticket == nil {
		return nil, g.Stopped()
	}
	if err := ctx.Err(); err != nil {
		w.ticket.Close()
		return nil, waitError(ctx, err)
	}
	g.mu.Lock()
	g.stats.Requests++
	g.stats.Units += int64(units)
	g.mu.Unlock()
	return w.ticket, nil
}

// afford waits until the budget has so many units. One waits at a time: many reservations made at the slow pace of a
// warning would keep that pace up long after the warning is over.
func (g *Gate) afford(ctx context.Context, units int) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-g.gone:
		return g.Stopped()
	case <-ctx.Done():
		return waitError(ctx, ctx.Err())
	}
	for {
		warned := g.restoreBudget()
		now := time.Now()
		r := g.units.ReserveN(now, units)
		wait := r.DelayFrom(now)
		if wait <= 0 {
			return nil
		}
		again := warned > 0 && warned < wait
		if again {
			r.CancelAt(now)
			wait = warned
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-g.gone:
			timer.Stop()
			return g.Stopped()
		case <-ctx.Done():
			timer.Stop()
			r.Cancel()
			return waitError(ctx, ctx.Err())
		}
		if !again {
			return nil
		}
	}
}

// waitError names the reason of the context. A limiter that sees the deadline coming gives up before it; that is the
// same end.
func waitError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if _, bounded := ctx.Deadline(); bounded {
		err = context.DeadlineExceeded
	}
	return fmt.Errorf("wait at the gate: %w", err)
}

// leave takes a waiter out of the line; it may have been let through meanwhile.
func (g *Gate) leave(w *waiter) {
	g.mu.Lock()
	at := slices.Index(g.waiting, w)
	if at >= 0 {
		g.waiting = slices.Delete(g.waiting, at, at+1)
	}
	g.mu.Unlock()
	if at < 0 && w.ticket != nil {
		w.ticket.Close()
	}
}

// dispatch lets through as many waiters as may start now. The lock is held.
func (g *Gate) dispatch() {
	if g.stopped != nil {
		g.turnAway()
		return
	}
	now := time.Now()
	if !g.until.IsZero() {
		if now.Before(g.until) {
			return // the timer calls again
		}
		g.resume(now)
	}
	for len(g.waiting) > 0 && g.mayStart(now) {
		w := g.waiting[0]
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		w.ticket = &Ticket{gate: g, started: now}
		if g.halfOpen {
			g.probe = w.ticket
		}
		g.inFlight++
		close(w.ready)
	}
}

// mayStart tells whether one more request may start. The lock is held and no pause is on.
func (g *Gate) mayStart(now time.Time) bool {
	if g.halfOpen && g.probe != nil {
		return false
	}
	return g.inFlight < g.allowed(now) || g.halfOpen
}

// allowed is the concurrency of the moment.
func (g *Gate) allowed(now time.Time) int {
	if g.cfg.QuietHours.Contains(now) {
		return 1
	}
	return max(1, int(g.limit))
}

// Pause stops all work until a time, for a reason of the caller's. A pause under way is prolonged, never cut short.
func (g *Gate) Pause(until time.Time, reason string) {
	g.mu.Lock()
	now := time.Now()
	g.pause(now, now.Add(until.Sub(now)), reason) // from here on the monotonic clock counts (I-66)
	g.mu.Unlock()
	g.tell()
}

// pause begins or prolongs a pause. The lock is held.
func (g *Gate) pause(now, until time.Time, reason string) {
	if !until.After(now) || !until.After(g.until) {
		return
	}
	if g.until.IsZero() {
		g.began = now
		g.stats.Pauses++
	}
	g.events = append(g.events, GateEvent{Tenant: g.cfg.Tenant, Kind: PauseAsked, Paused: true, Until: until, Reason: reason, At: now})
	g.hold(now, until)
}

// hold lets nothing start until a time, and then one request. The lock is held.
func (g *Gate) hold(now, until time.Time) {
	g.until = until
	g.halfOpen, g.probe = true, nil
	if g.wake != nil {
		g.wake.Stop()
	}
	g.wake = time.AfterFunc(until.Sub(now), func() {
		g.mu.Lock()
		g.dispatch()
		g.mu.Unlock()
		g.tell()
	})
}

// resume ends the pause; the gate stays half open. An outage goes on until something answers. The lock is held.
func (g *Gate) resume(now time.Time) {
	g.until = time.Time{}
	if g.outage.began.IsZero() {
		g.stats.PausedFor += now.Sub(g.began)
		g.events = append(g.events, GateEvent{Tenant: g.cfg.Tenant, Kind: PauseAsked, At: now})
	}
}

// throttled takes note of an answer that asks for a pause. wish is the pause asked for; told is false when the answer
// did not say how long.
func (t *Ticket) throttled(wish time.Duration, told bool, reason string) {
	g := t.gate
	g.mu.Lock()
	t.told = true
	if g.probe == t {
		g.probe = nil
	}
	g.throttle(t.started, wish, told, reason)
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// throttled is the same for what was asked outside of any request of the gate.
func (g *Gate) throttled(started time.Time, wish time.Duration, told bool, reason string) {
	g.mu.Lock()
	g.throttle(started, wish, told, reason)
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// throttle begins or prolongs the pause that was asked for, or gives up. The lock is held.
func (g *Gate) throttle(started time.Time, wish time.Duration, told bool, reason string) {
	now := time.Now()
	g.stats.Throttled++
	g.hear(now, now) // whenever it was asked: a pause that the service wants goes before one for the network
	// Requests that were under way when the pause began often come back throttled as well. They are the same
	// throttle: concurrency is halved once for all of them.
	fresh := g.until.IsZero() && !started.Before(g.began)
	if fresh {
		g.limit = max(1, g.limit/2)
		if g.inARow++; g.inARow == 1 {
			g.rowBegan = now
		}
		if told {
			g.backOff = 0
		} else {
			g.backOff++
		}
	}
	if !told && !g.until.IsZero() {
		wish = 0 // it learns nothing from us, and we nothing from it: the pause is already on
	} else if !told {
		wish = backOff(firstBackOff, max(0, g.backOff-1), g.cfg.MaxPause)
	}
	if err := g.tooMuch(now, wish, reason); err != nil {
		g.rest = now.Add(min(wish, maxRest))
		g.stop(now, err)
	} else {
		g.pause(now, now.Add(max(wish, minPause)), reason)
	}
}

// tooMuch tells whether throttling has gone so far that waiting is no help: the run ends in order instead of failing one
// item after the other (I-53, T3, T4). The lock is held.
func (g *Gate) tooMuch(now time.Time, wish time.Duration, reason string) error {
	switch lasted := now.Sub(g.rowBegan); {
	case wish > g.cfg.MaxPause:
		return &gaveUp{kind: ErrThrottled, reason: fmt.Sprintf("%s and asked for a pause of %s, longer than the %s that a run waits", reason, pauseWords(wish), g.cfg.MaxPause)}
	case g.inARow >= maxInARow || g.inARow > 1 && lasted > maxThrottledFor:
		return &gaveUp{kind: ErrThrottled, reason: fmt.Sprintf("%s, %d times in a row within %s", reason, g.inARow, lasted.Round(time.Second))}
	}
	return nil
}

// pauseWords names a wish, however absurd.
func pauseWords(wish time.Duration) string {
	if wish >= endless {
		return "more than a lifetime"
	}
	return wish.Round(time.Second).String()
}

// answered takes note of an answer that is no throttle. Any such answer opens a half-open gate; concurrency grows only
// with healthy ones.
func (t *Ticket) answered(early rateLimit, warned, healthy bool) {
	g := t.gate
	g.mu.Lock()
	now := time.Now()
	if !t.told {
		t.told = true
		g.hear(now, t.started)
		g.answers++
		if !t.started.Before(g.began) {
			g.inARow = 0
		}
		if g.halfOpen && t == g.probe {
			g.halfOpen, g.probe, g.backOff = false, nil, 0
		}
		if healthy {
			g.limit = min(float64(g.cfg.InFlight), g.limit+1/max(1, g.limit))
		}
	}
	if warned && float64(early.remaining) < slowBelow*float64(early.limit) {
		g.slow(early)
	}
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// slow spreads what remains of the minute over its rest (T6). The lock is held.
func (g *Gate) slow(early rateLimit) {
	pace := rate.Limit(float64(max(1, early.remaining)) / early.reset.Seconds())
	g.units.SetLimit(min(g.normal, pace))
	g.slowed = time.Now().Add(early.reset)
}

// restoreBudget returns to the normal pace when the time of a warning is over, and tells what is left of it.
func (g *Gate) restoreBudget() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.slowed.IsZero() {
		return 0
	}
	left := time.Until(g.slowed)
	if left <= 0 {
		g.slowed = time.Time{}
		g.units.SetLimit(g.normal)
	}
	return max(0, left)
}

// Close gives the place back. Closing twice does nothing.
func (t *Ticket) Close() {
	g := t.gate
	g.mu.Lock()
	if !t.done {
		t.done = true
		g.inFlight--
		if g.probe == t && !t.told {
			g.probe = nil // no answer at all: the next one probes
		}
		g.dispatch()
	}
	g.mu.Unlock()
	g.tell()
}

// spend waits until n bytes of a body may be handed on.
func (g *Gate) spend(ctx context.Context, n int) error {
	g.moved.Add(int64(n))
	if g.bytes == nil {
		return nil
	}
	for n > 0 {
		part := min(n, bandwidthBurst)
		if err := g.bytes.WaitN(ctx, part); err != nil {
			return waitError(ctx, err)
		}
		n -= part
	}
	return nil
}

// backOff doubles a delay n times, up to a limit, and adds up to a half so that programs do not come back together.
func backOff(first time.Duration, n int, most time.Duration) time.Duration {
	d := first
	for range n {
		if d >= most {
			break
		}
		d *= 2
	}
	d = min(d, most)
	return min(d+rand.N(d/2+1), most)
}
