package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternsAreJudged(t *testing.T) {
	for pattern, want := range map[string]Code{
		"*.docx": "", "Reports/**": "", "/Reports": "", "Reports/": "", "{a,b}/c?": "", "[ab]*": "", `a\[1\]`: "", "~$*": "", ".DS_Store": "",
		"a b/c": "", "*.": "", "**": "",
		"": CodeGlob, "/": CodeGlob, "[a": CodeGlob, "{a": CodeGlob, `a\`: CodeGlob,
		"//a": CodeGlobNever, "a//b": CodeGlobNever, "./a": CodeGlobNever, "a/..": CodeGlobNever, "C:/a": CodeGlobNever, `a\b`: CodeGlobNever,
		"a /b": CodeGlobNever, " a": CodeGlobNever, "a.": CodeGlobNever, "a|b": CodeGlobNever, `a"b`: CodeGlobNever,
	} {
		if got, why := globProblem(pattern); got != want {
			t.Errorf("%q: %q %s, want %q", pattern, got, why, want)
		}
	}
}

func TestCoveringIsFoundWhereItIsCertain(t *testing.T) {
	for _, c := range []struct {
		include, exclude string
		want             bool
	}{
		{"Archive/a.docx", "archive/", true}, {"Archive/a.docx", "Archive", true}, {"Archive/a.docx", "Archive/**", true},
		{"Archive/*.docx", "Archive/**", true}, {"x/Archive/*", "Archive/", true}, {"/Archive/*", "Arch*", true},
		{"Thumbs.db", "*.db", true}, {"*", "*", true}, {"A/**", "**", true}, {"a/b", "a/b", true},
		{"Archive/*.docx", "*.docx", false}, {"*.docx", "Archive/", false}, {"Archive/", "Archive/*.docx", false},
		{"*/a.docx", "Archive/", false}, {"Arch*/a", "Archive/", false}, {"a.docx", "b/a.docx", false}, {"a.docx", "a.docx/", false},
	} {
		got := covered(c.include, Select{Exclude: []string{c.exclude}}) != ""
		if got != c.want {
			t.Errorf("include %q, exclude %q: covered %v", c.include, c.exclude, got)
		}
	}
}

// TestCoveringNeverClaimsTooMuch: an include that is called covered selects no path.
func TestCoveringNeverClaimsTooMuch(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "*", "a*", "**", "?"})
	pattern := rapid.Custom(func(t *rapid.T) string {
		p := strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), "/")
		return rapid.SampledFrom([]string{"", "", "/"}).Draw(t, "front") + p + rapid.SampledFrom([]string{"", "", "/"}).Draw(t, "end")
	})
	name := rapid.SampledFrom([]string{"a", "b", "ab", "abc"})
	rapid.Check(t, func(t *rapid.T) {
		include, exclude := pattern.Draw(t, "include"), pattern.Draw(t, "exclude")
		p := strings.Join(rapid.SliceOfN(name, 1, 4).Draw(t, "path"), "/")
		if !parseGlob(exclude).covers(parseGlob(include)) {
			return
		}
		if parseGlob(include).matchTree(p) && !parseGlob(exclude).matchTree(p) {
			t.Fatalf("include %q is called covered by %q, but selects %q", include, exclude, p)
		}
	})
}
