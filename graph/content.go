package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	opContent  = "open content"
	opDownload = "get download address"
	maxHops    = 3 // redirects from the first content address (N09)
)

// ContentRequest asks for the bytes behind a pre-authenticated address.
type ContentRequest struct {
	URL      SecretURL
	Offset   int64 // first byte wanted
	Length   int64 // number of bytes wanted; negative or zero for all up to the end
	MaxBytes int64 // most bytes the whole file may have, 0 for no limit: reading ends with an error beyond it (I-10)
	// Fragile marks an item whose download may fail for good with 503, as parts of OneNote notebooks do: such a 503 is
	// then the item's failure and does not pause the tenant (C26).
	Fragile bool
	// Once leaves trying again to the caller, who has a patience of its own: the two would multiply (I-54). What all
	// share, a throttle and a network that is gone, is waited for all the same.
	Once bool
}

// Content is an open transfer. The caller closes Body, also after an error of Read.
type Content struct {
	Body   io.ReadCloser
	Status int   // 200: the whole file from its first byte, also where a range was asked for (C12); 206: the range
	Offset int64 // of the first byte of Body in the file
	Total  int64 // size of the file, -1 if not told
	Length int64 // bytes Body should have, -1 if not told

	ETag        string // equal to that of the item, where the host tells it (C15)
	ContentType string
}

// Open asks a content host for bytes. The address is sent exactly as it is; no token, cookie or Referer goes with it
// (C2, T-08). Redirects are followed here, each address checked anew. An address the host no longer takes gives
// ErrURLExpired: get a new one and look at the item again.
func (c *Client) Open(ctx context.Context, q ContentRequest) (*Content, error) {
	u, err := c.policy.content(q.URL.Reveal())
	if err != nil {
		return nil, opError(opContent, err)
	}
	if q.Offset < 0 || q.MaxBytes > 0 && q.Offset >= q.MaxBytes {
		return nil, opError(opContent, ErrRange)
	}
	var opened *Content
	r := &retry{gate: c.gate, once: q.Once}
	err = r.do(ctx, func() error {
		opened, err = c.openOnce(ctx, u, q)
		return err
	})
	if err != nil {
		if _, answered := AsError(err); !answered {
			err = opError(opContent, err)
		}
		if errors.Is(err, ErrURLExpired) {
			c.gate.count(func(s *GateStats) { s.Expired++ })
		}
		return nil, err
	}
	return opened, nil
}

// openOnce follows one address to its content.
func (c *Client) openOnce(ctx context.Context, u *url.URL, q ContentRequest) (*Content, error) {
	// The body outlives this call: its guard ends the request when it stalls.
	ctx, cancel := context.WithCancelCause(ctx)
	for range maxHops + 1 {
		resp, err := c.askContent(ctx, u, q)
		if err != nil {
			cancel(nil)
			return nil, err
		}
		if !isRedirect(contentStatus(resp)) {
			content, err := c.readContent(ctx, cancel, resp, u, q)
			if err != nil {
				_ = resp.Body.Close()
				cancel(nil)
			}
			return content, err
		}
		_ = resp.Body.Close()
		if u, err = c.policy.content(absolute(u, resp.Header.Get("Location"))); err != nil {
			cancel(nil)
			return nil, err
		}
	}
	cancel(nil)
	return nil, refused("more than %d redirects", maxHops)
}

// askContent sends one request to a content host.
func (c *Client) askContent(ctx context.Context, u *url.URL, q ContentRequest) (*http.Response, error) {
	req := newRequest(u)
	if value := q.rangeHeader(); value != "" {
		req.Header.Set("Range", value)
	}
	return c.content.RoundTrip(withTrip(ctx, req, &trip{op: opContent, units: UnitsItem, content: true, fragile: q.Fragile}))
}

// readContent checks an answer and puts the guards around its body.
func (c *Client) readContent(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, u *url.URL, q ContentRequest) (*Content, error) {
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		return nil, contentError(resp, u, q)
	}
	opened, err := contentOf(resp, q)
	if err != nil {
		return nil, err
	}
	most := int64(-1)
	if q.MaxBytes > 0 {
		if most = q.MaxBytes - opened.Offset; opened.Length > most {
			return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrTooLarge, opened.Length, most)
		}
	}
	guarded := newGuard(ctx, cancel, resp.Body, c.transfer)
	opened.Body = &bounded{ReadCloser: guarded, left: opened.Length, most: most}
	return opened, nil
}

// contentError turns a refusal of a content host into an error.
func contentError(resp *http.Response, u *url.URL, q ContentRequest) error {
	if contentStatus(resp) < http.StatusBadRequest {
		return &protocolError{op: opContent, reason: fmt.Sprintf("unexpected status %d", resp.StatusCode)}
	}
	e := newError(opContent, resp, time.Now())
	e.Host, e.Status = shown(u.Hostname()), contentStatus(resp)
	e.itemFault = q.Fragile && resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == ""
	return e
}

// ranged tells whether a range is asked for.
func (q ContentRequest) ranged() bool { return q.Offset > 0 || q.Length > 0 }

