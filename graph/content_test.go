package graph_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// open asks for content behind a path of the server.
func open(t *testing.T, c *graph.Client, url string, q graph.ContentRequest) (*graph.Content, []byte, error) {
	t.Helper()
	q.URL = graph.NewSecretURL(url)
	content, err := c.Open(t.Context(), q)
	if err != nil {
		return nil, nil, err
	}
	defer content.Body.Close()
	body, err := io.ReadAll(content.Body)
	return content, body, err
}

func TestContentIsAskedForWithTheExactAddressAndNothingElse(t *testing.T) {
	const tail = "/_layouts/15/download.aspx?UniqueId=%7b1%7D&Translate=false&tempauth=v1.a%2b+b&ApiVersion=2.0"
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != tail {
			t.Errorf("asked for %s", r.RequestURI)
		}
		for name := range r.Header {
			switch name {
			case "User-Agent", "Accept", "Accept-Encoding", "Range":
			default:
				t.Errorf("header %s: %s", name, r.Header.Get(name))
			}
		}
		if r.Header.Get("Accept") != "*/*" || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("ETag", `"{1},2"`)
		http.ServeContent(w, r, "x.bin", time.Time{}, strings.NewReader("0123456789"))
	}))
	whole, body, err := open(t, c, server.URL+tail, graph.ContentRequest{MaxBytes: 10})
	if err != nil || string(body) != "0123456789" || whole.Status != 200 || whole.Offset != 0 || whole.Total != 10 || whole.Length != 10 || whole.ETag != `"{1},2"` {
		t.Errorf("whole: %+v %q %v", whole, body, err)
	}
	rest, body, err := open(t, c, server.URL+tail, graph.ContentRequest{Offset: 4})
	if err != nil || string(body) != "456789" || rest.Status != 206 || rest.Offset != 4 || rest.Total != 10 || rest.Length != 6 {
		t.Errorf("rest: %+v %q %v", rest, body, err)
	}
	part, body, err := open(t, c, server.URL+tail, graph.ContentRequest{Offset: 2, Length: 3})
	if err != nil || string(body) != "234" || part.Length != 3 {
		t.Errorf("part: %+v %q %v", part, body, err)
	}
	if _, _, err := open(t, c, server.URL+tail, graph.ContentRequest{Offset: 10}); !errors.Is(err, graph.ErrRange) {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestLiesAboutRangesAreNotBelieved(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no Content-Range":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); _, _ = w.Write([]byte("456789")) },
		"another start":            partial("bytes 3-9/10", "3456789"),
		"another start, same end":  partial("bytes 3-6/10", "3456"),
		"later start":              partial("bytes 5-7/10", "567"),
		"beyond the part asked":    partial("bytes 4-9/10", "456789"),
		"unknown":                  partial("bytes */10", "4567"),
		"total smaller than end":   partial("bytes 4-7/7", "4567"),
		"last before first":        partial("bytes 4-3/10", ""),
		"negative":                 partial("bytes -4-7/10", "4567"),
		"another unit":             partial("items 4-7/10", "4567"),
		"with spaces":              partial("bytes 4 - 7 / 10", "4567"),
		"length does not fit":      partial("bytes 4-7/10", "45678"),
		"multipart":                typed(206, "multipart/byteranges; boundary=x", "--x"),
		"encoded":                  encoded("bytes 4-7/10"),
		"twice":                    twice,
		"not asked and no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
	} {
		c, server := serve(t, h)
		if _, body, err := open(t, c, server.URL+"/x", graph.ContentRequest{Offset: 4, Length: 4}); !errors.Is(err, graph.ErrProtocol) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	c, server := serve(t, partial("bytes 0-3/10", "0123"))
	if _, _, err := open(t, c, server.URL+"/x", graph.ContentRequest{}); !errors.Is(err, graph.ErrProtocol) {
		t.Errorf("206 to a request for the whole: %v", err)
	}
	c, server = serve(t, typed(200, "text/plain", "0123456789"))
	whole, body, err := open(t, c, server.URL+"/x", graph.ContentRequest{Offset: 4})
	if err != nil || whole.Status != 200 || whole.Offset != 0 || string(body) != "0123456789" {
		t.Errorf("range ignored: %+v %q %v", whole, body, err)
	}
	c, server = serve(t, partial("bytes 4-7/*", "4567"))
	if open, body, err := open(t, c, server.URL+"/x", graph.ContentRequest{Offset: 4}); err != nil || open.Total != -1 || string(body) != "4567" {
		t.Errorf("unknown total: %+v %q %v", open, body, err)
	}
}

func partial(contentRange, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(206)
		_, _ = w.Write([]byte(body))
	}
}

func typed(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func encoded(contentRange string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		partial(contentRange, "4567")(w, r)
	}
}

