package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// urlGrant is what a download URL gives: one version of one item until a time.
type urlGrant struct {
	version uint32 // the content the URL was issued for
	pinned  uint32 // an old version that is meant, 0 for the present content
	expires int64
	hops    uint8
}

var urlMACs sync.Pool // of hash.Hash, keyed by the secret of one tenant: see macFor

type keyedMAC struct {
	t *Tenant
	h hash.Hash
}

func (t *Tenant) macFor() *keyedMAC {
	if k, ok := urlMACs.Get().(*keyedMAC); ok && k.t == t {
		k.h.Reset()
		return k
	}
	return &keyedMAC{t, hmac.New(sha256.New, t.secret)}
}

// jwtHead is the encoded header of tempauth tokens.
var jwtHead = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`))

// appendURL appends a pre-authenticated download URL (C5).
func (d *Drive) appendURL(b []byte, it *item, g urlGrant, host string) []byte {
	if host == "" {
		b = append(append(b, "https://"...), d.site.host...)
	} else {
		b = append(b, host...)
	}
	b = append(append(b, d.texts.download...), '?')
	return d.appendURLQuery(b, it, g)
}

// appendURLQuery appends the query of a download URL. It is a function of the grant, so the content
// host can build it again and compare byte for byte: a query in another order or encoding is another
// query (C5).
func (d *Drive) appendURLQuery(b []byte, it *item, g urlGrant) []byte {
	b = append(append(b, "UniqueId="...), it.guid.String()...)
	b = append(b, "&Translate=false&tempauth="...)
	var space [160]byte
	payload := append(space[:0], `{"aud":"00000003-0000-0ff1-ce00-000000000000","exp":`...)
	payload = appendInt(payload, g.expires)
	payload = appendInt(append(payload, `,"nbf":`...), g.expires-int64(d.t.urlLifetime().Seconds()))
	payload = appendInt(append(payload, `,"g":"`...), int64(d.index))
	for _, n := range []int64{int64(it.ord), int64(g.version), int64(g.pinned), int64(g.hops)} {
		payload = appendInt(append(payload, '.'), n)
	}
	payload = append(payload, '"', '}')
	at := len(b)
	if d.t.behave.OpaqueTempAuth { // the newer form in four parts (C6)
		b = base64.RawURLEncoding.AppendEncode(append(b, "v1."...), payload)
		b = append(b, ".AAAA"...)
	} else {
		b = append(append(b, jwtHead...), '.')
		b = base64.RawURLEncoding.AppendEncode(b, payload)
	}
	m := d.t.macFor()
	_, _ = m.h.Write(b[at:])
	var sum [32]byte
	b = base64.RawURLEncoding.AppendEncode(append(b, '.'), m.h.Sum(sum[:0]))
	urlMACs.Put(m)
	return append(b, "&ApiVersion=2.0"...)
}

// Errors of download URLs.
var (
	errURLBroken  = errors.New("the URL is not one that was handed out")
	errURLExpired = errors.New("the URL has expired")
)

// openURL finds what a download URL stands for.
func (t *Tenant) openURL(raw string, now int64) (*Drive, *item, urlGrant, error) {
	raw = strings.TrimSuffix(raw, "&AVOverride=1") // appended raw, as RCLONE does: the rest stays intact
	var g urlGrant
	_, rest, ok := strings.Cut(raw, "&tempauth=")
	if !ok {
		return nil, nil, g, errURLBroken
	}
	parts := strings.Split(rest, ".")
	if len(parts) < 3 {
		return nil, nil, g, errURLBroken
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, nil, g, errURLBroken
	}
	var drive, ord int
	var nbf int64
	if _, err := fmt.Sscanf(string(payload), `{"aud":"00000003-0000-0ff1-ce00-000000000000","exp":%d,"nbf":%d,"g":"%d.%d.%d.%d.%d"}`,
		&g.expires, &nbf, &drive, &ord, &g.version, &g.pinned, &g.hops); err != nil {
		return nil, nil, g, errURLBroken
	}
	if drive < 0 || drive >= len(t.drives) || ord < 0 || ord >= len(t.drives[drive].items) {
		return nil, nil, g, errURLBroken
	}
	d := t.drives[drive]
	it := d.items[ord]
	if !hmac.Equal(d.appendURLQuery(nil, it, g), []byte(raw)) {
		return nil, nil, g, errURLBroken
	}
	if now >= g.expires {
		return d, it, g, errURLExpired
	}
	return d, it, g, nil
}

// versionBody is a former content, nil when it is not kept.
func (d *Drive) versionBody(it *item, number uint32) body {
	if it.more != nil {
		for _, v := range it.more.versions {
			if v.number == number {
				return v.body
			}
		}
	}
	return nil
}

// serveContent answers the content host.
func (c *call) serveContent() {
	c.kind = KindDownload
	c.setHosts("")
	h := c.r.Header
	if h.Get("Referer") != "" {
		c.violate("referer", "a Referer at the content host gives the address of the call away")
	}
	if h.Get("Cookie") != "" {
		c.violate("cookie", "a cookie at the content host")
	}
	c.checkAgent()
	if h.Get("Authorization") != "" {
		c.violate("authorization", "a bearer token at the content host (C2)")
		if !c.t.behaviour().AcceptContentAuthorization {
			c.contentError(http.StatusUnauthorized, "401 UNAUTHORIZED")
			return
		}
	}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		c.violate("method", c.r.Method+" at the content host")
		c.contentError(http.StatusMethodNotAllowed, "405 METHOD NOT ALLOWED")
		return
	}
	if !strings.HasSuffix(c.r.URL.Path, "/_layouts/15/download.aspx") {
		c.violate("unknown call", "no such page on the content host")
		c.contentError(http.StatusNotFound, "404 NOT FOUND")
		return
	}
	if e := c.throttled(); e != nil {
		c.fail(e)
		return
	}
	c.withFault(c.download)
}

