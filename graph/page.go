package graph

import "net/http"

// maxPageItems bounds what one page may expand to in memory (H-48). Pages of the service hold hundreds.
const maxPageItems = 50_000

// page is a list answer: elements, and at most one link of each kind.
type page struct {
	next, delta Link
	count       int
	valued      bool // it had a value array
}

// list reads a list answer, calling element for each member of value (H-33, H-35).
func (s *scanner) list(p *page, failure *Error, element func()) {
	if s.peek() != '{' {
		s.fail("the answer is not an object")
		return
	}
	s.object(func(key []byte) {
		switch string(key) {
		case "value":
			if s.peek() != '[' {
				s.fail("value is not a list")
				return
			}
			p.valued = true
			s.array(func() {
				if p.count++; p.count > maxPageItems {
					s.fail("the page has too many items")
					return
				}
				element()
			})
		case "@odata.nextLink":
			p.next = Link(s.text())
		case "@odata.deltaLink":
			p.delta = Link(s.text())
		case "error":
			if s.peek() == '{' {
				failure.Status = http.StatusOK
				failure.readErrorObject(s, 0)
				return
			}
			s.skip()
		default:
			s.skip()
		}
	})
}

// readPage reads a whole list answer. An error object inside a 200 is an error (H-51).
func readPage(op string, body []byte, h http.Header, element func(s *scanner)) (page, error) {
	var p page
	failure := &Error{Op: op}
	err := parse(op, body, h, func(s *scanner) { s.list(&p, failure, func() { element(s) }) })
	if err != nil {
		return p, err
	}
	reason := ""
	switch {
	case failure.Status != 0:
		failure.nameCodes()
		if failure.RequestID == "" {
			failure.RequestID = cleanID(h.Get("request-id"))
		}
		return p, failure
	case !p.valued:
		reason = "the answer has no value list"
	case p.next != "" && p.delta != "":
		reason = "the answer has both a next and a delta link" // H-34
	}
	if reason != "" {
		return p, &protocolError{op: op, reason: reason, requestID: cleanID(h.Get("request-id"))}
	}
	return p, nil
}
