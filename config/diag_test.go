package config

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestEveryCodeIsExplainedOnce(t *testing.T) {
	form := regexp.MustCompile(`^SPM0[12]\d\d$`)
	seen := map[Code]bool{}
	var last Code
	for _, e := range Codes() {
		if !form.MatchString(string(e.Code)) || e.Title == "" || len(e.Explain) < 40 || seen[e.Code] || e.Code < last {
			t.Errorf("%+v", e)
		}
		seen[e.Code], last = true, e.Code
	}
	if !seen[CodeEmpty] || !seen[CodeWithoutProtector] {
		t.Error("the table is not complete")
	}
}

func TestValidateJSONHasTerraformsShape(t *testing.T) {
	cfg, diags := Load(Options{Dir: write(t, "main.hcl", demo+`
mirror "m" {
  for_each = { a = "huge" }
  drive_id = "b!1"
  target   = "./m"
  select {
    max_size = each.value
  }
}`)})
	data, err := json.Marshal(DiagnosticsJSON(diags, cfg.Sources))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"format_version":"1.0","valid":false,"error_count":1,"warning_count":0,"diagnostics":[{"severity":"error","summary":"Invalid size",` +
		`"detail":"The argument max_size: \"huge\" is not a size; write a number with a unit, such as \"512KiB\", \"10GiB\" or \"1.5TB\".","code":"SPM0202",` +
		`"range":{"filename":"main.hcl","start":{"line":11,"column":16,"byte":138},"end":{"line":11,"column":26,"byte":148}},` +
		`"snippet":{"context":"mirror \"m\"","code":"    max_size = each.value","start_line":11,"highlight_start_offset":15,"highlight_end_offset":25,` +
		`"values":[{"traversal":"each.value","statement":"is \"huge\""}]}}]}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	if empty, _ := json.Marshal(DiagnosticsJSON(nil, nil)); string(empty) != `{"format_version":"1.0","valid":true,"error_count":0,"warning_count":0,"diagnostics":[]}` {
		t.Errorf("%s", empty)
	}
}

func TestColourAddsARuleAndMarksThePlace(t *testing.T) {
	src := []byte("mirror \"library\" {\n  drive = each.value\n}\n")
	file, _ := parseSource("main.hcl", src)
	file.Bytes = src
	d := WithCode(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Library not found", Detail: "The site has 3 libraries.",
		Subject: &hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 2, Column: 11, Byte: 29}, End: hcl.Pos{Line: 2, Column: 21, Byte: 39}}}, CodeLibrary)
	sources := map[string]*hcl.File{"main.hcl": file}
	var plain, colour strings.Builder
	if err := WriteDiagnostics(&plain, hcl.Diagnostics{d}, sources, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "Error: Library not found [SPM0204]\n\n  on main.hcl line 2, in mirror \"library\":\n  2:   drive = each.value\n\n  The site has 3 libraries.\n\n"; plain.String() != want {
		t.Errorf("%q", plain.String())
	}
	if err := WriteDiagnostics(&colour, hcl.Diagnostics{d}, sources, TextOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(colour.String(), "\x1b[31m╷") || !strings.Contains(colour.String(), "drive = \x1b[4meach.value\x1b[0m") {
		t.Errorf("%q", colour.String())
	}
}
