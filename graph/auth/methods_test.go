package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"software.sslmate.com/src/go-pkcs12"
)

func TestSecretSignsInAtAnEmulatedLoginOnLoopback(t *testing.T) {
	login, config := serve(t)
	token, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
	if err != nil || token != "token-1" {
		t.Fatalf("Token = %q, %v", token, err)
	}
	form := login.seen()[0]
	for key, want := range map[string]string{
		"client_id": testClient, "client_secret": "s3cr3t-canary", "grant_type": "client_credentials",
		"claims": `{"access_token":{"xms_cc":{"values":["cp1"]}}}`,
	} {
		if got := form.Get(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if scope := strings.Fields(form.Get("scope")); len(scope) == 0 || scope[0] != testGraph+"/.default" {
		t.Errorf("scope = %q", scope)
	}
}

func TestLoginWithAnUnknownCertificateAuthorityIsRefused(t *testing.T) {
	login, config := serve(t)
	roots := config.HTTPClient.Transport.(*http.Transport).TLSClientConfig.RootCAs
	config.HTTPClient = nil
	_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
	if e := asError(t, err); e.Transient() || len(login.seen()) != 0 { // it would not help to wait
		t.Fatalf("error %v, transient %v, requests %d", e, e.Transient(), len(login.seen()))
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("the cause %v is not kept", err)
	}
	config.RootCAs = roots
	if token, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{}); err != nil || token != "token-1" {
		t.Errorf("with its authority: %q, %v", token, err)
	}
}

func TestSecretIsReadAgainForEverySignIn(t *testing.T) {
	login, config := serve(t)
	secrets := []string{"first-secret", "second-secret"}
	config.ClientSecret = func() (string, error) { s := secrets[0]; secrets = secrets[1:]; return s, nil }
	source := mustNew(t, config)
	first, _ := source.Token(t.Context(), graph.TokenRequest{})
	if _, err := source.Token(t.Context(), graph.TokenRequest{Rejected: first}); err != nil {
		t.Fatal(err)
	}
	forms := login.seen()
	if forms[0].Get("client_secret") != "first-secret" || forms[1].Get("client_secret") != "second-secret" {
		t.Errorf("secrets sent: %q, %q", forms[0].Get("client_secret"), forms[1].Get("client_secret"))
	}
}

func TestSecretFileIsReadWithoutItsLineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(" value \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := SecretFile(path)(); err != nil || got != " value " {
		t.Errorf("SecretFile = %q, %v", got, err)
	}
	if _, err := SecretFile(path + ".none")(); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestCertificateSignsAnAssertionThatEntraWouldAccept(t *testing.T) {
	cert, key := keyPair(t, time.Now().Add(time.Hour))
	pfx, err := pkcs12.Modern.Encode(key, cert, nil, "pfx-password")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(path, pemOf(t, cert, key), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, certificate := range map[string]Certificate{
		"PEM":       {Data: pemOf(t, cert, key)},
		"PEM file":  {Path: path},
		"PFX":       {Data: pfx, Password: func() (string, error) { return "pfx-password", nil }},
		"PEM chain": {Data: pemOf(t, cert, key), SendChain: true},
	} {
		t.Run(name, func(t *testing.T) {
			login, config := serve(t)
			config.Method, config.Certificate, config.ClientSecret = ClientCertificate, certificate, nil
			if _, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{}); err != nil {
				t.Fatal(err)
			}
			form := login.seen()[0]
			if got := form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("client_assertion_type = %q", got)
			}
			got := verifyAssertion(t, form.Get("client_assertion"), cert)
			thumbprint := sha256.Sum256(cert.Raw)
			for key, want := range map[string]any{"alg": "PS256", "typ": "JWT",
				// MSAL writes standard Base64 where the page says Base64url (A4).
				"x5t#S256": base64.StdEncoding.EncodeToString(thumbprint[:])} {
				if got.header[key] != want {
					t.Errorf("header %s = %v, want %v", key, got.header[key], want)
				}
			}
			for key, want := range map[string]any{"aud": login.root + "/" + testTenant + "/oauth2/v2.0/token", "iss": testClient, "sub": testClient} {
				if got.claims[key] != want {
					t.Errorf("claim %s = %v, want %v", key, got.claims[key], want)
				}
			}
			notBefore, expires := got.claims["nbf"].(float64), got.claims["exp"].(float64)
			if life := time.Duration(expires-notBefore) * time.Second; life < 5*time.Minute || life > 10*time.Minute {
				t.Errorf("assertion lives %v", life)
			}
			if _, sent := got.header["x5c"]; sent != certificate.SendChain {
				t.Errorf("x5c sent: %v", sent)
			}
		})
	}
}

