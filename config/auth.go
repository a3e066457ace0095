package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// credential is one argument of auth: where it comes from when it is not written.
// Names are those of the azuread provider; the ones after ARM_ are those that CI
// systems and Kubernetes set by themselves.
type credential struct {
	arg    string
	secret bool
	env    []string
}

var credentials = []credential{
	{arg: "client_id", env: []string{"ARM_CLIENT_ID", "AZURE_CLIENT_ID"}},
	{arg: "client_id_file_path", env: []string{"ARM_CLIENT_ID_FILE_PATH"}},
	{arg: "client_secret", secret: true, env: []string{"ARM_CLIENT_SECRET"}},
	{arg: "client_secret_file_path", env: []string{"ARM_CLIENT_SECRET_FILE_PATH"}},
	{arg: "client_certificate_path", env: []string{"ARM_CLIENT_CERTIFICATE_PATH"}},
	{arg: "client_certificate_password", secret: true, env: []string{"ARM_CLIENT_CERTIFICATE_PASSWORD"}},
	{arg: "oidc_token", secret: true, env: []string{"ARM_OIDC_TOKEN"}},
	{arg: "oidc_token_file_path", env: []string{"ARM_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"}},
	{arg: "oidc_request_url", env: []string{"ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL", "SYSTEM_OIDCREQUESTURI"}},
	{arg: "oidc_request_token", secret: true, env: []string{"ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SYSTEM_ACCESSTOKEN"}},
	{arg: "ado_pipeline_service_connection_id", env: []string{"ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID", "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID"}},
	{arg: "token_cache_path"},
	{arg: "send_certificate_chain"},
}

// methods lists the arguments of each method of authentication, in the order in which
// documentation names them.
var methods = []struct {
	name string
	args []string
}{
	{"client_secret", []string{"client_id", "client_id_file_path", "client_secret", "client_secret_file_path"}},
	{"client_certificate", []string{"client_id", "client_id_file_path", "client_certificate_path", "client_certificate_password", "send_certificate_chain"}},
	{"oidc", []string{"client_id", "client_id_file_path", "oidc_token", "oidc_token_file_path", "oidc_request_url", "oidc_request_token", "ado_pipeline_service_connection_id"}},
	{"workload_identity", []string{"client_id", "client_id_file_path", "oidc_token_file_path"}},
	{"managed_identity", []string{"client_id", "client_id_file_path"}},
	{"azure_cli", nil},
	{"device_code", []string{"client_id", "client_id_file_path", "token_cache_path"}},
}

func methodNames() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

