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

// TestLinksBetweenPagesLeadSomewhere follows the relative links of all pages, to files and to headings.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 20 {
		t.Fatalf("only %d pages are found", len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			name, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(name, "://") {
				continue
			}
			place := page
			if name != "" {
				place = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(place); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if heading != "" && !headings(t, place)[heading] {
				t.Errorf("%s links to %s, and there is no such heading", page, m[1])
			}
		}
	}
}

// headings are the anchors of a page, made of its headings as code hosts make them.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		kept := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors[strings.ReplaceAll(kept, " ", "-")] = true
	}
	return anchors
}
