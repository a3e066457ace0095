package graph

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// key reads a member name. The slice is valid until the next read.
func (s *scanner) key() []byte {
	if !s.take('"') {
		return nil
	}
	from := s.i
	if !s.plain() {
		return s.unescape(from)
	}
	if s.err != nil {
		return nil
	}
	return s.checked(s.b[from : s.i-1])
}

// checked notes a text that is no valid UTF-8 (H-25): it concerns the item it stands in, and not the others of the page (Q41).
func (s *scanner) checked(text []byte) []byte {
	if s.mixed && !utf8.Valid(text) {
		s.note("a text is not valid Unicode")
	}
	return text
}

// stops marks the bytes that end a run of plain text.
var stops = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// stopsIn tells whether one of eight bytes ends a run of plain text: a quote, a backslash or a control character. A byte
// is below n if subtracting n borrows from its high bit, and equal to c if it is below one after XOR with c.
func stopsIn(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((w-ones*' ')&^w|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0
}

// plain reads to the end of a text without escapes. It returns false, standing on the first escape, if there is one.
func (s *scanner) plain() bool {
	b, i := s.b, s.i
	for len(b)-i >= 8 && !stopsIn(binary.LittleEndian.Uint64(b[i:])) {
		i += 8
	}
	for i < len(b) && !stops[b[i]] {
		i++
	}
	s.i = i
	if i == len(b) {
		s.fail("JSON: text without end")
		return true
	}
	switch b[i] {
	case '"':
		s.i++
		return true
	case '\\':
		return false
	}
	s.fail("JSON: control character in a text")
	return true
}

// text reads a text; another type is noted.
func (s *scanner) text() string {
	raw, ok := s.raw()
	if !ok {
		return ""
	}
	return string(raw)
}

// repeated reads a text that many items share, such as the drive id, without allocating each time.
func (s *scanner) repeated(slot int) string {
	raw, ok := s.raw()
	if !ok {
		return ""
	}
	if string(raw) != s.last[slot] {
		s.last[slot] = string(raw)
	}
	return s.last[slot]
}

// raw reads the bytes of a text, valid until the next read.
func (s *scanner) raw() ([]byte, bool) {
	if s.peek() != '"' {
		if s.err == nil && !s.null() {
			s.note("a value has another type than it should")
			s.skip()
		}
		return nil, false
	}
	s.i++
	from := s.i
	if s.plain() {
		if s.err != nil {
			return nil, false
		}
		return s.checked(s.b[from : s.i-1]), true
	}
	return s.unescape(from), s.err == nil
}

// unescape reads a text from its beginning, the scanner standing on its first escape. The result is valid until the
// next text with escapes.
func (s *scanner) unescape(from int) []byte {
	out := append(s.scratch[:0], s.b[from:s.i]...)
	for done := false; !done; {
		out = s.escapeAt(out)
		run := s.i
		done = s.plain()
		if s.err != nil {
			return nil
		}
		end := s.i
		if done {
			end-- // the quote
		}
		out = append(out, s.b[run:end]...)
	}
	s.scratch = out
	return s.checked(out)
}

// escapeAt reads one escape, or a pair that makes up one character.
func (s *scanner) escapeAt(out []byte) []byte {
	if s.i+1 >= len(s.b) {
		s.fail("JSON: text without end")
		return out
	}
	c := s.b[s.i+1]
	s.i += 2
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		return utf8.AppendRune(out, s.unicode())
	}
	s.fail("JSON: unknown escape")
	return out
}

// unicode reads the digits of one or two \u escapes. A lone surrogate is noted: two different names must not both
// become the replacement character (H-26).
func (s *scanner) unicode() rune {
	r := s.hex4()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if s.i+6 <= len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
		back := s.i
		s.i += 2
		pair := utf16.DecodeRune(r, s.hex4())
		if s.err != nil || pair != utf8.RuneError {
			return pair
		}
		s.i = back
	}
	s.note("a text is not valid Unicode")
	return utf8.RuneError
}

// hex4 reads four hexadecimal digits.
func (s *scanner) hex4() rune {
	if s.i+4 > len(s.b) {
		s.fail("JSON: text without end")
		return 0
	}
	var r rune
	for _, c := range s.b[s.i : s.i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			s.fail("JSON: bad digit in an escape")
			return 0
		}
		r = r<<4 | rune(c)
	}
	s.i += 4
	return r
}
