package graph

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Patience with a network that is gone.
const (
	// DefaultNetworkWait is how long a run waits for the network to return.
	DefaultNetworkWait = 15 * time.Minute
	// startNetworkWait is the same as long as nothing has answered yet: then it is more likely a name or a proxy that is
	// wrong, and a person who waits for the first word.
	startNetworkWait = time.Minute

	firstProbe = time.Second
	maxProbe   = 30 * time.Second
	// lossesToHold is how many connections in a row must fail before everything waits: one may always fail.
	lossesToHold = 2
)

// outage is what a gate knows of a network that is gone. A connection that does not come about holds all work of the
// tenant back; then one request at a time tries, until anything answers.
type outage struct {
	losses int       // connections in a row that did not come about
	began  time.Time // zero if the network is there
	probes int
	heard  time.Time // last answer of any kind
}

// networkWaits fills in what is not set: the wait in the middle of a run, and the one at its beginning.
func networkWaits(set time.Duration) (middle, start time.Duration) {
	if set <= 0 {
		return DefaultNetworkWait, startNetworkWait
	}
	return set, set
}

// unreachable takes note that no connection came about for this request.
func (t *Ticket) unreachable(reason string) {
	g := t.gate
	g.mu.Lock()
	t.told = true
	if g.probe == t {
		g.probe = nil // the next one tries
	}
	g.lose(t.started, reason)
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// unreachable takes note that a connection begun at a time did not come about, outside of any request of its own.
func (g *Gate) unreachable(started time.Time, reason string) {
	g.mu.Lock()
	g.lose(started, reason)
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// lose begins or goes on with an outage. What failed while others were answered is one host's affair, and left to the
// retry of its call. The lock is held.
func (g *Gate) lose(started time.Time, reason string) {
	now, o := time.Now(), &g.outage
	o.losses++
	switch {
	case g.stopped != nil, now.Before(g.until): // it was under way when the others stopped
		return
	case o.began.IsZero() && (o.heard.After(started) || o.losses < lossesToHold):
		return
	}
	patience := g.cfg.NetworkWait
	if o.heard.IsZero() {
		patience = g.cfg.firstWait
	}
	if o.began.IsZero() {
		o.began, o.probes = now, 0
		g.stats.Outages++
		g.events = append(g.events, GateEvent{Tenant: g.cfg.Tenant, Kind: PauseNetwork, Paused: true, Until: now.Add(patience), Reason: reason, At: now})
	}
	end := o.began.Add(patience)
	if !now.Before(end) {
		g.stop(now, &gaveUp{kind: ErrOffline, reason: fmt.Sprintf("%s, for %s", reason, now.Sub(o.began).Round(time.Second))})
		return
	}
	next := now.Add(backOff(firstProbe, o.probes, maxProbe))
	o.probes++
	if next.After(end) {
		next = end // one last try
	}
	g.hold(now, next)
}

// hear takes note of an answer, whatever it is: the network is there. Only what was asked since it was lost shows that it
// is back: an answer may have been on its way. The lock is held.
func (g *Gate) hear(now, started time.Time) {
	o := &g.outage
	if !o.began.IsZero() && started.Before(o.began) {
		return
	}
	o.heard, o.losses = now, 0
	if o.began.IsZero() {
		return
	}
	g.endOutage(now)
	g.until, g.halfOpen, g.probe = time.Time{}, false, nil
	if g.wake != nil {
		g.wake.Stop()
	}
}

// endOutage counts an outage that is over, or was waited for long enough. The lock is held.
func (g *Gate) endOutage(now time.Time) {
	g.stats.LostFor += now.Sub(g.outage.began)
	g.outage.began = time.Time{}
	g.events = append(g.events, GateEvent{Tenant: g.cfg.Tenant, Kind: PauseNetwork, At: now})
}

// ready waits while everything waits.
func (g *Gate) ready(ctx context.Context) error {
	for {
		g.mu.Lock()
		err, left := g.stopped, time.Until(g.until)
		g.mu.Unlock()
		if err != nil || left <= 0 {
			return err
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-g.gone:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// gaveUp is why a gate lets nothing through any more.
type gaveUp struct {
	kind   error // ErrThrottled or ErrOffline
	reason string
}

func (e *gaveUp) Error() string        { return e.reason }
func (e *gaveUp) Is(target error) bool { return target == ErrGaveUp || target == e.kind }

// stop gives up: all who wait and all who come get the same error at once, so that a run can end in order instead of
// failing one item after the other. The lock is held.
func (g *Gate) stop(now time.Time, err error) {
	if g.stopped == nil {
		close(g.gone)
	}
	g.stopped = err
	if !g.outage.began.IsZero() {
		g.endOutage(now)
	}
	if g.wake != nil {
		g.wake.Stop()
	}
	if !g.until.IsZero() {
		g.resume(now)
	}
}

// turnAway sends everyone in the line away. The lock is held.
func (g *Gate) turnAway() {
	for _, w := range g.waiting {
		close(w.ready) // without a ticket
	}
	g.waiting = nil
}

// Stopped says why the gate has given up, nil if it has not.
func (g *Gate) Stopped() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// Resting tells whether the gate gave up because of a pause that is not over yet: to ask before makes it worse (T4).
func (g *Gate) Resting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.rest)
}

// answersSoFar counts the answers other than throttles.
func (g *Gate) answersSoFar() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answers
}

// isUnreachable tells whether no connection came about, for a reason that may pass.
func isUnreachable(err error) bool {
	var broken *connError
	return errors.As(err, &broken) && broken.unmade && MayPass(err)
}

// lossReason says what cannot be reached and why, without addresses of proxies, which may hold a password.
func lossReason(host string, err error) string {
	host = shown(host)
	var dns *net.DNSError
	var op *net.OpError
	var proxy *proxyError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &proxy):
		return fmt.Sprintf("the proxy answers %d instead of connecting to %s", proxy.status, host)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached"
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return host + " refuses connections"
	case errors.As(err, &record):
		return host + " does not speak TLS"
	case errors.As(err, &op) && op.Op == "remote error": // an alert of the handshake
		return fmt.Sprintf("%s refuses the connection (%v)", host, op.Err)
	}
	return host + " cannot be reached"
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