// rangeHeader is the value of the Range header, "" for the whole file.
func (q ContentRequest) rangeHeader() string {
	if !q.ranged() {
		return ""
	}
	value := "bytes=" + strconv.FormatInt(q.Offset, 10) + "-"
	if q.Length > 0 {
		value += strconv.FormatInt(q.Offset+q.Length-1, 10)
	}
	return value
}

// contentOf reads what an answer says of its body, and believes only what fits the request (I-09, H-54, H-55, H-60).
func contentOf(resp *http.Response, q ContentRequest) (*Content, error) {
	bad := func(reason string) error { return &protocolError{op: opContent, reason: reason} }
	kind := resp.Header.Get("Content-Type")
	if encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding != "" && encoding != "identity" {
		return nil, bad("the content is encoded, though identity was asked for")
	}
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/byteranges") {
		return nil, bad("the answer is a multipart range")
	}
	opened := &Content{Status: resp.StatusCode, Total: -1, Length: resp.ContentLength, ETag: resp.Header.Get("ETag"), ContentType: kind}
	if resp.StatusCode == http.StatusOK {
		opened.Total = resp.ContentLength
		return opened, nil
	}
	if !q.ranged() {
		return nil, bad("a range was answered that nobody asked for")
	}
	values := resp.Header.Values("Content-Range")
	if len(values) != 1 {
		return nil, bad("the range is missing from the answer, or there several times")
	}
	r, ok := parseContentRange(values[0])
	switch {
	case !ok:
		return nil, bad("the range of the answer cannot be read")
	case r.first != q.Offset:
		return nil, bad("the range of the answer begins elsewhere")
	case q.Length > 0 && r.last > q.Offset+q.Length-1:
		return nil, bad("the range of the answer ends beyond the one asked for")
	case opened.Length >= 0 && opened.Length != r.last-r.first+1:
		return nil, bad("the range of the answer does not fit its length")
	}
	opened.Offset, opened.Total, opened.Length = r.first, r.total, r.last-r.first+1
	return opened, nil
}

// contentRange is a parsed Content-Range of a 206.
type contentRange struct{ first, last, total int64 } // total is -1 for "*"

// parseContentRange reads "bytes first-last/total". Nothing else is taken: no other unit, no spaces, no signs.
func parseContentRange(value string) (contentRange, bool) {
	var r contentRange
	span, total, ok := strings.Cut(strings.TrimPrefix(value, "bytes "), "/")
	if !ok || !strings.HasPrefix(value, "bytes ") {
		return r, false
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return r, false
	}
	var good bool
	if r.first, good = parseDigits(first); !good {
		return r, false
	}
	if r.last, good = parseDigits(last); !good || r.last < r.first {
		return r, false
	}
	if total == "*" {
		r.total = -1
		return r, true
	}
	if r.total, good = parseDigits(total); !good || r.last >= r.total {
		return r, false
	}
	return r, true
}

// parseDigits reads a plain number of at most 18 digits.
func parseDigits(s string) (int64, bool) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// DownloadURL asks for a fresh pre-authenticated address. The redirect is not followed (C1, C2).
func (c *Client) DownloadURL(ctx context.Context, drive DriveID, item ItemID) (SecretURL, error) {
	path := "/drives/" + escape(string(drive)) + "/items/" + escape(string(item)) + "/content"
	address, err := c.locationOf(ctx, path)
	if err != nil || !address.IsZero() {
		return address, err
	}
	it, err := c.Item(ctx, drive, item) // it answered without a redirect
	if err != nil {
		return SecretURL{}, err
	}
	if it.DownloadURL.IsZero() {
		return SecretURL{}, &protocolError{op: opDownload, reason: "the item has no download address"}
	}
	if _, err := c.policy.content(it.DownloadURL.Reveal()); err != nil {
		return SecretURL{}, opError(opDownload, err)
	}
	return it.DownloadURL, nil
}

// VersionURL asks for the pre-authenticated address of an old version. Ranges on it are often ignored (C16).
func (c *Client) VersionURL(ctx context.Context, drive DriveID, item ItemID, version string) (SecretURL, error) {
	path := "/drives/" + escape(string(drive)) + "/items/" + escape(string(item)) + "/versions/" + escape(version) + "/content"
	address, err := c.locationOf(ctx, path)
	if err == nil && address.IsZero() {
		err = &protocolError{op: opDownload, reason: "the version has no download address"}
	}
	return address, err
}

// locationOf asks for a redirect and returns where it leads, nothing if there was none.
func (c *Client) locationOf(ctx context.Context, path string) (SecretURL, error) {
	var found SecretURL
	k := c.path(opDownload, path, UnitsItem, nil)
	k.header = http.Header{"Accept": {"*/*"}}
	k.moved = func(resp *http.Response) error {
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" {
			return nil
		}
		if _, err := c.policy.content(location); err != nil {
			return err
		}
		found = NewSecretURL(location)
		return nil
	}
	err := c.do(ctx, k)
	return found, err
}