func TestCertificatesThatCannotWorkAreRefusedWithAdvice(t *testing.T) {
	cert, key := keyPair(t, time.Now().Add(time.Hour))
	expired, expiredKey := keyPair(t, time.Now().Add(-time.Hour))
	other, _ := keyPair(t, time.Now().Add(time.Hour))
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pfx, err := pkcs12.Modern.Encode(key, cert, nil, "right")
	if err != nil {
		t.Fatal(err)
	}
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "DES-EDE3-CBC,00"}, Bytes: []byte{1}})
	for _, test := range []struct {
		name string
		in   Certificate
		want string
	}{
		{"encrypted PKCS 8 key", Certificate{Data: encrypted}, "encrypted"},
		{"legacy encrypted key", Certificate{Data: legacy}, "encrypted"},
		{"expired", Certificate{Data: pemOf(t, expired, expiredKey)}, "expired on"},
		{"another certificate's key", Certificate{Data: pemOf(t, other, key)}, "belongs to the private key"},
		{"elliptic key", Certificate{Data: pemOf(t, cert, curve)}, "not RSA"},
		{"wrong PFX password", Certificate{Data: pfx, Password: func() (string, error) { return "wrong-canary", nil }}, "password"},
		{"not a certificate", Certificate{Data: []byte("hello")}, "neither PEM nor"},
		{"no key", Certificate{Data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})}, "no private key"},
		{"missing file", Certificate{Path: filepath.Join(t.TempDir(), "none.pem")}, "none.pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			login, config := serve(t)
			config.Method, config.Certificate = ClientCertificate, test.in
			_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
			e := asError(t, err)
			if !strings.Contains(e.Message, test.want) || strings.Contains(e.Error(), "canary") {
				t.Errorf("error = %v, want %q", e, test.want)
			}
			if e.Advice == "" && test.name != "missing file" {
				t.Error("no advice")
			}
			if len(login.seen()) != 0 {
				t.Error("the login was asked")
			}
		})
	}
}

func TestGitHubTokenIsFetchedAnewAndExchanged(t *testing.T) {
	login, config := serve(t)
	asked := 0
	github := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer request-token" ||
			r.URL.Query().Get("audience") != "api://AzureADTokenExchange" || r.URL.Query().Get("api-version") != "2.0" {
			reply(w, 401, map[string]any{})
			return
		}
		reply(w, 200, map[string]any{"value": "github-jwt"})
	}))
	defer github.Close()
	config.HTTPClient = trustBoth(config.HTTPClient, github)
	config.Method, config.ClientSecret = OIDC, nil
	config.Federation = Federation{RequestURL: github.URL + "/token?api-version=2.0", RequestToken: "request-token"}
	source := mustNew(t, config)
	first, err := source.Token(t.Context(), graph.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := login.seen()[0].Get("client_assertion"); got != "github-jwt" {
		t.Errorf("client_assertion = %q", got)
	}
	if _, err := source.Token(t.Context(), graph.TokenRequest{Rejected: first}); err != nil || asked != 2 {
		t.Errorf("second sign-in: %v, GitHub asked %d times", err, asked)
	}
}

func TestAzureDevOpsTokenIsExchanged(t *testing.T) {
	login, config := serve(t)
	devops := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Query().Get("serviceConnectionId") != "connection" || r.URL.Query().Get("api-version") == "" {
			reply(w, 400, map[string]any{})
			return
		}
		reply(w, 200, map[string]any{"oidcToken": "devops-jwt"})
	}))
	defer devops.Close()
	config.HTTPClient = trustBoth(config.HTTPClient, devops)
	config.Method = OIDC
	config.Federation = Federation{RequestURL: devops.URL, RequestToken: "x", ServiceConnectionID: "connection"}
	if _, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := login.seen()[0].Get("client_assertion"); got != "devops-jwt" {
		t.Errorf("client_assertion = %q", got)
	}
}

func TestRefusedPipelineTokenIsExplainedWithoutTheRequestToken(t *testing.T) {
	_, config := serve(t)
	github := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply(w, 403, map[string]any{"message": r.Header.Get("Authorization")})
	}))
	defer github.Close()
	config.HTTPClient = trustBoth(config.HTTPClient, github)
	config.Method = OIDC
	config.Federation = Federation{RequestURL: github.URL, RequestToken: "request-canary"}
	_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
	e := asError(t, err)
	if e.Status != 403 || !strings.Contains(e.Advice, "id-token: write") || strings.Contains(e.Error(), "canary") {
		t.Errorf("error = %v, advice %q", e, e.Advice)
	}
}

