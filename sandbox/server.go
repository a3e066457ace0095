package sandbox

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServeOptions say how a tenant listens.
type ServeOptions struct {
	// Listen is the address of Graph, login and admin ("127.0.0.1:0" when empty). It is on loopback:
	// the secret of the application is known to everybody, and a directory may be served.
	Listen string
	// TLS makes a certificate authority and serves HTTPS.
	TLS bool
	// OneHost serves content on the listener of Graph too. Otherwise content has a port of its own, so
	// that a bearer token sent along would be seen.
	OneHost bool
	// Proxy starts a CONNECT proxy that leads every host to the listener; it needs TLS.
	Proxy bool
	// PublicGraph, PublicContent and PublicLogin are the addresses that links and redirects name
	// ("https://graph.microsoft.com"). By default they name what the client called; PublicContent "*"
	// stands for the host of each site.
	PublicGraph, PublicContent, PublicLogin string
}

// Server is a tenant that listens.
type Server struct {
	// GraphURL, LoginURL and ContentURL are the addresses of the faces, without version.
	GraphURL, LoginURL, ContentURL string
	// ProxyURL is the address of the CONNECT proxy, "" when there is none.
	ProxyURL string

	caPEM   []byte
	pool    *x509.CertPool
	servers []*http.Server
	proxy   net.Listener
	tunnels sync.WaitGroup
	running sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool
	closed  bool
}

// CAPEM is the certificate authority in PEM, nil without TLS.
func (s *Server) CAPEM() []byte { return s.caPEM }

// RootCAs holds the certificate authority, nil without TLS.
func (s *Server) RootCAs() *x509.CertPool { return s.pool }

// Start listens until the context ends or the server is closed.
func (t *Tenant) Start(ctx context.Context, o ServeOptions) (*Server, error) {
	s := &Server{conns: map[net.Conn]bool{}}
	listen := cmp.Or(o.Listen, "127.0.0.1:0")
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", listen, err)
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("listen on %q: the sandbox listens on loopback only", listen)
	}
	if o.Proxy && !o.TLS {
		return nil, errors.New("the CONNECT proxy needs TLS")
	}
	var config *tls.Config
	if o.TLS {
		if config, err = s.makeAuthority(t); err != nil {
			return nil, fmt.Errorf("make the certificates of the sandbox: %w", err)
		}
	}
	if err := t.listenAll(ctx, s, o, listen, host, config); err != nil {
		_ = s.Close()
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

func (t *Tenant) listenAll(ctx context.Context, s *Server, o ServeOptions, listen, host string, config *tls.Config) error {
	public := publicHosts{o.PublicGraph, o.PublicContent, o.PublicLogin}
	if o.OneHost || o.Proxy { // behind the proxy the hosts are told apart by name
		at, err := s.serve(ctx, listen, config, t.handler(public, nil))
		if err != nil {
			return err
		}
		s.GraphURL, s.LoginURL, s.ContentURL = at, at, at
	} else {
		content, err := s.serve(ctx, net.JoinHostPort(host, "0"), config, t.handler(public, func(f face) bool { return f == faceContent }))
		if err != nil {
			return err
		}
		s.ContentURL = content
		public.content = cmp.Or(public.content, content)
		at, err := s.serve(ctx, listen, config, t.handler(public, func(f face) bool { return f != faceContent }))
		if err != nil {
			return err
		}
		s.GraphURL, s.LoginURL = at, at
	}
	if o.Proxy {
		return s.serveProxy(host)
	}
	return nil
}

// serve starts one listener. TLS handshakes happen in the goroutine of each connection, so a client
// that stalls in one delays nobody.
func (s *Server) serve(ctx context.Context, addr string, config *tls.Config, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	// net/http writes to the configuration it is given, so each server has one of its own.
	srv := &http.Server{Handler: h, TLSConfig: config.Clone(), ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	s.servers = append(s.servers, srv)
	s.running.Go(func() {
		if config != nil {
			_ = srv.ServeTLS(l, "", "") // ends with ErrServerClosed
			return
		}
		_ = srv.Serve(l)
	})
	scheme := "http://"
	if config != nil {
		scheme = "https://"
	}
	return scheme + l.Addr().String(), nil
}

// Close ends all listeners and connections and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var errs []error
	if s.proxy != nil {
		errs = append(errs, s.proxy.Close())
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	s.running.Wait()
	s.tunnels.Wait()
	return errors.Join(errs...)
}

// certificateLife is short: the authority dies with the process anyway.
const certificateLife = 30 * 24 * time.Hour

// serverNames are the hosts of all clouds that the certificate covers (A13).
func (t *Tenant) serverNames() []string {
	return []string{"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn",
		"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
		t.name + ".sharepoint.com", "*.sharepoint.com", "*.sharepoint.us", "*.sharepoint.cn", "localhost"}
}

// makeAuthority makes a certificate authority and a server certificate, both in memory.
func (s *Server) makeAuthority(t *Tenant) (*tls.Config, error) {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "spmirror sandbox CA"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(certificateLife), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	// As it was made it has the key identifier that the leaf must name: strict clients (Python from 3.13 on) want it.
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "graph.microsoft.com"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(certificateLife), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: t.serverNames(), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	s.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	s.pool = x509.NewCertPool()
	s.pool.AppendCertsFromPEM(s.caPEM)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
