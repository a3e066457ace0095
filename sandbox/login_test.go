package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const tokenURL = "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"

func post(tn *Tenant, address string, form url.Values, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp
}

func secretForm() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {DemoClientID}, "client_secret": {DemoSecret}, "scope": {"https://graph.microsoft.com/.default"}}
}

func with(v url.Values, key, value string) url.Values {
	v.Set(key, value)
	return v
}

func TestClientCredentialsGiveATokenThatGraphTakes(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for name, resp := range map[string]*http.Response{
		"secret in the form": post(tn, tokenURL, secretForm()),
		"Graph not named":    post(tn, tokenURL, with(secretForm(), "scope", ".default")),
		"secret by Basic": post(tn, tokenURL, with(secretForm(), "client_secret", ""), "Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(DemoClientID+":"+DemoSecret))),
	} {
		m := object(t, resp, 200)
		if m["token_type"] != "Bearer" || m["expires_in"] != float64(3599) || m["refresh_token"] != nil {
			t.Errorf("%s: %v", name, m)
		}
		object(t, ask(tn, driveURL(d, ""), "Authorization", "Bearer "+text(m, "access_token")), 200)
		_, rest, _ := strings.Cut(text(m, "access_token"), ".")
		payload, _, _ := strings.Cut(rest, ".")
		if raw, _ := base64.RawURLEncoding.DecodeString(payload); !strings.Contains(string(raw), `"Sites.Read.All"`) || !strings.Contains(string(raw), `"idtyp":"app"`) {
			t.Errorf("%s: the token says %s", name, raw)
		}
	}
}

func TestTokenRequestsAreRefusedWithTheErrorsOfTheService(t *testing.T) {
	tn, _ := smallTenant(t, nil)
	for _, c := range []struct {
		name, address string
		form          url.Values
		status        int
		code          string
	}{
		{"a wrong secret", tokenURL, with(secretForm(), "client_secret", "x"), 401, "invalid_client"},
		{"an unknown application", tokenURL, with(secretForm(), "client_id", "x"), 400, "unauthorized_client"},
		{"a scope without .default", tokenURL, with(secretForm(), "scope", "Files.Read.All"), 400, "invalid_scope"},
		{"another grant", tokenURL, with(secretForm(), "grant_type", "password"), 400, "unsupported_grant_type"},
		{"common for an application (A1)", strings.Replace(tokenURL, "contoso.onmicrosoft.com", "common", 1), secretForm(), 400, "invalid_request"},
		{"another tenant", strings.Replace(tokenURL, "contoso", "fabrikam", 1), secretForm(), 400, "invalid_request"},
		{"a foreign refresh token", tokenURL, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}, "client_id": {DemoClientID}}, 400, "invalid_grant"},
	} {
		m := object(t, post(tn, c.address, c.form), c.status)
		if m["error"] != c.code || !strings.HasPrefix(text(m, "error_description"), "AADSTS") || m["trace_id"] == nil {
			t.Errorf("%s: %v", c.name, m)
		}
	}
}