// trustBoth returns a client that trusts the login's server and another one.
func trustBoth(client *http.Client, other *httptest.Server) *http.Client {
	transport := client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = transport.TLSClientConfig.RootCAs.Clone()
	transport.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	return &http.Client{Transport: transport}
}

func TestWorkloadTokenFileIsReadForEverySignIn(t *testing.T) {
	login, config := serve(t)
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config.Method, config.Federation = WorkloadIdentity, Federation{TokenFile: path}
	source := mustNew(t, config)
	write("first")
	first, err := source.Token(t.Context(), graph.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	write("rotated")
	if _, err := source.Token(t.Context(), graph.TokenRequest{Rejected: first}); err != nil {
		t.Fatal(err)
	}
	forms := login.seen()
	if forms[0].Get("client_assertion") != "first" || forms[1].Get("client_assertion") != "rotated" {
		t.Errorf("assertions sent: %q, %q", forms[0].Get("client_assertion"), forms[1].Get("client_assertion"))
	}
}

func deviceConfig(t *testing.T, config Config) Config {
	t.Helper()
	config.Method, config.ClientSecret = DeviceCode, nil
	config.TokenCachePath = filepath.Join(t.TempDir(), "cache", "tokens.json")
	config.Prompt = func(UserCode) {}
	return config
}

func TestDeviceLoginWaitsForThePersonAndOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login, config := inMemory()
		login.pending = 3
		config = deviceConfig(t, config)
		var shown UserCode
		config.Prompt = func(code UserCode) { shown = code }
		source := mustNew(t, config)

		_, err := source.Token(t.Context(), graph.TokenRequest{})
		if e := asError(t, err); !e.LoginRequired || len(login.seen()) != 0 {
			t.Fatalf("before the login: %v", err)
		}
		if err := source.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		if shown.Code != "ABCD-1234" || shown.URL != login.root+"/device" || strings.Contains(shown.Message, "\x1b") || !shown.Expires.After(time.Now()) {
			t.Errorf("shown: %+v", shown)
		}
		token, err := source.Token(t.Context(), graph.TokenRequest{})
		if err != nil || token != "token-1" {
			t.Fatalf("after the login: %q, %v", token, err)
		}
		info, err := os.Stat(config.TokenCachePath)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("cache file: %v, %v", info, err)
		}

		next := mustNew(t, config) // another process
		if token, err = next.Token(t.Context(), graph.TokenRequest{}); err != nil || token != "token-1" {
			t.Fatalf("from the cache: %q, %v", token, err)
		}
		before := len(login.seen())
		if token, err = next.Token(t.Context(), graph.TokenRequest{Rejected: "token-1"}); err != nil || token != "token-2" {
			t.Fatalf("after a rejection: %q, %v", token, err)
		}
		form := login.seen()[before]
		if form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != "refresh-1" || form.Get("claims") != `{"access_token":{"xms_cc":{"values":["cp1"]}}}` {
			t.Errorf("refresh form: %v", form)
		}

		if err := next.Logout(); err != nil {
			t.Fatal(err)
		}
		_, err = next.Token(t.Context(), graph.TokenRequest{})
		if e := asError(t, err); e.Message != "nobody is logged in" {
			t.Errorf("after the logout: %v", err)
		}
		if err := next.Logout(); err != nil {
			t.Errorf("second logout: %v", err)
		}
	})
}

func TestDeviceLoginEnds(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   string
	}{
		"declined": {"authorization_declined", "declined"},
		"expired":  {"expired_token", "expired"},
		"ignored":  {"authorization_pending", "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				login, config := inMemory()
				login.intercept = func(w http.ResponseWriter, _ *http.Request, _ url.Values) bool {
					reply(w, 400, map[string]any{"error": test.answer})
					return true
				}
				err := mustNew(t, deviceConfig(t, config)).Login(t.Context())
				e := asError(t, err)
				if !strings.Contains(e.Advice, test.want) {
					t.Errorf("%v, advice %q", e, e.Advice)
				}
			})
		})
	}
}

func TestDeviceRefreshTokenThatEndedAsksForALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login, config := inMemory()
		source := mustNew(t, deviceConfig(t, config))
		if err := source.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		login.intercept = func(w http.ResponseWriter, _ *http.Request, _ url.Values) bool {
			reply(w, 400, map[string]any{"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired due to inactivity."})
			return true
		}
		time.Sleep(2 * time.Hour)
		_, err := source.Token(t.Context(), graph.TokenRequest{})
		if e := asError(t, err); !e.LoginRequired || e.AADSTS != 700082 {
			t.Errorf("error = %+v", e)
		}
	})
}

