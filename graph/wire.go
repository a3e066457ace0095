package graph

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// wire is the innermost link: it marks failures of the transport, so that they can be told from those of other links.
type wire struct{ next http.RoundTripper }

// connError is a failure to exchange anything with the host.
type connError struct {
	cause  error
	unmade bool // no connection came about
}

func (e *connError) Error() string { return e.cause.Error() }
func (e *connError) Unwrap() error { return e.cause }

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var made atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { made.Store(true) }})
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	if err == nil {
		return resp, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return nil, &connError{cause: err, unmade: !made.Load()}
}

// isCertificate tells whether the host could not prove who it is. That does not go away by trying again (N07).
func isCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
