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
	if t.content && isThrottlePage(resp) {
		return true
	}
	return isThrottle(resp.StatusCode)
}

// isThrottlePage recognises the redirect by which SharePoint shows a throttled caller a page (Q58).
func isThrottlePage(resp *http.Response) bool {
	if !isRedirect(resp.StatusCode) {
		return false
	}
	u, err := url.Parse(resp.Header.Get("Location"))
	return err == nil && hasSuffixFold(u.Path, "/throttle.htm")
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
