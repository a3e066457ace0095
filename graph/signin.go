package graph

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// signIn asks for tokens. A login that cannot be reached is a network that is gone, and one that throttles asks for a
// pause: everything waits for it, as for Graph itself, instead of failing one item after the other. While everything
// waits, nobody signs in.
type signIn struct {
	tokens TokenSource
	gate   *Gate
}

// Token implements TokenSource.
func (s *signIn) Token(ctx context.Context, req TokenRequest) (string, error) {
	for {
		if err := s.gate.ready(ctx); err != nil {
			return "", err
		}
		began := time.Now()
		token, err := s.tokens.Token(ctx, req)
		if err == nil || ctx.Err() != nil || !mayPass(err) {
			return token, err
		}
		status, pause := answered(err)
		if isThrottle(status) {
			s.gate.throttled(began, pause, pause > 0, fmt.Sprintf("the login answered %d", status))
			continue
		}
		reason := lossReason(unreached(err), err)
		if status != 0 {
			reason = fmt.Sprintf("the login answers %d", status)
		}
		s.gate.unreachable(began, reason)
		if err := sleep(ctx, firstRetryDelay); err != nil {
			return "", err
		}
	}
}

// mayPass tells whether the same sign-in may work later without anyone changing anything.
func mayPass(err error) bool {
	var e interface{ Transient() bool }
	return errors.As(err, &e) && e.Transient()
}

// answered is the status with which the login refused, 0 if it did not answer, and the pause it asked for, 0 for none.
func answered(err error) (status int, pause time.Duration) {
	var e interface{ Answered() (int, time.Duration) }
	if errors.As(err, &e) {
		return e.Answered()
	}
	return 0, 0
}

// unreached is the host that did not answer a sign-in.
func unreached(err error) string {
	var e interface{ Unreached() string }
	if errors.As(err, &e) && e.Unreached() != "" {
		return e.Unreached()
	}
	return "the login"
}
