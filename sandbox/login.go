package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// login is what the token endpoint remembers. Access tokens describe themselves and survive the
// process; revocations, used assertions and device codes do not.
type login struct {
	mu      sync.Mutex
	serial  uint64
	revoked map[string]bool
	used    map[string]int64 // jti of assertions, until when
	devices map[string]*device
	static  map[string]bool
	claims  bool // the next token must be asked for with claims
}

// Times of the login host.
const (
	tokenLifetime  = 3599 * time.Second // A1
	deviceLifetime = 15 * time.Minute   // A12
	deviceInterval = 5 * time.Second
)

func (l *login) init(t *Tenant) {
	l.revoked, l.used, l.devices, l.static = map[string]bool{}, map[string]int64{}, map[string]*device{}, map[string]bool{}
	for _, s := range t.opts.StaticTokens {
		l.static[s] = true
	}
}

func (t *Tenant) tokenLifetime() time.Duration { return cmp.Or(t.opts.TokenLifetime, tokenLifetime) }

// app finds a registered application.
func (t *Tenant) app(id string) *App {
	for i := range t.opts.Apps {
		if strings.EqualFold(t.opts.Apps[i].ClientID, id) {
			return &t.opts.Apps[i]
		}
	}
	return nil
}

// tokenHead is the encoded header of access tokens.
var tokenHead = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256"}`))

// AccessToken issues a token for an application of the tenant, as the token endpoint would; "" is the
// first application. It is for embedded use, where there is no login host.
func (t *Tenant) AccessToken(clientID string) (string, error) {
	app := t.app(clientID)
	if clientID == "" && len(t.opts.Apps) > 0 {
		app = &t.opts.Apps[0]
	}
	if app == nil {
		return "", fmt.Errorf("no application %q in the tenant", clientID)
	}
	return t.issue(app, "access", true), nil
}

// mirrorRoles are the permissions in the tokens of an application without roles of its own: all that a mirror needs (7.1).
var mirrorRoles = []string{"Files.Read.All", "GroupMember.Read.All", "Sites.Read.All", "User.Read.All"}

