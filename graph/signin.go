package graph

import (
	"context"
	"errors"
	"time"
)

// signIn asks for tokens. A login that cannot be reached is a network that is gone: everything waits for it, as for
// Graph itself, instead of failing one item after the other.
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
		s.gate.unreachable(began, "the login cannot be reached")
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
