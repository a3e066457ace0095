package spmirror_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declaredTests are the names of all tests and fuzz targets of the module.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	root := os.DirFS(".")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryTestNamedInTheTableOfFactsExists(t *testing.T) {
	text, err := os.ReadFile("docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredTests(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 50 {
		t.Fatalf("only %d tests are named: the check would prove nothing", len(named))
	}
	for _, m := range named {
		if !declared[m[1]] {
			t.Errorf("docs/facts.md names %s, which does not exist", m[1])
		}
	}
}

func TestTheTableOfFactsIsComplete(t *testing.T) {
	text, err := os.ReadFile("docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		letter      string
		first, last int
	}{{"D", 1, 56}, {"S", 1, 23}, {"C", 1, 35}, {"T", 1, 23}, {"W", 1, 27}, {"A", 1, 23}, {"E", 1, 10}, {"N", 1, 13}, {"V", 1, 13}, {"Q", 1, 106}} {
		rows := factRows(string(text), part.letter)
		for n := part.first; n <= part.last; n++ {
			if !slices.Contains(rows, n) {
				t.Errorf("docs/facts.md has no row for %s%d", part.letter, n)
			}
		}
	}
}

func TestEveryRowOfTheTableOfFactsHasATestOrSaysWhyNot(t *testing.T) {
	text, err := os.ReadFile("docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !regexp.MustCompile(`^ [DSCTWAENVQ]\d`).MatchString(cells[1]) {
			continue
		}
		rows++
		if !strings.Contains(line, "`Test") && !strings.Contains(line, "`Fuzz") && strings.TrimSpace(cells[4]) != "nothing to hold" && strings.TrimSpace(cells[4]) != "as C30" && !strings.Contains(line, ".txtar`") {
			t.Errorf("this row has no test: %s", line)
		}
	}
	if rows < 120 {
		t.Errorf("only %d rows were found: the check would prove nothing", rows)
	}
}

// factRows are the numbers of one letter in the first column: "D1", "D22, D23", "D34–D36".
func factRows(text, letter string) (rows []int) {
	number := regexp.MustCompile(letter + `(\d+)(?:–` + letter + `(\d+))?`)
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range number.FindAllStringSubmatch(cells[1], -1) {
			from := atoi(m[1])
			to := from
			if m[2] != "" {
				to = atoi(m[2])
			}
			for n := from; n <= to; n++ {
				rows = append(rows, n)
			}
		}
	}
	return rows
}

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}