// issue makes a signed token that expires, for the application itself or for somebody who signed in to it.
func (t *Tenant) issue(app *App, use string, appOnly bool) string {
	t.login.mu.Lock()
	t.login.serial++
	n := t.login.serial
	t.login.mu.Unlock()
	now := t.now()
	life := t.tokenLifetime()
	if use == "refresh" {
		life = 90 * 24 * time.Hour // Q82
	}
	roles := app.Roles
	if roles == nil {
		roles = mirrorRoles
	}
	claims, _ := json.Marshal(map[string]any{"aud": "https://graph.microsoft.com", "appid": app.ClientID, "tid": t.id.String(), "roles": roles,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(), "use": use, "idtyp": map[bool]string{true: "app", false: "user"}[appOnly], "n": n, "r": now.Nanosecond()})
	text := tokenHead + "." + base64.RawURLEncoding.EncodeToString(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(t.sign("token", []byte(text)))
}

// inspect checks a token of ours and returns its application, and whether it is the application's own.
func (t *Tenant) inspect(token, use string) (app *App, appOnly bool, why string) {
	head, sig, ok := cutLast(token, ".")
	mac, err := base64.RawURLEncoding.DecodeString(sig)
	if !ok || err != nil || string(mac) != string(t.sign("token", []byte(head))) {
		return nil, false, "Access token validation failure. Invalid signature."
	}
	_, payload, _ := strings.Cut(head, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		AppID, Use, IDTyp string
		Exp               int64
	}
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Use != use {
		return nil, false, "Access token validation failure."
	}
	if t.now().Unix() >= claims.Exp {
		return nil, false, "Lifetime validation failed, the token is expired."
	}
	t.login.mu.Lock()
	gone := t.login.revoked[token]
	t.login.mu.Unlock()
	if gone {
		return nil, false, "The token has been revoked."
	}
	return t.app(claims.AppID), claims.IDTyp == "app", ""
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Revoke makes Graph refuse a token from now on.
func (t *Tenant) Revoke(token string) {
	t.login.mu.Lock()
	defer t.login.mu.Unlock()
	t.login.revoked[token] = true
	delete(t.login.static, token)
}

// ChallengeClaims makes Graph answer every token that was not asked for with claims by a claims
// challenge (A15), until one is.
func (t *Tenant) ChallengeClaims() {
	t.login.mu.Lock()
	defer t.login.mu.Unlock()
	t.login.claims = true
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // abraunegg writes it in lower case (CLIENTS 6)
		return ""
	}
	return token
}

func errToken401(message string) *graphError {
	e := errorf(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
	e.header = map[string]string{"WWW-Authenticate": `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`}
	return e
}

// claimsChallenge is the 401 of continuous access evaluation (A15).
func claimsChallenge() *graphError {
	e := errToken401("Continuous access evaluation resulted in challenge.")
	claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`))
	e.header["WWW-Authenticate"] = `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` + claims + `"`
	return e
}

// authorize checks the token of a Graph call.
func (c *call) authorize() *graphError {
	token := bearer(c.r)
	if token == "" {
		c.violate("no token", "a Graph call without a bearer token")
		return errToken401("Access token is empty.")
	}
	l := &c.t.login
	l.mu.Lock()
	static, challenge := l.static[token], l.claims
	l.mu.Unlock()
	if challenge {
		return claimsChallenge()
	}
	if static {
		return nil
	}
	app, appOnly, why := c.t.inspect(token, "access")
	if why != "" {
		return errToken401(why)
	}
	if app == nil {
		return errToken401("The application of the token is not registered.")
	}
	c.app, c.appOnly = app, appOnly
	return c.checkRole()
}

// checkRole wants one of the permissions of 7.1. A token without roles was issued all the same; the
// failure comes here (A23).
func (c *call) checkRole() *graphError {
	files := []string{"Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All", "Sites.Manage.All", "Sites.Selected"}
	switch c.kind {
	case KindSites: // decides for itself (S23)
		return nil
	case KindSite:
		return c.needRole(files[2:]...)
	case KindSitesDelta:
		return c.needRole(files[2:6]...)
	case KindUsers:
		return c.needRole("User.ReadBasic.All", "User.Read.All", "Directory.Read.All", "Group.Read.All", "GroupMember.Read.All")
	case KindSubscribe:
		return c.needRole("Files.ReadWrite.All", "Sites.ReadWrite.All") // W20
	case KindBatch, KindUnknown:
		return nil
	}
	return c.needRole(files...)
}

func (c *call) needRole(any ...string) *graphError {
	if c.app == nil || c.app.Roles == nil || slices.ContainsFunc(any, func(r string) bool { return slices.Contains(c.app.Roles, r) }) {
		return nil
	}
	return errorf(http.StatusForbidden, "accessDenied", "The caller does not have permission to perform the action.")
}

// loginOrigin is how documents of the login host name it.
func (c *call) loginOrigin() string {
	if c.public.login != "" {
		return c.public.login
	}
	return c.origin()
}

// serveLogin answers the login host.
func (c *call) serveLogin() {
	c.kind = KindLogin
	p := strings.Trim(c.r.URL.Path, "/")
	c.path = p
	tenant, rest, _ := strings.Cut(p, "/")
	switch {
	case p == "" && (c.r.Method == http.MethodHead || c.r.Method == http.MethodGet): // onedrive looks for the network this way (CLIENTS 2)
		c.send(http.StatusOK, "text/html", nil)
	case strings.HasSuffix(p, ".well-known/openid-configuration"):
		c.withFault(func() *graphError { return c.sendJSON(http.StatusOK, c.openID(tenant)) })
	case strings.HasSuffix(p, "discovery/instance"):
		c.withFault(func() *graphError { return c.sendJSON(http.StatusOK, c.instance(tenant)) })
	case c.r.Method != http.MethodPost:
		c.violate("method", c.r.Method+" at the login host")
		c.tokenError(http.StatusMethodNotAllowed, "invalid_request", 900561, "The endpoint only accepts POST requests.")
	case rest == "oauth2/v2.0/token":
		c.kind = KindToken
		c.withFault(func() *graphError { c.token(tenant); return nil })
	case rest == "oauth2/v2.0/devicecode":
		c.kind = KindToken
		c.withFault(func() *graphError { c.deviceCode(); return nil })
	default:
		c.violate("unknown call", "no such page on the login host")
		c.tokenError(http.StatusNotFound, "invalid_request", 900144, "No such endpoint.")
	}
}

func (c *call) sendJSON(status int, v any) *graphError {
	b, err := json.Marshal(v)
	if err != nil {
		return errorf(http.StatusInternalServerError, "generalException", "%v", err)
	}
	c.w.Header().Set("Cache-Control", "no-store, no-cache")
	c.w.Header().Set("x-ms-request-id", c.id)
	c.send(status, "application/json; charset=utf-8", b)
	return nil
}

func (c *call) openID(tenant string) map[string]any {
	at := c.loginOrigin() + "/" + tenant
	issuer := c.loginOrigin() + "/" + c.t.id.String() + "/v2.0"
	return map[string]any{"token_endpoint": at + "/oauth2/v2.0/token", "authorization_endpoint": at + "/oauth2/v2.0/authorize",
		"device_authorization_endpoint": at + "/oauth2/v2.0/devicecode", "issuer": issuer, "jwks_uri": at + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_types_supported":              []string{"code"}, "subject_types_supported": []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid", "profile", "email", "offline_access"}}
}

func (c *call) instance(tenant string) map[string]any {
	host := c.loginOrigin()
	if u, err := url.Parse(host); err == nil {
		host = u.Host
	}
	return map[string]any{"tenant_discovery_endpoint": c.loginOrigin() + "/" + tenantOf(c.r, tenant) + "/v2.0/.well-known/openid-configuration",
		"api-version": "1.1", "metadata": []map[string]any{{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}}}
}

// tenantOf takes the tenant from the authorization endpoint that instance discovery asks about.
func tenantOf(r *http.Request, tenant string) string {
	if u, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil {
		if t, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/"); t != "" {
			return t
		}
	}
	return tenant
}

