package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

func TestEntraErrorsCarryNumberIdsAndAdvice(t *testing.T) {
	for _, test := range []struct {
		body    string
		number  int
		message string
		advice  string
	}{
		{`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: t-1 Correlation ID: c-1 Timestamp: 2026-01-01 00:00:00Z","error_codes":[7000215],"trace_id":"t-1","correlation_id":"c-1"}`,
			7000215, "Invalid client secret provided.", "not its id"},
		{`{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired.\r\nTrace ID: t-1\r\nCorrelation ID: c-1","trace_id":"t-1","correlation_id":"c-1"}`,
			7000222, "The provided client secret keys are expired.", "expired"},
		{`{"error":"unauthorized_client","error_description":"no number here","error_codes":[700016],"correlation_id":"c-1","trace_id":"t-1"}`,
			700016, "no number here", "client_id"},
		{`{"error":"invalid_grant","error_description":"AADSTS53003: Access has been blocked by Conditional Access policies.","correlation_id":"c-1","trace_id":"t-1"}`,
			53003, "Access has been blocked by Conditional Access policies.", "Conditional Access"},
		{`{"error":"invalid_client","correlation_id":"c-1","trace_id":"t-1"}`, 0, "invalid_client", "credential"},
	} {
		login, config := serve(t)
		login.intercept = func(w http.ResponseWriter, _ *http.Request, _ url.Values) bool {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, test.body)
			return true
		}
		_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
		e := asError(t, err)
		if e.AADSTS != test.number || e.Message != test.message || !strings.Contains(e.Advice, test.advice) ||
			e.CorrelationID != "c-1" || e.TraceID != "t-1" || e.Status != 401 || e.Transient() || e.Method != ClientSecret {
			t.Errorf("%s\nbecame %+v", test.body, e)
		}
		if !strings.Contains(err.Error(), "c-1") {
			t.Errorf("no correlation id in %q", err)
		}
	}
}

func TestNoErrorContainsASecret(t *testing.T) {
	echo := func(format string, status int) func(http.ResponseWriter, *http.Request, url.Values) bool {
		return func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, format, form.Get("client_secret"))
			return true
		}
	}
	for name, intercept := range map[string]func(http.ResponseWriter, *http.Request, url.Values) bool{
		"description":         echo(`{"error":"invalid_client","error_description":"AADSTS7000215: %s is wrong"}`, 401),
		"code":                echo(`{"error":"%s"}`, 400),
		"correlation id":      echo(`{"error":"x","correlation_id":"%s"}`, 400),
		"page":                echo(`<html>%s</html>`, 400),
		"cut off token":       echo(`{"access_token":"%s`, 200),
		"token of wrong type": echo(`{"access_token":["%s"]}`, 200),
	} {
		t.Run(name, func(t *testing.T) {
			login, config := serve(t)
			login.intercept = intercept
			_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
			if err == nil {
				t.Fatal("no error")
			}
			for ; err != nil; err = errors.Unwrap(err) {
				for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
					if text := fmt.Sprintf(format, err); strings.Contains(text, "canary") {
						t.Errorf("secret in %s", text)
					}
				}
			}
		})
	}
}

func TestConfigDoesNotPrintItsSecrets(t *testing.T) {
	config := configFor("https://login.example.test", nil)
	config.Certificate.Data = []byte("key-canary")
	config.Federation.RequestToken = "request-canary"
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{config, &config} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%d", []byte("key-"))) {
				t.Errorf("%s: %s", format, text)
			}
		}
	}
}

func TestNetworkErrorsStayRecognisable(t *testing.T) {
	_, config := serve(t)
	config.HTTPClient = &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	})}
	_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
	if e := asError(t, err); !e.Transient() || e.Unreached() == "" || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error = %v", err)
	}
}

func TestRedirectsAreNotFollowedWithTheSecret(t *testing.T) {
	for _, status := range []int{302, 307, 308} {
		login, config := serve(t)
		login.intercept = func(w http.ResponseWriter, r *http.Request, _ url.Values) bool {
			w.Header().Set("Location", login.root+r.URL.Path)
			w.WriteHeader(status)
			return true
		}
		_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
		if e := asError(t, err); e.Status != status || len(login.seen()) != 1 {
			t.Errorf("%d: %v after %d requests", status, err, len(login.seen()))
		}
	}
}

