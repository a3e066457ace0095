package auth

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testTenant = "contoso.onmicrosoft.com"
	testClient = "11111111-2222-3333-4444-555555555555"
	testGraph  = "https://graph.example.test"
)

// fakeLogin is a small Entra: discovery document, token endpoint, device codes. It hands out
// numbered tokens and records the forms that it was sent.
type fakeLogin struct {
	mu        sync.Mutex
	root      string // https://host:port
	forms     []url.Values
	issued    int
	discovers int

	bare      int           // status in place of the discovery document; 0: there is one
	life      time.Duration // of tokens; 0: an hour
	renewIn   time.Duration // refresh_in; 0: none
	pending   int           // device polls that answer authorization_pending
	endpoint  string        // token endpoint in the discovery document; "": own
	intercept func(w http.ResponseWriter, r *http.Request, form url.Values) bool
}

func (l *fakeLogin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := l.root + "/" + testTenant
	switch r.URL.Path {
	case "/" + testTenant + "/v2.0/.well-known/openid-configuration":
		l.mu.Lock()
		l.discovers++
		endpoint, bare := l.endpoint, l.bare
		l.mu.Unlock()
		if bare != 0 {
			reply(w, bare, map[string]any{"error": map[string]any{"code": "itemNotFound"}})
			return
		}
		if endpoint == "" {
			endpoint = base + "/oauth2/v2.0/token"
		}
		reply(w, 200, map[string]any{"authorization_endpoint": base + "/oauth2/v2.0/authorize",
			"token_endpoint": endpoint, "issuer": base + "/v2.0"})
	case "/" + testTenant + "/oauth2/v2.0/token":
		l.token(w, r)
	case "/" + testTenant + "/oauth2/v2.0/devicecode":
		reply(w, 200, map[string]any{"user_code": "ABCD-1234", "device_code": "device-secret",
			"verification_uri": l.root + "/device", "expires_in": 900, "interval": 5, "message": "go to\x1b[31m there"})
	default:
		http.NotFound(w, r)
	}
}

func (l *fakeLogin) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		reply(w, 400, map[string]any{"error": "invalid_request"})
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	form := r.PostForm
	l.forms = append(l.forms, form)
	if l.intercept != nil && l.intercept(w, r, form) {
		return
	}
	if form.Get("device_code") != "" && l.pending > 0 {
		l.pending--
		reply(w, 400, map[string]any{"error": "authorization_pending"})
		return
	}
	l.issued++
	life := l.life
	if life == 0 {
		life = time.Hour
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": int(life.Seconds()), "access_token": fmt.Sprintf("token-%d", l.issued)}
	if l.renewIn > 0 {
		answer["refresh_in"] = int(l.renewIn.Seconds())
	}
	if strings.Contains(form.Get("grant_type"), "device_code") || form.Get("grant_type") == "refresh_token" {
		answer["refresh_token"] = fmt.Sprintf("refresh-%d", l.issued)
		answer["scope"] = testGraph + "/.default"
		answer["client_info"] = raw(`{"uid":"ada","utid":"` + testTenant + `"}`)
		answer["id_token"] = raw(`{"alg":"none"}`) + "." + raw(`{"oid":"ada","preferred_username":"ada@contoso.example","tid":"`+testTenant+`"}`) + "."
	}
	reply(w, 200, answer)
}

func (l *fakeLogin) seen() []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]url.Values(nil), l.forms...)
}

func raw(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// serve starts the login on 127.0.0.1 with TLS and a certificate of its own.
func serve(t *testing.T) (*fakeLogin, Config) {
	t.Helper()
	login := &fakeLogin{}
	server := httptest.NewTLSServer(login)
	t.Cleanup(server.Close)
	login.root = server.URL
	return login, configFor(server.URL, server.Client())
}

// inMemory answers without a network, so that it works inside a synctest bubble.
func inMemory() (*fakeLogin, Config) {
	login := &fakeLogin{root: "https://127.0.0.1:8443"}
	return login, configFor(login.root, &http.Client{Transport: handlerTransport{login}})
}

func configFor(root string, client *http.Client) Config {
	return Config{Method: ClientSecret, TenantID: testTenant, ClientID: testClient, Login: root, Graph: testGraph,
		ClientSecret: func() (string, error) { return "s3cr3t-canary", nil }, HTTPClient: client}
}

type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	server := r.Clone(r.Context())
	if server.Body == nil {
		server.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	t.handler.ServeHTTP(recorder, server)
	return recorder.Result(), nil
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func mustNew(t *testing.T, c Config) *Source {
	t.Helper()
	source, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// keyPair returns a self-signed certificate and its key.
func keyPair(t *testing.T, notAfter time.Time) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "spmirror test"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func pemOf(t *testing.T, cert *x509.Certificate, key crypto.PrivateKey) []byte {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	_ = pem.Encode(&out, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return out.Bytes()
}

// assertion is a client assertion taken apart.
type assertion struct {
	header map[string]any
	claims map[string]any
}

// verifyAssertion checks a PS256 signature with the certificate's key, as Entra does.
func verifyAssertion(t *testing.T, jwt string, cert *x509.Certificate) assertion {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("assertion has %d parts", len(parts))
	}
	var got assertion
	for i, into := range []*map[string]any{&got.header, &got.claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPSS(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature, nil); err != nil {
		t.Fatalf("signature: %v", err)
	}
	return got
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *auth.Error", err, err)
	}
	return e
}
