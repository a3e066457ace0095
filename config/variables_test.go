package config

import (
	"strings"
	"testing"
)

const sizes = demo + `
variable "size" {
  type    = number
  default = 0
}
variable "list" {
  type    = list(string)
  default = []
}
variable "anything" {
  default = "x"
}
variable "person" {
  type = object({
    name = string
    age  = optional(number, 7)
  })
  default = { name = "Ada" }
}
`

func valueOf(t *testing.T, cfg *Config, name string) (string, string) {
	t.Helper()
	for _, v := range cfg.Variables {
		if v.Name == name {
			return string(v.Value), v.Origin
		}
	}
	t.Fatalf("no variable %s", name)
	return "", ""
}

func TestTheLastSourceOfAValueWins(t *testing.T) {
	files := []string{"main.hcl", sizes, "spmirror.vars.hcl", "size = 2", "b.auto.vars.hcl", "size = 4", "a.auto.vars.hcl", "size = 3",
		"c.auto.vars.hcl.json", `{"list": ["j"]}`, "more.vars.hcl", "size = 6"}
	env := []string{"SPMIRROR_VAR_size=1", "SPMIRROR_VAR_unknown=x"}
	for _, c := range []struct {
		files  []string
		vars   []VarArg
		want   string
		origin string
	}{
		{files[:2], nil, "1", "SPMIRROR_VAR_size"},
		{files[:4], nil, "2", "the file spmirror.vars.hcl"},
		{files, nil, "4", "the file b.auto.vars.hcl"},
		{files, []VarArg{Var("size=5")}, "5", `-var="size=..."`},
		{files, []VarArg{Var("size=5"), VarFile("more.vars.hcl")}, "6", "the file more.vars.hcl"},
		{files, []VarArg{VarFile("more.vars.hcl"), Var("size=5")}, "5", `-var="size=..."`},
	} {
		cfg := load(t, Options{Env: env, Vars: c.vars}, c.files...)
		if got, origin := valueOf(t, cfg, "size"); got != c.want || origin != c.origin {
			t.Errorf("got %s from %s, want %s from %s", got, origin, c.want, c.origin)
		}
	}
}

func TestTextIsReadAsTheTypeAsks(t *testing.T) {
	cfg := load(t, Options{Vars: []VarArg{Var(`list=["a", "b"]`), Var("anything=[1]"), Var(`person={name = "Bob"}`)}}, "main.hcl", sizes)
	for name, want := range map[string]string{"list": `["a","b"]`, "anything": `"[1]"`, "person": `{"age":7,"name":"Bob"}`} {
		if got, _ := valueOf(t, cfg, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestBadValuesSayWhereTheyCameFrom(t *testing.T) {
	for want, c := range map[string]struct {
		opts  Options
		files []string
	}{
		`var.size set using -var="size=...": a number is required`:                {Options{Vars: []VarArg{Var("size=many")}}, nil},
		`var.size set using SPMIRROR_VAR_size: a number is required`:              {Options{Env: []string{"SPMIRROR_VAR_size=many"}}, nil},
		`var.size set using the file spmirror.vars.hcl: a number is required`:     {Options{}, []string{"spmirror.vars.hcl", `size = "many"`}},
		`No variable block declares "siez", which -var sets. Did you mean "size"`: {Options{Vars: []VarArg{Var("siez=1")}}, nil},
		`No variable block declares "siez". Did you mean "size"`:                  {Options{}, []string{"x.auto.vars.hcl", "siez = 1"}},
		`Write -var 'name=value'`:                               {Options{Vars: []VarArg{Var("size")}}, nil},
		`Reading nowhere.vars.hcl: no such file or directory`:   {Options{Vars: []VarArg{VarFile("nowhere.vars.hcl")}}, nil},
		`the value may not refer to anything or call functions`: {Options{Vars: []VarArg{Var("list=[var.size]")}}, nil},
	} {
		got := strings.Join(strings.Fields(broken(t, c.opts, append([]string{"main.hcl", sizes}, c.files...)...)), " ")
		if !strings.Contains(got, want) {
			t.Errorf("want %q in:\n%s", want, got)
		}
	}
}

func TestTheDigestFollowsWhatDecides(t *testing.T) {
	const config = sizes + `
locals {
  list = csvdecode(file("list.csv"))
}`
	base := []string{"main.hcl", config, "list.csv", "a\n1\n"}
	digest := func(opts Options, files ...string) string { return load(t, opts, files...).Digest }
	first := digest(Options{}, base...)
	if again := digest(Options{}, base...); again != first {
		t.Error("the same files in another directory have another digest")
	}
	for what, other := range map[string]string{
		"a variable":          digest(Options{Vars: []VarArg{Var("size=1")}}, base...),
		"a file":              digest(Options{}, "main.hcl", config+"\n", "list.csv", "a\n1\n"),
		"a file's name":       digest(Options{}, "other.hcl", config, "list.csv", "a\n1\n"),
		"a file that is read": digest(Options{}, "main.hcl", config, "list.csv", "a\n2\n"),
	} {
		if other == first {
			t.Errorf("%s does not change the digest", what)
		}
	}
	if other := digest(Options{}, append(base, "README.md", "x")...); other != first {
		t.Error("a file that nobody reads changes the digest")
	}
}
