package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// canary is a secret that must not appear anywhere.
const canary = "c4n4ry-Secret-Value"

func secretConfig(value string) string {
	return `
variable "secret" {
  type      = string
  sensitive = true
  default   = null
}
locals {
  literal = "` + canary + `"
}
tenant "t" {
  tenant_id = "contoso.onmicrosoft.com"
  auth "client_secret" {
    client_id     = "11111111-2222-3333-4444-555555555555"
    client_secret = ` + value + `
  }
}`
}

func TestLiteralSecretsAreRefusedAndNotShown(t *testing.T) {
	for _, value := range []string{
		`"` + canary + `"`, `local.literal`, `"${local.literal}"`, `lower("` + canary + `")`, `join("", ["c4n4ry-Sec", "ret-Value"])`,
	} {
		got := broken(t, Options{}, "main.hcl", secretConfig(value))
		if !strings.Contains(got, "[SPM0242]") || strings.Contains(got, canary) || strings.Contains(got, strings.ToLower(canary)) {
			t.Errorf("%s:\n%s", value, got)
		}
	}
}

func TestSecretsFromOutsideAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		opts  Options
	}{
		"variable on the command line": {"var.secret", Options{Vars: []VarArg{Var("secret=" + canary)}}},
		"variable in the environment":  {"var.secret", Options{Env: []string{"SPMIRROR_VAR_secret=" + canary}}},
		"environment of the provider":  {"null", Options{Env: []string{"ARM_CLIENT_SECRET=" + canary}}},
		"file":                         {`trimspace(file("secret.txt"))`, Options{}},
		"file of values":               {"var.secret", Options{Vars: []VarArg{VarFile("x.vars.hcl")}}},
	} {
		t.Run(name, func(t *testing.T) {
			config := secretConfig(c.value)
			if c.value == "null" {
				config = strings.Replace(config, "client_secret = null", "", 1)
			}
			cfg := load(t, c.opts, "main.hcl", config, "secret.txt", canary+"\n", "x.vars.hcl", `secret = "`+canary+`"`)
			if got := cfg.Tenants[0].Auth.ClientSecret.Reveal(); got != canary {
				t.Errorf("secret %q", got)
			}
		})
	}
}

func TestALiteralSecretIsAllowedOnLoopback(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", `
tenant "t" {
  tenant_id   = "contoso.onmicrosoft.com"
  environment = "custom"
  endpoints {
    graph = "http://127.0.0.1:8080"
    login = "https://localhost:8443"
  }
  auth "client_secret" {
    client_id     = "x"
    client_secret = "`+canary+`"
  }
}`)
	if !cfg.Tenants[0].Auth.ClientSecret.IsSet() {
		t.Error("no secret")
	}
}

func TestAVariableThatFeedsACredentialIsSensitive(t *testing.T) {
	dir := write(t, "main.hcl", strings.Replace(secretConfig("var.secret"), "sensitive = true", "", 1))
	cfg, diags := Load(Options{Dir: dir, Vars: []VarArg{Var("secret=" + canary)}})
	if diags.HasErrors() || !HasCode(diags, CodeLiteralSecret) || !cfg.Variables[0].Sensitive || string(cfg.Variables[0].Value) != "null" {
		t.Errorf("variable %+v\n%s", cfg.Variables[0], text(t, cfg, diags))
	}
}

// TestNoPrintedFormContainsASecret looks through every way in which a loaded
// configuration and its diagnostics can be printed.
func TestNoPrintedFormContainsASecret(t *testing.T) {
	dir := write(t, "main.hcl", secretConfig("var.secret")+`
mirror "a" {
  for_each = toset(["x"])
  drive_id = "b!1"
  target   = "./mirror/${var.secret}"
}
mirror "b" {
  drive_id = "b!1"
  target   = "./mirror/b"
  select {
    max_size = nonsensitive(var.secret)
    min_size = bytes(var.secret)
    include  = [parseint(var.secret, 10)]
  }
}
locals {
  x = { a = 1 }[var.secret]
  y = jsondecode(var.secret)
  z = regex(var.secret, 5).foo
}
output "o" {
  value = var.secret
}
check "c" {
  assert {
    condition     = var.secret == ""
    error_message = "got ${var.secret}"
  }
}`)
	cfg, diags := Load(Options{Dir: dir, Vars: []VarArg{Var("secret=" + canary)}})
	if !diags.HasErrors() {
		t.Fatal("expected errors")
	}
	var forms strings.Builder
	forms.WriteString(text(t, cfg, diags))
	for _, d := range diags {
		forms.WriteString(d.Error() + fmt.Sprintf("%+v", d.Extra))
	}
	asJSON, err := json.Marshal(DiagnosticsJSON(diags, cfg.Sources))
	if err != nil {
		t.Fatal(err)
	}
	forms.Write(asJSON)
	fmt.Fprintf(&forms, "%v %+v %#v %+v", cfg.Tenants, cfg.Tenants, cfg.Tenants[0].Auth, cfg.Variables)
	asJSON, err = json.Marshal(cfg.Tenants)
	if err != nil {
		t.Fatal(err)
	}
	forms.Write(asJSON)
	slog.New(slog.NewTextHandler(&forms, nil)).Info("tenant", "auth", cfg.Tenants[0].Auth, "secret", cfg.Tenants[0].Auth.ClientSecret)
	_, outDiags := cfg.Outputs[0].Evaluate(nil)
	if !HasCode(outDiags, CodeOutput) {
		t.Error("a sensitive output was given out")
	}
	forms.WriteString(text(t, cfg, outDiags))
	result, checkDiags := cfg.Checks[0].Evaluate(nil)
	forms.WriteString(fmt.Sprint(result) + text(t, cfg, checkDiags))
	shown, _ := cfg.Console("var.secret")
	forms.WriteString(shown)
	if got := forms.String(); strings.Contains(got, canary) {
		i := strings.Index(got, canary)
		t.Errorf("the secret appears: ...%s", got[max(0, i-200):i+len(canary)])
	}
}

func TestSecretsDoNotChangeTheDigest(t *testing.T) {
	dir := write(t, "main.hcl", secretConfig("var.secret"))
	a, _ := Load(Options{Dir: dir, Vars: []VarArg{Var("secret=one-secret")}})
	b, _ := Load(Options{Dir: dir, Vars: []VarArg{Var("secret=two-secret")}})
	if a.Digest == "" || a.Digest != b.Digest {
		t.Errorf("%s %s", a.Digest, b.Digest)
	}
}

func TestMissingCredentialsAreReportedOnlyWhenOnline(t *testing.T) {
	const config = `tenant "t" {
  auth "oidc" {}
}`
	load(t, Options{}, "main.hcl", config)
	got := broken(t, Options{Data: answers{}}, "main.hcl", config)
	for _, want := range []string{"ARM_TENANT_ID", "ARM_CLIENT_ID", "id-token: write"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not mentioned:\n%s", want, got)
		}
	}
}

func TestCIEnvironmentsAreFound(t *testing.T) {
	cfg := load(t, Options{Data: answers{}, Env: []string{
		"ARM_TENANT_ID=t", "AZURE_CLIENT_ID=c", "ACTIONS_ID_TOKEN_REQUEST_URL=https://x.example.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + canary,
	}}, "main.hcl", `tenant "t" {
  auth "oidc" {}
}`)
	a := cfg.Tenants[0].Auth
	if a.ClientID != "c" || a.OIDCRequestURL != "https://x.example.com" || a.OIDCRequestToken.Reveal() != canary {
		t.Errorf("auth %+v", a)
	}
}
