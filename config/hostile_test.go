package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHostileFilesAreRefusedBeforeTheyCost(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	doubling := "locals {\n  a0 = \"" + many("x", 64) + "\"\n"
	for i := range 40 {
		doubling += fmt.Sprintf("  a%d = \"${local.a%d}${local.a%d}\"\n", i+1, i, i)
	}
	for name, c := range map[string]struct {
		file, content string
		code          Code
	}{
		"parentheses":           {"main.hcl", "locals {\n  a = " + many("(", 1_000_000) + "\n}", CodeTooDeep},
		"lists":                 {"main.hcl", "locals {\n  a = " + many("[", 10_000) + many("]", 10_000) + "\n}", CodeTooDeep},
		"blocks":                {"main.hcl", many("a {\n", 10_000), CodeTooDeep},
		"minus signs":           {"main.hcl", "locals {\n  a = " + many("-", 100_000) + "1\n}", CodeTooDeep},
		"sums":                  {"main.hcl", "locals {\n  a = 1" + many("+1", 100_000) + "\n}", CodeTooDeep},
		"conditions":            {"main.hcl", "locals {\n  a = " + many("true ? 1 : ", 100_000) + "1\n}", CodeTooDeep},
		"template directives":   {"main.hcl", "locals {\n  a = \"" + many("%{if true}", 100_000) + "\"\n}", CodeTooDeep},
		"interpolations":        {"main.hcl", "locals {\n  a = " + many(`"${`, 10_000) + "\n}", CodeTooDeep},
		"JSON arrays":           {"main.hcl.json", many("[", 1_000_000), CodeTooDeep},
		"JSON template":         {"main.hcl.json", `{"locals": {"a": "${` + many("(", 10_000) + `"}}`, CodeTooDeep},
		"JSON escaped template": {"main.hcl.json", `{"locals": {"a": "\u0024{` + many("(", 10_000) + `"}}`, CodeTooDeep},
		"large file":            {"main.hcl", many("# comment\n", 500_000), CodeTooLarge},
		"doubling locals":       {"main.hcl", doubling + "}\n", CodeExpansion},
		"wide format":           {"main.hcl", `locals { a = format("%999999999s", "x") }`, CodeFunction},
		"wide list format":      {"main.hcl", `locals { a = formatlist("%-0999999999d", [1]) }`, CodeFunction},
		"wide indent":           {"main.hcl", `locals { a = indent(999999999, "x\ny") }`, CodeFunction},
		"big power":             {"main.hcl", `locals { a = pow(10, 999999999) }`, CodeFunction},
		"set product":           {"main.hcl", `locals { a = setproduct(range(1000), range(1000), range(1000)) }`, CodeFunction},
		"replacement":           {"main.hcl", "locals {\n  a = replace(replace(\"" + many("x", 4000) + "\", \"\", \"" + many("y", 4000) + "\"), \"\", \"" + many("y", 4000) + "\")\n}", CodeFunction},
		"wide join":             {"main.hcl", "locals {\n  a = join(\"" + many("x", 8000) + "\", [for p in setproduct(range(100), range(100)) : \"\"])\n}", CodeFunction},
		"repeated argument":     {"main.hcl", "locals {\n  a = format(\"" + many("%[1]s", 2_000) + "\", \"" + many("x", 40_000) + "\")\n}", CodeFunction},
		"pieces of text":        {"main.hcl", "locals {\n  a = \"" + many("%x", 1_000_000) + "\"\n}", CodeTooDeep},
		"lines of a heredoc":    {"main.hcl", "locals {\n  a = <<E\n" + many("x\n", 1_000_000) + "E\n}", CodeTooDeep},
		"repeated insertion":    {"main.hcl", "locals {\n  a = \"" + many("${local.b}", 1000) + "\"\n  b = 1\n}", CodeTooDeep},
		"instances":             {"main.hcl", demo + "mirror \"m\" {\n  for_each = toset([for p in setproduct(range(101), range(100)) : \"${p[0]}-${p[1]}\"])\n  drive_id = \"b!1\"\n  target = \"./m/${each.key}\"\n}", CodeExpansion},
		"invalid UTF-8":         {"main.hcl", "a = \"\xff\"", CodeHiddenCharacter},
		"bidi in a comment":     {"main.hcl", "# \u202e\n", CodeHiddenCharacter},
		"bidi in values":        {"x.auto.vars.hcl", "a = \"\u2066\"", CodeHiddenCharacter},
		"NUL":                   {"main.hcl", "a = \"\x00\"", CodeHiddenCharacter},
	} {
		t.Run(name, func(t *testing.T) {
			files := []string{c.file, c.content}
			if c.file == "x.auto.vars.hcl" {
				files = append(files, "main.hcl", `variable "a" {}`)
			}
			cfg, diags := Load(Options{Dir: write(t, files...)})
			if !HasCode(diags, c.code) {
				t.Errorf("no %s in:\n%.2000s", c.code, text(t, cfg, diags))
			}
			if out := text(t, cfg, diags); len(out) > 20_000 {
				t.Errorf("%d bytes of diagnostics", len(out))
			}
		})
	}
}

