package graph

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// raw makes a client whose every connection is answered with these bytes, inside the
// process: what servers send that no server of the standard library would.
func raw(t *testing.T, answer string) (c *Client, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	c, err := New(Options{
		Cloud: Cloud{Name: CloudCustom, Graph: "http://127.0.0.1:1"}, Tokens: &sequence{}, AllowLoopback: true, Logger: slog.New(slog.DiscardHandler),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
					return
				}
				requests.Add(1)
				_, _ = io.WriteString(server, answer)
			}()
			return client, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, requests
}

// Whatever a host sends, the answer is an error after few requests, or what was asked
// for (N19, N20, H-60, H-71, H-73).
func TestAnswersThatBreakHTTPAreRefusedInBounds(t *testing.T) {
	const body = `{"id":"d"}`
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for _, c := range []struct {
		name, answer string
		fine         bool // for the API and for content
	}{
		{"an honest answer", head + length + "\r\n" + body, true},
		{"a few early hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 3) + head + length + "\r\n" + body, true},
		{"both kinds of length, which agree", head + length + "Transfer-Encoding: chunked\r\n\r\na\r\n" + body + "\r\n0\r\n\r\n", true},
		{"informational answers without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 100_000), false},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", false},
		{"304", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", false},
		{"206 that nobody asked for", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n" + length + "\r\n" + body, false},
		{"two lengths", head + length + "Content-Length: 5\r\n\r\n" + body, false},
		{"a negative length", head + "Content-Length: -1\r\n\r\n" + body, false},
		{"a length that is no number", head + "Content-Length: 1e1\r\n\r\n" + body, false},
		{"less than the length", head + "Content-Length: 100\r\n\r\n" + body, false},
		{"a chunk without end", head + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + body, false},
		{"a chunk of an absurd size", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + body, false},
		{"an unknown transfer encoding", head + "Transfer-Encoding: gzip\r\n\r\n" + body, false},
		{"headers of megabytes", head + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 2000) + "\r\n" + body, false},
		{"a flood of cookies", head + strings.Repeat("Set-Cookie: a=b\r\n", 50_000) + "\r\n" + body, false},
		{"a header without a colon", head + "what is this\r\n\r\n" + body, false},
		{"a status that is none", "HTTP/1.1 2x0 OK\r\n\r\n" + body, false},
		{"no HTTP at all", body, false},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", false},
		{"nothing", "", false},
		{"content that is compressed, though nobody asked", head + "Content-Encoding: br\r\n" + length + "\r\n" + body, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, requests := raw(t, c.answer)
				defer client.Close()
				began := time.Now()
				d, err := client.Drive(t.Context(), "d")
				if (err == nil) != c.fine || c.fine && d.ID != "d" {
					t.Errorf("the API gives %+v, %v", d, err)
				}
				if n := requests.Load(); n == 0 || n > maxTransient || time.Since(began) > maxTransient*callTimeout {
					t.Errorf("%d requests in %s", n, time.Since(began))
				}
				requests.Store(0)
				text := ""
				content, err := client.Open(t.Context(), ContentRequest{URL: NewSecretURL("http://127.0.0.1:1/x"), MaxBytes: 1000})
				if err == nil {
					var all []byte
					all, err = io.ReadAll(content.Body)
					text = string(all)
					_ = content.Body.Close()
				}
				if (err == nil) != c.fine || c.fine && text != body {
					t.Errorf("the content is %q, %v", text, err)
				}
				if n := requests.Load(); n == 0 || n > maxTransient {
					t.Errorf("%d requests for content", n)
				}
			})
		})
	}
}

// certificate makes a certificate of its own authority.
func certificate(t *testing.T, host string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		form.IPAddresses = []net.IP{ip}
	} else {
		form.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A host without proof of its name is asked nothing, once (N07, T-22).
func TestHostsWithoutProofOfTheirNameAreRefused(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour)
	for _, c := range []struct {
		name, host string
		until      time.Time
		most       uint16 // TLS version
		trusted    bool
		fine       bool
	}{
		{"a good certificate", "127.0.0.1", tomorrow, tls.VersionTLS13, true, true},
		{"expired", "127.0.0.1", time.Now().Add(-time.Hour), tls.VersionTLS13, true, false},
		{"of another host", "graph.microsoft.com", tomorrow, tls.VersionTLS13, true, false},
		{"of an unknown authority", "127.0.0.1", tomorrow, tls.VersionTLS13, false, false},
		{"an old version of TLS", "127.0.0.1", tomorrow, tls.VersionTLS11, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, roots := certificate(t, c.host, c.until)
			var asked atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, driveBody)
			}))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: c.most}
			server.StartTLS()
			defer server.Close()
			if !c.trusted {
				roots = x509.NewCertPool()
			}
			client, err := New(Options{
				Cloud: Cloud{Name: CloudCustom, Graph: server.URL}, Tokens: &sequence{}, AllowLoopback: true, RootCAs: roots, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // an old version is tried again
			defer cancel()
			_, err = client.Drive(ctx, "d")
			if (err == nil) != c.fine || (asked.Load() > 0) != c.fine {
				t.Errorf("%v after %d requests", err, asked.Load())
			}
			if _, err = client.Open(ctx, ContentRequest{URL: NewSecretURL(server.URL + "/x")}); (err == nil) != c.fine {
				t.Errorf("content: %v", err)
			}
			if !c.fine && asked.Load() > 0 {
				t.Error("something was asked of it")
			}
		})
	}
}

// Streams that are reset and connections that are given up cost a repetition, not a
// failure (N21).
func TestGivenUpStreamsAndConnectionsAreReplaced(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch nth := n.Add(1); {
		case r.ProtoMajor != 2:
			t.Errorf("asked over %s", r.Proto)
		case nth == 3:
			panic(http.ErrAbortHandler) // RST_STREAM
		default:
			w.Header().Set("Connection", "close") // GOAWAY
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, driveBody)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := New(Options{
		Cloud: Cloud{Name: CloudCustom, Graph: server.URL}, Tokens: &sequence{}, AllowLoopback: true, RootCAs: roots, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 10 {
		if _, err := client.Drive(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 11 {
		t.Errorf("%d requests for 10 calls, one of which was reset", n.Load())
	}
}

// An answer may not grow beyond its limit when it is decompressed (M07, T-16).
func TestACompressedAnswerIsLimitedByWhatItDecodesTo(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(z, `{"id":"`)
	_, _ = z.Write(bytes.Repeat([]byte("d"), 32<<20))
	_, _ = io.WriteString(z, `"}`)
	_ = z.Close()
	c := over(t, func(*http.Request) (*http.Response, error) {
		return jsonAnswer(200, bomb.String(), "Content-Encoding", "gzip"), nil
	}, func(o *Options) { o.MaxPage = 1 << 20 })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Drive(t.Context(), "d")
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes that became 32 MiB: %v", bomb.Len(), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
