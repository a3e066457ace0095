package graph

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// trip is what the links of the chain know of a request beside the request itself.
type trip struct {
	op      string // for messages and logs
	units   int    // resource units it costs (T10)
	content bool   // it goes to a content host: no token, nothing that names the file is logged
	fragile bool   // a 503 that names no pause is the item's own failure (C26)
}

type tripKey struct{}

// withTrip attaches a trip to a request.
func withTrip(ctx context.Context, req *http.Request, t *trip) *http.Request {
	return req.WithContext(context.WithValue(ctx, tripKey{}, t))
}

// tripOf finds the trip of a request.
func tripOf(req *http.Request) *trip {
	if t, ok := req.Context().Value(tripKey{}).(*trip); ok {
		return t
	}
	return &trip{op: "request", units: 1}
}

// asksForPause tells whether an answer is a throttle for this trip.
func (t *trip) asksForPause(resp *http.Response) bool {
	if t.fragile && resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		return false
	}
	return isThrottle(statusOf(resp))
}

// statusOf is the status of an answer, or 429 for the redirect by which SharePoint shows a throttled caller a page (Q58).
func statusOf(resp *http.Response) int {
	if to, redirect := target(resp); redirect && hasSuffixFold(to.Path, "/throttle.htm") {
		return http.StatusTooManyRequests
	}
	return resp.StatusCode
}

// contentStatus is the status of a content host's answer. It sees no login: a redirect to a page where people sign in
// says that it does not take the address any more (C6).
func contentStatus(resp *http.Response) int {
	to, redirect := target(resp)
	signIn := redirect && (hasSuffixFold(to.Path, "/authenticate.aspx") || hasSuffixFold(to.Path, "/_forms/default.aspx") ||
		hasSuffixFold(to.Path, "/accessdenied.aspx") || hasPrefixFold(to.Host, "login."))
	if signIn {
		return http.StatusUnauthorized
	}
	return statusOf(resp)
}

// target is where a redirect leads, as far as that can be read.
func target(resp *http.Response) (*url.URL, bool) {
	if !isRedirect(resp.StatusCode) {
		return nil, false
	}
	to, err := url.Parse(resp.Header.Get("Location"))
	return to, err == nil
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
