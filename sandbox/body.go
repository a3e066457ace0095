package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// maxRequest is how much of a request is read.
const maxRequest = 1 << 20

// readBody decodes the JSON of a request. Generated clients compress what they send, and send it again as it is when they hear 415.
func (c *call) readBody(into any) *graphError {
	unread := errorf(http.StatusBadRequest, "BadRequest", "The body of the request cannot be read.")
	body := io.Reader(c.r.Body)
	switch coding := strings.ToLower(c.r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return unread
		}
		defer z.Close()
		body = z
	default:
		return errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content coding '%s' is not supported.", coding)
	}
	if json.NewDecoder(io.LimitReader(body, maxRequest)).Decode(into) != nil {
		return unread
	}
	return nil
}
