package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spmirror/spmirror/graph"
)

const (
	// attempts bounds how often one request is sent. MSAL itself sends once, except to managed
	// identity endpoints, where it has retries of its own.
	attempts = 3

	attemptLimit = 30 * time.Second
	firstPause   = time.Second
	longestPause = 20 * time.Second

	// maxAnswer bounds an answer of the login; discovery documents have a few kilobytes.
	maxAnswer = 1 << 20
)

// doer is the HTTP client below MSAL. It sends to the named hosts only, over TLS only (but see
// loopback.go for an emulated login on this machine), follows no
// redirect (a 307 would carry the secret along), reads bounded answers and repeats a request that
// the service answered with a transient status. Network errors are returned at once, as they are:
// whether to wait for the network is the caller's decision.
type doer struct {
	client *http.Client
	hosts  map[string]bool
	plain  bool // the hosts are loopback and speak http
}

func newDoer(c Config, hosts ...string) *doer {
	client := *c.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	d := &doer{client: &client, hosts: map[string]bool{}}
	for _, host := range hosts {
		d.hosts[strings.ToLower(host)] = true
	}
	return d
}

// sameCloud lists the login hosts of one cloud that answer for each other (A13). A discovery
// document may name any of them as token endpoint.
var sameCloud = [][]string{
	{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"},
	{"login.microsoftonline.us", "login.usgovcloudapi.net"},
	{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
}

// newLoginDoer allows the configured login and its aliases. The discovery document decides where
// the credential is sent, so without this check it could name any host.
func newLoginDoer(c Config) *doer {
	if host := c.plainLogin(); host != "" {
		return newPlainDoer(host)
	}
	u, err := url.Parse(c.Login)
	if err != nil {
		return newDoer(c) // not reached: validate has parsed it
	}
	for _, cloud := range sameCloud {
		for _, host := range cloud {
			if strings.EqualFold(host, u.Host) {
				return newDoer(c, cloud...)
			}
		}
	}
	return newDoer(c, u.Host)
}

// CloseIdleConnections is asked for by MSAL.
func (d *doer) CloseIdleConnections() { d.client.CloseIdleConnections() }

// Do sends req and returns an answer whose body is already in memory.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !d.hosts[strings.ToLower(req.URL.Host)] {
		return nil, &Error{Message: fmt.Sprintf("the login names %s://%s, which is not the configured login", clean(req.URL.Scheme), clean(req.URL.Host)),
			Advice: "If the tenant belongs to another cloud, set the tenant's environment accordingly."}
	}
	for attempt := 1; ; attempt++ {
		resp, err := d.once(req)
		if err != nil || !transientStatus(resp.StatusCode) || attempt == attempts {
			return resp, err
		}
		pause, told := graph.RetryAfter(resp.Header, time.Now())
		if !told {
			pause = firstPause << (attempt - 1)
		}
		if pause > longestPause {
			return resp, nil // the caller's own waiting is better than ours
		}
		select {
		case <-time.After(pause):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// once sends req one time. The body is read here so that the limit on the attempt covers it.
func (d *doer) once(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), attemptLimit)
	defer cancel()
	attempt := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		attempt.Body = body
	}
	if d.plain {
		attempt.URL.Scheme = "http"
	}
	resp, err := d.client.Do(attempt)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, &url.Error{Op: req.Method, URL: req.URL.Host, Err: err}
	}
	if len(body) > maxAnswer {
		return nil, &Error{Message: fmt.Sprintf("the answer of %s is longer than %d bytes", req.URL.Host, maxAnswer)}
	}
	if lacksDiscovery(req, resp) {
		return wellKnown(req)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if d.plain && strings.HasSuffix(req.URL.Path, discoveryPath) {
		return resp, secureNames(resp, req.URL.Host)
	}
	return resp, nil
}

func transientStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// networkCause returns the cause of a request that got no answer, without its address.
func networkCause(err error) (host string, cause error, ok bool) {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return "", nil, false
	}
	host = failed.URL
	if u, e := url.Parse(failed.URL); e == nil && u.Host != "" {
		host = u.Host
	}
	return host, failed.Err, true
}
