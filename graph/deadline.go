package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// callTimeout ends one exchange with Graph, from the dial to the last byte of the answer. The service's own gateway
// gives up after about as long.
const callTimeout = 100 * time.Second

// errCallTimeout is the cause of a call that took too long; it is a failure of the network, not of the caller.
var errCallTimeout = fmt.Errorf("%w: no complete answer in time", ErrNetwork)

// deadline puts an end to each exchange. Waiting at the gate does not count: that stands outside.
type deadline struct {
	after time.Duration
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (d *deadline) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(d.after, func() { cancel(errCallTimeout) })
	end := func() {
		timer.Stop()
		cancel(nil)
	}
	resp, err := d.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errCallTimeout) {
			err = cause
		}
		end()
		return nil, err
	}
	resp.Body = &timedBody{ReadCloser: resp.Body, ctx: ctx, end: end}
	return resp, nil
}

// timedBody ends the deadline when the body is closed, and names it when it ended the reading.
type timedBody struct {
	io.ReadCloser
	ctx context.Context
	end func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errCallTimeout) {
		err = errCallTimeout
	}
	return n, err
}

func (b *timedBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
