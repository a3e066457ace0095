// Package spmirror_test checks the house rules that the compiler does not: which room may import
// which, and the habits that keep data and secrets safe. It reads the source and runs none of it.
package spmirror_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/spmirror/spmirror"

// anything marks the one room that may import every other.
const anything = "*"

// rooms says which packages of ours a package may import. A package that is not listed breaks the
// rule: a new room is added here, with its reason in the change that adds it.
var rooms = map[string][]string{
	"config":         {},
	"graph":          {"graph/quickxor"}, // its own sub-package
	"graph/auth":     {"graph"},
	"graph/quickxor": {},
	"state":          {},
	"target":         {},
	"sandbox":        {"graph/quickxor"},
	"crawl":          {"graph", "state"},
	"plan":           {},
	"recorded":       {"plan", "state", "target"}, // what the planner reads, for the program and for the tests of apply
	"apply":          {"plan", "graph", "graph/quickxor", "state", "target"},
	"view":           {"plan", "apply"},
	"trace":          {},        // OpenTelemetry: 19 modules behind four functions, so that nobody else depends on them
	"watch":          {"graph"}, // when to look at which drive, and the only door that strangers can knock at
	"cmd/spmirror":   {anything},
}

// foreign says which rooms may import a package, or anything below it, that is dangerous or that is
// to be known in one place only. What is not listed may be imported anywhere.
var foreign = map[string][]string{
	"database/sql":                 {"state"},
	"github.com/mattn/go-sqlite3":  {"state"},
	"github.com/zclconf/go-cty":    {"config"},
	"github.com/AzureAD":           {"graph/auth"},
	"os/exec":                      {"graph/auth"}, // planning a stranger's branch runs no external command
	"go.opentelemetry.io":          {"trace"},
	"google.golang.org":            {},
	"github.com/prometheus":        {},
	"plugin":                       {},
	"unsafe":                       {"target"}, // system calls that have no wrapper
	"encoding/gob":                 {},
	"github.com/google/go-cmp/cmp": {},
	"github.com/yuin/goldmark":     {},
	"pgregory.net/rapid":           {},
}

// source is one parsed file of the project.
type source struct {
	path string // slash-separated, relative to the module root
	file *ast.File
	set  *token.FileSet
}

// room is the package's directory.
func (s source) room() string { return path.Dir(s.path) }

func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(node.Pos()).Line)
}

// imports maps the name under which each package is used in the file to its path.
func (s source) imports() map[string]string {
	found := map[string]string{}
	for _, spec := range s.file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "_" {
			name = imported
		}
		found[name] = imported
	}
	return found
}

// production parses every Go file of the module that is not a test. Directories with a go.mod of
// their own are other modules.
func production(t *testing.T) []source {
	t.Helper()
	var sources []source
	root := os.DirFS(".")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if base := entry.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "testdata") {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		one, err := parse(name, string(text))
		sources = append(sources, one)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Fatal("found no source: the check would prove nothing")
	}
	return sources
}

func parse(name, text string) (source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{path: name, file: file, set: set}, err
}

// brokenImports returns what is wrong with the imports of one file.
func brokenImports(s source) []string {
	var broken []string
	allowed, known := rooms[s.room()]
	if !known {
		broken = append(broken, fmt.Sprintf("%s: the package %s is in no room: add it to the table in rooms_test.go", s.path, s.room()))
	}
	for _, imported := range s.imports() {
		ours, isOurs := strings.CutPrefix(imported, module+"/")
		switch {
		case isOurs && strings.HasPrefix(ours, "cmd/"):
			broken = append(broken, fmt.Sprintf("%s: nothing imports %s", s.path, ours))
		case isOurs && known && !slices.Contains(allowed, ours) && !slices.Contains(allowed, anything):
			broken = append(broken, fmt.Sprintf("%s: %s may not import %s", s.path, s.room(), ours))
		}
		for restricted, may := range foreign {
			if (imported == restricted || strings.HasPrefix(imported, restricted+"/")) && !slices.Contains(may, s.room()) {
				broken = append(broken, fmt.Sprintf("%s: %s may not import %s", s.path, s.room(), imported))
			}
		}
	}
	slices.Sort(broken)
	return broken
}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, s := range production(t) {
		for _, broken := range brokenImports(s) {
			t.Error(broken)
		}
	}
}

func TestTheImportRuleNoticesEveryKindOfBreach(t *testing.T) {
	for _, test := range []struct {
		path, imports string
		want          string
	}{
		{"graph/auth/a.go", module + "/graph", ""},
		{"sandbox/a.go", module + "/graph/quickxor", ""},
		{"cmd/spmirror/a.go", module + "/config", ""},
		{"apply/a.go", module + "/state", ""},
		{"state/a.go", "database/sql", ""},
		{"config/a.go", "github.com/zclconf/go-cty/cty", ""},
		{"apply/a.go", module + "/config", "apply may not import config"},
		{"plan/a.go", module + "/state", "plan may not import state"},
		{"graph/a.go", module + "/graph/auth", "graph may not import graph/auth"},
		{"sandbox/a.go", module + "/graph", "sandbox may not import graph"},
		{"crawl/a.go", module + "/target", "crawl may not import target"},
		{"view/a.go", module + "/state", "view may not import state"},
		{"view/a.go", module + "/cmd/spmirror", "nothing imports cmd/spmirror"},
		{"cmd/other/a.go", "fmt", "in no room"},
		{"util/a.go", "fmt", "in no room"},
		{"apply/a.go", "database/sql/driver", "apply may not import database/sql/driver"},
		{"plan/a.go", "github.com/zclconf/go-cty/cty", "plan may not import"},
		{"config/a.go", "os/exec", "config may not import os/exec"},
	} {
		for _, name := range []string{"", "renamed ", "_ "} {
			s, err := parse(test.path, fmt.Sprintf("package p\nimport %s%q\n", name, test.imports))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(brokenImports(s), "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%s imports %s: %q, want %q", test.path, test.imports, got, test.want)
			}
		}
	}
}
