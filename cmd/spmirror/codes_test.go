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

// unprovoked are the codes for which there is no test, and why.
var unprovoked = map[string]string{
	"SPM0000": "what has no code of its own cannot be provoked on purpose",
}

// TestEveryCodeIsProvoked looks in all tests and scripts for the code, or for the name of
// the constant that holds it. A file that only quotes what is printed proves nothing, so
// golden files do not count.
func TestEveryCodeIsProvoked(t *testing.T) {
	names := map[string][]string{} // of constants, to their codes
	constant := regexp.MustCompile(`\b([A-Za-z]\w*)(?:\s+Code)?\s+= "(SPM[0-9]{4})"`)
	var tests []string
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".") && e.Name() != "..":
			return filepath.SkipDir
		case e.IsDir(), strings.HasSuffix(filepath.ToSlash(path), "cmd/spmirror/codes_test.go"):
			return nil
		}
		// The broken configurations of config say in themselves what is wrong with them.
		test := strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".txtar") || strings.Contains(filepath.ToSlash(path), "/testdata/broken/")
		if !test && filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if test {
			tests = append(tests, string(text))
			return err
		}
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = append(names[m[1]], m[2])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	provoked := map[string]bool{}
	word := regexp.MustCompile(`SPM[0-9]{4}|\b[A-Za-z]\w*\b`)
	for _, text := range tests {
		for _, w := range word.FindAllString(text, -1) {
			for _, code := range append(names[w], w) {
				provoked[code] = true
			}
		}
	}
	for _, e := range allCodes() {
		why, known := unprovoked[e.Code]
		switch {
		case !provoked[e.Code] && !known:
			t.Errorf("no test provokes %s (%s): write a script in testdata/script, or a test, that makes the program say it, and look for the code", e.Code, e.Title)
		case provoked[e.Code] && known && e.Code != "SPM0000":
			t.Errorf("%s is provoked by now: take it out of the list unprovoked (%s)", e.Code, why)
		}
	}
}
