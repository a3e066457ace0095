package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// face is one of the hosts of the service.
type face uint8

const (
	faceGraph face = iota
	faceLogin
	faceContent
	faceAdmin
	faceNone
)

// call is one request on its way through the tenant.
type call struct {
	t       *Tenant
	w       http.ResponseWriter
	r       *http.Request
	start   time.Time
	epoch   uint64 // of the counters
	id      string // request-id
	kind    Kind
	path    string // decoded, below the version
	base    string // scheme, host and version of the links handed out
	content string // scheme and host of download URLs; "" means the host of the site
	query   query
	app     *App
	appOnly bool // the token is the application's own, nobody signed in
	fault   *Fault
	status  int
	bytes   int64
	public  publicHosts

	latest   bool // a delta with token=latest
	violated bool
}

// publicHosts are the names under which clients know the faces.
type publicHosts struct{ graph, content, login string }

// Handler serves all faces of the tenant: by the Host header where it names one of the service's
// hosts, by the path on any other host. It may be mounted in process; links then name the host that
// the request came to.
func (t *Tenant) Handler() http.Handler { return t.handler(publicHosts{}, nil) }

// handler serves the faces that only allows, all when it is nil.
func (t *Tenant) handler(public publicHosts, only func(face) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := faceOf(r)
		if only != nil && !only(f) {
			f = faceNone
		}
		c := &call{t: t, w: w, r: r, start: t.now(), epoch: t.counters.now(), public: public, id: t.counters.requestID(t.seed)}
		c.serve(f)
	})
}

// faceOf finds the face a request is for.
func faceOf(r *http.Request) face {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/_sandbox/"):
		return faceAdmin
	case strings.HasSuffix(host, ".sharepoint.com") && !strings.HasPrefix(r.URL.Path, "/_api/v2.0/"):
		return faceContent
	case strings.HasPrefix(host, "graph."), strings.HasSuffix(host, ".sharepoint.com"), strings.Contains(host, "-graph."), strings.HasPrefix(host, "microsoftgraph."):
		return faceGraph
	case strings.HasPrefix(host, "login."):
		return faceLogin
	}
	switch p := r.URL.Path; {
	case strings.HasPrefix(p, "/v1.0/"), strings.HasPrefix(p, "/_api/v2.0/"), strings.HasPrefix(p, "/beta/"):
		return faceGraph
	case strings.HasSuffix(p, "/_layouts/15/download.aspx"):
		return faceContent
	case p == "/", strings.Contains(p, "/oauth2/"), strings.Contains(p, "/.well-known/"), strings.Contains(p, "/discovery/"):
		return faceLogin
	}
	return faceGraph
}

func (c *call) serve(f face) {
	switch f {
	case faceAdmin:
		c.serveAdmin()
		return
	case faceLogin:
		c.serveLogin()
	case faceContent:
		c.serveContent()
	case faceGraph:
		c.serveGraph()
	default:
		c.kind = KindUnknown
		c.violate("wrong host", "no such service on this host")
		http.NotFound(c.w, c.r)
		c.status = http.StatusNotFound
	}
	c.t.counters.done(c)
}

// origin is the scheme and host that the request came to.
func (c *call) origin() string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host
}

// setHosts decides which hosts links and locations name.
func (c *call) setHosts(version string) {
	c.base = c.origin() + version
	if c.public.graph != "" {
		c.base = c.public.graph + version
	}
	host := strings.ToLower(c.r.Host)
	switch {
	case c.public.content == siteHosts:
		c.content = ""
	case c.public.content != "":
		c.content = c.public.content
	case strings.HasSuffix(host, ".sharepoint.com"), strings.HasPrefix(host, "graph."):
		c.content = ""
	default:
		c.content = c.origin()
	}
}

// siteHosts as a public content host means: the host of the site, as the service does it.
const siteHosts = "*"

// graphError is an error answer of Graph.
type graphError struct {
	status  int
	code    string
	inner   string
	message string
	header  map[string]string
}

func (e *graphError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func errorf(status int, code, format string, args ...any) *graphError {
	return &graphError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func errNotFound() *graphError {
	return errorf(http.StatusNotFound, "itemNotFound", "The resource could not be found.")
}

// headers sets what every answer of Graph carries (E1).
func (c *call) headers() {
	h := c.w.Header()
	h.Set("request-id", c.id)
	client := c.r.Header.Get("client-request-id")
	if client == "" {
		client = c.id
	}
	h.Set("client-request-id", client)
	h.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Sandbox","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"SPM000"}}`)
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Cache-Control", "no-store")
	h.Set("Date", c.start.UTC().Format(http.TimeFormat))
}

// fail answers with an error envelope (E1).
func (c *call) fail(e *graphError) {
	c.headers()
	for k, v := range e.header {
		c.w.Header().Set(k, v)
	}
	b := appendString([]byte(`{"error":{"code":`), e.code)
	b = appendString(append(b, `,"message":`...), e.message)
	b = append(b, `,"innerError":{`...)
	if e.inner != "" {
		b = append(appendString(append(b, `"code":`...), e.inner), ',')
	}
	// The date in an error has no zone (E1).
	b = appendString(append(b, `"date":`...), c.start.UTC().Format("2006-01-02T15:04:05"))
	b = appendString(append(b, `,"request-id":`...), c.id)
	b = appendString(append(b, `,"client-request-id":`...), c.w.Header().Get("client-request-id"))
	b = append(b, `}}}`...)
	c.send(e.status, "application/json", b)
}

// odata is the content type of Graph's answers.
const odata = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// reply answers with JSON.
func (c *call) reply(status int, b []byte) {
	c.headers()
	c.w.Header().Set("OData-Version", "4.0")
	c.send(status, odata, b)
}

// gzipFrom is the size from which answers are compressed.
const gzipFrom = 1024

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// send writes an answer in one piece: header and body in one buffer keep delayed ACKs away.
func (c *call) send(status int, contentType string, b []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	c.status, c.bytes = status, int64(len(b))
	if len(b) >= gzipFrom && strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		out := buffers.Get().(*bytes.Buffer)
		out.Reset()
		defer buffers.Put(out)
		z := gzips.Get().(*gzip.Writer)
		z.Reset(out)
		_, _ = z.Write(b) // into memory: cannot fail
		_ = z.Close()
		gzips.Put(z)
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding")
		b = out.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(b) // a client that went away needs no answer
	}
}
