package config

import (
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// foldText makes texts equal that a case-insensitive, normalising file system holds
// for one (NFC, then full case folding).
func foldText(s string) string { return cases.Fold().String(norm.NFC.String(s)) }

// globs reads a list of patterns.
func (r *reader) globs(name string) []string {
	var out []string
	for _, p := range r.texts(name) {
		if len(p) > 4096 {
			r.reject(name, CodeGlob, "Invalid pattern", "A pattern is longer than 4096 bytes.")
			continue
		}
		code, why := globProblem(p)
		switch code {
		case "":
			out = append(out, p)
		case CodeGlob:
			r.reject(name, code, "Invalid pattern", "The pattern %q is not valid: %s.", visible(p), why)
		default:
			r.reject(name, code, "Pattern can never match", "The pattern %q can never match: %s.", visible(p), why)
		}
	}
	return out
}

// globProblem says why a pattern is invalid, or why no path below a folder of
// SharePoint can match it.
func globProblem(p string) (Code, string) {
	switch {
	case strings.TrimSpace(p) == "":
		return CodeGlob, "it is empty"
	case strings.Count(p, "{") > 20 || strings.Count(p, "**") > 20:
		return CodeGlob, "it has more than 20 alternatives in braces or more than 20 times **"
	case !doublestar.ValidatePattern(p):
		return CodeGlob, "a bracket or brace is not closed, or the pattern ends in a backslash"
	case strings.HasPrefix(p, "/"):
		return CodeGlobNever, "patterns are relative to folder, so they have no leading slash"
	case len(p) > 1 && p[1] == ':' && isLetter(p[0]):
		return CodeGlobNever, "it begins with a drive letter, and patterns are relative to folder"
	}
	if i := strings.IndexByte(p, '\\'); i >= 0 && i+1 < len(p) && (isLetter(p[i+1]) || isDigit(p[i+1])) {
		return CodeGlobNever, "a backslash takes the next character literally; write / between names"
	}
	return segmentProblem(p)
}

func segmentProblem(p string) (Code, string) {
	segments := strings.Split(strings.TrimSuffix(p, "/"), "/")
	for _, s := range segments {
		switch {
		case s == "":
			return CodeGlobNever, "it has an empty name between two slashes"
		case s == "." || s == "..":
			return CodeGlobNever, "paths have no . and .. segments"
		case s != strings.TrimRight(s, " ") && !strings.HasSuffix(s, `\ `) || strings.HasSuffix(s, `\ `):
			return CodeGlobNever, "names in SharePoint never end in a space"
		case strings.HasSuffix(s, ".") && !strings.ContainsAny(s, "{[*?"):
			return CodeGlobNever, "names in SharePoint never end in a dot"
		case s != strings.TrimLeft(s, " "):
			return CodeGlobNever, "names in SharePoint never begin with a space"
		case strings.ContainsAny(s, `":<>|`):
			return CodeGlobNever, `names in SharePoint contain none of " : < > |`
		}
	}
	return "", ""
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// hasMeta reports whether a pattern is more than a plain path.
func hasMeta(p string) bool { return strings.ContainsAny(p, `*?[]{}\`) }

// covered says why an include can select nothing, or "". It answers only what is
// certain whatever the tree looks like.
func covered(include string, s Select) string {
	in := foldText(include)
	for _, exclude := range s.Exclude {
		if excludeCovers(in, foldText(exclude)) {
			return "exclude has " + quoteText(exclude)
		}
	}
	ext := strings.TrimPrefix(path.Ext(in), ".")
	if ext == "" || hasMeta(ext) || strings.HasSuffix(in, "/") {
		return ""
	}
	if len(s.Extensions) > 0 && !slices.Contains(s.Extensions, ext) {
		return "extensions does not have " + quoteText(ext)
	}
	if slices.Contains(s.ExcludeExtensions, ext) {
		return "exclude_extensions has " + quoteText(ext)
	}
	return ""
}

func quoteText(s string) string { return `"` + visible(s) + `"` }

// excludeCovers reports whether everything the include matches is certainly excluded.
// Both are folded.
func excludeCovers(include, exclude string) bool {
	if include == exclude || exclude == "**" || exclude == "**/" || exclude == "**/*" {
		return true
	}
	// Exclude names a folder, as "a/b/", "a/b/**" or "a/b/**/*": an include whose fixed
	// beginning lies in it is covered.
	folder, isFolder := exclude, strings.HasSuffix(exclude, "/")
	for _, suffix := range []string{"/**/*", "/**", "/"} {
		if rest, ok := strings.CutSuffix(exclude, suffix); ok {
			folder, isFolder = rest, true
			break
		}
	}
	if isFolder && !hasMeta(folder) && strings.HasPrefix(include, folder+"/") {
		return true
	}
	// A plain include path that the exclude matches.
	if !hasMeta(include) && !strings.HasSuffix(include, "/") {
		ok, err := doublestar.Match(exclude, include)
		return err == nil && ok
	}
	return false
}
