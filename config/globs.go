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
	for i, p := range r.texts(name) {
		if len(p) > 4096 {
			r.rejectElement(name, i, CodeGlob, "Invalid pattern", "A pattern is longer than 4096 bytes.")
			continue
		}
		code, why := globProblem(p)
		switch code {
		case "":
			out = append(out, p)
		case CodeGlob:
			r.rejectElement(name, i, code, "Invalid pattern", "The pattern %q is not valid: %s.", visible(p), why)
		default:
			r.rejectElement(name, i, code, "Pattern can never match", "The pattern %q can never match: %s.", visible(p), why)
		}
	}
	return out
}

// globProblem says why a pattern is invalid, or why no path below a folder of
// SharePoint can match it. One leading slash anchors a pattern at the folder.
func globProblem(p string) (Code, string) {
	switch {
	case strings.TrimSpace(p) == "" || p == "/":
		return CodeGlob, "it is empty"
	case strings.Count(p, "{") > 20 || strings.Count(p, "**") > 20:
		return CodeGlob, "it has more than 20 alternatives in braces or more than 20 times **"
	case !doublestar.ValidatePattern(p):
		return CodeGlob, "a bracket or brace is not closed, or the pattern ends in a backslash"
	case len(p) > 1 && p[1] == ':' && isLetter(p[0]):
		return CodeGlobNever, "it begins with a drive letter, and patterns are relative to folder"
	}
	if i := strings.IndexByte(p, '\\'); i >= 0 && i+1 < len(p) && (isLetter(p[i+1]) || isDigit(p[i+1])) {
		return CodeGlobNever, "a backslash takes the next character literally; write / between names"
	}
	return segmentProblem(strings.TrimPrefix(p, "/"))
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

// glob is a pattern as select understands it: without a slash inside or at the
// front it names things at any depth, else a path below the folder; with a slash at
// the end it names folders only; a folder stands for all that is below it.
type glob struct {
	pattern    string // folded, without slashes at the ends
	anyDepth   bool
	folderOnly bool
}

func parseGlob(text string) glob {
	folded := foldText(text)
	pattern := strings.TrimSuffix(strings.TrimPrefix(folded, "/"), "/")
	return glob{pattern: pattern, anyDepth: !strings.Contains(pattern, "/") && !strings.HasPrefix(folded, "/"), folderOnly: strings.HasSuffix(folded, "/")}
}

// match reports whether the pattern names this very path, given folded.
func (g glob) match(p string, folder bool) bool {
	if g.folderOnly && !folder {
		return false
	}
	if g.anyDepth {
		p = path.Base(p)
	}
	ok, err := doublestar.Match(g.pattern, p)
	return err == nil && ok
}

// matchTree reports whether the pattern names a file or a folder above it.
func (g glob) matchTree(p string) bool {
	for i, c := range p {
		if c == '/' && i > 0 && g.match(p[:i], true) {
			return true
		}
	}
	return g.match(p, false)
}

// covered says why an include can select nothing, or "". It answers only what is
// certain whatever the tree looks like.
func covered(include string, s Select) string {
	in := parseGlob(include)
	for _, exclude := range s.Exclude {
		if parseGlob(exclude).covers(in) {
			return "exclude has " + quoteText(exclude)
		}
	}
	return ""
}

// extensionClash says why a pattern such as *.pdf meets no file, or "". It is likely,
// not certain: a folder may be called x.pdf, and a folder stands for all in it.
func extensionClash(include string, s Select) string {
	in := parseGlob(include)
	_, ext, ok := strings.Cut(path.Base(in.pattern), "*.")
	switch {
	case !ok || ext == "" || hasMeta(ext) || strings.Contains(ext, ".") || in.folderOnly:
	case len(s.Extensions) > 0 && !slices.Contains(s.Extensions, ext):
		return "extensions does not have " + quoteText(ext)
	case slices.Contains(s.ExcludeExtensions, ext):
		return "exclude_extensions has " + quoteText(ext)
	}
	return ""
}

func quoteText(s string) string { return `"` + visible(s) + `"` }

// covers reports whether everything the include names is certainly excluded by g.
func (g glob) covers(include glob) bool {
	if g == include || !g.folderOnly && (g.pattern == "**" || g.pattern == "**/*" || g.anyDepth && g.pattern == "*") {
		return true
	}
	if include.anyDepth && !g.anyDepth {
		return false // the include names things outside any one path
	}
	segments := strings.Split(include.pattern, "/")
	for i, segment := range segments {
		if hasMeta(segment) {
			return false
		}
		last := i == len(segments)-1
		prefix := strings.Join(segments[:i+1], "/")
		// "a/**" also names a file "a".
		orFile := !last && !include.folderOnly && strings.Join(segments[i+1:], "/") == "**"
		if g.match(prefix, !last || include.folderOnly) && (!orFile || g.match(prefix, false)) {
			return true
		}
	}
	return false
}
