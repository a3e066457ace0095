package graph

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options says which Graph to talk to, and how. Cloud and Tokens are required.
type Options struct {
	Cloud        Cloud
	Tokens       TokenSource
	UserAgent    string // complete value; "" for the decorated default (T20)
	Version      string // of the program, for the default user agent
	Gate         *Gate  // shared by everything that works on this tenant with this app; nil for a gate of its own
	Logger       *slog.Logger
	RootCAs      *x509.CertPool // nil for the system's
	AllowedHosts []string       // further suffixes of content hosts
	// AllowLoopback allows plain http and IP literals, on loopback addresses only: for an emulated tenant, whose Graph is
	// on loopback itself.
	AllowLoopback bool
	// Lookup replaces the resolver. Its answers are checked like any other's.
	Lookup LookupFunc
	// Dial replaces connecting altogether. It is for a tenant that is emulated inside this process, whose links must
	// name the same host in every run whatever port it listens on. The policy for addresses still holds.
	Dial DialFunc
	// Transfer guards downloads; the zero value has sensible limits.
	Transfer TransferLimits
	// MaxPage is the largest answer read into memory, decoded; 0 for the default of 64 MiB.
	MaxPage int64
}

const (
	defaultMaxPage = 64 << 20
	bodyStart      = 256 << 10
	bodyKeep       = 8 << 20 // larger buffers are not kept for reuse
)

// Client reads from one tenant. It is safe for use by many goroutines.
type Client struct {
	policy   *policy
	gate     *Gate
	api      http.RoundTripper
	content  http.RoundTripper
	plain    []*http.Transport
	transfer TransferLimits
	maxPage  int64
	buffers  sync.Pool
}

// New makes a client.
func New(o Options) (*Client, error) {
	if o.Tokens == nil {
		return nil, errors.New("graph: no token source")
	}
	policy, err := newPolicy(o.Cloud, o.AllowedHosts, o.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	if o.Gate == nil {
		o.Gate = NewGate(GateConfig{})
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent(o.Version)
	}
	if o.MaxPage <= 0 {
		o.MaxPage = defaultMaxPage
	}
	d := &dialer{policy: policy, lookup: o.Lookup, direct: o.Dial}
	api, content := d.apiTransport(o.RootCAs), d.contentTransport(o.RootCAs)
	c := &Client{policy: policy, gate: o.Gate, transfer: o.Transfer.filled(), maxPage: o.MaxPage, plain: []*http.Transport{api, content}}
	c.assemble(o, api, content)
	return c, nil
}

// assemble builds the two chains upon their transports.
func (c *Client) assemble(o Options, api, content http.RoundTripper) {
	c.api = &healer{tokens: &signIn{o.Tokens, o.Gate}, gate: o.Gate, next: chain(o, &deadline{after: callTimeout, next: &wire{api}})}
	c.content = chain(o, &wire{content})
}

// chain puts the links that both kinds of request share in front of a transport.
func chain(o Options, next http.RoundTripper) http.RoundTripper {
	next = &logger{log: o.Logger, next: next}
	next = &decorator{userAgent: o.UserAgent, next: next}
	return &gateLink{gate: o.Gate, next: next}
}

// Close gives up idle connections. Requests under way are not disturbed.
func (c *Client) Close() {
	for _, t := range c.plain {
		t.CloseIdleConnections()
	}
}

// Gate returns the gate of the client.
func (c *Client) Gate() *Gate { return c.gate }

// call is one exchange with Graph: a read, unless write says otherwise.
type call struct {
	op     string
	url    *url.URL
	units  int
	header http.Header
	list   bool                                   // a 400 may go away (Q70)
	link   bool                                   // a stored delta link
	read   func(body []byte, h http.Header) error // reads the answer; nil for a redirect, or if there is nothing to read
	moved  func(resp *http.Response) error        // takes a redirect, or whatever success came instead
	write  *write
}

// path makes a call to a path below the version; the path is escaped already.
func (c *Client) path(op, path string, units int, read func([]byte, http.Header) error) call {
	u, err := c.policy.api(c.policy.root(path))
	if err != nil {
		read = func([]byte, http.Header) error { return fmt.Errorf("%s: %w", op, err) }
	}
	return call{op: op, url: u, units: units, read: read}
}

// do runs a call to its end.
func (c *Client) do(ctx context.Context, k call) error {
	if k.url == nil {
		return k.read(nil, nil) // the address could not be built, see path
	}
	r := &retry{gate: c.gate, list: k.list, link: k.link, once: k.write != nil && k.write.once}
	err := r.do(ctx, func() error { return c.attempt(ctx, k) })
	if _, answered := AsError(err); err != nil && !answered && !errors.Is(err, ErrProtocol) {
		return fmt.Errorf("%s: %w", k.op, err)
	}
	return err
}

// attempt sends once and reads the answer.
func (c *Client) attempt(ctx context.Context, k call) error {
	req := newRequest(k.url)
	for name, values := range k.header {
		req.Header[name] = values
	}
	if k.write != nil {
		k.write.put(req)
	}
	resp, err := c.api.RoundTrip(withTrip(ctx, req, &trip{op: k.op, units: k.units}))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if k.moved != nil && statusOf(resp) < http.StatusBadRequest {
		return k.moved(resp)
	}
	if !k.succeeded(resp.StatusCode) {
		return c.answerError(k, resp)
	}
	if k.read == nil {
		return nil
	}
	buf := c.buffer()
	defer c.keep(buf)
	if err := c.readJSON(buf, k.op, resp); err != nil {
		return err
	}
	return k.read(buf.Bytes(), resp.Header)
}

// answerError turns an answer other than the one that was hoped for into an error.
func (c *Client) answerError(k call, resp *http.Response) error {
	if statusOf(resp) < http.StatusBadRequest {
		// A redirect has no place here (N09), nor has a 204 or a 206; those may be a slip of the moment (N19).
		return &protocolError{op: k.op, reason: fmt.Sprintf("unexpected status %d", resp.StatusCode), requestID: cleanID(resp.Header.Get("request-id")),
			transient: !isRedirect(resp.StatusCode)}
	}
	undo(resp)
	e := newError(k.op, resp, time.Now())
	if location := resp.Header.Get("Location"); location != "" && e.IsResync() {
		location = absolute(k.url, location)
		if _, err := c.policy.api(location); err == nil {
			e.Location = Link(location) // anything else is dropped: start without a token instead (Q6, D45)
		}
	}
	if e.IsAuth() {
		return fmt.Errorf("%w: %w", ErrToken, e) // also after it was renewed: it is nobody's own failure (I-55)
	}
	return e
}

// buffer takes a buffer out of the store.
func (c *Client) buffer() *bytes.Buffer {
	if b, ok := c.buffers.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return bytes.NewBuffer(make([]byte, 0, bodyStart))
}

// keep puts a buffer back unless it has grown out of the ordinary.
func (c *Client) keep(b *bytes.Buffer) {
	if b.Cap() <= bodyKeep {
		c.buffers.Put(b)
	}
}
