package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

func TestTheExamplesAreValid(t *testing.T) {
	for _, c := range []struct {
		dir, file string
		vars      []VarArg
		mirrors   int
	}{
		{"../examples", "quickstart.hcl", nil, 1},
		{"../examples", "one-library.hcl", nil, 1},
		{"../examples", "real-directory.hcl", []VarArg{Var("directory=./documents")}, 1},
		{"../examples/gitops", "", nil, 3},
	} {
		t.Run(c.dir+"/"+c.file, func(t *testing.T) {
			cfg, diags := Load(Options{Dir: c.dir, File: c.file, Vars: c.vars, ToolVersion: "0.1.0"})
			if len(diags) > 0 {
				t.Errorf("diagnostics:\n%s", text(t, cfg, diags))
			}
			if len(cfg.Mirrors) != c.mirrors || len(cfg.Tenants) != 1 {
				t.Errorf("%d mirrors, %d tenants", len(cfg.Mirrors), len(cfg.Tenants))
			}
			for _, f := range cfg.Files {
				formatted, diags := Format(f.Bytes, f.Name)
				if diags.HasErrors() || string(formatted) != string(f.Bytes) {
					t.Errorf("%s is not in canonical form", f.Name)
				}
			}
		})
	}
}

func TestAnExampleWithoutItsVariableSaysSo(t *testing.T) {
	cfg, diags := Load(Options{Dir: "../examples", File: "real-directory.hcl", Data: answers{}})
	if !HasCode(diags, CodeVariableMissing) || !reflect.DeepEqual(cfg.Missing, []string{"directory"}) {
		t.Errorf("missing %q:\n%s", cfg.Missing, text(t, cfg, diags))
	}
}

