package view

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may stand on one character. No script
// needs more; longer stacks draw over the lines above and below (H-28).
const maxMarks = 8

// Name encodes a name or path for a terminal: what could move the cursor, reorder
// or hide text becomes a visible escape such as \x1b or \u202e (T-05). A
// backslash is doubled, so that no name can imitate an escape. Emoji sequences
// and right-to-left scripts stay as they are.
func Name(s string) string { return escape(s, true) }

// Message encodes a sentence with foreign parts for a terminal, in one line.
// Backslashes stay as they are.
func Message(s string) string {
	return escape(strings.Join(strings.FieldsFunc(s, isBreak), " "), false)
}

func isBreak(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }

func escape(s string, name bool) string {
	if plain(s, name) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	var prev rune
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		next, _ := utf8.DecodeRuneInString(s[i+size:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\' && name:
			b.WriteString(`\\`)
		case name && unicode.Is(unicode.Zs, r) && (unicode.Is(unicode.Zs, prev) || i+size == len(s)):
			visible(&b, r) // a run of spaces could imitate a column, one at the end is not seen
		case unicode.Is(unicode.M, r):
			marks++
			if marks > maxMarks || !markAllowed(prev, r) {
				visible(&b, r)
			} else {
				b.WriteRune(r)
			}
		case r == zwj || r == zwnj:
			if joinAllowed(prev, r, next) {
				b.WriteRune(r)
			} else {
				visible(&b, r)
			}
		case printable(r):
			b.WriteRune(r)
		default:
			visible(&b, r)
		}
		if !unicode.Is(unicode.M, r) {
			marks = 0
		}
		prev = r
		i += size
	}
	return b.String()
}

// plain reports whether s is ASCII that needs no escape: nearly every name.
func plain(s string, name bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x7f, c == '\\' && name:
			return false
		case c == ' ' && name && (i+1 == len(s) || s[i+1] == ' '):
			return false
		}
	}
	return true
}

// visible writes the escape of a character: \x1b, \u202e, \U000e0041. From 0x80
// on, \xNN is a byte that is not UTF-8.
func visible(b *strings.Builder, r rune) {
	switch {
	case r < 0x80:
		fmt.Fprintf(b, `\x%02x`, r)
	case r < 0x10000:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// invisible are characters that count as graphic but draw nothing.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x115f, Hi: 0x1160, Stride: 1},
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1},
		{Lo: 0x2800, Hi: 0x2800, Stride: 1},
		{Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
		{Lo: 0xfffc, Hi: 0xfffc, Stride: 1},
	},
}

// arabicSigns are visible although Unicode files them under format characters.
var arabicSigns = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0600, Hi: 0x0605, Stride: 1},
		{Lo: 0x06dd, Hi: 0x06dd, Stride: 1},
		{Lo: 0x070f, Hi: 0x070f, Stride: 1},
		{Lo: 0x0890, Hi: 0x0891, Stride: 1},
		{Lo: 0x08e2, Hi: 0x08e2, Stride: 1},
	},
}

// printable reports whether a character shows itself and nothing else. Controls,
// bidi marks and isolates, tags and line separators are not graphic.
func printable(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.Is(invisible, r) || unicode.Is(arabicSigns, r)
}

// markAllowed reports whether a combining mark belongs after prev. Variation
// selectors are invisible and can carry hidden data, so only the two that choose
// text or emoji, and those of Han, are kept, and never two in a row.
func markAllowed(prev, mark rune) bool {
	switch {
	case unicode.Is(invisible, mark), mark == '\u034f', mark == '\u180f', mark >= 0x180b && mark <= 0x180d:
		return false
	case mark == 0xfe0e || mark == 0xfe0f:
		return unicode.Is(unicode.S, prev) || unicode.Is(unicode.Po, prev) || unicode.IsDigit(prev)
	case unicode.Is(unicode.Variation_Selector, mark):
		return mark >= 0xe0100 && unicode.Is(unicode.Han, prev)
	}
	return prev != 0
}

// joinAllowed reports whether a zero-width joiner or non-joiner does what it is
// for: it joins emoji, or shapes letters of a script that needs it.
func joinAllowed(prev, joiner, next rune) bool {
	if joiner == zwj && unicode.Is(unicode.So, next) {
		return unicode.Is(unicode.So, prev) || prev == 0xfe0f || prev >= 0x1f3fb && prev <= 0x1f3ff
	}
	return joining(prev) && (joining(next) || joiner == zwj)
}

var joiningScripts = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Devanagari, unicode.Bengali,
	unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada,
	unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar,
}

func joining(r rune) bool {
	return (unicode.IsLetter(r) || unicode.Is(unicode.M, r)) && unicode.In(r, joiningScripts...)
}
