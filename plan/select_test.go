package plan

import "testing"

func TestPatternsNameWhatPeopleMean(t *testing.T) {
	cases := []struct {
		pattern, path string
		folder, want  bool
	}{
		{"priv\u00e9/", "prive\u0301", true, true}, // HCL composes the pattern, a Mac made the name
		{"prive\u0301/**", "Priv\u00c9/a", false, true},
		{"*\u00e9*.txt", "sub/Re\u0301sume\u0301.TXT", false, true},
		{"a*/**", "annual.txt", false, false}, // no folder
		{"a*/**", "archive", true, true},
		{"a*/**", "archive/annual.txt", false, true},
		{"a*/**", "archive/2026/annual.txt", false, true},
		{"/**", "annual.txt", false, true},
		{"**", "annual.txt", false, true},
		{"**/a*", "annual.txt", false, true},
	}
	for _, c := range cases {
		globs, err := compileGlobs([]string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := coveredBy(globs, c.path, c.folder); got != c.want {
			t.Errorf("%q names %q (folder %v): %v", c.pattern, c.path, c.folder, got)
		}
	}
}
