package spmirror_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forbidden names functions and variables of other packages that no production code uses, with the
// reason.
var forbidden = map[string]string{
	"os.RemoveAll":           "nothing is deleted recursively (I-17)",
	"net/http.DefaultClient": "requests go through a client with limits of its own",
	"net/http.Get":           "requests go through a client with limits of its own",
	"net/http.Head":          "requests go through a client with limits of its own",
	"net/http.Post":          "requests go through a client with limits of its own",
	"net/http.PostForm":      "requests go through a client with limits of its own",
	"log.Fatal":              "only main decides the exit code",
	"log.Printf":             "log lines go through slog",
	"log.Println":            "log lines go through slog",
}

// forbiddenMethods are refused on every value: os.Root has them as well.
var forbiddenMethods = map[string]string{"RemoveAll": forbidden["os.RemoveAll"]}

// statement recognises SQL by its first words.
var statement = regexp.MustCompile(`(?is)^\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|(CREATE|DROP|ALTER)\s+(TABLE|INDEX|VIEW|TRIGGER)\s|PRAGMA\s+\w+)`)

// badHabits returns what one file does that no file may do.
func badHabits(s source) []string {
	var found []string
	imports := s.imports()
	note := func(node ast.Node, format string, args ...any) {
		found = append(found, s.at(node)+": "+fmt.Sprintf(format, args...))
	}
	ast.Inspect(s.file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.SelectorExpr:
			if reason, bad := forbiddenMethods[n.Sel.Name]; bad {
				note(n, "%s: %s", n.Sel.Name, reason)
			} else if ident, ok := n.X.(*ast.Ident); ok {
				if reason, bad := forbidden[imports[ident.Name]+"."+n.Sel.Name]; bad {
					note(n, "%s.%s: %s", ident.Name, n.Sel.Name, reason)
				}
			}
			if n.Sel.Name == "InsecureSkipVerify" {
				note(n, "InsecureSkipVerify: certificates are always verified (T-22)")
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "InsecureSkipVerify" {
				note(n, "InsecureSkipVerify: certificates are always verified (T-22)")
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && s.room() != "state" && statement.MatchString(text) {
				note(n, "SQL stands in state only")
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				note(n, "init: no effects at start")
			}
		}
		return true
	})
	return found
}

func TestNoFileHasABadHabit(t *testing.T) {
	for _, s := range production(t) {
		for _, habit := range badHabits(s) {
			t.Error(habit)
		}
	}
}

func TestBadHabitsAreNoticed(t *testing.T) {
	for body, want := range map[string]string{
		`import "os"; func f() { os.Remove("x") }`:                                  "",
		`func f() { g("please select a file from the list") }`:                      "",
		`import "net/http"; func f() { http.NewRequest("", "", nil) }`:              "",
		`import "os"; func f() { os.RemoveAll("x") }`:                               "I-17",
		`import o "os"; func f() { o.RemoveAll("x") }`:                              "I-17",
		`import "os"; func f(r *os.Root) { r.RemoveAll("x") }`:                      "I-17",
		`import "net/http"; func f() { http.Get("x") }`:                             "limits",
		`import "net/http"; var c = http.DefaultClient`:                             "limits",
		`import "crypto/tls"; var c = tls.Config{InsecureSkipVerify: true}`:         "T-22",
		`import "crypto/tls"; func f(c *tls.Config) { c.InsecureSkipVerify = g() }`: "T-22",
		"var q = `\n\tSELECT id\n\tFROM items`":                                     "SQL",
		`var q = "DELETE FROM items"`:                                               "SQL",
		`func init() {}`:                                                            "init",
	} {
		s, err := parse("apply/a.go", "package p\n"+body)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(badHabits(s), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s\ngave %q, want %q", body, got, want)
		}
	}
	sql, err := parse("state/a.go", "package p\nvar q = `SELECT id FROM items`")
	if err != nil {
		t.Fatal(err)
	}
	if got := badHabits(sql); len(got) != 0 {
		t.Errorf("SQL in state: %q", got)
	}
}

// undocumented returns the exported names of one file that have no doc comment. Values of a group
// may share the comment of the group; fields and methods of unexported types need none.
func undocumented(s source) []string {
	var missing []string
	note := func(node ast.Node, name string) {
		missing = append(missing, fmt.Sprintf("%s: %s has no doc comment", s.at(node), name))
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			owner := receiver(d)
			if d.Name.IsExported() && d.Doc == nil && (owner == "" || ast.IsExported(owner)) {
				note(d, strings.TrimPrefix(owner+"."+d.Name.Name, "."))
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch one := spec.(type) {
				case *ast.TypeSpec:
					if one.Name.IsExported() && d.Doc == nil && one.Doc == nil {
						note(one, one.Name.Name)
					}
				case *ast.ValueSpec:
					for _, name := range one.Names {
						if name.IsExported() && d.Doc == nil && one.Doc == nil && one.Comment == nil {
							note(name, name.Name)
						}
					}
				}
			}
		}
	}
	return missing
}

// receiver is the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	of := d.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, s := range production(t) {
		for _, missing := range undocumented(s) {
			t.Error(missing)
		}
	}
}

func TestMissingDocCommentsAreNoticed(t *testing.T) {
	for body, want := range map[string]string{
		"// F does.\nfunc F() {}": "",
		"func f() {}":             "",
		"type t int\nfunc (t) String() string { return \"\" }": "",
		"// Kinds.\nconst (\n\tA = 1\n\tB = 2\n)":              "",
		"const (\n\tA = 1 // first\n)":                         "",
		"func F() {}":                                          "F has",
		"// T is.\ntype T[K any] struct{}\nfunc (T[K]) M() {}": "T.M has",
		"type T int": "T has",
		"var V = 1":  "V has",
		"const (\n\t// A is.\n\tA = 1\n\tB = 2\n)": "B has",
	} {
		s, err := parse("plan/a.go", "package p\n"+body)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(undocumented(s), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s\ngave %q, want %q", body, got, want)
		}
	}
}

// roomsWithoutDoc returns the packages of which no file has a package comment that begins as it
// should ("Package state ..."; "Spmirror ..." or "Command ..." for a program).
func roomsWithoutDoc(sources []source) []string {
	documented := map[string]bool{}
	for _, s := range sources {
		room := s.room()
		documented[room] = documented[room] || begins(s)
	}
	var missing []string
	for room, done := range documented {
		if !done {
			missing = append(missing, room)
		}
	}
	slices.Sort(missing)
	return missing
}

func begins(s source) bool {
	text := s.file.Doc.Text()
	if s.file.Name.Name == "main" {
		name := path.Base(s.room())
		return strings.HasPrefix(strings.ToLower(text), name+" ") || strings.HasPrefix(text, "Command "+name+" ")
	}
	return strings.HasPrefix(text, "Package "+s.file.Name.Name+" ")
}

func TestEveryRoomSaysWhatLivesThere(t *testing.T) {
	for _, room := range roomsWithoutDoc(production(t)) {
		t.Errorf("%s has no package comment", room)
	}
}

func TestARoomWithoutPackageCommentIsNoticed(t *testing.T) {
	for text, want := range map[string]int{
		"// Package p does.\npackage p":           0,
		"// Spmirror mirrors.\npackage main":      0,
		"package p":                               1,
		"// Copyright.\npackage p":                1,
		"// Package q is another one.\npackage p": 1,
	} {
		s, err := parse("cmd/spmirror/a.go", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := roomsWithoutDoc([]source{s}); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
