package graph

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// trickle gives one byte at a time, each after a while.
type trickle struct {
	every time.Duration
	left  int
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(b.every)
	b.left--
	p[0] = 'x'
	return 1, nil
}
func (b *trickle) Close() error { return nil }

func TestADownloadThatStallsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := func(body func(context.Context) io.ReadCloser, pause time.Duration) (time.Duration, error) {
			c := over(t, func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body(req.Context()), ContentLength: -1}, nil
			})
			content, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/x")})
			if err != nil {
				t.Fatal(err)
			}
			defer content.Body.Close()
			began := time.Now()
			for p := make([]byte, 4096); err == nil; {
				_, err = content.Body.Read(p)
				time.Sleep(pause)
			}
			return time.Since(began), err
		}
		took, err := read(func(ctx context.Context) io.ReadCloser { return &stuck{ctx: ctx, head: []byte("head")} }, 0)
		if !errors.Is(err, ErrStalled) || took != defaultIdle {
			t.Errorf("nothing comes: %v after %s", err, took)
		}
		took, err = read(func(context.Context) io.ReadCloser { return &trickle{every: 50 * time.Second, left: 100} }, 0)
		if !errors.Is(err, ErrStalled) || took > 2*defaultWindow {
			t.Errorf("a byte a minute: %v after %s", err, took)
		}
		if _, err = read(func(context.Context) io.ReadCloser { return &trickle{every: time.Millisecond / 2, left: 200_000} }, 0); err != io.EOF {
			t.Errorf("two kilobytes a second: %v", err)
		}
		if _, err = read(func(context.Context) io.ReadCloser { return &trickle{every: time.Millisecond, left: 100} }, time.Minute); err != io.EOF {
			t.Errorf("a slow reader is not the host's fault: %v", err)
		}
	})
}

func TestContentRangesAreReadStrictly(t *testing.T) {
	for value, want := range map[string]contentRange{
		"bytes 0-1023/2048": {0, 1023, 2048}, "bytes 0-0/1": {0, 0, 1}, "bytes 5-9/*": {5, 9, -1}, "bytes 250000000000-250000000009/250000000010": {250000000000, 250000000009, 250000000010},
	} {
		if got, ok := parseContentRange(value); !ok || got != want {
			t.Errorf("%q: %+v, %t", value, got, ok)
		}
	}
	if resp := recorded(t, "content-range-206-sharepoint-observed.http"); resp.StatusCode != 206 {
		t.Error("example not read")
	} else if r, ok := parseContentRange(resp.Header.Get("Content-Range")); !ok || r != (contentRange{0, 4, 23}) {
		t.Errorf("example: %+v", r)
	}
	for _, value := range []string{"", "bytes", "bytes ", "bytes 0-1", "bytes 0-1/", "bytes */5", "bytes */*", "bytes=0-1/2", "Bytes 0-1/2", " bytes 0-1/2", "bytes 0-1/2 ", "bytes 1-0/2", "bytes 0-2/2", "bytes +0-1/2", "bytes 0--1/2", "bytes 0x0-1/2", "bytes 0-1/2/3", "bytes 0-99999999999999999999/999999999999999999999", "bytes ٠-1/2"} {
		if got, ok := parseContentRange(value); ok {
			t.Errorf("%q: %+v", value, got)
		}
	}
}

func FuzzContentRangesMakeSense(f *testing.F) {
	f.Add("bytes 0-1023/2048")
	f.Add("bytes 5-9/*")
	f.Fuzz(func(t *testing.T, value string) {
		r, ok := parseContentRange(value)
		if ok && (r.first < 0 || r.last < r.first || r.total != -1 && r.last >= r.total) {
			t.Fatalf("%q: %+v", value, r)
		}
	})
}
