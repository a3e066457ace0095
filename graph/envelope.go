package graph

import (
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxErrorBody    = 64 << 10
	maxErrorMessage = 400 // characters kept of a foreign message
	maxErrorCode    = 80
	maxErrorDepth   = 8
)

// newError reads an answer that is not a success. It consumes the body and never fails: bodies can be empty, HTML or
// anything else (E7).
func newError(op string, resp *http.Response, now time.Time) *Error {
	e := &Error{
		Op: op, Status: statusOf(resp),
		RequestID:       cleanID(resp.Header.Get("request-id")),
		ClientRequestID: cleanID(resp.Header.Get("client-request-id")),
		infected:        resp.Header.Get("X-Virus-Infected") != "",
	}
	if e.RequestID == "" {
		e.RequestID = cleanID(resp.Header.Get("SPRequestGuid")) // the content host's name for it
	}
	e.RetryAfter, _ = RetryAfter(resp.Header, now)
	if resp.Body != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		e.readEnvelope(body)
	}
	return e
}

// readEnvelope takes codes, message and ids from {"error":{...}} (E1). Text that is no envelope changes nothing.
func (e *Error) readEnvelope(body []byte) {
	s := newScanner(body)
	found := false
	s.object(func(key []byte) {
		if string(key) != "error" || found || s.peek() != '{' {
			s.skip()
			return
		}
		found = true
		e.readErrorObject(s, 0)
	})
	e.nameCodes()
}

// nameCodes picks the outermost and the deepest code.
func (e *Error) nameCodes() {
	if n := len(e.codes); n > 0 {
		e.Code = e.codes[0]
		if n > 1 {
			e.InnerCode = e.codes[n-1]
		}
	}
}

// readErrorObject reads one level; innerError and innererror both occur (E1).
func (e *Error) readErrorObject(s *scanner, depth int) {
	s.object(func(key []byte) {
		switch string(key) {
		case "code":
			if code := clean(s.text(), maxErrorCode); code != "" {
				e.codes = append(e.codes, code)
			}
		case "message":
			if text := s.text(); depth == 0 || e.Message == "" {
				e.Message = cleanMessage(text)
			}
		case "request-id", "requestId":
			if id := cleanID(s.text()); e.RequestID == "" {
				e.RequestID = id
			}
		case "client-request-id":
			if id := cleanID(s.text()); e.ClientRequestID == "" {
				e.ClientRequestID = id
			}
		case "innerError", "innererror":
			if s.peek() == '{' && depth < maxErrorDepth {
				e.readErrorObject(s, depth+1)
				return
			}
			s.skip()
		default:
			s.skip()
		}
	})
}

// cleanMessage makes the service's words fit for one line and removes the query of every address in them: it may hold a
// token (I-61, Q86).
func cleanMessage(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	for i, w := range words {
		if at := strings.IndexByte(w, '?'); at >= 0 && at < len(w)-1 {
			words[i] = w[:at+1] + "…"
		}
	}
	return clean(strings.Join(words, " "), maxErrorMessage)
}

// clean drops what does not print and cuts to a number of characters.
func clean(text string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == most {
			b.WriteString("…")
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			continue
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// cleanID keeps an id only if it looks like one.
func cleanID(id string) string {
	if len(id) > 100 {
		return ""
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.;:|", c) >= 0) {
			return ""
		}
	}
	return id
}