// tokenError answers like the token endpoint (A17).
func (c *call) tokenError(status int, code string, number int, message string) {
	_ = c.sendJSON(status, map[string]any{"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
		number, message, c.id, c.id, c.start.UTC().Format("2006-01-02 15:04:05Z")), "error_codes": []int{number},
		"timestamp": c.start.UTC().Format("2006-01-02 15:04:05Z"), "trace_id": c.id, "correlation_id": c.id})
}

// knownTenant says whether a path names this tenant: by id, by a domain of it, or an alias for
// delegated flows.
func (t *Tenant) knownTenant(name string, delegated bool) bool {
	switch strings.ToLower(name) {
	case t.id.String(), t.name, t.name + ".onmicrosoft.com", t.name + ".com":
		return true
	case "common", "organizations":
		return delegated
	}
	return false
}

// TenantID is the id of the tenant.
func (t *Tenant) TenantID() string { return t.id.String() }

// token answers the token endpoint.
func (c *call) token(tenant string) {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 1<<20)
	if err := c.r.ParseForm(); err != nil || !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		c.tokenError(http.StatusBadRequest, "invalid_request", 900144, "The request body must be a form.")
		return
	}
	form := c.r.PostForm
	grant := form.Get("grant_type")
	if !c.t.knownTenant(tenant, grant != "client_credentials") {
		c.tokenError(http.StatusBadRequest, "invalid_request", 90002, "Tenant '"+tenant+"' not found.")
		return
	}
	switch grant {
	case "client_credentials":
		c.clientCredentials(form)
	case "refresh_token":
		c.refresh(form)
	case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
		c.deviceToken(form)
	default:
		c.tokenError(http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not supported.")
	}
}

// authenticate checks the client by secret in the form, by Basic, or by assertion (A2, A3).
func (c *call) authenticate(form url.Values) (*App, bool) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, pass, ok := c.r.BasicAuth(); ok {
		if u, err := url.QueryUnescape(user); err == nil {
			user = u
		}
		if p, err := url.QueryUnescape(pass); err == nil {
			pass = p
		}
		id, secret = user, pass
	}
	app := c.t.app(id)
	if app == nil {
		c.tokenError(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '"+id+"' was not found in the directory.")
		return nil, false
	}
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != assertionType {
			c.tokenError(http.StatusBadRequest, "invalid_request", 50027, "The client assertion type is not supported.")
			return nil, false
		}
		if err := c.checkAssertion(app, assertion); err != nil {
			c.tokenError(http.StatusUnauthorized, "invalid_client", 700027, "Client assertion failed validation: "+err.Error())
			return nil, false
		}
		return app, true
	}
	if app.Secret == "" || secret != app.Secret {
		c.tokenError(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
		return nil, false
	}
	return app, true
}