func TestBadTokensAreRefused(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, d := smallTenant(t, func(o *Options) { o.Now = func() time.Time { return now } })
	token, err := tn.AccessToken("")
	if err != nil {
		t.Fatal(err)
	}
	refresh := tn.issue(&tn.opts.Apps[0], "refresh", false)
	check := func(name, header string, status int) {
		t.Helper()
		resp := ask(tn, driveURL(d, ""), "Authorization", header)
		if resp.StatusCode != status {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
		if status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	check("good", "Bearer "+token, 200)
	check("lower case scheme", "bearer "+token, 200)
	check("none", "", 401)
	check("no scheme", token, 401)
	check("altered", "Bearer "+token[:len(token)-2]+"xx", 401)
	check("a refresh token", "Bearer "+refresh, 401)
	tn.Revoke(token)
	check("revoked", "Bearer "+token, 401)
	token, _ = tn.AccessToken("")
	now = now.Add(time.Hour)
	check("expired", "Bearer "+token, 401)
}

func TestRolesAreWantedAtGraph(t *testing.T) {
	tn, d := smallTenant(t, func(o *Options) { o.Apps[0].Roles = []string{"Files.Read.All"} })
	token, _ := tn.AccessToken("")
	auth := []string{"Authorization", "Bearer " + token}
	object(t, ask(tn, driveURL(d, "/root"), auth...), 200)
	wantCode(t, ask(tn, "/sites/root", auth...), 403, "accessDenied")
	wantCode(t, ask(tn, "/sites/getAllSites", auth...), 403, "accessDenied")
	wantCode(t, ask(tn, "/users", auth...), 403, "accessDenied")
	if n := len(values(object(t, ask(tn, "/sites", auth...), 200))); n != 0 {
		t.Errorf("/sites shows %d sites without the role (S23)", n)
	}
}

func TestAClaimsChallengeEndsWithATokenAskedForWithClaims(t *testing.T) {
	tn, d := smallTenant(t, nil)
	tn.ChallengeClaims()
	resp := ask(tn, driveURL(d, ""))
	_, encoded, ok := strings.Cut(resp.Header.Get("WWW-Authenticate"), `claims="`)
	if resp.StatusCode != 401 || !ok || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="insufficient_claims"`) {
		t.Fatalf("status %d, header %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
	claims, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, `"`))
	if err != nil {
		t.Fatal(err)
	}
	m := object(t, post(tn, tokenURL, with(secretForm(), "claims", string(claims))), 200)
	object(t, ask(tn, driveURL(d, ""), "Authorization", "Bearer "+text(m, "access_token")), 200)
}

func TestRefreshTokensGoRound(t *testing.T) {
	tn, _ := smallTenant(t, func(o *Options) { o.AnyRefreshToken = true })
	common := strings.Replace(tokenURL, "contoso.onmicrosoft.com", "common", 1)
	m := object(t, post(tn, common, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}}, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("b15665d9:secret"))), 200)
	m = object(t, post(tn, common, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(m, "refresh_token")}}), 200)
	if m["access_token"] == nil || m["refresh_token"] == nil {
		t.Errorf("the answer is %v", m)
	}
}

func TestADeviceCodeWaitsForTheUser(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, _ := smallTenant(t, func(o *Options) { o.Now = func() time.Time { return now } })
	begin := func() map[string]any {
		return object(t, post(tn, strings.Replace(tokenURL, "/token", "/devicecode", 1), url.Values{"client_id": {DemoClientID}, "scope": {"Files.Read.All offline_access"}}), 200)
	}
	poll := func(code string) map[string]any {
		now = now.Add(5 * time.Second)
		resp := post(tn, tokenURL, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {DemoClientID}, "device_code": {code}})
		return object(t, resp, resp.StatusCode)
	}
	m := begin()
	code := text(m, "device_code")
	if got := poll(code)["error"]; got != "authorization_pending" {
		t.Errorf("before: %v", got)
	}
	if m["verification_uri_complete"] != nil || m["interval"] != float64(5) {
		t.Errorf("the answer is %v (A12)", m)
	}
	tn.AuthorizeDevice(text(m, "user_code"), true)
	if got := poll(code); got["access_token"] == nil {
		t.Errorf("after: %v", got)
	}
	if got := poll(code)["error"]; got != "bad_verification_code" {
		t.Errorf("a second time: %v", got)
	}
	m = begin()
	tn.AuthorizeDevice(text(m, "user_code"), false)
	if got := poll(text(m, "device_code"))["error"]; got != "authorization_declined" {
		t.Errorf("declined: %v", got)
	}
	m = begin()
	now = now.Add(15 * time.Minute)
	if got := poll(text(m, "device_code"))["error"]; got != "expired_token" {
		t.Errorf("too late: %v", got)
	}
}

func TestTheScopesOfASignInSayWhatComesOfIt(t *testing.T) {
	for scope, want := range map[string]struct{ refresh, person bool }{
		"Files.Read.All":                               {},
		"Files.Read.All offline_access":                {refresh: true},
		"Files.Read.All openid":                        {person: true},
		"Files.Read.All openid profile offline_access": {true, true},
		"https://graph.microsoft.com/.default openid":  {person: true},
	} {
		tn, _ := smallTenant(t, nil)
		m := object(t, post(tn, strings.Replace(tokenURL, "/token", "/devicecode", 1), url.Values{"client_id": {DemoClientID}, "scope": {scope}}), 200)
		tn.AuthorizeDevice("", true)
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {DemoClientID}, "device_code": {text(m, "device_code")}}
		m = object(t, post(tn, tokenURL, form), 200)
		if (m["refresh_token"] != nil) != want.refresh || (m["id_token"] != nil) != want.person || (m["client_info"] != nil) != want.person {
			t.Errorf("%q gives %v (A12)", scope, m)
		}
		if all, _, _ := strings.Cut(scope, " "); strings.HasSuffix(all, "/.default") && !strings.Contains(text(m, "scope"), all) {
			t.Errorf("%q is not among what is granted: %v", all, m["scope"])
		}
		if !want.person {
			continue
		}
		_, rest, _ := strings.Cut(text(m, "id_token"), ".")
		payload, _, _ := strings.Cut(rest, ".")
		var claims struct{ Aud, OID, Preferred_username string }
		raw, _ := base64.RawURLEncoding.DecodeString(payload)
		if err := json.Unmarshal(raw, &claims); err != nil || claims.Aud != DemoClientID || claims.OID == "" || claims.Preferred_username != "ann@contoso.com" {
			t.Errorf("%q: who signed in is %s, %v", scope, raw, err)
		}
	}
}

