package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// isHidden reports whether a character has no place in a configuration: control
// characters other than tab and newline, and the characters that change the
// direction of text (Unicode UAX 9; CVE-2021-42574).
func isHidden(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	}
	return false
}

// hiddenCharacters finds invalid UTF-8 and hidden characters; a byte order mark at
// the very start is the work of an editor and allowed. At most five are reported
// per file.
func hiddenCharacters(name string, src []byte) hcl.Diagnostics {
	var diags hcl.Diagnostics
	pos := hcl.InitialPos
	rest := src
	if bytes.HasPrefix(rest, []byte("\ufeff")) {
		rest, pos.Byte = rest[3:], 3
	}
	for len(rest) > 0 && len(diags) < 5 {
		r, size := utf8.DecodeRune(rest)
		next := hcl.Pos{Line: pos.Line, Column: pos.Column + 1, Byte: pos.Byte + size}
		if r == '\n' {
			next.Line, next.Column = pos.Line+1, 1
		}
		rng := hcl.Range{Filename: name, Start: pos, End: next}
		switch {
		case r == utf8.RuneError && size == 1:
			return append(diags, problem(hcl.DiagError, CodeHiddenCharacter, rng, "File is not UTF-8",
				"The byte 0x%02x does not belong to UTF-8 text. Save the file as UTF-8.", rest[0]))
		case isHidden(r):
			diags = append(diags, problem(hcl.DiagError, CodeHiddenCharacter, rng, "Hidden character",
				"The character U+%04X is invisible or changes the direction of text, so a reviewer would not see what the program reads. Delete it.", r))
		}
		rest, pos = rest[size:], next
	}
	return diags
}

// nestingProblems refuses text whose parsing or evaluation would recurse without
// bound. Parsers of HCL and JSON are recursive, and Go cannot recover from an
// exhausted stack, so this must come first (H-90).
func nestingProblems(name string, src []byte) hcl.Diagnostics {
	if bytes.HasSuffix([]byte(name), []byte(".json")) {
		return jsonNesting(name, src)
	}
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	return tokenNesting(tokens)
}

// templateNesting is nestingProblems for the text of a template.
func templateNesting(name string, src []byte) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexTemplate(src, name, hcl.InitialPos)
	return tokenNesting(tokens)
}

// level is one open bracket and the operators seen directly within it.
type level struct {
	brace     bool
	operators int
	literals  int // pieces of text in a template; the parser's cost is their square
}

func tokenNesting(tokens hclsyntax.Tokens) hcl.Diagnostics {
	stack := []level{{brace: true}}
	for _, tok := range tokens {
		top := &stack[len(stack)-1]
		switch tok.Type {
		case hclsyntax.TokenTemplateInterp:
			top.operators++ // one text inserted often is how a small file becomes a large value
			stack = append(stack, level{})
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc:
			stack = append(stack, level{brace: tok.Type == hclsyntax.TokenOBrace})
		case hclsyntax.TokenTemplateControl:
			top.operators++ // %{if} nests without a bracket that stays open
			stack = append(stack, level{})
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
		case hclsyntax.TokenNewline:
			if top.brace {
				top.operators = 0
			}
		case hclsyntax.TokenComma:
			top.operators = 0
		case hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
			hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
			hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr,
			hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenDot:
			top.operators++
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			top.literals++
		}
		if stack[len(stack)-1].literals > maxLiterals {
			return hcl.Diagnostics{problem(hcl.DiagError, CodeTooDeep, tok.Range, "Text in too many pieces",
				"One text may have %d lines or percent and dollar signs. Put it into a file and read it with file().", maxLiterals)}
		}
		if len(stack) > maxNesting || stack[len(stack)-1].operators > maxOperators {
			return hcl.Diagnostics{problem(hcl.DiagError, CodeTooDeep, tok.Range, "Nested too deep",
				"Brackets, blocks and templates may nest %d deep, and one expression may chain %d operators.", maxNesting, maxOperators)}
		}
	}
	return nil
}

// jsonNesting counts brackets outside strings, then looks into strings that are templates.
func jsonNesting(name string, src []byte) hcl.Diagnostics {
	depth, inString := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '[' || c == '{'):
			depth++
		case !inString && (c == ']' || c == '}'):
			depth--
		}
		if depth > maxNesting {
			return hcl.Diagnostics{problem(hcl.DiagError, CodeTooDeep, byteRange(name, src, i), "Nested too deep",
				"Objects and arrays may nest %d deep.", maxNesting)}
		}
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil // the end, or a syntax error that the parser explains better
		}
		text, ok := tok.(string)
		if !ok {
			continue
		}
		if diags := templateNesting(name, []byte(text)); diags.HasErrors() {
			rng := byteRange(name, src, int(dec.InputOffset())-1)
			diags[0].Subject = &rng
			return diags
		}
	}
}

// byteRange is the range of the one byte at an offset.
func byteRange(name string, src []byte, offset int) hcl.Range {
	before := src[:offset]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	start := hcl.Pos{Line: line, Column: column, Byte: offset}
	return hcl.Range{Filename: name, Start: start, End: hcl.Pos{Line: line, Column: column + 1, Byte: offset + 1}}
}

// visible prints text for a message so that nothing in it can act on a terminal.
func visible(text string) string {
	clean := true
	for _, r := range text {
		if isHidden(r) || r == utf8.RuneError || r == '\n' || r == '\r' || r == '\t' {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var out bytes.Buffer
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			fmt.Fprintf(&out, "%s", map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}[r])
		case isHidden(r) || r == utf8.RuneError:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
