package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

const policyDir = "../../docs/ci/policy"

// TestThePolicyNamesMembersOfThePlan holds the example to the schema: of a member that is not there a policy says
// nothing, and allows everything.
func TestThePolicyNamesMembersOfThePlan(t *testing.T) {
	schema, err := view.Schema(view.SchemaPlan)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(schema, &document); err != nil {
		t.Fatal(err)
	}
	members := map[string]bool{}
	for _, a := range plan.Actions {
		members[string(a)] = true // sums by action
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for name := range properties {
					members[name] = true
				}
			}
			for _, w := range v {
				walk(w)
			}
		case []any:
			for _, w := range v {
				walk(w)
			}
		}
	}
	walk(document)
	policy, err := os.ReadFile(filepath.Join(policyDir, "plan.rego"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(?:input|change|mirror|guard)((?:\.[a-z_]+)+)`).FindAllStringSubmatch(string(policy), -1)
	if len(named) < 10 {
		t.Fatalf("the policy names %d members", len(named))
	}
	for _, m := range named {
		for word := range strings.SplitSeq(m[1][1:], ".") {
			if !members[word] {
				t.Errorf("%s: a plan has no member %s", m[0], word)
			}
		}
	}
}

// TestConftestJudgesPlans runs the example as docs/ci says, where conftest is installed.
func TestConftestJudgesPlans(t *testing.T) {
	if _, err := exec.LookPath("conftest"); err != nil {
		t.Skip("conftest is not installed")
	}
	p := newPipeline(t)
	policy, err := filepath.Abs(policyDir)
	if err != nil {
		t.Fatal(err)
	}
	p.write("data.json", `{"targets": "`+p.dir+`/", "max_download_bytes": 1000}`)
	judge := func(edit func(config string) string) (found []string) {
		t.Helper()
		p.write("proposed.txt", edit(p.read("main.hcl")))
		out, _ := p.run("spmirror plan -config=proposed.txt -out=pr.spplan >/dev/null 2>&1 || true; spmirror show -json pr.spplan >plan.json && " +
			"conftest test --no-color --output=json --policy='" + policy + "' --data=data.json plan.json")
		var results []struct{ Failures, Warnings []struct{ Msg string } }
		if err := json.Unmarshal([]byte(out), &results); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		for _, r := range results {
			for _, f := range slices.Concat(r.Failures, r.Warnings) {
				found = append(found, f.Msg)
			}
		}
		return found
	}
	as := func(text string) string { return text }
	if found := judge(as); len(found) > 0 {
		t.Errorf("of no changes: %q", found)
	}
	p.write("library/2024/contract.txt", strings.Repeat("long", 300))
	if found := judge(as); len(found) != 1 || !strings.Contains(found[0], "1200 bytes would be downloaded, more than 1000") {
		t.Errorf("of a large file: %q", found)
	}
	if found := judge(func(c string) string { return strings.Replace(c, `"mirror"`, `"../mirror"`, 1) }); !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "lies outside of") }) {
		t.Errorf("of another target: %q", found)
	}
	if found := judge(func(c string) string { return strings.Replace(c, `"2025/"`, `"2025/", "b.txt"`, 1) }); !slices.Contains(found, "mirror.docs: files that would be forgotten and stay on disk: 1") {
		t.Errorf("of a narrower filter: %q", found)
	}
	p.write("library/Contracts/a.txt", "a")
	p.mustRun("spmirror apply -auto-approve")
	if err := os.RemoveAll(filepath.Join(p.dir, "library", "Contracts")); err != nil {
		t.Fatal(err)
	}
	found := judge(func(c string) string {
		return strings.Replace(c, "  select {", "  trash {\n    enabled = false\n  }\n\n  select {", 1)
	})
	for _, want := range []string{"mirror.docs: Contracts/a.txt is a contract", "mirror.docs: Contracts/a.txt would be deleted for good", "mirror.docs: guard max_delete_percent found"} {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("of deletes no %q: %q", want, found)
		}
	}
}
