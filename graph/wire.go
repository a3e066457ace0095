package graph

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
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

// Error says of a connection that ended what net/http says with "EOF".
func (e *connError) Error() string {
	if errors.Is(e.cause, io.EOF) || errors.Is(e.cause, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("the connection was cut (%v)", e.cause)
	}
	return e.cause.Error()
}

func (e *connError) Is(target error) bool { return target == ErrNetwork }
func (e *connError) Unwrap() error        { return e.cause }

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

// MayPass tells whether a connection that failed may come about later without anyone changing anything. It will not if the
// host cannot prove who it is, the proxy refuses, or the address is one that nothing is sent to.
func MayPass(err error) bool {
	if errors.Is(err, ErrAddress) || isCertificate(err) {
		return false
	}
	var proxy *proxyError
	return !errors.As(err, &proxy) || proxy.status >= http.StatusInternalServerError
}

// isCertificate tells whether the host could not prove who it is. That does not go away by trying again (N07).
func isCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
