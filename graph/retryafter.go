package graph

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	minPause = time.Second // a shorter wish is answered with this (Q65)
	// endless stands for every wish too long for arithmetic.
	endless = 100 * 365 * 24 * time.Hour
)

// RetryAfter reads how long an answer asks to wait: the larger of Retry-After and RateLimit-Reset, over all headers of
// these names (T6, I-53). It tells whether any of them said something usable.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date // an HTTP date is measured against the clock that wrote it
	}
	var longest time.Duration
	found := false
	for _, name := range []string{"Retry-After", "RateLimit-Reset"} {
		for _, value := range h.Values(name) {
			if d, ok := parseDelay(value, now); ok {
				found = true
				longest = max(longest, d)
			}
		}
	}
	if !found {
		return 0, false
	}
	return max(longest, minPause), true
}

// parseDelay reads whole seconds, a decimal, or an HTTP date. Negative wishes and past dates are "now"; what is not a
// number at all is nothing.
func parseDelay(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > 1024 {
		// Digits without end are a wish without end; anything else of that length is noise.
		return endless, value != "" && strings.Trim(value, "0123456789") == ""
	}
	if strings.Trim(value, "0123456789.+-eE") == "" {
		seconds, err := strconv.ParseFloat(value, 64)
		if math.IsInf(seconds, 1) || seconds >= endless.Seconds() {
			return endless, true
		}
		if err != nil {
			return 0, false
		}
		return max(0, time.Duration(seconds*float64(time.Second))), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(0, at.Sub(now)), endless), true
}

// rateLimit is the early warning of SharePoint Online (T6).
type rateLimit struct {
	limit, remaining int64
	reset            time.Duration
}

// rateLimitOf reads the warning; it counts only when all three parts are there and make sense.
func rateLimitOf(h http.Header) (rateLimit, bool) {
	var r rateLimit
	var err error
	if r.limit, err = strconv.ParseInt(h.Get("RateLimit-Limit"), 10, 64); err != nil || r.limit <= 0 {
		return rateLimit{}, false
	}
	if r.remaining, err = strconv.ParseInt(h.Get("RateLimit-Remaining"), 10, 64); err != nil || r.remaining < 0 {
		return rateLimit{}, false
	}
	reset, ok := parseDelay(h.Get("RateLimit-Reset"), time.Time{})
	if !ok || reset <= 0 || reset > time.Hour {
		return rateLimit{}, false
	}
	r.reset = reset
	return r, true
}
