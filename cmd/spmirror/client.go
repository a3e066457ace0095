package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/auth"
	"github.com/spmirror/spmirror/sandbox"
)

// client is the connection to one tenant.
type client struct {
	*graph.Client
	tenant    *config.Tenant
	tokens    graph.TokenSource
	addresses *apply.Addresses // of what was listed, while this process applies its own plan
	closers   []func()
}

func (c *client) close() {
	c.Client.Close()
	for _, f := range c.closers {
		f()
	}
}

// client returns the connection to a tenant, made on first use.
func (s *session) client(address string) (*client, error) {
	if s.inventory {
		return nil, &problem{code: "SPM0723", summary: "The inventory does not know this source",
			detail: "A plan from an inventory asks no source. A mirror of a new site or library can be planned only where the state is."}
	}
	for i := range s.cfg.Tenants {
		if t := &s.cfg.Tenants[i]; t.Address == address {
			return s.pool.client(t, connecting{log: s.log, statePath: s.cfg.Backend.Path, networkWait: s.networkWait, now: s.env.now, inside: s.env.inside})
		}
	}
	return nil, fmt.Errorf("%s is not declared", address)
}

// connecting is what a connection needs beside its tenant.
type connecting struct {
	log       *slog.Logger
	watch     func(graph.GateEvent)
	now       func() time.Time
	statePath string // beside which an embedded tenant keeps its journal
	// networkWait is how long a network that is gone is waited for; 0 for the default.
	networkWait time.Duration
	inside      func(*config.Tenant, *graph.Options) // see environment
}

func connect(t *config.Tenant, with connecting) (*client, error) {
	gate, err := gateConfig(t, with)
	if err != nil {
		return nil, err
	}
	o := graph.Options{
		UserAgent: t.UserAgent, Version: version, Gate: graph.NewGate(gate), Logger: with.log, AllowedHosts: t.AllowedHosts,
	}
	c := &client{tenant: t}
	if with.inside != nil {
		with.inside(t, &o)
	} else if t.Sandbox != nil {
		if err := embed(c, &o, with); err != nil {
			return nil, &problem{code: "SPM0901", summary: "The sandbox of " + t.Address + " cannot be served", err: err}
		}
	} else if err := signIn(t, &o); err != nil {
		return nil, loginProblem(t, apply.CodeSignIn, err)
	}
	c.tokens = o.Tokens
	if c.Client, err = graph.New(o); err != nil {
		return nil, err
	}
	return c, nil
}

// gateConfig turns the limits of a tenant into those of its gate.
func gateConfig(t *config.Tenant, with connecting) (graph.GateConfig, error) {
	gate := graph.GateConfig{
		Tenant: t.Name, InFlight: t.Limits.RequestsInFlight, PerMinute: t.Limits.RequestsPerMinute,
		Bandwidth: t.Limits.Bandwidth, Observer: with.watch, NetworkWait: with.networkWait,
	}
	var err error
	if t.Limits.QuietHours != "" {
		gate.QuietHours, err = graph.ParseQuietHours(t.Limits.QuietHours)
	}
	return gate, err
}

// signIn fills the options for a real tenant, or one on a custom endpoint.
func signIn(t *config.Tenant, o *graph.Options) error {
	o.Cloud, o.AllowLoopback = cloudOf(t), t.Environment == "custom"
	a, err := authConfig(t)
	if err != nil {
		return err
	}
	o.RootCAs = a.RootCAs
	tokens, err := auth.New(a)
	if err != nil {
		return err
	}
	o.Tokens = tokens
	return nil
}

func cloudOf(t *config.Tenant) graph.Cloud {
	if t.Environment == "custom" {
		return graph.Cloud{Name: "custom", Login: t.Endpoints.Login, Graph: t.Endpoints.Graph}
	}
	cloud, _ := graph.CloudByName(t.Environment)
	return cloud
}

// authConfig says how to sign in to a tenant.
func authConfig(t *config.Tenant) (auth.Config, error) {
	cloud := cloudOf(t)
	a := auth.Config{
		Method: auth.Method(t.Auth.Method), TenantID: t.TenantID, Login: cloud.Login, Graph: cloud.Graph,
		ClientID:       t.Auth.ClientID,
		Certificate:    auth.Certificate{Path: t.Auth.CertificatePath, Password: secretFunc(t.Auth.CertificatePassword), SendChain: t.Auth.SendChain},
		TokenCachePath: t.Auth.TokenCachePath,
		Federation: auth.Federation{
			Token: secretFunc(t.Auth.OIDCToken), TokenFile: t.Auth.OIDCTokenFile, RequestURL: t.Auth.OIDCRequestURL,
			RequestToken: t.Auth.OIDCRequestToken.Reveal(), ServiceConnectionID: t.Auth.ServiceConnectionID,
		},
	}
	if a.ClientSecret = secretFunc(t.Auth.ClientSecret); a.ClientSecret == nil && t.Auth.ClientSecretFile != "" {
		a.ClientSecret = auth.SecretFile(t.Auth.ClientSecretFile)
	}
	if a.ClientID == "" && t.Auth.ClientIDFile != "" {
		id, err := auth.SecretFile(t.Auth.ClientIDFile)()
		if err != nil {
			return a, fmt.Errorf("read client_id_file_path: %w", err)
		}
		a.ClientID = strings.TrimSpace(id)
	}
	if t.Endpoints.CAFile == "" {
		return a, nil
	}
	var err error
	a.RootCAs, err = readCA(t.Endpoints.CAFile)
	return a, err
}

// secretFunc hands a secret on without a copy of it lying about; nil if it is not set.
func secretFunc(s config.Secret) func() (string, error) {
	if !s.IsSet() {
		return nil
	}
	return func() (string, error) { return s.Reveal(), nil }
}

func readCA(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read ca_file %q: no certificate in it", path)
	}
	return pool, nil
}

// sandboxAddress is the address of every embedded tenant. It is the same in every
// run, as delta links are kept between runs; nothing connects to it.
const sandboxAddress = "http://127.0.0.1"

// embed starts the emulated tenant of a sandbox block on loopback and fills the
// options for it.
func embed(c *client, o *graph.Options, with connecting) error {
	opts, err := sandboxOptions(c.tenant, with.statePath)
	if err != nil {
		return err
	}
	opts.Log = with.log
	tenant, err := sandbox.New(opts)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tenant.Close()
		return err
	}
	server := &http.Server{Handler: tenant.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	c.closers = append(c.closers, func() { server.Close(); <-done; tenant.Close() })
	o.Cloud = graph.Cloud{Name: "sandbox", Login: sandboxAddress, Graph: sandboxAddress}
	o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
	o.AllowLoopback = true
	o.Tokens = sandboxTokens{tenant}
	return nil
}

// sandboxTokens signs in to the embedded tenant without a detour over the network.
type sandboxTokens struct{ tenant *sandbox.Tenant }

func (t sandboxTokens) Token(context.Context, graph.TokenRequest) (string, error) {
	return t.tenant.AccessToken(sandbox.DemoClientID)
}