func TestDecodersDoNotRecurseWithoutBound(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, c := range map[string][2]string{
		"JSON arrays":  {`jsondecode(file("f"))`, strings.Repeat("[", 1_000_000)},
		"YAML arrays":  {`yamldecode(file("f"))`, strings.Repeat("[", 1_000_000)},
		"YAML dashes":  {`yamldecode(file("f"))`, strings.Repeat("- ", 1_000_000)},
		"YAML aliases": {`yamldecode(file("f"))`, laughs},
	} {
		t.Run(name, func(t *testing.T) {
			got := broken(t, Options{}, "main.hcl", "locals {\n  a = "+c[0]+"\n}\n", "f", c[1])
			if !strings.Contains(got, "[SPM0121]") && !strings.Contains(got, "[SPM0126]") {
				t.Error(got)
			}
		})
	}
}

func TestAByteOrderMarkAndWindowsLinesAreAccepted(t *testing.T) {
	load(t, Options{}, "main.hcl", "\ufeff"+strings.ReplaceAll(demo, "\n", "\r\n"))
}

func TestFunctionsReadOnlyBelowTheConfiguration(t *testing.T) {
	outside := write(t, "secret.txt", "outside")
	for name, expr := range map[string]string{
		"parent":        `file("../` + filepath.Base(outside) + `/secret.txt")`,
		"absolute":      `file("` + filepath.ToSlash(outside) + `/secret.txt")`,
		"link":          `file("link/secret.txt")`,
		"link in a set": `fileset("link", "*")`,
		"exists":        `fileexists("../x")`,
		"template":      `templatefile("../x", {})`,
		"device":        `file("/dev/zero")`,
		"directory":     `file(".")`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.hcl", "locals {\n  a = "+expr+"\n}\n")
			if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
				t.Skip(err)
			}
			cfg, diags := Load(Options{Dir: dir})
			if !HasCode(diags, CodeFunction) {
				t.Errorf("no error:\n%s", text(t, cfg, diags))
			}
		})
	}
}

func TestNothingOfAFileActsOnTheTerminal(t *testing.T) {
	dir := write(t, "main.hcl", "mirror \"m\" {\n  x = \"\x1b[31m\"\n}\n", "b.hcl", "locals {\n  a = \"\\u001b[2J\"\n  b = parseint(local.a, 10)\n}\n")
	for _, color := range []bool{false, true} {
		cfg, diags := Load(Options{Dir: dir})
		var out strings.Builder
		if err := WriteDiagnostics(&out, diags, cfg.Sources, TextOptions{Color: color}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "\x1b[2J") || !color && strings.Contains(out.String(), "\x1b") {
			t.Errorf("escape sequence in %q", out.String())
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.hcl", "../examples/*.hcl", "../examples/gitops/*.hcl"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds at %s: %v", pattern, err)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, false)
		}
	}
	f.Add([]byte(`{"mirror": {"m": {"for_each": {"a": 1}, "drive_id": "${each.key}", "target": "x"}}}`), true)
	f.Fuzz(func(t *testing.T, src []byte, asJSON bool) {
		if len(src) > 1<<16 {
			t.Skip()
		}
		name := "main.hcl"
		if asJSON {
			name += ".json"
		}
		cfg, diags := Load(Options{Dir: write(t, name, string(src)), ToolVersion: "0.1.0"})
		for _, d := range diags {
			if CodeOf(d) == "" {
				t.Errorf("no code: %v", d)
			}
		}
		for _, r := range text(t, cfg, diags) {
			if r != '\n' && isHidden(r) {
				t.Errorf("hidden character %U in the text", r)
			}
		}
		for _, c := range cfg.Checks {
			_, _ = c.Evaluate(map[string]any{"totals": map[string]any{"adds": 1}})
		}
		for _, o := range cfg.Outputs {
			_, _ = o.Evaluate(nil)
		}
	})
}
