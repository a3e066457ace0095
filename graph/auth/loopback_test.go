package auth

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// servePlain starts the login on 127.0.0.1 without TLS.
func servePlain(t *testing.T) (*fakeLogin, Config) {
	t.Helper()
	login := &fakeLogin{}
	server := httptest.NewServer(login)
	t.Cleanup(server.Close)
	login.root = server.URL
	c := configFor(server.URL, &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		t.Errorf("the configured client was asked for %s", r.URL)
		return nil, io.ErrUnexpectedEOF
	})})
	return login, c
}

func TestALoginOnLoopbackMaySpeakPlainHTTP(t *testing.T) {
	login, c := servePlain(t)
	token, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{})
	if err != nil || token != "token-1" {
		t.Fatalf("token %q, error %v", token, err)
	}
	forms := login.seen()
	if len(forms) != 1 || forms[0].Get("client_secret") != "s3cr3t-canary" {
		t.Errorf("the login was sent %d forms", len(forms))
	}
}

func TestACertificateSignsInToAPlainLogin(t *testing.T) {
	login, c := servePlain(t)
	cert, key := keyPair(t, time.Now().Add(time.Hour))
	c.Method, c.ClientSecret, c.Certificate = ClientCertificate, nil, Certificate{Data: pemOf(t, cert, key)}
	if _, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{}); err != nil {
		t.Fatal(err)
	}
	got := verifyAssertion(t, login.seen()[0].Get("client_assertion"), cert)
	if aud, _ := got.claims["aud"].(string); !strings.HasPrefix(aud, "https://127.0.0.1:") {
		t.Errorf("the audience is %q", aud)
	}
}

func TestPlainHTTPIsRefusedBeyondLoopback(t *testing.T) {
	for _, login := range []string{"http://login.example.test", "http://192.0.2.1", "http://localhost.example.test", "http://127.0.0.1.example.test",
		"http://login.microsoftonline.com", "http://[2001:db8::1]:80", "http://0.0.0.0", "http://user@127.0.0.1", "http://127.0.0.1/tenant", "http://127.0.0.1@evil.example.test", "ftp://127.0.0.1"} {
		c := configFor(login, nil)
		if _, err := New(c); err == nil {
			t.Errorf("%s was taken", login)
		} else if e := asError(t, err); !strings.Contains(e.Message, "login endpoint") {
			t.Errorf("%s: %v", login, err)
		}
	}
	for _, login := range []string{"http://127.0.0.1:1", "http://[::1]:1", "http://LocalHost:1", "http://127.9.9.9"} {
		if _, err := New(configFor(login, nil)); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
}

func TestAPlainLoginCannotSendTheSecretElsewhere(t *testing.T) {
	var other atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	for _, endpoint := range []string{"http://login.example.test/token", "https://login.example.test/token", elsewhere.URL + "/token", "http://evil@localhost/token"} {
		login, c := servePlain(t)
		login.endpoint = endpoint
		_, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: error %v", endpoint, err)
		}
		if len(login.seen()) != 0 || other.Load() != 0 {
			t.Errorf("%s: a form was sent", endpoint)
		}
	}
}

func TestThePlainDialerStaysOnThisMachine(t *testing.T) {
	for address, ok := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "0.0.0.0:80": false, "nonsense": false} {
		if err := loopbackOnly(t.Context(), "tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestATLSLoginIsNeverAskedInTheClear(t *testing.T) {
	var schemes []string
	c := configFor("https://127.0.0.1:8443", &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		schemes = append(schemes, r.URL.Scheme)
		return nil, &url.Error{Op: "Get", URL: "x", Err: io.ErrUnexpectedEOF}
	})})
	if _, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{}); err == nil {
		t.Error("no error")
	}
	for _, s := range schemes {
		if s != "https" {
			t.Errorf("a request went over %s", s)
		}
	}
	if len(schemes) == 0 {
		t.Error("nothing was asked")
	}
}
