package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryCodeIsExplained looks for codes in the source of all rooms.
func TestEveryCodeIsExplained(t *testing.T) {
	known := map[string]bool{}
	for _, e := range allCodes() {
		if known[e.Code] {
			t.Errorf("%s is explained twice", e.Code)
		}
		if e.Title == "" || len(e.Text) < 20 {
			t.Errorf("%s is hardly explained", e.Code)
		}
		known[e.Code] = true
	}
	used := map[string]bool{}
	literal := regexp.MustCompile(`SPM[0-9]{4}`)
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if e != nil && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && e.Name() != "..") {
				return filepath.SkipDir
			}
			return err
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || e.Name() == "codes.go" && filepath.Base(filepath.Dir(path)) == "spmirror" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, code := range literal.FindAllString(string(text), -1) {
			used[code] = true
			if !known[code] {
				t.Errorf("%s uses %s, which nothing explains", path, code)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(used) < 50 {
		t.Errorf("only %d codes were found in the source", len(used))
	}
}
