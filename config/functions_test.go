package config

import (
	"slices"
	"strings"
	"testing"
)

func TestFunctionsAnswer(t *testing.T) {
	cfg := load(t, Options{}, "main.hcl", demo, "data/a.txt", "hello", "data/b/c.txt", "x", "t.tmpl", "%{ for n in names }<${n}>%{ endfor }", "y.yaml", "a: [1, 2]\n")
	for expr, want := range map[string]string{
		`bytes("10GiB")`:                                               `10737418240`,
		`bytes(5)`:                                                     `5`,
		`slug("Größe & Übersicht 2026!")`:                              `"grosse-ubersicht-2026"`,
		`safepath("../a:b/CON/x. /nul.txt/..")`:                        `"a_b/_CON/x/_nul.txt"`,
		`safepath("C:\\a")`:                                            `"C_/a"`,
		`globmatch("**/*.docx", "A/B.DOCX")`:                           `true`,
		`globmatch("*.docx", "A/B.DOCX")`:                              `true`,
		`globmatch("/*.docx", "A/B.DOCX")`:                             `false`,
		`globmatch("Archive/", "archive/x/y.txt")`:                     `true`,
		`startswith("abc", "ab")`:                                      `true`,
		`endswith("abc", "ab")`:                                        `false`,
		`strcontains("abc", "b")`:                                      `true`,
		`file("data/a.txt")`:                                           `"hello"`,
		`file("${path.module}/data/a.txt")`:                            `"hello"`,
		`fileexists("data/a.txt")`:                                     `true`,
		`fileexists("data/z.txt")`:                                     `false`,
		`fileset("data", "**/*.txt")`:                                  `["a.txt", "b/c.txt"]`,
		`fileset("data", "*.txt")`:                                     `["a.txt"]`,
		`templatefile("t.tmpl", { names = ["a", "b"] })`:               `"<a><b>"`,
		`yamldecode(file("y.yaml")).a[1]`:                              `2`,
		`filesha256("data/a.txt") == sha256("hello")`:                  `true`,
		`filebase64("data/a.txt") == base64encode("hello")`:            `true`,
		`base64decode("aGVsbG8=")`:                                     `"hello"`,
		`md5("")`:                                                      `"d41d8cd98f00b204e9800998ecf8427e"`,
		`sum([1, 2.5])`:                                                `3.5`,
		`alltrue([true, "true"])`:                                      `true`,
		`anytrue([])`:                                                  `false`,
		`one([])`:                                                      `null`,
		`one(toset(["x"]))`:                                            `"x"`,
		`length("äö")`:                                                 `2`,
		`length({ a = 1 })`:                                            `1`,
		`toset(["b", "a", "b"])`:                                       `["a", "b"]`,
		`tolist(["a", 1])`:                                             `["a", "1"]`,
		`matchkeys(["a", "b"], [1, 2], [2])`:                           `["b"]`,
		`transpose({ a = ["x"], b = ["x"] })["x"]`:                     `["a", "b"]`,
		`replace("a-b", "/[-]/", "_")`:                                 `"a_b"`,
		`replace("a.b", ".", "_")`:                                     `"a_b"`,
		`format("%03d|%-3s|", 7, "x")`:                                 `"007|x  |"`,
		`formatdate("YYYY", "2026-01-31T00:00:00Z")`:                   `"2026"`,
		`timecmp("2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00")`: `0`,
		`try(local.x, "fallback")`:                                     "",
		`try({}.x, "fallback")`:                                        `"fallback"`,
		`can({}.x)`:                                                    `false`,
		`issensitive(sensitive(1))`:                                    `true`,
		`sensitive("x")`:                                               `(sensitive value)`,
		`nonsensitive(sensitive("x"))`:                                 `"x"`,
		`uuidv5("dns", "example.com")`:                                 `"cfbff0d1-9375-5685-968c-48ce8b15ae17"`,
		`join("-", ["a", "b"], ["c"])`:                                 `"a-b-c"`,
		`join("-", ["a", 1])`:                                          `"a-1"`,
		`indent("2", "a\nb")`:                                          `"a\nb"`,
		`jsondecode("{\"a\": [1]}").a[0]`:                              `1`,
		`yamldecode("a: &x [1]\nb: *x").b[0]`:                          `1`,
		`setproduct(["a"], ["b"])[0][1]`:                               `"b"`,
		`join(",", sensitive(["a"]))`:                                  `(sensitive value)`,
		`formatlist("%s!", ["a", "b"])`:                                `["a!", "b!"]`,
		`pow(2, 10)`:                                                   `1024`,
		`dirname("a/b")`:                                               `"a"`,
		`[for n in range(3) : n * 2]`:                                  `[0, 2, 4]`,
	} {
		got, diags := cfg.Console(expr)
		if want == "" {
			if !diags.HasErrors() {
				t.Errorf("%s is %s", expr, got)
			}
			continue
		}
		if diags.HasErrors() || strings.ReplaceAll(strings.ReplaceAll(got, "\n", ""), "  ", "") != strings.ReplaceAll(want, "  ", "") {
			t.Errorf("%s is %s, want %s (%v)", expr, got, want, diags)
		}
	}
}

func TestThereIsNoImpureFunction(t *testing.T) {
	names := Functions()
	if len(names) < 80 || !slices.IsSorted(names) {
		t.Errorf("%d names", len(names))
	}
	for _, name := range []string{"timestamp", "plantimestamp", "uuid", "bcrypt", "pathexpand", "abspath", "env", "getenv", "exec", "http"} {
		if slices.Contains(names, name) {
			t.Errorf("%s exists", name)
		}
	}
}