// contentError answers like a SharePoint page: HTML, not JSON (C2, E7).
func (c *call) contentError(status int, text string) {
	c.w.Header().Set("SPRequestGuid", c.id)
	c.send(status, "text/html; charset=utf-8", []byte("<html><head><title>"+text+"</title></head><body>"+text+"</body></html>"))
}

// download finds the bytes and their tag and serves them.
func (c *call) download() *graphError {
	t := c.t
	t.mu.RLock()
	d, it, g, err := t.openURL(c.r.URL.RawQuery, c.start.Unix())
	if errors.Is(err, errURLBroken) {
		t.mu.RUnlock()
		c.violate("broken URL", "the query of a download URL was changed (C5)")
		c.contentError(http.StatusUnauthorized, "401 UNAUTHORIZED")
		return nil
	}
	if err != nil {
		t.mu.RUnlock()
		c.contentError(http.StatusUnauthorized, "401 UNAUTHORIZED")
		return nil
	}
	c.path = d.Address() + it.path()
	if it.deleted {
		t.mu.RUnlock()
		c.contentError(http.StatusNotFound, "404 FILE NOT FOUND")
		return nil
	}
	if g.hops > 0 {
		g.hops--
		to := string(d.appendURL(nil, it, g, c.content))
		t.mu.RUnlock()
		c.w.Header().Set("Location", to)
		c.status = http.StatusFound
		c.w.WriteHeader(http.StatusFound)
		return nil
	}
	if e := d.contentRefusal(it); e != nil {
		t.mu.RUnlock()
		return e
	}
	f := c.servedFile(d, it, g)
	t.mu.RUnlock()
	if f.body == nil {
		c.contentError(http.StatusNotFound, "404 FILE NOT FOUND")
		return nil
	}
	c.sendBytes(f)
	return nil
}

// served is what the content host delivers.
type served struct {
	body body
	etag string
	name string
	old  bool
}

func (c *call) servedFile(d *Drive, it *item, g urlGrant) served {
	f := served{body: d.body(it), etag: `"` + string(d.appendETag(nil, it)) + `"`, name: it.name}
	switch {
	case g.pinned != 0 && g.pinned != it.content:
		f.body, f.old = d.versionBody(it, g.pinned), true
	case d.t.behave.StaleContent && g.version != it.content:
		f.body = d.versionBody(it, g.version)
	case it.more != nil && it.more.served != nil:
		f.body = it.more.served
	}
	return f
}

// chunk is how much is read and written at once.
const chunk = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// sendBytes serves a file, or the range of it that was asked for.
func (c *call) sendBytes(f served) {
	h := c.w.Header()
	size := f.body.Size()
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", f.etag) // of the item (C15)
	h.Set("Cache-Control", "private")
	h.Set("Server", "Microsoft-IIS/10.0")
	h.Set("SPRequestGuid", c.id)
	h.Set("Content-Type", mimeType(f.name))
	h.Set("Content-Disposition", "attachment;filename*=UTF-8''"+url.PathEscape(f.name))
	ask := c.r.Header.Get("Range")
	if f.old || c.fault.is(ActionIgnoreRange) { // ranges on old versions are reported as ignored (C16)
		ask = ""
	}
	from, n, status := int64(0), size, http.StatusOK
	if a, l, verdict := parseRange(ask, size); verdict != rangeIgnored {
		if verdict == rangeBeyond || !strings.Contains(c.r.Header.Get("Accept"), "*/*") { // without Accept a range gives 416 (C13)
			h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
			h.Del("Content-Disposition")
			c.send(http.StatusRequestedRangeNotSatisfiable, "text/html", nil)
			return
		}
		from, n, status = a, l, http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, size))
	}
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	c.status = status
	c.bendHeaders(h, from, n, size)
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return
	}
	c.copyBody(f.body, from, n)
}

func (c *call) copyBody(b body, from, n int64) {
	if d, ok := b.(onDisk); ok {
		if r, closeIt, err := d.open(); err == nil {
			defer closeIt()
			c.stream(r, from, n)
			return
		}
	}
	c.stream(b, from, n)
}

func (c *call) stream(r io.ReaderAt, from, n int64) {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for n > 0 {
		got, err := r.ReadAt(buf[:min(n, chunk)], from)
		if got == 0 {
			c.t.log.Warn("content ended early", "error", err)
			return // net/http cuts the connection: the length was announced
		}
		w, err := c.w.Write(buf[:got])
		c.bytes += int64(w)
		if err != nil {
			return
		}
		from, n = from+int64(got), n-int64(got)
	}
}

// rangeVerdict is what becomes of a Range.
type rangeVerdict uint8

const (
	rangeIgnored rangeVerdict = iota // other units, several parts, an end before the beginning, what is no range at all
	rangePart
	rangeBeyond
)

// parseRange reads a Range of one part.
func parseRange(text string, size int64) (from, n int64, verdict rangeVerdict) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	a, errA := strconv.ParseUint(first, 10, 63)
	b, errB := strconv.ParseUint(last, 10, 63)
	from, end := int64(a), min(int64(b), size-1)
	switch {
	case !ok, !dash, first+last == "", first != "" && errA != nil, last != "" && errB != nil, first != "" && last != "" && b < a:
		return 0, size, rangeIgnored
	case first == "": // the last bytes
		n = min(int64(b), size)
		return size - n, n, partOr(n > 0)
	case last == "":
		end = size - 1
	}
	return from, end - from + 1, partOr(from < size)
}

func partOr(there bool) rangeVerdict {
	if there {
		return rangePart
	}
	return rangeBeyond
}
