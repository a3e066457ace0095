package view

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// errLine says that a line of a plan is not as spmirror writes it. A plan file
// may be a stranger's: a key that is there twice, or spelled so that only some
// readers take it, would show one thing and do another.
var errLine = errors.New("line is not as spmirror writes it")

// rawLine is what counting needs of one line of items.jsonl, without decoding it.
type rawLine struct {
	mirror, action, cause, disposal []byte
	folder                          bool
}

// lineKeys are the keys of a change, from mirror to beside.
var lineKeys = [...]string{
	"mirror", "path", "previous_path", "item_id", "folder", "actions", "cause", "reason", "detail", "remote",
	"local", "parent_id", "name", "fold", "replaces", "wanted", "disposal", "beside",
}

// readLine finds the top-level values of one JSON object. Values keep their JSON
// form, without quotes.
func readLine(line []byte) (rawLine, error) {
	var raw rawLine
	var seen keySet
	s := lineScanner{rest: bytes.TrimRight(line, "\r\n")}
	s.byte('{')
	for first := true; s.err == nil && !s.at('}'); first = false {
		if !first {
			s.byte(',')
		}
		key := s.string()
		s.byte(':')
		value := s.value()
		if s.err != nil {
			break
		}
		if err := seen.add(key); err != nil {
			return raw, err
		}
		raw.set(key, value)
	}
	s.byte('}')
	if s.err != nil || len(s.rest) > 0 || raw.action == nil {
		return raw, errLine
	}
	return raw, nil
}

func (l *rawLine) set(key, value []byte) {
	switch string(key) {
	case "mirror":
		l.mirror = unquoted(value)
	case "cause":
		l.cause = unquoted(value)
	case "disposal":
		l.disposal = unquoted(value)
	case "folder":
		l.folder = string(value) == "true"
	case "actions":
		list := bytes.Trim(value, "[]")
		l.action = unquoted(list[bytes.LastIndexByte(list, ',')+1:])
	}
}

// keySet refuses a key that is there twice, and one that folds to a key of a
// change but is spelled otherwise: some readers take it, some do not.
type keySet uint32

func (k *keySet) add(key []byte) error {
	for i, known := range lineKeys {
		if string(key) != known {
			continue
		}
		if *k&(1<<i) != 0 {
			return fmt.Errorf("%w: key %q is there twice", errLine, known)
		}
		*k |= 1 << i
		return nil
	}
	for _, known := range lineKeys {
		if strings.EqualFold(string(key), known) {
			return fmt.Errorf("%w: key %q", errLine, Name(string(key)))
		}
	}
	return nil
}

func unquoted(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	return value[1 : len(value)-1]
}

// lineScanner walks compact JSON, the form that plan writes.
type lineScanner struct {
	rest []byte
	err  error
}

func (s *lineScanner) at(c byte) bool { return len(s.rest) > 0 && s.rest[0] == c }

func (s *lineScanner) byte(c byte) {
	if s.err != nil || !s.at(c) {
		s.err = errLine
		return
	}
	s.rest = s.rest[1:]
}

// string takes a JSON string and returns what is between its quotes. Keys with
// escapes are refused by the caller's comparison only if they fold to a known
// key, so an escaped key is refused here.
func (s *lineScanner) string() []byte {
	text := s.quoted()
	if bytes.IndexByte(text, '\\') >= 0 {
		s.err = errLine
	}
	return unquoted(text)
}

func (s *lineScanner) quoted() []byte {
	if s.err != nil || !s.at('"') {
		s.err = errLine
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		end := bytes.IndexByte(s.rest[i:], '"')
		if end < 0 {
			break
		}
		if slash := bytes.IndexByte(s.rest[i:i+end], '\\'); slash >= 0 {
			i += slash + 1 // and the character after it
			continue
		}
		text := s.rest[:i+end+1]
		s.rest = s.rest[i+end+1:]
		return text
	}
	s.err = errLine
	return nil
}

// value takes any JSON value as it is.
func (s *lineScanner) value() []byte {
	start := s.rest
	depth := 0
	for s.err == nil && len(s.rest) > 0 {
		switch c := s.rest[0]; {
		case c == '"':
			s.quoted()
		case c == '{' || c == '[':
			depth++
			s.rest = s.rest[1:]
		case (c == '}' || c == ']') && depth > 0:
			depth--
			s.rest = s.rest[1:]
		case depth == 0 && (c == ',' || c == '}'):
			return start[:len(start)-len(s.rest)]
		case c <= ' ':
			s.err = errLine // plan writes no spaces between tokens
			return nil
		default:
			s.rest = s.rest[1:]
		}
		if depth == 0 && len(s.rest) > 0 && (s.rest[0] == ',' || s.rest[0] == '}') {
			return start[:len(start)-len(s.rest)]
		}
	}
	s.err = errLine
	return nil
}