func twice(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Range"] = []string{"bytes 4-7/10", "bytes 0-3/10"}
	w.WriteHeader(206)
	_, _ = w.Write([]byte("4567"))
}

func TestABodyThatIsNotWhatItAnnouncedIsAnError(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("only this"))
		case "/range":
			w.Header().Set("Content-Range", "bytes 4-103/200")
			w.WriteHeader(206)
			w.(http.Flusher).Flush() // no Content-Length: the end of the body says nothing
			_, _ = w.Write([]byte("only this"))
		case "/endless":
			w.(http.Flusher).Flush()
			for range 100 {
				if _, err := w.Write([]byte(long)); err != nil {
					return
				}
			}
		case "/announced":
			w.Header().Set("Content-Length", "1048576")
			_, _ = w.Write([]byte(long))
		}
	}))
	if _, _, err := open(t, c, server.URL+"/short", graph.ContentRequest{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short: %v", err)
	}
	if _, _, err := open(t, c, server.URL+"/range", graph.ContentRequest{Offset: 4}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("range: %v", err)
	}
	if _, body, err := open(t, c, server.URL+"/endless", graph.ContentRequest{MaxBytes: 1000}); !errors.Is(err, graph.ErrTooLarge) || len(body) > 1<<20 {
		t.Errorf("endless: %d bytes, %v", len(body), err)
	}
	if _, _, err := open(t, c, server.URL+"/announced", graph.ContentRequest{MaxBytes: 1000}); !errors.Is(err, graph.ErrTooLarge) {
		t.Errorf("announced: %v", err)
	}
}

func TestRefusalsOfAContentHostAreTyped(t *testing.T) {
	for name, want := range map[string]struct {
		h    http.HandlerFunc
		kind error
	}{
		"401": {typed(401, "text/html", "<html>tempauth=canary"), graph.ErrURLExpired},
		"403": {typed(403, "text/html", "blocked"), graph.ErrURLExpired},
		"404": {typed(404, "text/plain", ""), graph.ErrURLExpired},
		"410": {typed(410, "text/plain", ""), graph.ErrURLExpired},
		"malware by header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Virus-Infected", "1")
			w.WriteHeader(403)
		}, graph.ErrMalware},
		"malware by code": {typed(403, "application/json", `{"error":{"code":"malwareDetected"}}`), graph.ErrMalware},
		"416":             {typed(416, "text/plain", ""), graph.ErrRange},
		"asked to wait": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9999")
			w.WriteHeader(429)
		}, graph.ErrThrottled},
	} {
		c, server := serve(t, want.h)
		_, _, err := open(t, c, server.URL+"/x?tempauth=canary", graph.ContentRequest{})
		if !errors.Is(err, want.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v shows a secret", name, err)
		}
		if e, ok := graph.AsError(err); !ok || e.Host == "" || e.IsNotFound() || e.IsAuth() {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestRedirectsOfContentAreCheckedHopByHop(t *testing.T) {
	var trapped atomic.Int32
	trap := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Add(1) }))
	trap.Start()
	defer trap.Close()
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("Set-Cookie", "spy=1")
		switch r.URL.Path {
		case "/1", "/2", "/3":
			w.Header().Set("Location", fmt.Sprintf("/%d?next=%%2b", int(r.URL.Path[1]-'0')+1))
			w.WriteHeader(302)
		case "/4":
			if r.RequestURI != "/4?next=%2b" {
				t.Errorf("asked for %s", r.RequestURI)
			}
			_, _ = w.Write([]byte("end"))
		case "/0":
			w.Header().Set("Location", "/1")
			w.WriteHeader(301)
		case "/loop":
			w.Header().Set("Location", "/loop")
			w.WriteHeader(302)
		case "/evil":
			w.Header().Set("Location", "https://evil.example/canary")
			w.WriteHeader(307)
		case "/nowhere":
			w.WriteHeader(302)
		}
	}))
	if _, body, err := open(t, c, server.URL+"/1", graph.ContentRequest{}); err != nil || string(body) != "end" {
		t.Errorf("three hops: %q, %v", body, err)
	}
	for _, path := range []string{"/0", "/loop", "/evil", "/nowhere"} {
		if _, _, err := open(t, c, server.URL+path, graph.ContentRequest{}); !errors.Is(err, graph.ErrAddress) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, url := range []string{"", "/relative", "file:///etc/passwd", "http://contoso.sharepoint.com/x", "https://10.0.0.1/x"} {
		if _, _, err := open(t, c, url, graph.ContentRequest{}); !errors.Is(err, graph.ErrAddress) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if trapped.Load() != 0 {
		t.Error("the trap was reached")
	}
}

func TestTheDownloadAddressIsTakenFromTheRedirectOrTheItem(t *testing.T) {
	var server *httptest.Server
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.RequestURI {
		case "/v1.0/drives/d/items/redirects/content", "/v1.0/drives/d/items/redirects/versions/3.0/content":
			w.Header().Set("Location", server.URL+"/bytes?sig=a%2Bb")
			w.WriteHeader(302)
		case "/v1.0/drives/d/items/evil/content":
			w.Header().Set("Location", "https://evil.example/x")
			w.WriteHeader(302)
		case "/v1.0/drives/d/items/direct/content":
			_, _ = w.Write([]byte("the bytes themselves"))
		case "/v1.0/drives/d/items/direct":
			answer(w, 200, `{"id":"direct","name":"a","file":{},"@microsoft.graph.downloadUrl":"`+server.URL+`/direct"}`)
		case "/v1.0/drives/d/items/none/content":
			w.WriteHeader(200)
		case "/v1.0/drives/d/items/none":
			answer(w, 200, `{"id":"none","name":"a"}`)
		default:
			answer(w, 404, `{"error":{"code":"itemNotFound"}}`)
		}
	}))
	if u, err := c.DownloadURL(t.Context(), "d", "redirects"); err != nil || u.Reveal() != server.URL+"/bytes?sig=a%2Bb" {
		t.Errorf("%s, %v", u.Reveal(), err)
	}
	if u, err := c.DownloadURL(t.Context(), "d", "direct"); err != nil || u.Reveal() != server.URL+"/direct" {
		t.Errorf("%s, %v", u.Reveal(), err)
	}
	if u, err := c.VersionURL(t.Context(), "d", "redirects", "3.0"); err != nil || u.Reveal() != server.URL+"/bytes?sig=a%2Bb" {
		t.Errorf("%s, %v", u.Reveal(), err)
	}
	if _, err := c.DownloadURL(t.Context(), "d", "evil"); !errors.Is(err, graph.ErrAddress) {
		t.Errorf("%v", err)
	}
	if _, err := c.DownloadURL(t.Context(), "d", "none"); !errors.Is(err, graph.ErrProtocol) {
		t.Errorf("%v", err)
	}
	if _, err := c.DownloadURL(t.Context(), "d", "gone"); err == nil {
		t.Error("nothing wrong with an item that is gone")
	} else if e, ok := graph.AsError(err); !ok || !e.IsNotFound() {
		t.Errorf("%v", err)
	}
}

