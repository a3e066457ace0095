package config

import (
	"encoding/json"
	"strings"
	"testing"
)

const withCheck = demo + `
mirror "m" {
  drive_id = "b!1"
  target   = "./mirror/m"
}
check "size" {
  assert {
    condition     = plan.totals.download_bytes < bytes("1MiB")
    error_message = "This run would download ${plan.totals.download_bytes} bytes into ${mirror.m.address}."
  }
  assert {
    condition     = alltrue([for address, m in plan.mirror : m.deletes == 0])
    error_message = "Deletes."
  }
}
check "mandatory" {
  enforcement = "mandatory"
  assert {
    condition     = length(plan.mirror) == 1
    error_message = "One mirror."
  }
}
output "files" {
  value = { address = mirror.m.address, files = mirror.m.tracked_files }
}`

func planValue(bytes int64, deletes int) map[string]any {
	return map[string]any{
		"totals": map[string]any{"download_bytes": bytes},
		"mirror": map[string]any{"mirror.m": map[string]any{"deletes": deletes}},
	}
}

func TestChecksAreEvaluatedOverAPlan(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", withCheck)
	size, mandatory := cfg.Checks[1], cfg.Checks[0]
	result, diags := size.Evaluate(planValue(5, 0))
	if !result.Passed() || len(diags) > 0 || len(result.Asserts) != 2 {
		t.Errorf("%+v %v", result, diags)
	}
	result, diags = size.Evaluate(planValue(2<<20, 1))
	if result.Status != "fail" || diags.HasErrors() || !HasCode(diags, CodeCheck) || len(diags) != 2 ||
		result.Asserts[0].Message != "This run would download 2097152 bytes into mirror.m." {
		t.Errorf("%+v %v", result, diags)
	}
	empty := planValue(0, 0)
	empty["mirror"] = map[string]any{}
	if result, diags = mandatory.Evaluate(empty); result.Status != "fail" || !diags.HasErrors() {
		t.Errorf("%+v %v", result, diags)
	}
}

func TestACheckThatCannotBeComputedDoesNotPass(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", withCheck)
	for _, value := range []map[string]any{nil, {}, {"totals": 5}, {"totals": map[string]any{"download_bytes": "many"}, "mirror": nil}, {"x": struct{}{}}} {
		if result, diags := cfg.Checks[1].Evaluate(value); result.Status != "error" || result.Passed() || len(diags) == 0 {
			t.Errorf("%v: %+v %v", value, result, diags)
		}
	}
}

func TestOutputsUseFactsOfTheState(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", withCheck)
	value, diags := cfg.Outputs[0].Evaluate(map[string]map[string]any{"mirror.m": {"tracked_files": int64(7)}})
	if raw, ok := value.(json.RawMessage); diags.HasErrors() || !ok || string(raw) != `{"address":"mirror.m","files":7}` {
		t.Errorf("%s %v", value, diags)
	}
	if _, diags = cfg.Outputs[0].Evaluate(nil); !diags.HasErrors() {
		t.Error("an output without its fact has a value")
	}
}

func TestImportsAndMovesAreAddresses(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", demo+`
mirror "m" {
  for_each = toset(["a", "b"])
  drive_id = "b!${each.key}"
  target   = "./mirror/${each.key}"
}
import {
  for_each = toset(["a", "b"])
  to       = mirror.m[each.key]
  path     = "old/${each.key}"
}
moved {
  from = mirror.old
  to   = mirror.m["a"]
}
moved {
  from = module.x["k"].mirror.old["y"]
  to   = mirror.old
}
removed {
  from = mirror.gone["z"]
  lifecycle {
    destroy = true
  }
}`)
	if len(cfg.Imports) != 2 || cfg.Imports[1].To != `mirror.m["b"]` || !strings.HasSuffix(cfg.Imports[1].Path, "old/b") || cfg.Imports[1].Verify != "quickxor" {
		t.Errorf("imports %+v", cfg.Imports)
	}
	if cfg.Moved[1].From != `module.x["k"].mirror.old["y"]` || cfg.Moved[0].To != `mirror.m["a"]` {
		t.Errorf("moved %+v", cfg.Moved)
	}
	if cfg.Removed[0].From != `mirror.gone["z"]` || !cfg.Removed[0].Destroy {
		t.Errorf("removed %+v", cfg.Removed)
	}
}

func TestTheSelectDigestFollowsSelectionOnly(t *testing.T) {
	digest := func(body string) string {
		return load(t, Options{}, "main.hcl", demo+"mirror \"m\" {\n  drive_id = \"b!1\"\n"+body+"\n}").Mirrors[0].SelectDigest
	}
	const target = "target = \"./m\"\n"
	base := digest(target + `select { include = ["a", "b"] }`)
	for body, same := range map[string]bool{
		target + `select { include = ["b", "a", "a"] }`:                                   true,
		"target = \"./n\"\n" + `select { include = ["a", "b"] }`:                          true,
		target + "select { include = [\"a\", \"b\"] }\nguard {\n max_files = 1\n}":        true,
		target + `select { include = ["a"] }`:                                             false,
		target + `select { exclude = ["a", "b"] }`:                                        false,
		target + "folder = \"/x\"\nselect { include = [\"a\", \"b\"] }":                   false,
		target + "content { notebooks = \"files\" }\nselect { include = [\"a\", \"b\"] }": false,
	} {
		if got := digest(body); (got == base) != same {
			t.Errorf("%s: same %v", body, got == base)
		}
	}
}
