package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// maxBatch is the number of parts a batch may have (T23).
const maxBatch = 20

type batchPart struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// recorder holds the answer of one part.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// batch answers $batch: each part is a call of its own, charged and counted as such; the outer status
// is 200 even if all fail (T23).
func (c *call) batch() *graphError {
	var in struct {
		Requests []batchPart `json:"requests"`
	}
	if c.r.Method != http.MethodPost || json.NewDecoder(io.LimitReader(c.r.Body, 1<<20)).Decode(&in) != nil {
		return errorf(http.StatusBadRequest, "BadRequest", "The batch cannot be read.")
	}
	if len(in.Requests) == 0 || len(in.Requests) > maxBatch {
		return errorf(http.StatusBadRequest, "BadRequest", "A batch has 1 to %d requests.", maxBatch)
	}
	out := make([]map[string]any, 0, len(in.Requests))
	for i := len(in.Requests) - 1; i >= 0; i-- { // the order of answers is not that of the requests (T23)
		out = append(out, c.part(in.Requests[i]))
	}
	c.headers()
	return c.sendJSON(http.StatusOK, map[string]any{"responses": out})
}

func (c *call) part(p batchPart) map[string]any {
	version := versionOf(c.r.URL.Path)
	r, err := http.NewRequestWithContext(c.r.Context(), p.Method, c.origin()+version+"/"+strings.TrimPrefix(p.URL, "/"), bytes.NewReader(p.Body))
	if err != nil {
		return map[string]any{"id": p.ID, "status": http.StatusBadRequest}
	}
	r.RemoteAddr, r.Host, r.TLS = c.r.RemoteAddr, c.r.Host, c.r.TLS
	r.Header.Set("Authorization", c.r.Header.Get("Authorization"))
	r.Header.Set("User-Agent", c.r.Header.Get("User-Agent"))
	for k, v := range p.Headers {
		r.Header.Set(k, v)
	}
	r.Header.Del("Accept-Encoding")
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	inner := &call{t: c.t, w: w, r: r, start: c.start, epoch: c.epoch, public: c.public, id: c.t.counters.requestID(c.t.seed)}
	inner.serveGraph()
	c.t.counters.done(inner)
	headers := map[string]string{}
	for _, k := range []string{"Location", "Retry-After", "Content-Type"} {
		if v := w.header.Get(k); v != "" {
			headers[k] = v
		}
	}
	answer := map[string]any{"id": p.ID, "status": w.status, "headers": headers}
	if json.Valid(w.body.Bytes()) {
		answer["body"] = json.RawMessage(w.body.Bytes())
	}
	return answer
}
