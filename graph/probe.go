package graph

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Probe is how Graph answers at all, whatever it answers.
type Probe struct {
	Status int
	Took   time.Duration
	Server time.Time // the server's clock, zero if it does not say
	Proto  string    // HTTP/2.0
	TLS    string    // TLS 1.3; "" without TLS
	Proxy  string    // host of the proxy that the environment names, "" for none
}

// maxProbeBody is how much of an answer is read so that the connection can be used again.
const maxProbeBody = 64 << 10

// Probe asks Graph once, with a token and without retries, for something that exists in every tenant. A refusal is an
// answer, too.
func (c *Client) Probe(ctx context.Context) (Probe, error) {
	const op = "probe"
	k := c.path(op, "/sites/root", UnitsItem, nil)
	if k.url == nil {
		return Probe{}, opError(op, errors.New("the address of Graph cannot be built"))
	}
	start := time.Now()
	resp, err := c.api.RoundTrip(withTrip(ctx, newRequest(k.url), &trip{op: op, units: k.units}))
	if err != nil {
		return Probe{}, opError(op, err)
	}
	defer resp.Body.Close()
	p := Probe{Status: resp.StatusCode, Took: time.Since(start), Proto: resp.Proto, Proxy: proxyOf(k.url)}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.Server = at
	}
	if resp.TLS != nil {
		p.TLS = tls.VersionName(resp.TLS.Version)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxProbeBody)
	return p, nil
}

// proxyOf is the proxy for an address, without what may be a password in front of it.
func proxyOf(u *url.URL) string {
	at := *u
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &at})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}
