package graph

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Times and sizes of connections. Every wait has an end (I-59).
const (
	dialTimeout      = 15 * time.Second
	handshakeTimeout = 15 * time.Second
	headerTimeout    = 100 * time.Second // Graph's own gateway gives up at about the same time
	idleConnTimeout  = 90 * time.Second
	pingAfter        = 20 * time.Second // a dead HTTP/2 connection would otherwise be used again and again (Q63)
	pingTimeout      = 15 * time.Second
	maxHeaderBytes   = 64 << 10 // Go's own limit is 10 MB (N20)
	maxIdlePerHost   = 256      // as many downloads as may run at once (DEPS B6)
	contentReadBytes = 64 << 10
)

// LookupFunc resolves a host name to addresses.
type LookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// DialFunc opens a connection to host:port.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer opens connections and refuses addresses inside the own network: the check is made on the address that is
// really dialled, so a name that changes its meaning between check and use gains nothing (H-68, T-09).
type dialer struct {
	policy  *policy
	lookup  LookupFunc
	direct  DialFunc // in place of everything, for a tenant inside this process
	proxies sync.Map // host:port of proxies the operator configured; those may be anywhere
}

// dial connects to a host and port.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.direct != nil {
		return d.direct(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	nd := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if _, proxy := d.proxies.Load(address); !proxy {
		nd.Control = func(_, resolved string, _ syscall.RawConn) error { return d.permit(host, resolved) }
	}
	if d.lookup == nil {
		return nd.DialContext(ctx, network, address)
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	err = refused("%q has no address", shown(host))
	for _, addr := range addrs {
		var conn net.Conn
		if conn, err = nd.DialContext(ctx, network, net.JoinHostPort(addr.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// permit decides about a resolved address.
func (d *dialer) permit(host, resolved string) error {
	addr, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return refused("its resolved address cannot be read")
	}
	ip := addr.Addr().Unmap().WithZone("")
	host = strings.ToLower(host)
	if isLoopbackName(host) {
		if d.policy.loopback && ip.IsLoopback() {
			return nil
		}
		return refused("it leads to this machine")
	}
	if d.policy.custom && host == hostOnly(d.policy.host) {
		return nil // the operator named this host
	}
	if !public(ip) {
		return refused("%q resolves to an address inside a private network", shown(host))
	}
	return nil
}

// public tells whether an address belongs to the open Internet.
func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false // also loopback, link-local with the metadata address, multicast, unspecified
	}
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(ip) {
		raw := ip.As16()
		return public(netip.AddrFrom4([4]byte(raw[12:]))) // the IPv4 address it stands for decides
	}
	for _, block := range reserved() {
		if block.Contains(ip) {
			return false
		}
	}
	return true
}

// reserved lists blocks that net/netip counts as global although no server on the Internet has such an address, or that
// embed an IPv4 address which would escape the check.
func reserved() []netip.Prefix {
	blocks := []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "2001::/32", "2001:db8::/32", "2002::/16", "fec0::/10"}
	prefixes := make([]netip.Prefix, len(blocks))
	for i, b := range blocks {
		prefixes[i] = netip.MustParsePrefix(b)
	}
	return prefixes
}

// hostOnly removes a port.
func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// proxy asks the environment and remembers the answer for dial. Behind a proxy it is the proxy that resolves names, so
// the check of addresses is its business; the policy for hosts still holds.
func (d *dialer) proxy(req *http.Request) (*url.URL, error) {
	if d.direct != nil {
		return nil, nil // a tenant inside this process is behind no proxy
	}
	u, err := http.ProxyFromEnvironment(req)
	if u != nil {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
		}
		d.proxies.Store(net.JoinHostPort(u.Hostname(), port), struct{}{})
	}
	return u, err
}

// transport makes the common part of both transports. Neither follows redirects, keeps cookies or sends a Referer: they
// are used without an http.Client.
func (d *dialer) transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  d.proxy,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		DisableCompression:     true, // asked for, bounded and undone by us
		Protocols:              new(http.Protocols),
	}
}

// apiTransport speaks HTTP/2 where the service does.
func (d *dialer) apiTransport(roots *x509.CertPool) *http.Transport {
	t := d.transport(roots)
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return t
}

// contentTransport speaks HTTP/1.1 only, which moves four times the bytes for the same work (DEPS B6).
func (d *dialer) contentTransport(roots *x509.CertPool) *http.Transport {
	t := d.transport(roots)
	t.Protocols.SetHTTP1(true)
	t.ReadBufferSize = contentReadBytes
	return t
}
