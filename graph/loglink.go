package graph

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// logger writes one debug line for each exchange: enough to find it in the service's own logs, nothing that opens a door.
type logger struct {
	log  *slog.Logger
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *logger) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return l.next.RoundTrip(req)
	}
	began := time.Now()
	resp, err := l.next.RoundTrip(req)
	attrs := []slog.Attr{
		slog.String("op", tripOf(req).op),
		slog.String("host", req.URL.Host),
		slog.Duration("took", time.Since(began)),
	}
	if path := loggedPath(req); path != "" {
		attrs = append(attrs, slog.String("path", path))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
		l.log.LogAttrs(ctx, slog.LevelDebug, "graph request failed", attrs...)
		return nil, err
	}
	attrs = append(attrs, slog.Int("status", resp.StatusCode), slog.String("request_id", cleanID(resp.Header.Get("request-id"))),
		slog.String("client_request_id", req.Header.Get("client-request-id")))
	if retry := resp.Header.Get("Retry-After"); retry != "" {
		attrs = append(attrs, slog.String("retry_after", clean(retry, 40)))
	}
	l.log.LogAttrs(ctx, slog.LevelDebug, "graph request", attrs...)
	return resp, nil
}

// loggedPath is the path without query. On content hosts even the path can be the key to a file, and so can an encoded
// sharing link (C8).
func loggedPath(req *http.Request) string {
	if tripOf(req).content {
		return ""
	}
	if at := strings.Index(req.URL.Opaque, "/shares/"); at >= 0 {
		return req.URL.Opaque[:at] + "/shares/" + hidden
	}
	if at := strings.IndexByte(req.URL.Opaque, '('); at >= 0 {
		return req.URL.Opaque[:at] + "(…)" // delta(token='…')
	}
	return req.URL.Opaque
}
