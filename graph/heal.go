package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// TokenSource gives access tokens. It caches them; it is asked before every request.
type TokenSource interface {
	Token(ctx context.Context, req TokenRequest) (string, error)
}

// TokenRequest says what the token must satisfy.
type TokenRequest struct {
	Claims   string // JSON of a claims challenge, "" for none (A15)
	Rejected string // a token that a 401 refused: it must not be returned again, "" for none (Q76)
}

// healer puts the token on each request and, when Graph refuses it, has it renewed once, for all callers together
// (I-55). A second 401 is passed on.
type healer struct {
	tokens TokenSource
	next   http.RoundTripper

	mu      sync.Mutex
	renewal *renewal // under way
	old     string   // the last token that was replaced
	fresh   string   // and what replaced it
}

// renewal is one request for a new token, waited for by everyone whose token it replaces.
type renewal struct {
	old   string
	done  chan struct{}
	token string
	err   error
}

// RoundTrip implements http.RoundTripper.
func (h *healer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	token, err := h.tokens.Token(ctx, TokenRequest{})
	if err != nil {
		return nil, tokenError(ctx, err)
	}
	resp, err := h.send(req, token)
	if err != nil || !h.refused(resp) {
		return resp, err
	}
	claims := claimsChallenge(resp.Header)
	_ = resp.Body.Close()
	if token, err = h.renew(ctx, token, claims); err != nil {
		return nil, tokenError(ctx, err)
	}
	return h.send(req, token)
}

// tokenError marks a failure to sign in, unless it is the caller who gave up.
func tokenError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrToken, err)
}

// send makes one attempt with a token.
func (h *healer) send(req *http.Request, token string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		req.Body = body
	}
	return h.next.RoundTrip(req)
}

// refused tells whether the token is what the service does not like: a 401, or a 403 with a claims challenge (A18). A
// 401 for a reason of the service's own (Q77) is left to the retry.
func (h *healer) refused(resp *http.Response) bool {
	if resp.StatusCode == http.StatusForbidden {
		return claimsChallenge(resp.Header) != ""
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &replayed{Reader: bytes.NewReader(body), Closer: resp.Body}
	return !bytes.Contains(body, []byte("Unable to initialize RPS"))
}

// replayed is a body that was read and is read again.
type replayed struct {
	io.Reader
	io.Closer
}

// renew replaces a refused token. Any number of callers with the same token cause one request.
func (h *healer) renew(ctx context.Context, refused, claims string) (string, error) {
	for {
		h.mu.Lock()
		if h.fresh != "" && h.old == refused {
			defer h.mu.Unlock()
			return h.fresh, nil
		}
		r := h.renewal
		if r == nil {
			r = &renewal{old: refused, done: make(chan struct{})}
			h.renewal = r
			h.mu.Unlock()
			h.lead(ctx, r, claims)
			return r.token, r.err
		}
		h.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		// A leader that was called off says nothing about the token: the next one tries.
		if r.old == refused && r.err != nil && !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, context.DeadlineExceeded) {
			return "", r.err
		}
	}
}

// lead asks for the new token and publishes the answer.
func (h *healer) lead(ctx context.Context, r *renewal, claims string) {
	r.token, r.err = h.tokens.Token(ctx, TokenRequest{Claims: claims, Rejected: r.old})
	if r.err == nil && r.token == r.old {
		r.err = errors.New("the sign-in gave the refused token again")
	}
	h.mu.Lock()
	if r.err == nil {
		h.old, h.fresh = r.old, r.token
	}
	h.renewal = nil
	h.mu.Unlock()
	close(r.done)
}