func methodArgs(name string) ([]string, bool) {
	for _, m := range methods {
		if m.name == name {
			return m.args, true
		}
	}
	return nil, false
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// firstEnv is the first of the named environment entries that is not empty.
func (s *session) firstEnv(names ...string) string {
	for _, name := range names {
		if v := s.env[name]; v != "" {
			return v
		}
	}
	return ""
}

// auth reads the auth block of a tenant whose environment and endpoints are known. On
// loopback literal secrets are allowed, for tests.
func (r *reader) auth(b *hcl.Block, t *Tenant) Auth {
	method := b.Labels[0]
	in := r.open(b.Body, authSpec, b.DefRange)
	allowed, known := methodArgs(method)
	if !known {
		r.session.fail(CodeAuth, b.LabelRanges[0], "Unknown method of authentication", "There is no method %q.%s Methods are %s.", visible(method), didYouMean(method, methodNames()), wordList(methodNames(), "and"))
		return Auth{}
	}
	values := map[string]string{}
	for _, c := range credentials {
		if in.has(c.arg) && !contains(allowed, c.arg) {
			if len(allowed) == 0 {
				in.reject(c.arg, CodeAuth, "Argument of another method", "The method %q has no arguments.", method)
				continue
			}
			in.reject(c.arg, CodeAuth, "Argument of another method", "The method %q does not use %s. Its arguments are %s.", method, c.arg, wordList(allowed, "and"))
			continue
		}
		if contains(allowed, c.arg) {
			values[c.arg] = in.credential(c, t.local())
		}
	}
	in.resolveConflicts(values)
	in.resolveOrigins(values, t)
	a := Auth{
		Method: method, Range: b.DefRange,
		ClientID:            values["client_id"],
		ClientSecret:        NewSecret(values["client_secret"]),
		ClientSecretFile:    values["client_secret_file_path"],
		CertificatePath:     values["client_certificate_path"],
		CertificatePassword: NewSecret(values["client_certificate_password"]),
		OIDCToken:           NewSecret(values["oidc_token"]),
		OIDCTokenFile:       values["oidc_token_file_path"],
		OIDCRequestURL:      values["oidc_request_url"],
		OIDCRequestToken:    NewSecret(values["oidc_request_token"]),
		ServiceConnectionID: values["ado_pipeline_service_connection_id"],
		TokenCachePath:      values["token_cache_path"],
		ClientIDFile:        values["client_id_file_path"],
	}
	if contains(allowed, "send_certificate_chain") {
		a.SendChain = in.boolean("send_certificate_chain", false)
	}
	return a
}

// credential reads one argument, or its environment names.
func (r *reader) credential(c credential, local bool) string {
	if c.arg == "send_certificate_chain" {
		return ""
	}
	if !r.has(c.arg) {
		return r.path(c.arg, r.session.firstEnv(c.env...))
	}
	if !c.secret {
		if c.arg == "client_id" {
			return r.identity(c.arg)
		}
		return r.path(c.arg, r.text(c.arg))
	}
	expr := r.content.Attributes[c.arg].Expr
	s := r.secret(c.arg)
	if s.IsSet() && !local && r.literal(expr, nil) {
		// Not through reject: the expression must not be printed with its values.
		d := problem(hcl.DiagError, CodeLiteralSecret, expr.Range(), "Secret in the configuration",
			"The argument %s is written into the configuration. Give it through a variable with sensitive = true, %sor the environment (%s), and replace the secret at the service: it must be taken as known.", c.arg, fileAdvice(c.arg), c.env[0])
		r.session.report(d)
		r.session.hideText(s.Reveal())
	}
	r.coverVariables(expr)
	return s.Reveal()
}

func fileAdvice(arg string) string {
	switch arg {
	case "client_secret":
		return "a file (client_secret_file_path), "
	case "oidc_token":
		return "a file (oidc_token_file_path), "
	}
	return ""
}

// path resolves the arguments that name files against the configuration directory.
func (r *reader) path(arg, value string) string {
	if strings.HasSuffix(arg, "_path") {
		return r.session.absolute(value)
	}
	return value
}

// resolveConflicts refuses two sources of one credential when both are written; a
// written one silences the environment's other one.
func (r *reader) resolveConflicts(values map[string]string) {
	for _, pair := range [][2]string{{"client_secret", "client_secret_file_path"}, {"client_id", "client_id_file_path"},
		{"oidc_token", "oidc_token_file_path"}, {"oidc_token", "oidc_request_url"}, {"oidc_token_file_path", "oidc_request_url"}} {
		a, b := pair[0], pair[1]
		switch {
		case r.has(a) && r.has(b):
			r.reject(b, CodeAuth, "Two sources of one credential", "Set exactly one of %s and %s.", a, b)
		case r.has(a) && !r.has(b):
			delete(values, b)
		case r.has(b) && !r.has(a):
			delete(values, a)
		}
	}
}

// Credentials lists what the tenants' methods of authentication still need. Load
// asks it unless it is offline.
func (c *Config) Credentials() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range c.Tenants {
		for _, need := range t.needs() {
			diags = append(diags, problem(hcl.DiagError, CodeCredential, t.Auth.Range, "Credential missing",
				"The tenant %s authenticates with %q and needs %s.", t.Address, t.Auth.Method, need))
		}
	}
	return diags
}

func (t Tenant) needs() []string {
	var out []string
	need := func(ok bool, what string) {
		if !ok {
			out = append(out, what)
		}
	}
	a := t.Auth
	if t.Sandbox != nil || a.Method == "" {
		return nil
	}
	if a.Method != "azure_cli" && a.Method != "managed_identity" {
		need(t.TenantID != "", "tenant_id (environment: ARM_TENANT_ID)")
		need(a.ClientID != "" || a.ClientIDFile != "", "client_id (environment: ARM_CLIENT_ID)")
	}
	switch a.Method {
	case "client_secret":
		need(a.ClientSecret.IsSet() || a.ClientSecretFile != "", "client_secret or client_secret_file_path (environment: ARM_CLIENT_SECRET)")
	case "client_certificate":
		need(a.CertificatePath != "", "client_certificate_path (environment: ARM_CLIENT_CERTIFICATE_PATH)")
	case "workload_identity":
		need(a.OIDCTokenFile != "", "oidc_token_file_path (environment: AZURE_FEDERATED_TOKEN_FILE)")
	case "oidc":
		need(a.OIDCToken.IsSet() || a.OIDCTokenFile != "" || a.OIDCRequestURL != "",
			"oidc_token_file_path, or oidc_request_url with oidc_request_token; in GitHub Actions give the job the permission id-token: write")
		need(a.OIDCRequestURL == "" || a.OIDCRequestToken.IsSet() || a.OIDCToken.IsSet() || a.OIDCTokenFile != "", "oidc_request_token")
	}
	return out
}
