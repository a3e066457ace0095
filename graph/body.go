package graph

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// gzipReadAhead stands before the decompressor: small reads from an HTTP/2 stream cost more than the decompression
// (DEPS B, trap 3).
const gzipReadAhead = 256 << 10

// readJSON reads the body of a 200 into buf, undoing compression, and refuses what cannot be JSON. Whatever may be the
// work of a proxy or a broken connection is worth another attempt (Q69, H-50, H-74).
func (c *Client) readJSON(buf *bytes.Buffer, op string, resp *http.Response) error {
	bad := func(reason string) error {
		return &protocolError{op: op, reason: reason, requestID: cleanID(resp.Header.Get("request-id")), transient: true}
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return bad("the answer is not JSON")
	}
	body, err := plainBody(resp)
	if err != nil {
		return bad(err.Error())
	}
	n, err := buf.ReadFrom(io.LimitReader(body, c.maxPage+1))
	switch {
	case n > c.maxPage:
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, c.maxPage)
	case err != nil:
		return fmt.Errorf("read the answer: %w", &connError{cause: err})
	case n == 0:
		return bad("the answer is empty")
	}
	return nil
}

// isJSON looks at the type alone: whatever is odd about its parameters says nothing of the body.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// plainBody undoes the one encoding we ask for.
func plainBody(resp *http.Response) (io.Reader, error) {
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return resp.Body, nil
	case "gzip":
		z, err := gzip.NewReader(bufio.NewReaderSize(resp.Body, gzipReadAhead))
		if err != nil {
			return nil, fmt.Errorf("the compression is broken")
		}
		return z, nil
	default:
		return nil, fmt.Errorf("the encoding is unknown")
	}
}

// undo replaces the body of an error answer by its plain form, if that is possible. It may be asked for twice.
func undo(resp *http.Response) {
	if resp.Header.Get("Content-Encoding") == "" {
		return
	}
	plain, err := plainBody(resp)
	if err != nil {
		plain = strings.NewReader("")
	}
	resp.Body = &replayed{Reader: plain, Closer: resp.Body}
	resp.Header.Del("Content-Encoding")
}

// parse reads one JSON value from a whole body by a strict scanner. Broken syntax is a protocol error that may go away;
// so is a value that is odd, but that will not.
func parse(op string, body []byte, h http.Header, value func(s *scanner)) error {
	s := newScanner(body)
	value(s)
	s.end()
	id := cleanID(h.Get("request-id"))
	if s.err != nil {
		return &protocolError{op: op, reason: s.err.Error(), requestID: id, transient: true}
	}
	if s.odd != "" {
		return &protocolError{op: op, reason: s.odd, requestID: id}
	}
	return nil
}
