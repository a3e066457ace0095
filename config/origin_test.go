package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARequestForAnIdentityTokenHasOneOrigin(t *testing.T) {
	const url, token = `oidc_request_url = "https://tokens.example.com/x"`, `oidc_request_token = var.token`
	for name, c := range map[string]struct {
		args string
		env  []string
		ok   bool
	}{
		"both written":                          {url + "\n" + token, nil, true},
		"both written, environment set":         {url + "\n" + token, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=https://a.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x"}, true},
		"both from the environment":             {"", []string{"ACTIONS_ID_TOKEN_REQUEST_URL=https://a.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x"}, true},
		"address written, token of GitHub":      {url, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=https://a.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + canary}, false},
		"address written, token of the agent":   {url, []string{"SYSTEM_ACCESSTOKEN=" + canary}, false},
		"token written, address from elsewhere": {token, []string{"ARM_OIDC_REQUEST_URL=https://a.example.com"}, false},
		"only the address":                      {url, nil, true},
		"a file silences both":                  {`oidc_token_file_path = "token"`, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=https://a.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, diags := Load(Options{Dir: write(t, "main.hcl", `
variable "token" {
  type      = string
  sensitive = true
}
tenant "t" {
  tenant_id = "contoso.onmicrosoft.com"
  auth "oidc" {
    client_id = "x"
    `+c.args+`
  }
}`), Env: c.env, Vars: []VarArg{Var("token=given-from-outside")}})
			if refused := HasCode(diags, CodeCredentialMixed); refused == c.ok {
				t.Fatalf("refused is %t\n%s", refused, text(t, cfg, diags))
			}
			a := cfg.Tenants[0].Auth
			if !c.ok && (a.OIDCRequestURL != "" || a.OIDCRequestToken.IsSet()) {
				t.Errorf("a refused credential was kept")
			}
			if strings.Contains(text(t, cfg, diags), canary) {
				t.Error("the token is shown")
			}
		})
	}
}

func TestACustomLoginGetsNoCredentialOfTheMachine(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(elsewhere, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		login, graph, auth string
		env                []string
		ok                 bool
	}{
		"secret of the environment":         {"", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary}, false},
		"file named by the environment":     {"", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET_FILE_PATH=" + elsewhere}, false},
		"certificate of the environment":    {"", "", `"client_certificate" {}`, []string{"ARM_CLIENT_CERTIFICATE_PATH=/c.pfx", "ARM_CLIENT_CERTIFICATE_PASSWORD=" + canary}, false},
		"password only":                     {"", "", `"client_certificate" { client_certificate_path = "c.pfx" }`, []string{"ARM_CLIENT_CERTIFICATE_PASSWORD=" + canary}, false},
		"tokens of the pipeline":            {"", "", `"oidc" {}`, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=https://a.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + canary}, false},
		"token of the cluster":              {"", "", `"workload_identity" {}`, []string{"AZURE_FEDERATED_TOKEN_FILE=/var/run/token"}, false},
		"a written path elsewhere":          {"", "", `"client_secret" { client_secret_file_path = "` + filepath.ToSlash(elsewhere) + `" }`, nil, false},
		"a written path up":                 {"", "", `"client_secret" { client_secret_file_path = "../secret" }`, nil, false},
		"a written path here":               {"", "", `"client_secret" { client_secret_file_path = "secret" }`, nil, true},
		"a variable":                        {"", "", `"client_secret" { client_secret = var.secret }`, nil, true},
		"only names of the environment":     {"", "", `"device_code" {}`, []string{"ARM_CLIENT_ID=x", "ARM_TENANT_ID=y"}, true},
		"consent":                           {"", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary, consentVariable + "=Login.example.com:8443"}, true},
		"consent for another host":          {"", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary, consentVariable + "=example.com"}, false},
		"consent for another port":          {"", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary, consentVariable + "=login.example.com"}, false},
		"loopback":                          {"http://127.0.0.1:1", "http://localhost:2", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary}, true},
		"loopback is only the login's half": {"http://127.0.0.1:1", "", `"client_secret" {}`, []string{"ARM_CLIENT_SECRET=" + canary}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.login == "" {
				c.login = "https://login.example.com:8443"
			}
			if c.graph == "" {
				c.graph = "https://graph.example.com"
			}
			cfg, diags := Load(Options{Dir: write(t, "main.hcl", `
variable "secret" {
  type      = string
  sensitive = true
}
tenant "t" {
  environment = "custom"
  endpoints {
    graph = "`+c.graph+`"
    login = "`+c.login+`"
  }
  auth `+c.auth+`
}`), Env: c.env, Vars: []VarArg{Var("secret=given-from-outside")}})
			shown := text(t, cfg, diags)
			if diags.HasErrors() == c.ok || HasCode(diags, CodeCustomLogin) == c.ok {
				t.Fatalf("diagnostics:\n%s", shown)
			}
			a := cfg.Tenants[0].Auth
			held := a.ClientSecret.IsSet() || a.ClientSecretFile != "" || a.CertificatePassword.IsSet() || a.OIDCRequestURL != "" || a.OIDCRequestToken.IsSet() || a.OIDCTokenFile != ""
			if !c.ok && held {
				t.Error("a refused credential was kept")
			}
			if !c.ok && (!strings.Contains(shown, consentVariable+"=") || strings.Contains(shown, canary)) {
				t.Errorf("the consent is not explained, or the secret is shown:\n%s", shown)
			}
		})
	}
}

func TestOtherEnvironmentsTakeCredentialsFromTheEnvironment(t *testing.T) {
	cfg := load(t, Options{Env: []string{"ARM_CLIENT_SECRET=" + canary}}, "main.hcl", `
tenant "t" {
  auth "client_secret" {}
}`)
	if !cfg.Tenants[0].Auth.ClientSecret.IsSet() {
		t.Error("no secret")
	}
}