func TestTheDiscoveryDocumentCannotSendTheSecretElsewhere(t *testing.T) {
	for _, endpoint := range []string{"https://evil.example.test/token", "https://127.0.0.1/token", "PLAIN"} {
		login, config := serve(t)
		login.endpoint = endpoint
		if endpoint == "PLAIN" {
			login.endpoint = "http" + strings.TrimPrefix(login.root, "https") + "/" + testTenant + "/oauth2/v2.0/token"
		}
		_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
		if e := asError(t, err); !strings.Contains(e.Message, "not the configured login") || len(login.seen()) != 0 {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestAnAnswerWithoutEndIsCut(t *testing.T) {
	login, config := serve(t)
	login.intercept = func(w http.ResponseWriter, _ *http.Request, _ url.Values) bool {
		_, _ = io.Copy(w, io.LimitReader(neverEnding('x'), maxAnswer*3))
		return true
	}
	_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
	if e := asError(t, err); !strings.Contains(e.Message, "longer than") {
		t.Errorf("error = %v", e)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(b)}, len(p)))
	return len(p), nil
}

func TestEachCloudKnowsItsOwnAliasesOnly(t *testing.T) {
	for root, want := range map[string]map[string]bool{
		"https://login.microsoftonline.com":        {"login.windows.net": true, "login.microsoftonline.us": false},
		"https://login.partner.microsoftonline.cn": {"login.chinacloudapi.cn": true, "login.microsoftonline.com": false},
		"https://login.sovcloud-identity.fr":       {"login.sovcloud-identity.fr": true, "login.sovcloud-identity.de": false},
		"https://Login.Example.Test:8443/":         {"login.example.test:8443": true, "login.example.test": false},
	} {
		d := newLoginDoer(Config{Login: root})
		for host, allowed := range want {
			if d.hosts[host] != allowed {
				t.Errorf("%s: %s allowed %v", root, host, d.hosts[host])
			}
		}
	}
}

func TestConfigurationMistakesAreFoundOffline(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no method":          {func(c *Config) { c.Method = "" }, "no sign-in method"},
		"unknown method":     {func(c *Config) { c.Method = "password" }, "unknown"},
		"no tenant":          {func(c *Config) { c.TenantID = "" }, "tenant_id"},
		"common":             {func(c *Config) { c.TenantID = "Common" }, "tenant_id"},
		"tenant as path":     {func(c *Config) { c.TenantID = "a/../b" }, "tenant_id"},
		"tenant as option":   {func(c *Config) { c.TenantID = "--query" }, "tenant_id"},
		"adfs":               {func(c *Config) { c.TenantID = "adfs" }, "tenant_id"},
		"no client":          {func(c *Config) { c.ClientID = "" }, "client_id"},
		"plain login":        {func(c *Config) { c.Login = "http://login.example.test" }, "not https"},
		"login with path":    {func(c *Config) { c.Login = "https://host.example/tenant" }, "more than a host"},
		"login with account": {func(c *Config) { c.Login = "https://a:canary@host.example" }, "plain host"},
		"no graph":           {func(c *Config) { c.Graph = "" }, "Graph"},
		"no secret":          {func(c *Config) { c.ClientSecret = nil }, "client_secret"},
		"no certificate":     {func(c *Config) { c.Method = ClientCertificate }, "certificate"},
		"no token":           {func(c *Config) { c.Method = OIDC }, "federated"},
		"no token file":      {func(c *Config) { c.Method = WorkloadIdentity }, "federated token file"},
		"url without token":  {func(c *Config) { c.Method = OIDC; c.Federation.RequestURL = "https://x.example" }, "without oidc_request_token"},
		"plain request url": {func(c *Config) {
			c.Method = OIDC
			c.Federation = Federation{RequestURL: "http://x.example", RequestToken: "t"}
		}, "https"},
		"two tokens": {func(c *Config) {
			c.Method = OIDC
			c.Federation = Federation{TokenFile: "f", RequestURL: "https://x.example", RequestToken: "t"}
		}, "more than one"},
	} {
		config := configFor("https://login.example.test", nil)
		test.change(&config)
		_, err := New(config)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if e := asError(t, err); !strings.Contains(e.Message, test.want) || e.Advice == "" || strings.Contains(e.Error(), "canary") {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestOnlyDeviceCodeHasALogin(t *testing.T) {
	_, config := serve(t)
	source := mustNew(t, config)
	if err := source.Login(t.Context()); err == nil {
		t.Error("logged in with a client secret")
	}
	if err := source.Logout(); err != nil {
		t.Error(err)
	}
}

func FuzzForeignTextIsOneCleanLine(f *testing.F) {
	f.Add("AADSTS7000215: Invalid\r\nTrace ID: x")
	f.Add("AADSTS99999999999999999999: \x1b[2J\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		_, message := splitDescription(text)
		for _, r := range message {
			if r < ' ' || r == 0x7f || r == '\u202e' {
				t.Fatalf("%q left %q", text, message)
			}
		}
		if len([]rune(message)) > maxMessage+1 {
			t.Fatalf("%d runes", len([]rune(message)))
		}
	})
}

func FuzzCertificatesNeverPanic(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x03})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		if _, _, err := (Certificate{Data: data}).load(); err == nil {
			t.Skip("a valid certificate")
		}
	})
}