func TestManyDownloadsShareTheGateAndGiveTheirPlacesBack(t *testing.T) {
	data := bytes.Repeat([]byte("spmirror"), 4096)
	var now, most atomic.Int32
	gate := graph.NewGate(graph.GateConfig{InFlight: 3})
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		_, _ = w.Write(data)
	}), func(o *graph.Options) { o.Gate = gate })
	done := make(chan error)
	for range 40 {
		go func() {
			content, err := c.Open(t.Context(), graph.ContentRequest{URL: graph.NewSecretURL(server.URL + "/x")})
			if err == nil {
				var got []byte
				got, err = io.ReadAll(content.Body)
				if err == nil && !bytes.Equal(got, data) {
					err = errors.New("other bytes")
				}
				_ = content.Body.Close()
			}
			done <- err
		}()
	}
	for range 40 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if s := gate.Stats(); s.InFlight != 0 || s.Bytes != 40*int64(len(data)) {
		t.Errorf("%+v", s)
	}
	if most.Load() > 3 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestTheSizeLimitCountsFromTheBeginningOfTheFile(t *testing.T) {
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ignores" {
			_, _ = w.Write([]byte("0123456789"))
			return
		}
		http.ServeContent(w, r, "x.bin", time.Time{}, strings.NewReader("0123456789ABC"))
	}))
	if content, body, err := open(t, c, server.URL+"/ignores", graph.ContentRequest{Offset: 7, MaxBytes: 10}); err != nil || content.Status != 200 || len(body) != 10 {
		t.Errorf("a host that ignores the range: %q, %v", body, err)
	}
	if _, _, err := open(t, c, server.URL+"/grown", graph.ContentRequest{Offset: 7, MaxBytes: 10}); !errors.Is(err, graph.ErrTooLarge) {
		t.Errorf("a file that has grown: %v", err)
	}
	if _, body, err := open(t, c, server.URL+"/grown", graph.ContentRequest{Offset: 7, Length: 3, MaxBytes: 10}); err != nil || string(body) != "789" {
		t.Errorf("a part: %q, %v", body, err)
	}
	for _, q := range []graph.ContentRequest{{Offset: 10, MaxBytes: 10}, {Offset: -1}} {
		if _, _, err := open(t, c, server.URL+"/grown", q); !errors.Is(err, graph.ErrRange) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
