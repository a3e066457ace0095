package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// An emulated login on this machine may speak plain http. MSAL knows https only, so it is given the
// same host and port with https, and the doer below it sends in the clear: to that one host, through a
// dialer that connects to loopback addresses only, whatever the name resolves to, and without a proxy.
// There is no other way to plain http: a name that is not loopback by its text is refused by validate.

// loopbackName tells whether a host, in text, is this machine.
func loopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// plainLogin returns host and port of a login that speaks plain http on loopback, or "".
func (c Config) plainLogin() string {
	u, err := url.Parse(c.Login)
	if err != nil || u.Scheme != "http" || !loopbackName(u.Hostname()) {
		return ""
	}
	return u.Host
}

// newPlainDoer sends to a login on loopback in the clear. The configured HTTP client is not used, as
// its transport may know a proxy or another way to connect.
func newPlainDoer(host string) *doer {
	d := newDoer(Config{HTTPClient: &http.Client{Transport: &http.Transport{
		DialContext:           (&net.Dialer{ControlContext: loopbackOnly}).DialContext,
		ResponseHeaderTimeout: attemptLimit,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConns:          4,
	}}}, host)
	d.plain = true
	return d
}

// loopbackOnly refuses to connect to an address that is not this machine's own.
func loopbackOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address, plain http stays on this machine", address)
	}
	return nil
}

// secureNames rewrites the endpoints of a discovery document that lie on the plain host to https, the
// form in which they come back to the doer. All other addresses stay as they are, and the doer refuses
// them. What is not a JSON object is left to MSAL to complain about.
func secureNames(resp *http.Response, host string) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var document map[string]any
	if json.Unmarshal(body, &document) == nil {
		for name, value := range document {
			text, isText := value.(string)
			if u, err := url.Parse(text); isText && err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, host) {
				u.Scheme = "https"
				document[name] = u.String()
			}
		}
		if body, err = json.Marshal(document); err != nil {
			return err
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Del("Content-Length")
	return nil
}
