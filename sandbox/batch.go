package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxBatch is the number of parts a batch may have (T23).
const maxBatch = 20

type batchPart struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
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
// is 200 even if all fail. What depends on a part that failed fails as well (T23).
func (c *call) batch() *graphError {
	var in struct {
		Requests []batchPart `json:"requests"`
	}
	if c.r.Method != http.MethodPost {
		return errorf(http.StatusMethodNotAllowed, "notAllowed", "A batch is posted.")
	}
	if e := c.readBody(&in); e != nil {
		return e
	}
	if len(in.Requests) == 0 || len(in.Requests) > maxBatch {
		return errorf(http.StatusBadRequest, "BadRequest", "A batch has 1 to %d requests.", maxBatch)
	}
	order, ok := batchOrder(in.Requests)
	if !ok {
		return errorf(http.StatusBadRequest, "BadRequest", "The requests of a batch have ids of their own, and depend on others of them without a circle.")
	}
	out, status := make([]map[string]any, 0, len(order)), map[string]int{}
	for _, p := range order {
		answer := map[string]any{"id": p.ID, "status": http.StatusFailedDependency,
			"body": map[string]any{"error": map[string]any{"code": "FailedDependency", "message": "A request that this one depends on has failed."}}}
		if !slices.ContainsFunc(p.DependsOn, func(id string) bool { return status[id] >= http.StatusBadRequest }) {
			answer = c.part(p)
		}
		status[p.ID] = answer["status"].(int)
		out = append(out, answer)
	}
	c.headers()
	return c.sendJSON(http.StatusOK, map[string]any{"responses": out})
}

// batchOrder is the order in which parts are answered: each after those that it depends on, and else from the last one to the first,
// for the order of answers is not that of the requests (T23).
func batchOrder(parts []batchPart) (order []batchPart, ok bool) {
	ids, done := map[string]bool{}, map[string]bool{}
	for _, p := range parts {
		if p.ID == "" || ids[p.ID] {
			return nil, false
		}
		ids[p.ID] = true
	}
	for len(order) < len(parts) {
		before := len(order)
		for _, p := range slices.Backward(parts) {
			if !done[p.ID] && !slices.ContainsFunc(p.DependsOn, func(id string) bool { return !done[id] }) {
				done[p.ID], order = true, append(order, p)
			}
		}
		if len(order) == before {
			return nil, false
		}
	}
	return order, true
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
