package graph

import (
	"bytes"
	"io"
	"net/http"
)

// write makes a call one that changes something. What spmirror changes at a tenant are its own subscriptions, nothing
// else.
type write struct {
	method string
	body   []byte
	once   bool // not to be repeated when its outcome is unknown
}

// put completes a request. The body can be had again, for a second attempt with another token.
func (w *write) put(req *http.Request) {
	req.Method = w.method
	if len(w.body) == 0 {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = int64(len(w.body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(w.body)), nil }
}

// succeeded tells whether a status means that a call went well. What a change is answered with differs: done, made, or
// nothing to say.
func (k *call) succeeded(status int) bool {
	if k.write == nil {
		return status == http.StatusOK
	}
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}