// makeCertificate makes a self-signed certificate.
func makeCertificate(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{Subject: pkix.Name{CommonName: "app"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func signAssertion(t *testing.T, key *rsa.PrivateKey, head, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(head) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	var sig []byte
	var err error
	if head["alg"] == "PS256" {
		sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestCertificateAssertionsAreChecked(t *testing.T) {
	key, cert := makeCertificate(t)
	stranger, _ := makeCertificate(t)
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, _ := smallTenant(t, func(o *Options) { o.Apps[0].Certificates = []*x509.Certificate{cert} })
	long, short := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw)
	for i, c := range []struct {
		name string
		bend func(head, claims map[string]any)
		key  *rsa.PrivateKey
		ok   bool
	}{
		{"PS256 with x5t#S256 (A3)", func(_, _ map[string]any) {}, key, true},
		{"standard Base64 with padding (A4)", func(h, _ map[string]any) { h["x5t#S256"] = base64.StdEncoding.EncodeToString(long[:]) }, key, true},
		{"RS256 with x5t (A4)", func(h, _ map[string]any) {
			h["alg"], h["x5t"] = "RS256", base64.RawURLEncoding.EncodeToString(short[:])
			delete(h, "x5t#S256")
		}, key, true},
		{"another key", func(_, _ map[string]any) {}, stranger, false},
		{"another thumbprint", func(h, _ map[string]any) { h["x5t#S256"] = "AAAA" }, key, false},
		{"no thumbprint", func(h, _ map[string]any) { delete(h, "x5t#S256") }, key, false},
		{"alg none", func(h, _ map[string]any) { h["alg"] = "none" }, key, false},
		{"another audience", func(_, c map[string]any) { c["aud"] = "https://login.example/token" }, key, false},
		{"another issuer", func(_, c map[string]any) { c["iss"] = "x" }, key, false},
		{"another subject", func(_, c map[string]any) { c["sub"] = "x" }, key, false},
		{"expired", func(_, c map[string]any) { c["exp"] = now.Unix() }, key, false},
		{"good for a day", func(_, c map[string]any) { c["exp"] = now.Add(24 * time.Hour).Unix() }, key, false},
		{"not yet valid", func(_, c map[string]any) { c["nbf"] = now.Add(10 * time.Minute).Unix() }, key, false},
		{"without jti", func(_, c map[string]any) { delete(c, "jti") }, key, false},
		{"used before", func(_, c map[string]any) { c["jti"] = "jti-0" }, key, false},
	} {
		head := map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(long[:])}
		claims := map[string]any{"aud": tokenURL, "iss": DemoClientID, "sub": DemoClientID, "jti": fmt.Sprint("jti-", i), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
		c.bend(head, claims)
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {DemoClientID}, "scope": {"https://graph.microsoft.com/.default"},
			"client_assertion_type": {assertionType}, "client_assertion": {signAssertion(t, c.key, head, claims)}}
		resp := post(tn, tokenURL, form)
		if (resp.StatusCode == 200) != c.ok {
			t.Errorf("%s: status %d", c.name, resp.StatusCode)
		}
	}
}

func TestTheLoginHostDescribesItself(t *testing.T) {
	tn, _ := smallTenant(t, nil)
	m := object(t, ask(tn, "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration"), 200)
	if m["token_endpoint"] != tokenURL || !strings.Contains(text(m, "issuer"), tn.TenantID()) {
		t.Errorf("openid-configuration is %v", m)
	}
	m = object(t, ask(tn, "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint="+
		url.QueryEscape("https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize")), 200)
	if m["tenant_discovery_endpoint"] != "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration" {
		t.Errorf("instance discovery is %v", m)
	}
	r := httptest.NewRequest(http.MethodHead, "https://login.microsoftonline.com/", nil)
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("HEAD answered %d", w.Code)
	}
}
