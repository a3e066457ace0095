package graph

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"unicode/utf8"
)

const (
	maxDepth = 64 // driveItems nest five or six levels; deeper is an attack (H-48)
	maxKeys  = 64 // members of an object watched for repetition without allocating
)

// scanner reads JSON from a page in memory, strictly and in one pass. It differs from encoding/json where a mirror must
// not guess (T-17): member names match exactly, a member that occurs twice is an error, and so is text that is no valid
// Unicode.
//
// Two kinds of trouble are kept apart. Broken syntax makes the page worthless: err is set, and every method does nothing
// from then on. An odd value concerns the item it stands in: the first one is noted in odd, and reading goes on.
type scanner struct {
	b     []byte
	i     int
	depth int
	err   error
	odd   string
	mixed bool // not all of b is valid UTF-8, so that each text has to be looked at

	last    [5]string // recent texts that repeat from item to item
	scratch []byte    // texts with escapes, undone
}

func newScanner(b []byte) *scanner { return &scanner{b: b, mixed: !utf8.Valid(b)} }

// fail marks the page as broken.
func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%s at byte %d", what, s.i)
	}
	s.i = len(s.b)
}

// note marks the present item as odd.
func (s *scanner) note(what string) {
	if s.odd == "" {
		s.odd = what
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and one expected byte.
func (s *scanner) take(want byte) bool {
	if s.peek() != want {
		s.fail("JSON: expected " + string(rune(want)))
		return false
	}
	s.i++
	return true
}

// end checks that nothing follows.
func (s *scanner) end() {
	if s.err == nil && s.peek() != 0 || s.err == nil && s.i < len(s.b) {
		s.fail("JSON: text after the end")
	}
}

// seed of the hash that finds repeated member names; it may differ from process to process.
var seed = maphash.MakeSeed()

// object calls member for each name; member must consume the value. A null, or another type, is noted and skipped.
func (s *scanner) object(member func(key []byte)) {
	if !s.enter('{') {
		return
	}
	var few [maxKeys]uint64
	names := few[:0]
	for s.more('}', len(names) == 0) {
		key := s.key()
		if s.err != nil || !s.take(':') {
			return
		}
		h := maphash.Bytes(seed, key)
		for _, other := range names {
			if other == h {
				s.note("a member occurs twice")
			}
		}
		if names = append(names, h); len(names) > 16*maxKeys {
			s.fail("JSON: object with too many members")
			return
		}
		member(key)
	}
	s.depth--
}

// array calls element for each value; element must consume it.
func (s *scanner) array(element func()) {
	if !s.enter('[') {
		return
	}
	for first := true; s.more(']', first); first = false {
		element()
	}
	s.depth--
}

// enter steps into an object or array.
func (s *scanner) enter(open byte) bool {
	if s.peek() != open {
		s.note("a value has another type than it should")
		s.skip()
		return false
	}
	s.i++
	if s.depth++; s.depth > maxDepth {
		s.fail("JSON: nested too deeply")
		return false
	}
	return true
}

// more steps to the next element and tells whether there is one.
func (s *scanner) more(closing byte, first bool) bool {
	if s.err != nil {
		return false
	}
	c := s.peek()
	if c == closing {
		s.i++
		return false
	}
	if first {
		return true
	}
	if !s.take(',') {
		return false
	}
	if s.peek() == closing {
		s.fail("JSON: comma before the end")
		return false
	}
	return true
}

// null consumes a null and tells whether there was one.
func (s *scanner) null() bool {
	if s.peek() == 'n' {
		s.word("null")
		return s.err == nil
	}
	return false
}

// flag reads true or false; another type is noted.
func (s *scanner) flag() bool {
	switch s.peek() {
	case 't':
		s.word("true")
		return s.err == nil
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.note("a value has another type than it should")
		s.skip()
	}
	return false
}

// word consumes a literal.
func (s *scanner) word(w string) {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		s.fail("JSON: unknown word")
		return
	}
	s.i += len(w)
}

var errNotSize = errors.New("not a whole number from 0 to 2^63-1")

// size reads a number of bytes: digits only, no sign, fraction or exponent (H-43).
func (s *scanner) size() (int64, error) {
	c := s.peek()
	from := s.i
	if c != '-' && (c < '0' || c > '9') {
		s.skip()
		return 0, errNotSize
	}
	s.number()
	var n uint64
	digits := s.b[from:s.i]
	for _, c := range digits {
		if c < '0' || c > '9' || len(digits) > 19 {
			return 0, errNotSize
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return 0, errNotSize
	}
	return int64(n), nil
}

// number consumes a number, checking its form.
func (s *scanner) number() {
	if s.at() == '-' {
		s.i++
	}
	if s.at() == '0' {
		s.i++
	} else {
		s.digits()
	}
	if s.at() == '.' {
		s.i++
		s.digits()
	}
	if c := s.at(); c == 'e' || c == 'E' {
		s.i++
		if c := s.at(); c == '+' || c == '-' {
			s.i++
		}
		s.digits()
	}
}

// digits consumes one digit or more.
func (s *scanner) digits() {
	from := s.i
	for c := s.at(); c >= '0' && c <= '9'; c = s.at() {
		s.i++
	}
	if s.i == from {
		s.fail("JSON: bad number")
	}
}

// at returns the byte under the scanner, 0 at the end.
func (s *scanner) at() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// value reads a value of any type as it is written.
func (s *scanner) value() []byte {
	s.peek()
	from := s.i
	s.skip()
	if s.err != nil {
		return nil
	}
	return bytes.Clone(s.checked(s.b[from:s.i]))
}

// skip consumes a value of any type, checking its form only.
func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '{':
		s.skipGroup('}', true)
	case '[':
		s.skipGroup(']', false)
	case '"':
		s.i++
		s.skipText()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	case 0:
		s.fail("JSON: cut short")
	default:
		if c != '-' && (c < '0' || c > '9') {
			s.fail("JSON: unexpected character")
			return
		}
		s.number()
	}
}

// skipGroup consumes an object or an array.
func (s *scanner) skipGroup(closing byte, members bool) {
	s.i++
	if s.depth++; s.depth > maxDepth {
		s.fail("JSON: nested too deeply")
		return
	}
	for first := true; s.more(closing, first); first = false {
		if members {
			if !s.take('"') {
				return
			}
			if s.skipText(); s.err != nil || !s.take(':') {
				return
			}
		}
		s.skip()
	}
	s.depth--
}

// skipText consumes the rest of a text.
func (s *scanner) skipText() {
	for s.err == nil && !s.plain() {
		if s.i+1 >= len(s.b) {
			s.fail("JSON: text without end")
			return
		}
		c := s.b[s.i+1]
		s.i += 2
		switch c {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			s.hex4()
		default:
			s.fail("JSON: unknown escape")
		}
	}
}