func TestTokenCacheThatOthersCanReadOrThatIsDamagedIsRefused(t *testing.T) {
	_, config := serve(t)
	for name, test := range map[string]struct {
		mode    os.FileMode
		content string
		want    string
	}{
		"readable by the group": {0o640, "{}", "by others (mode 0640)"},
		"readable by all":       {0o604, "{}", "by others (mode 0604)"},
		"damaged":               {0o600, `{"RefreshToken": "refresh-canary`, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			config := deviceConfig(t, config)
			config.TokenCachePath = filepath.Join(t.TempDir(), "tokens.json")
			if err := os.WriteFile(config.TokenCachePath, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(config.TokenCachePath, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
			if e := asError(t, err); e.Advice == "" || !strings.Contains(e.Message, test.want) || strings.Contains(e.Error(), "canary") {
				t.Errorf("error = %v", e)
			}
		})
	}
}

func TestEachLoginHasItsOwnDefaultCache(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	paths := map[string]bool{}
	for _, c := range []Config{{TenantID: "a", ClientID: "b"}, {TenantID: "a", ClientID: "c"}, {TenantID: "b", ClientID: "b"}, {TenantID: "A", ClientID: "B"}} {
		path, err := cachePath(c)
		if err != nil || !strings.HasPrefix(path, home) {
			t.Fatalf("cachePath = %q, %v", path, err)
		}
		paths[path] = true
	}
	if len(paths) != 3 {
		t.Errorf("%d files for three logins", len(paths))
	}
	t.Setenv("HOME", "")
	if _, err := cachePath(Config{}); !strings.Contains(asError(t, err).Advice, "token_cache_path") {
		t.Errorf("without a home: %v", err)
	}
}

func TestManagedIdentityAsksTheEndpointAndTakesNoRefusedToken(t *testing.T) {
	issued := []string{"one", "one", "two"}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-IDENTITY-HEADER") != "header" || r.URL.Query().Get("resource") != testGraph || r.URL.Query().Get("client_id") != testClient {
			reply(w, 400, map[string]any{"error": "invalid_request"})
			return
		}
		token := issued[0]
		issued = issued[1:]
		reply(w, 200, map[string]any{"access_token": token, "expires_on": time.Now().Add(time.Hour).Unix(), "resource": testGraph, "token_type": "Bearer"})
	}))
	defer service.Close()
	t.Setenv("IDENTITY_ENDPOINT", service.URL)
	t.Setenv("IDENTITY_HEADER", "header")
	source := mustNew(t, Config{Method: ManagedIdentity, ClientID: testClient, Graph: testGraph})
	token, err := source.Token(t.Context(), graph.TokenRequest{})
	if err != nil || token != "one" {
		t.Fatalf("Token = %q, %v", token, err)
	}
	if token, err = source.Token(t.Context(), graph.TokenRequest{Rejected: "one"}); err == nil {
		t.Fatalf("the refused token came back as %q", token)
	}
	if token, err = source.Token(t.Context(), graph.TokenRequest{Rejected: "one"}); err != nil || token != "two" {
		t.Errorf("Token = %q, %v", token, err)
	}
}

func TestAzureCLIRunsOneFixedCommand(t *testing.T) {
	cli := &azureCLI{config: Config{Method: AzureCLI, TenantID: testTenant, Graph: testGraph + "/"}}
	var ran []string
	answers := []string{
		`{"accessToken":"cli-1","expires_on":4102444800,"expiresOn":"ignored"}`,
		`{"accessToken":"cli-2","expiresOn":"2099-01-02 03:04:05.000006"}`,
		`{"accessToken":"cli-3"}`,
		`warning`,
	}
	cli.run = func(_ context.Context, args ...string) ([]byte, error) {
		ran = args
		answer := answers[0]
		answers = answers[1:]
		return []byte(answer), nil
	}
	for _, want := range []string{"cli-1", "cli-2", "", ""} {
		got, err := cli.acquire(t.Context(), wish{})
		if got.token != want || (err == nil) != (want != "") {
			t.Errorf("acquire = %q, %v, want %q", got.token, err, want)
		}
	}
	if got := strings.Join(ran, " "); got != "account get-access-token --output json --resource "+testGraph+" --tenant "+testTenant {
		t.Errorf("ran az %s", got)
	}
	if _, err := cli.acquire(t.Context(), wish{claims: `{}`}); !strings.Contains(asError(t, err).Advice, "az login") {
		t.Errorf("claims: %v", err)
	}
}

func TestMissingAzureCLIIsExplained(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := runAz(t.Context(), "version")
	if e := asError(t, err); !strings.Contains(e.Advice, "Install") {
		t.Errorf("error = %v", e)
	}
}
