package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/unicode/norm"
)

// bytesFunc turns "10GiB" into a number.
func bytesFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "size", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, err := ParseSize(args[0].AsString())
			return cty.NumberIntVal(n), err
		},
	})
}

// slugFunc makes a name of lower-case ASCII letters, digits and dashes. Letters with
// marks lose them; everything else becomes one dash.
func slugFunc() function.Function {
	return textFunc(func(s string) (string, error) {
		out := slug(s)
		if out == "" {
			return "", fmt.Errorf("%q has no letter or digit that a slug could keep", visible(s))
		}
		return out, nil
	})
}

// slug is "" if nothing of a text can be kept.
func slug(s string) string {
	var out strings.Builder
	dash := false
	for _, c := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			if dash && out.Len() > 0 {
				out.WriteByte('-')
			}
			dash = false
			out.WriteRune(c)
		case c == 'ß':
			out.WriteString("ss")
		case c >= 0x300 && c <= 0x36f: // combining marks
		default:
			dash = true
		}
	}
	return out.String()
}

// safePathFunc makes a relative path that is valid on every system: no empty, . or ..
// segments, no characters that Windows refuses, no reserved names, no trailing dots
// and spaces. It is for building targets out of names from outside.
func safePathFunc() function.Function {
	return textFunc(func(s string) (string, error) {
		var parts []string
		for _, p := range strings.FieldsFunc(norm.NFC.String(s), func(c rune) bool { return c == '/' || c == '\\' }) {
			if p = safeName(p); p != "" {
				parts = append(parts, p)
			}
		}
		if len(parts) == 0 {
			return "", fmt.Errorf("%q has no part that a path could keep", visible(s))
		}
		return strings.Join(parts, "/"), nil
	})
}

func safeName(p string) string {
	p = strings.Map(func(c rune) rune {
		if isHidden(c) || strings.ContainsRune("<>:\"|?*\n\r\t", c) {
			return '_'
		}
		return c
	}, p)
	p = strings.TrimRight(strings.TrimLeft(p, " "), " .")
	stem, _, _ := strings.Cut(strings.ToLower(p), ".")
	switch strings.TrimRight(stem, " ") {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
		"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9":
		return "_" + p
	}
	return p
}

// globMatchFunc answers whether a pattern of select names a file of this path, itself
// or through a folder above it.
func globMatchFunc() function.Function {
	return predicate("pattern", "path", func(pattern, name string) (bool, error) {
		if code, why := globProblem(pattern); code == CodeGlob {
			return false, errors.New(why)
		}
		return parseGlob(pattern).matchTree(strings.Trim(foldText(name), "/")), nil
	})
}
