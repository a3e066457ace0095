package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// TransferLimits end downloads that do not move (I-59, Q63). Only time spent waiting for the network counts, not the
// time the caller takes to store what it got.
type TransferLimits struct {
	Idle   time.Duration // longest wait for any byte; 0 for the default
	Window time.Duration // time over which the rate is measured; 0 for the default
	Rate   int64         // fewest bytes a second over a window; 0 for the default, negative for none
}

const (
	defaultIdle   = 60 * time.Second
	defaultWindow = 60 * time.Second
	defaultRate   = 1 << 10 // a kilobyte a second: below, it is an attack or a dead line
)

// filled replaces what is not set by the defaults.
func (l TransferLimits) filled() TransferLimits {
	if l.Idle <= 0 {
		l.Idle = defaultIdle
	}
	if l.Window <= 0 {
		l.Window = defaultWindow
	}
	if l.Rate == 0 {
		l.Rate = defaultRate
	}
	return l
}

// guard reads a body and ends it when it stalls.
type guard struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	limits TransferLimits
	idle   *time.Timer

	waited time.Duration // in the present window
	got    int64
}

// newGuard takes over a body and the context of its request.
func newGuard(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, limits TransferLimits) *guard {
	g := &guard{body: body, ctx: ctx, cancel: cancel, limits: limits}
	g.idle = time.AfterFunc(limits.Idle, func() { cancel(ErrStalled) })
	g.idle.Stop()
	return g
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	began := time.Now()
	g.idle.Reset(g.limits.Idle)
	n, err := g.body.Read(p)
	g.idle.Stop()
	g.waited += time.Since(began)
	g.got += int64(n)
	switch {
	case err == io.EOF:
		return n, err
	case err != nil:
		if errors.Is(context.Cause(g.ctx), ErrStalled) {
			err = fmt.Errorf("%w: nothing came for %s", ErrStalled, g.limits.Idle)
		}
		return n, err
	case g.waited >= g.limits.Window:
		if float64(g.got) < float64(g.limits.Rate)*g.waited.Seconds() {
			g.cancel(ErrStalled)
			return n, fmt.Errorf("%w: %d bytes in %s", ErrStalled, g.got, g.waited.Round(time.Second))
		}
		g.waited, g.got = 0, 0
	}
	return n, nil
}

// Close ends the request.
func (g *guard) Close() error {
	g.idle.Stop()
	err := g.body.Close()
	g.cancel(nil)
	return err
}

// bounded makes sure that a body has as many bytes as it announced and no more than it may.
type bounded struct {
	io.ReadCloser
	left int64 // announced and not yet read, negative if nothing was announced
	most int64 // allowed, negative for any number
	got  int64
}

// Read implements io.Reader. A body that ends early without an error of its own is cut short, not complete (I-05).
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	switch {
	case b.most >= 0 && b.got > b.most:
		return n, fmt.Errorf("%w: content goes on after %d bytes", ErrTooLarge, b.most)
	case b.left >= 0 && b.got > b.left:
		return n, &protocolError{op: opContent, reason: "the content is longer than announced"}
	case err == io.EOF && b.left >= 0 && b.got < b.left:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}
