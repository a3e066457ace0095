package graph

import (
	"net/http"

	"github.com/google/uuid"
)

// decorator adds the headers that every request carries. What a content host gets is a closed list: it must learn
// nothing about us beyond the name of the program (T-08).
type decorator struct {
	userAgent string
	next      http.RoundTripper
}

// defaultUserAgent is the form the service asks of a company's own program; undecorated traffic has lower priority (T20).
func defaultUserAgent(version string) string {
	if version == "" {
		version = "0"
	}
	return "NONISV|spmirror|spmirror/" + version
}

// RoundTrip implements http.RoundTripper.
func (d *decorator) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", d.userAgent)
	if tripOf(req).content {
		req.Header.Set("Accept", "*/*")               // without it a Range was answered with 416 (C13)
		req.Header.Set("Accept-Encoding", "identity") // the bytes are hashed (C17)
		return d.next.RoundTrip(req)
	}
	req.Header.Set("client-request-id", uuid.NewString()) // support asks for it (E9)
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	req.Header.Set("Accept-Encoding", "gzip")
	return d.next.RoundTrip(req)
}
