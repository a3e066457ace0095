package graph

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// gateLink lets each request wait at the gate and tells the gate what came of it. A request counts as under way until
// its body is closed.
type gateLink struct {
	gate *Gate
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *gateLink) RoundTrip(req *http.Request) (*http.Response, error) {
	trip := tripOf(req)
	ticket, err := l.gate.Acquire(req.Context(), trip.units)
	if err != nil {
		return nil, err
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		l.gate.count(func(s *GateStats) { s.Answers[0]++ })
		if isUnreachable(err) {
			ticket.unreachable(lossReason(req.URL.Hostname(), err))
		}
		ticket.Close()
		return nil, err
	}
	l.gate.count(func(s *GateStats) { s.Answers[statusClass(resp.StatusCode)]++ })
	if trip.asksForPause(resp) {
		wish, told := RetryAfter(resp.Header, time.Now())
		ticket.throttled(wish, told, throttleReason(trip, resp.StatusCode))
	} else {
		early, warned := rateLimitOf(resp.Header)
		ticket.answered(early, warned, resp.StatusCode < http.StatusInternalServerError)
	}
	resp.Body = &gatedBody{ReadCloser: resp.Body, ctx: req.Context(), ticket: ticket}
	return resp, nil
}

// statusClass is the first digit of a status, 0 for what is none.
func statusClass(status int) int {
	if class := status / 100; class >= 1 && class <= 5 {
		return class
	}
	return 0
}

func throttleReason(t *trip, status int) string {
	who := "Microsoft Graph"
	if t.content {
		who = "the content host"
	}
	return fmt.Sprintf("%s answered %d to %s", who, status, t.op)
}

// gatedBody keeps the place at the gate while a body is read and paces the reading.
type gatedBody struct {
	io.ReadCloser
	ctx    context.Context
	ticket *Ticket
}

func (b *gatedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		if waitErr := b.ticket.gate.spend(b.ctx, n); waitErr != nil {
			return n, waitErr
		}
	}
	return n, err
}

func (b *gatedBody) Close() error {
	defer b.ticket.Close()
	return b.ReadCloser.Close()
}
