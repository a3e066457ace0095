package spmirror_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTestNamedInTheGuaranteesExists also looks for the scripts that the page names.
func TestEveryTestNamedInTheGuaranteesExists(t *testing.T) {
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredTests(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	scripts := regexp.MustCompile("`([a-z_]+\\.txtar)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 50 || len(scripts) < 8 {
		t.Fatalf("only %d tests and %d scripts are named: the check would prove nothing", len(named), len(scripts))
	}
	for _, m := range named {
		if !declared[m[1]] {
			t.Errorf("docs/guarantees.md names %s, which does not exist", m[1])
		}
	}
	for _, m := range scripts {
		if _, err := os.Stat(filepath.Join("cmd/spmirror/testdata/script", m[1])); err != nil {
			t.Errorf("docs/guarantees.md names %s: %v", m[1], err)
		}
	}
}

// TestLinksBetweenPagesLeadSomewhere follows the relative links of README.md and docs.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			name, _, _ := strings.Cut(m[1], "#")
			if name == "" || strings.Contains(name, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), name)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
		}
	}
}
