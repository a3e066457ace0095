package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
)

const (
	// expiryMargin is how long before its end a token is no longer handed out, as in MSAL. Tokens
	// that live shorter than 25 minutes use a fifth of their life instead.
	expiryMargin = 5 * time.Minute

	// acquireLimit ends one whole sign-in, retries included.
	acquireLimit = 2 * time.Minute

	// renewalLimit ends an early renewal: the held token is still good, so nobody should wait long.
	renewalLimit = 20 * time.Second

	// renewalPause is the wait after an early renewal that did not work.
	renewalPause = time.Minute
)

// errAbandoned ends a flight whose leader gave up for a reason of its own.
var errAbandoned = errors.New("sign-in abandoned by its caller")

// Source holds one access token and renews it. It is safe for concurrent use: any number of callers
// that need a new token cause one sign-in between them (I-55).
type Source struct {
	method  Method
	acquire acquireFunc
	device  *device // nil unless the method is device_code

	mu      sync.Mutex
	held    grant
	refused string  // the last token that a caller reported as rejected
	flight  *flight // the sign-in under way, if any
}

// acquireFunc signs in once. It keeps no token of its own, or bypasses its cache when told to.
type acquireFunc func(ctx context.Context, w wish) (grant, error)

// wish says what the wanted token must be.
type wish struct {
	claims string // decoded JSON of a claims challenge (A15)
	fresh  bool   // no cached token: the last one was refused (Q76)
}

// grant is an access token with its life.
type grant struct {
	token   string
	claims  string    // the challenge that it answers
	until   time.Time // not handed out from here on
	renewal time.Time // the login suggests a renewal from here on; zero: no suggestion
}

// flight is one sign-in that several callers wait for. Err is set before done is closed.
type flight struct {
	wish wish
	done chan struct{}
	err  error
}

// newGrant computes when a token that ends at expires is to be replaced.
func newGrant(token, claims string, expires, renewal, now time.Time) grant {
	return grant{token: token, claims: claims, until: expires.Add(-min(expiryMargin, expires.Sub(now)/5)), renewal: renewal}
}

// serves tells whether g answers req. A refused token is no longer held when this is asked.
func (g grant) serves(req graph.TokenRequest, now time.Time) bool {
	return g.token != "" && now.Before(g.until) &&
		(req.Claims == "" || req.Claims == g.claims)
}

func (g grant) wantsRenewal(now time.Time) bool {
	return !g.renewal.IsZero() && !now.Before(g.renewal)
}

// Token returns an access token for Graph. A token named in req.Rejected is forgotten and never
// returned again; req.Claims is the decoded JSON of a claims challenge and is part of the sign-in.
// Callers that find a sign-in under way wait for it and share its result or its error.
func (s *Source) Token(ctx context.Context, req graph.TokenRequest) (string, error) {
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		token, f, lead := s.join(req)
		switch {
		case token != "":
			return token, nil
		case lead:
			return s.lead(ctx, f, req)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if f.err != nil && !errors.Is(f.err, errAbandoned) && f.wish.claims == req.Claims {
			return "", f.err
		}
	}
}

// join returns a token that serves, or the sign-in to wait for, or a new one that the caller leads.
func (s *Source) join(req graph.TokenRequest) (token string, f *flight, lead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Rejected != "" && s.held.token == req.Rejected {
		s.held, s.refused = grant{}, req.Rejected
	}
	now := time.Now()
	serves := s.held.serves(req, now)
	if serves && (s.flight != nil || !s.held.wantsRenewal(now)) {
		return s.held.token, nil, false
	}
	if s.flight != nil {
		return "", s.flight, false
	}
	fresh := serves || req.Claims != "" || req.Rejected != "" || s.refused != ""
	s.flight = &flight{wish: wish{claims: req.Claims, fresh: fresh}, done: make(chan struct{}), err: errAbandoned}
	return "", s.flight, true
}

// lead signs in on behalf of everyone who waits for f.
func (s *Source) lead(ctx context.Context, f *flight, req graph.TokenRequest) (token string, err error) {
	var got grant
	err = errAbandoned // what the others see if acquire panics
	defer func() { token, err = s.land(ctx, f, req, got, err) }()
	limit := acquireLimit
	if s.holds(req) {
		limit = renewalLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err = s.acquire(limited, f.wish)
	return "", err
}

func (s *Source) holds(req graph.TokenRequest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held.serves(req, time.Now())
}

// land records the result of a sign-in, wakes the others and returns what the leader gets.
func (s *Source) land(ctx context.Context, f *flight, req graph.TokenRequest, got grant, err error) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight = nil
	now := time.Now()
	if err == nil && (got.token == req.Rejected || got.token == s.refused) {
		err = &Error{Method: s.method, Message: "the sign-in returned the access token that Graph has just refused",
			Advice: "Wait until the token expires, or sign in anew outside of this program; then run again."}
	}
	switch {
	case err == nil:
		s.held, f.err = got, nil
		return got.token, nil
	case ctx.Err() != nil:
		f.err = errAbandoned
		return "", ctx.Err()
	case s.held.serves(req, now): // an early renewal; the token is still good
		s.held.renewal = now.Add(renewalPause)
		f.err = nil
		return s.held.token, nil
	}
	f.err = err
	return "", err
}
