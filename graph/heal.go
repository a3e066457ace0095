package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// TokenSource gives access tokens. It caches them; it is asked before every request, by many goroutines at once. Any
// number of callers that report the same token as rejected cause one sign-in between them, and share its token or its
// error (I-55).
type TokenSource interface {
	Token(ctx context.Context, req TokenRequest) (string, error)
}

// TokenRequest says what the token must satisfy.
type TokenRequest struct {
	Claims   string // JSON of a claims challenge, "" for none (A15)
	Rejected string // a token that a 401 refused: it must not be returned again, "" for none (Q76)
}

// healer puts the token on each request and, when Graph refuses it, has it renewed; in the end the 401 is passed on.
type healer struct {
	tokens TokenSource
	gate   *Gate
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (h *healer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	token, err := h.tokens.Token(ctx, TokenRequest{})
	if err != nil {
		return nil, tokenError(ctx, err)
	}
	for renewals := 0; ; renewals++ {
		resp, err := h.send(req, token)
		if err != nil || renewals == maxRenewals || !h.refused(resp) {
			return resp, err
		}
		claims := claimsChallenge(resp.Header)
		_ = resp.Body.Close()
		h.gate.count(func(s *GateStats) { s.Renewals++ })
		if token, err = h.tokens.Token(ctx, TokenRequest{Claims: claims, Rejected: token}); err != nil {
			return nil, tokenError(ctx, err)
		}
	}
}

// maxRenewals is how often a request is repeated with another token. One is enough for a token that has died; but where
// many workers share one, a renewed token may be refused because another worker has had it renewed meanwhile, which says
// nothing about this request.
const maxRenewals = 2

// tokenError marks a failure to sign in, unless it is the caller or the gate who gave up.
func tokenError(ctx context.Context, err error) error {
	if errors.Is(err, ErrGaveUp) {
		return err
	}
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
	undo(resp)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &replayed{Reader: bytes.NewReader(body), Closer: resp.Body}
	return !bytes.Contains(body, []byte("Unable to initialize RPS"))
}

// replayed is a body that was read and is read again.
type replayed struct {
	io.Reader
	io.Closer
}