func TestDefaultsLoseNoByte(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", demo+`
mirror "m" {
  drive_id = "b!1"
  target   = "./mirror/../mirror/m/"
}`)
	m := cfg.Mirrors[0]
	want := Mirror{
		Name: "m", Address: "mirror.m", Tenant: "tenant.demo",
		Source: Source{DriveID: "b!1", Folder: "/"}, Target: filepath.Join(cfg.Dir, "mirror", "m"), TargetNames: "native",
		FileMode: 0o600, DirectoryMode: 0o700,
		Content:   Content{Verify: "quickxor", Unverifiable: "accept", Notebooks: "skip", Shortcuts: "skip", Versions: "0"},
		Metadata:  Metadata{Times: true, Permissions: "none"},
		Trash:     Trash{Path: ".spmirror/trash", Retention: 30 * 24 * time.Hour, Enabled: true},
		Guard:     defaultGuard(),
		Lifecycle: Lifecycle{Enabled: true, OnRemoteDelete: "trash", OnDeselect: "forget", OnLocalChange: "restore", OnUntracked: "adopt", OnSuperseded: "skip"},
	}
	want.SelectDigest, want.Range, want.targetRange, want.GuardRanges = m.SelectDigest, m.Range, m.targetRange, m.GuardRanges
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
	if cfg.Approval != "on_guard" || cfg.PlanMaxAge != 72*time.Hour || cfg.Names != "full" || cfg.Backend.Path != filepath.Join(cfg.Dir, "spmirror.db") {
		t.Errorf("settings %q %v %q %q", cfg.Approval, cfg.PlanMaxAge, cfg.Names, cfg.Backend.Path)
	}
}

func TestEverythingThatCanBeSetIsRead(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", `
spmirror {
  approval     = "always"
  plan_max_age = "1d12h"
  names        = "hashed"
  backend "sqlite" {
    path = "state/x.db"
  }
}
tenant "t" {
  for_each    = { a = "a.example.com", "b b" = "b.example.com" }
  tenant_id   = each.value
  environment = "usgovernment"
  user_agent  = "us"
  auth "client_certificate" {
    client_id                   = "id"
    client_certificate_path     = "certs/${each.key}.pem"
    send_certificate_chain      = true
  }
  allowed_hosts = ["Files.Example.com."]
  limits {
    requests_in_flight  = 4
    requests_per_minute = 600
    bandwidth           = "60MiB/s"
    quiet_hours         = "6:00-20:30"
  }
}
guard {
  max_files        = 5
  min_free_space   = null
  max_delete_count = 7
}
mirror "m" {
  tenant = tenant.t["b b"]
  site   = "https://contoso.sharepoint.com/sites/people/"
  drive  = "Documents"
  folder = "A/B/"
  target = "/srv/mirror"
  names  = "portable"
  file_mode      = "0640"
  directory_mode = "750"
  select {
    include           = ["**/*.docx"]
    exclude           = toset(["tmp/"])
    min_size          = 1
    max_size          = "1.5KiB"
    modified_after    = "2026-01-31"
    modified_before   = "2026-02-01T12:00:00+02:00"
    extensions        = [".DOCX"]
    exclude_extensions = ["tmp"]
  }
  content {
    verify       = "size"
    unverifiable = "fail"
    notebooks    = "files"
    shortcuts    = "follow"
    versions     = 12
  }
  metadata {
    times       = false
    permissions = "sidecar"
    columns     = ["Title"]
  }
  trash {
    path      = "old"
    retention = "0d"
  }
  guard {
    max_delete_percent = 0
  }
  lifecycle {
    enabled          = 1 > 2
    prevent_delete   = true
    on_remote_delete = "keep"
    on_deselect      = "trash"
    on_local_change  = "rename"
    on_untracked     = "block"
    on_superseded    = "latest"
  }
}`)
	if cfg.Approval != "always" || cfg.PlanMaxAge != 36*time.Hour || cfg.Names != "hashed" || cfg.Backend.Path != filepath.Join(cfg.Dir, "state", "x.db") {
		t.Errorf("settings %+v", cfg)
	}
	if len(cfg.Tenants) != 2 || cfg.Tenants[1].Address != `tenant.t["b b"]` {
		t.Fatalf("tenants %+v", cfg.Tenants)
	}
	te := cfg.Tenants[1]
	if te.TenantID != "b.example.com" || te.Environment != "usgovernment" || te.Auth.CertificatePath != filepath.Join(cfg.Dir, "certs", "b b.pem") || !te.Auth.SendChain {
		t.Errorf("tenant %+v", te)
	}
	if !reflect.DeepEqual(te.Limits, Limits{4, 600, 60 << 20, "06:00-20:30"}) || !reflect.DeepEqual(te.AllowedHosts, []string{"files.example.com"}) {
		t.Errorf("limits %+v hosts %q", te.Limits, te.AllowedHosts)
	}
	m := cfg.Mirrors[0]
	if m.Tenant != `tenant.t["b b"]` || m.Source != (Source{Site: "https://contoso.sharepoint.com/sites/people", Drive: "Documents", Folder: "/A/B"}) || m.Target != "/srv/mirror" {
		t.Errorf("mirror %+v", m)
	}
	after, before := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC)
	sel := Select{Include: []string{"**/*.docx"}, Exclude: []string{"tmp/"}, MinSize: ptr[int64](1), MaxSize: ptr[int64](1536),
		ModifiedAfter: &after, ModifiedBefore: &before, Extensions: []string{"docx"}, ExcludeExtensions: []string{"tmp"}}
	if !reflect.DeepEqual(m.Select, sel) {
		t.Errorf("select %+v", m.Select)
	}
	g := defaultGuard()
	g.MaxFiles, g.MinFreeSpace, g.MaxDeleteCount, g.MaxDeletePercent = ptr[int64](5), nil, ptr[int64](7), ptr[float64](0)
	if !reflect.DeepEqual(m.Guard, g) {
		t.Errorf("guard %+v", m.Guard)
	}
	if m.GuardRanges["max_delete_percent"].Start.Line <= m.GuardRanges["max_files"].Start.Line || len(m.GuardRanges) != 4 {
		t.Errorf("guard ranges %v", m.GuardRanges)
	}
	if m.TargetNames != "portable" || m.FileMode != 0o640 || m.DirectoryMode != 0o750 {
		t.Errorf("names %s, modes %v %v", m.TargetNames, m.FileMode, m.DirectoryMode)
	}
	if m.Content != (Content{"size", "fail", "files", "follow", "12"}) || m.Trash != (Trash{"old", 0, true}) ||
		m.Lifecycle != (Lifecycle{false, true, "keep", "trash", "rename", "block", "latest"}) {
		t.Errorf("content %+v trash %+v lifecycle %+v", m.Content, m.Trash, m.Lifecycle)
	}
}

func TestADirectoryWithoutConfigurationHasItsOwnCode(t *testing.T) {
	_, diags := Load(Options{Dir: write(t, "only.vars.hcl", "a = 1", ".hidden.hcl", "b {}")})
	if !HasCode(diags, CodeEmpty) || len(diags) != 1 {
		t.Errorf("diagnostics %v", diags)
	}
}

func TestJSONSyntaxMeansTheSame(t *testing.T) {
	native := load(t, Options{}, "main.hcl", demo+`
mirror "m" {
  for_each = { a = "b!1" }
  drive_id = each.value
  target   = "./mirror/${each.key}"
  select { include = ["*.docx"] }
}`)
	asJSON := load(t, Options{}, "main.hcl.json", `{
  "tenant": {"demo": {"sandbox": {}}},
  "mirror": {"m": {"for_each": {"a": "b!1"}, "drive_id": "${each.value}", "target": "./mirror/${each.key}", "select": {"include": ["*.docx"]}}}
}`)
	a, b := native.Mirrors[0], asJSON.Mirrors[0]
	if a.Address != b.Address || a.SelectDigest != b.SelectDigest || a.Source != b.Source {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestUsersMayHaveTheNamesOfGuestsAndIrishmen(t *testing.T) {
	for _, name := range []string{"adele_contoso.com#EXT#@fabrikam.onmicrosoft.com", "o'neil@contoso.com", "48d31887-5fad-4d73-a9f5-3c356e68a038"} {
		cfg := load(t, Options{}, "main.hcl", demo+"mirror \"m\" {\n  user   = \""+name+"\"\n  target = \"./m\"\n}\n")
		if got := cfg.Mirrors[0].Source.User; got != name {
			t.Errorf("%q was read as %q", name, got)
		}
	}
}

func TestDynamicBlocksAreExpanded(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", `
locals {
  libraries = { A = 1, B = 2 }
}
tenant "demo" {
  sandbox {
    dynamic "library" {
      for_each = local.libraries
      labels   = [library.key]
      content {
        files = library.value
      }
    }
  }
}`)
	want := []SandboxLibrary{{Name: "A", Files: 1}, {Name: "B", Files: 2}}
	if got := cfg.Tenants[0].Sandbox.Libraries; !reflect.DeepEqual(got, want) {
		t.Errorf("libraries %+v", got)
	}
}

// answers is a DataSource out of a map by address.
type answers map[string]map[string]any

func (a answers) ReadData(req DataRequest) (map[string]any, error) {
	if result, ok := a[req.Address]; ok {
		return result, nil
	}
	return nil, errors.New("no answer")
}

const withData = demo + `
data "drives" "all" {
  site = "https://contoso.sharepoint.com/sites/people"
}
mirror "m" {
  for_each = { for name, d in data.drives.all.drives : name => d.drive_id if !d.hidden }
  drive_id = each.value
  target   = "./mirror/${slug(each.key)}"
}
output "n" {
  value = length(mirror.m)
}`

func TestDataDecidesWhichMirrorsExist(t *testing.T) {
	source := answers{"data.drives.all": {"drives": map[string]any{
		"Dokumente": map[string]any{"drive_id": "b!1", "hidden": false},
		"Style":     map[string]any{"drive_id": "b!2", "hidden": true},
		"Größe":     map[string]any{"drive_id": "b!3", "hidden": false},
	}}}
	cfg := load(t, Options{Data: source}, "main.hcl", withData)
	var got []string
	for _, m := range cfg.Mirrors {
		got = append(got, m.Address+" "+filepath.Base(m.Target))
	}
	if want := []string{`mirror.m["Dokumente"] dokumente`, `mirror.m["Größe"] grosse`}; !reflect.DeepEqual(got, want) {
		t.Errorf("mirrors %q", got)
	}
}

func TestOfflineDataIsUnknownAndNoMistake(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", withData)
	if len(cfg.Mirrors) != 0 || !reflect.DeepEqual(cfg.Deferred, []string{"mirror.m"}) {
		t.Errorf("mirrors %v deferred %v", cfg.Mirrors, cfg.Deferred)
	}
}

func TestMistakesInABlockWithUnknownForEachAreFoundOffline(t *testing.T) {
	got := broken(t, Options{}, "main.hcl", strings.Replace(withData, `slug(each.key)`, `slgu(each.key)`, 1))
	if !strings.Contains(got, `Did you mean "slug"?`) {
		t.Error(got)
	}
}

func TestDataThatCannotBeReadIsAnErrorAtItsBlock(t *testing.T) {
	got := broken(t, Options{Data: answers{}}, "main.hcl", withData)
	if !strings.Contains(got, "[SPM0260]") || !strings.Contains(got, "Reading data.drives.all: no answer.") {
		t.Error(got)
	}
}

func TestModulesContributeMirrorsAndOutputs(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", demo+`
guard {
  max_delete_count = 3
}
module "lib" {
  for_each = toset(["x", "y"])
  source   = "./modules/lib"
  name     = each.key
  tenant   = tenant.demo
}
output "targets" {
  value = [for k, m in module.lib : m.target]
}
`, "modules/lib/main.hcl", `
variable "name" {
  type = string
}
variable "tenant" {}
mirror "m" {
  tenant   = var.tenant
  drive_id = "b!${var.name}"
  target   = "./mirror/${var.name}"
}
output "target" {
  value = mirror.m.target
}`)
	var got []string
	for _, m := range cfg.Mirrors {
		got = append(got, fmt.Sprintf("%s %s %d", m.Address, m.Tenant, *m.Guard.MaxDeleteCount))
	}
	want := []string{`module.lib["x"].mirror.m tenant.demo 3`, `module.lib["y"].mirror.m tenant.demo 3`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mirrors %q", got)
	}
	value, diags := cfg.Outputs[0].Evaluate(nil)
	if diags.HasErrors() || !strings.Contains(string(value.(json.RawMessage)), "mirror/y") {
		t.Errorf("output %s %v", value, diags)
	}
	if len(cfg.Files) != 2 {
		t.Errorf("files %v", cfg.Files)
	}
}

func TestAModuleThatContainsItselfEnds(t *testing.T) {
	got := broken(t, Options{}, "main.hcl", demo+`module "a" { source = "./a" }`,
		"a/main.hcl", `module "b" { source = "../b" }`, "b/main.hcl", `module "a" { source = "../a" }`)
	if !strings.Contains(got, "[SPM0140]") {
		t.Error(got)
	}
}

func TestAConstraintThatIsNoneHidesNoOtherMistake(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte("spmirror {\n  required_version = \"banana\"\n  approval = \"sometimes\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, diags := Load(Options{Dir: dir, ToolVersion: "0.1.0"})
	var codes []Code
	for _, d := range diags {
		codes = append(codes, CodeOf(d))
	}
	if !slices.Contains(codes, CodeVersion) || !slices.Contains(codes, CodeEnum) {
		t.Errorf("only %q are told", codes)
	}
}

func TestAVariableOfTheCommandLineThatIsNoneSaysWhatIsMissing(t *testing.T) {
	for assign, want := range map[string]string{"x": "the equals sign is missing", "=1": "the name is missing"} {
		_, diags := Load(Options{Dir: "../examples", File: "quickstart.hcl", Vars: []VarArg{Var(assign)}})
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return strings.Contains(d.Detail, want) }) {
			t.Errorf("-var %s: %v", assign, diags)
		}
	}
}
