package sandbox

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of SharePoint in characters (N4).
const (
	maxSegment = 255
	maxPath    = 400
)

// checkName says why SharePoint would refuse a name (N1, N3, N4), or "".
func checkName(name string, folder, atRoot bool) string {
	switch {
	case name == "" || name == "." || name == "..":
		return "the name is empty or a path element"
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8"
	case strings.ContainsAny(name, "\"*:<>?/\\|"):
		return "the name contains one of \" * : < > ? / \\ |"
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 }):
		return "the name contains a control character"
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		return "the name begins or ends with a space"
	case strings.HasSuffix(name, "."):
		return "the name ends with a period"
	case strings.HasPrefix(name, "~$"):
		return "the name begins with ~$"
	case strings.Contains(strings.ToLower(name), "_vti_"):
		return "the name contains _vti_"
	case folder && strings.HasPrefix(name, "~"):
		return "the folder name begins with ~"
	case folder && atRoot && strings.EqualFold(name, "forms"):
		return "forms is reserved at the root of a library"
	case utf8.RuneCountInString(name) > maxSegment:
		return "the name is longer than 255 characters"
	case reservedName(name):
		return "the name is reserved"
	}
	return ""
}

func reservedName(name string) bool {
	low := strings.ToLower(name)
	if low == ".lock" || low == "desktop.ini" {
		return true
	}
	stem, _, _ := strings.Cut(low, ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	if len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) {
		return stem[3] >= '0' && stem[3] <= '9'
	}
	return false
}

// foldName is the key under which SharePoint holds siblings apart: case does not count (N7). Whether
// it normalises Unicode is not documented (N8), so names that differ in form only stay two names.
func foldName(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || (c >= 'A' && c <= 'Z') {
			return strings.Map(foldRune, name)
		}
	}
	return name
}

// foldRune maps a rune to the smallest of its simple case orbit, so that fold keys are equal exactly
// when strings.EqualFold holds.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf {
		return unicode.ToLower(least)
	}
	return least
}
