package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheGraphFollowsReferencesThroughLocalsVariablesAndModules(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"main.hcl": `
tenant "a" {
  sandbox {}
}
tenant "b" {
  sandbox {}
}
data "drives" "all" {
  tenant = tenant.a
  site   = "https://contoso.sharepoint.com/sites/people"
}
locals {
  direct = data.drives.all.drives
  names  = local.direct
}
mirror "each" {
  for_each = local.names
  tenant   = tenant["b"]
  drive_id = each.value.drive_id
  target   = "./m/${each.key}"
  select {
    include = [for k, v in local.direct : k]
  }
}
module "more" {
  source = "./more"
  tenant = tenant.b
}
check "some" {
  assert {
    condition     = plan.total.deletes < 10 || length(mirror.each) > 0
    error_message = "no"
  }
}
output "drives" {
  value = keys(local.names)
}
`,
		"more.hcl.json": `{"mirror": {"json": {"tenant": "${tenant.a}", "site": "https://contoso.sharepoint.com/sites/x", "target": "./json", "select": {"include": "${keys(local.names)}"}}}}`,
		"more/main.hcl": `
variable "tenant" {
  type = any
}
mirror "inner" {
  tenant = var.tenant
  site   = "https://contoso.sharepoint.com/sites/x"
  target = "./inner"
}
output "address" {
  value = mirror.inner.address
}
`,
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, diags := Load(Options{Dir: dir})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var got []string
	for _, d := range cfg.Graph() {
		got = append(got, d.Kind+" "+d.Address+" in "+d.Module+" -> "+strings.Join(d.Needs, " "))
	}
	want := []string{
		"check check.some in  -> mirror.each",
		"data data.drives.all in  -> tenant.a",
		"mirror mirror.each in  -> data.drives.all tenant.b",
		"mirror mirror.json in  -> data.drives.all tenant.a",
		"module module.more in  -> tenant.b",
		"mirror module.more.mirror.inner in module.more -> module.more",
		"output module.more.output.address in module.more -> module.more.mirror.inner",
		"output output.drives in  -> data.drives.all",
		"tenant tenant.a in  -> ",
		"tenant tenant.b in  -> ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the graph is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestKeysOfModulesAreNotPartOfTheGraph(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "module.a.": "module.a.", `module.a["k.[x]\""].module.b["y"].`: "module.a.module.b.",
	} {
		if got := withoutKeys(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}
