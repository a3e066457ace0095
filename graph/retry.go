package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of retrying (I-54). A call makes at most maxTransient + maxThrottled attempts.
const (
	maxTransient     = 5  // attempts that fail for a reason of the moment
	maxBadRequest    = 3  // 400 on lists sometimes goes away (Q70)
	maxLinkTimeouts  = 3  // a delta link that times out this often will not answer (Q100)
	maxItemFaults    = 3  // 503 of an item that fails for good (C26)
	maxThrottled     = 20 // while other calls get through; what all are refused is the gate's affair
	firstRetryDelay  = time.Second
	maxRetryDelay    = 30 * time.Second
	maxRetryFollowed = 2 * time.Minute // longest Retry-After followed on an answer that is no throttle
)

// retry repeats one idempotent read until it succeeds, fails for good, or its patience ends. It is not a RoundTripper:
// whether a 200 was cut short or is a proxy's page shows only when its body is read (Q69), so sending and reading are
// repeated together.
type retry struct {
	gate *Gate
	list bool // a 400 may go away
	link bool // the address is a stored delta link
	once bool // not to be repeated unless the service refused to look at it
}

// tally counts what went wrong so far.
type tally struct {
	attempts, transient, badRequest, timeouts, throttled int
	seen                                                 int64 // answers that others had got at the last failure that all may share
}

// alone tells whether others got through since this call was last refused, or kept from connecting. What everyone
// suffers is waited out at the gate and wears out nobody's patience.
func (t *tally) alone(g *Gate) bool {
	n := g.answersSoFar()
	moved := n != t.seen || t.attempts == 1
	t.seen = n
	return moved
}

// do runs attempts. Each gets its number, from 1.
func (r *retry) do(ctx context.Context, attempt func() error) error {
	var t tally
	for {
		err := attempt()
		t.attempts++
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if stop := r.gate.Stopped(); stop != nil && !errors.Is(err, ErrGaveUp) && mayShare(err) {
			return fmt.Errorf("%w: %w", stop, err)
		}
		wait, again := r.verdict(&t, err)
		if e, ok := AsError(err); ok {
			e.Attempts = t.attempts
		}
		if !again {
			return r.final(&t, err)
		}
		r.gate.count(func(s *GateStats) { s.Retries++ })
		if wait <= 0 {
			continue
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// mayShare tells whether a failure is of the kind that stops everyone.
func mayShare(err error) bool {
	e, answered := AsError(err)
	return answered && e.IsThrottle() || isUnreachable(err)
}

// final gives the error its name once trying is over.
func (r *retry) final(t *tally, err error) error {
	if r.link && t.timeouts >= maxLinkTimeouts {
		return &linkTimeout{err}
	}
	return err
}

// linkTimeout is an ErrLinkTimeout with its last cause.
type linkTimeout struct{ cause error }

func (e *linkTimeout) Error() string        { return ErrLinkTimeout.Error() + ": " + e.cause.Error() }
func (e *linkTimeout) Is(target error) bool { return target == ErrLinkTimeout }
func (e *linkTimeout) Unwrap() error        { return e.cause }

// verdict tells whether to try again, and after which delay.
func (r *retry) verdict(t *tally, err error) (time.Duration, bool) {
	e, answered := AsError(err)
	switch {
	case answered && e.IsThrottle():
		if t.alone(r.gate) {
			t.throttled++
		}
		return 0, t.throttled < maxThrottled // the gate holds the next attempt back
	case isUnreachable(err):
		if t.alone(r.gate) {
			t.transient++
		}
		return r.delay(t, 0), t.transient < maxTransient
	case r.once:
		return 0, false
	case answered && e.IsItemFault():
		t.transient++
		return r.delay(t, e.RetryAfter), t.transient < maxItemFaults
	case answered && r.list && e.Status == http.StatusBadRequest:
		t.badRequest++
		return r.delay(t, 0), t.badRequest < maxBadRequest
	case answered && e.IsTransient() || isTransient(err):
		t.transient++
		if answered && e.Status == http.StatusGatewayTimeout || errors.Is(err, errCallTimeout) {
			t.timeouts++
		}
		if r.link && t.timeouts >= maxLinkTimeouts {
			return 0, false
		}
		var wish time.Duration
		if answered {
			wish = e.RetryAfter
		}
		return r.delay(t, wish), t.transient < maxTransient
	}
	return 0, false
}

// delay grows with each failure; a wish of the server is followed if it is longer and reasonable.
func (r *retry) delay(t *tally, wish time.Duration) time.Duration {
	n := max(0, t.transient+t.badRequest-1)
	return max(backOff(firstRetryDelay, n, maxRetryDelay), min(wish, maxRetryFollowed))
}

// isTransient tells whether a failure without an answer may go away: a connection that broke or never came about, a body
// cut short, an answer that is no JSON.
func isTransient(err error) bool {
	var p *protocolError
	if errors.As(err, &p) {
		return p.transient
	}
	if errors.Is(err, ErrGaveUp) || errors.Is(err, ErrToken) || errors.Is(err, ErrTooLarge) {
		return false
	}
	if errors.Is(err, errCallTimeout) || errors.Is(err, ErrStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return true
	}
	if !MayPass(err) {
		return false
	}
	var broken *connError
	var network net.Error
	return errors.As(err, &broken) || errors.As(err, &network)
}