func (c *call) clientCredentials(form url.Values) {
	app, ok := c.authenticate(form)
	if !ok {
		return
	}
	if scope := form.Get("scope"); !oneResource(scope) {
		c.tokenError(http.StatusBadRequest, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid. The scope "+scope+" is not valid.")
		return
	}
	c.takeClaims(form)
	c.grant(app)
}

// takeClaims ends a challenge when the client asked with claims (A15).
func (c *call) takeClaims(form url.Values) {
	if strings.Contains(form.Get("claims"), `"nbf"`) {
		c.t.login.mu.Lock()
		c.t.login.claims = false
		c.t.login.mu.Unlock()
	}
}

// oneResource tells whether a scope asks for everything that is granted on one resource (A1), which is Graph when none is named. The
// scopes of OpenID may stand beside it: MSAL sends them in every flow.
func oneResource(scope string) bool {
	resources := 0
	for _, s := range strings.Fields(scope) {
		switch {
		case s == ".default", strings.HasSuffix(s, "/.default"):
			resources++
		case !slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s):
			return false
		}
	}
	return resources == 1
}

// grant answers an application with a token of its own.
func (c *call) grant(app *App) {
	_ = c.sendJSON(http.StatusOK, c.granted(app, true))
}

func (c *call) granted(app *App, appOnly bool) map[string]any {
	life := int(c.t.tokenLifetime().Seconds())
	return map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": c.t.issue(app, "access", appOnly)}
}

// grantPerson answers with tokens for somebody who signed in, as far as the scopes of the request go: offline_access gives a refresh
// token (A12), openid tells who it is. Without the latter MSAL keeps no account, and can renew nothing.
func (c *call) grantPerson(app *App, asked, scope string) {
	out := c.granted(app, false)
	scopes, given := strings.Fields(asked), strings.Fields(scope)
	for _, s := range scopes { // who asked for all that is granted is told so: MSAL takes what is not named for declined
		if strings.HasSuffix(s, "/.default") && !slices.Contains(given, s) {
			given = append(given, s)
		}
	}
	out["scope"] = strings.Join(given, " ")
	if len(scopes) == 0 || slices.Contains(scopes, "offline_access") {
		out["refresh_token"] = c.t.issue(app, "refresh", false)
	}
	if slices.Contains(scopes, "openid") && len(c.t.users) > 1 {
		person := c.t.users[1]
		out["id_token"] = c.t.idToken(app, person, c.loginOrigin())
		info, _ := json.Marshal(map[string]string{"uid": person.ID, "utid": c.t.id.String()})
		out["client_info"] = base64.RawURLEncoding.EncodeToString(info)
	}
	_ = c.sendJSON(http.StatusOK, out)
}

// idToken says who signed in to an application.
func (t *Tenant) idToken(app *App, person user, origin string) string {
	now := t.now()
	claims, _ := json.Marshal(map[string]any{"aud": app.ClientID, "iss": origin + "/" + t.id.String() + "/v2.0", "tid": t.id.String(), "ver": "2.0", "oid": person.ID,
		"sub": person.ID, "name": person.DisplayName, "preferred_username": person.UPN, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(t.tokenLifetime()).Unix()})
	text := tokenHead + "." + base64.RawURLEncoding.EncodeToString(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(t.sign("identity", []byte(text)))
}

// refresh answers the refresh_token grant. Public clients have ids of their own that no tenant
// registered; with [Options.AnyRefreshToken] they are taken as the first application.
func (c *call) refresh(form url.Values) {
	token := form.Get("refresh_token")
	app, _, why := c.t.inspect(token, "refresh")
	if app == nil && c.t.opts.AnyRefreshToken && token != "" && len(c.t.opts.Apps) > 0 {
		app, why = &c.t.opts.Apps[0], ""
	}
	if app == nil || why != "" {
		c.tokenError(http.StatusBadRequest, "invalid_grant", 70008, "The provided authorization code or refresh token has expired or is not valid.")
		return
	}
	scope := cmp.Or(form.Get("scope"), "Files.Read.All offline_access")
	c.grantPerson(app, scope+" offline_access", scope) // a refresh token is always followed by another
}
