// Package auth signs in to Microsoft Entra and hands out access tokens for Microsoft Graph.
//
// Here live the sign-in methods (one file each), the single token that a [Source] holds, the token
// cache file of device logins, and the translation of Entra's errors into advice. The OAuth exchange
// itself is left to Microsoft's library (MSAL). Nothing here calls Graph, reads configuration or
// prints. Of the environment only proxies (HTTPS_PROXY) and the variables by which managed identity
// endpoints announce themselves are read.
//
// The invariant to know: a secret (client secret, private key, federated token, refresh token,
// access token) leaves this package only as the return value of [Source.Token], in the body of an
// request to the configured login (HTTPS, or plain on loopback), or in the 0600 token cache. No error, no String method and
// no log ever contains one (I-61), and a redirect never carries one elsewhere (I-55).
package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/spmirror/spmirror/graph"
)

var _ graph.TokenSource = (*Source)(nil)

// New returns a source of tokens for the one method that c names. There is no fallback chain: what
// was reviewed in the configuration is what signs in. New makes no request; it reports every mistake
// in c that can be seen offline.
func New(c Config) (*Source, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	source := &Source{method: c.Method}
	switch c.Method {
	case ClientSecret:
		source.acquire = newApplication(c, secretCredential(c.ClientSecret)).acquire
	case ClientCertificate:
		source.acquire = newApplication(c, certificateCredential(c.Certificate)).acquire
	case OIDC, WorkloadIdentity:
		assertion, err := newAssertionSource(c)
		if err != nil {
			return nil, err
		}
		source.acquire = newApplication(c, federatedCredential(assertion)).acquire
	case ManagedIdentity:
		source.acquire = newManagedIdentity(c).acquire
	case AzureCLI:
		source.acquire = newAzureCLI(c).acquire
	case DeviceCode:
		device, err := newDevice(c)
		if err != nil {
			return nil, err
		}
		source.acquire, source.device = device.acquire, device
	}
	return source, nil
}

// Login signs a person in with a device code and stores the result in the token cache. It calls
// Config.Prompt once and then waits until the person is done, the code expires or ctx ends.
// Methods other than device_code have nothing to log in to and answer with an error.
func (s *Source) Login(ctx context.Context) error {
	if s.device == nil {
		return &Error{Method: s.method, Message: "only device_code has a login", Advice: "This method signs in by itself; no login is needed."}
	}
	got, err := s.device.login(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = got
	return nil
}

// Logout forgets the signed-in person: the token cache file is removed. Tokens already handed out
// stay valid at the service until they expire.
func (s *Source) Logout() error {
	s.mu.Lock()
	s.held = grant{}
	s.mu.Unlock()
	if s.device == nil {
		return nil
	}
	if err := os.Remove(s.device.cache.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// authority is the URL of the tenant at the login, in the form that MSAL parses: the first path
// segment is the tenant, and host and port are kept as they are.
func (c Config) authority() string {
	if host := c.plainLogin(); host != "" {
		return "https://" + host + "/" + c.TenantID
	}
	return strings.TrimSuffix(c.Login, "/") + "/" + c.TenantID
}

// scope asks for everything granted on the one resource, which is all that client credentials can
// ask for (A1).
func (c Config) scope() string {
	return strings.TrimSuffix(c.Graph, "/") + "/.default"
}

func (c Config) httpClient() *http.Client {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	return &http.Client{Transport: graph.SignInTransport(c.RootCAs)}
}
