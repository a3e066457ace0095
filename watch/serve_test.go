package watch

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, for fake time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// H-84: one byte a second, in the head or in the body.
func TestASlowClientIsCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		head string
		drip byte
		most time.Duration
	}{
		"head":    {"POST /hook HTTP/1.1\r\nHost: x\r\nX: ", 'a', headerTime},
		"body":    {"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", ' ', requestTime},
		"chunked": {"POST /hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", '0', requestTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l, i := newPipes(), newInbox()
			ended := make(chan error, 1)
			go func() { ended <- Serve(ctx, l, i) }()
			c := l.dial()
			began := time.Now()
			gone := make(chan struct{})
			go func() { // what the server says, until it hangs up
				_, _ = io.Copy(io.Discard, c)
				close(gone)
			}()
			_, err := io.WriteString(c, test.head)
			for err == nil {
				time.Sleep(time.Second)
				_, err = c.Write([]byte{test.drip})
			}
			<-gone
			if took := time.Since(began); took > test.most+2*time.Second {
				t.Errorf("%s: cut off after %s", name, took)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheServerEndsSoonEvenWithAClientThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newPipes()
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, l, newInbox()) }()
		c := l.dial()
		if _, err := io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > goodbye {
			t.Errorf("it took %s, %v", time.Since(began), err)
		}
		c.Close()
	})
}

// H-86
func TestTheServerRefusesWhatIsNoRequest(t *testing.T) {
	address, _ := serving(t, nil)
	for name, test := range map[string]struct{ send, want string }{
		"a long address":   {"POST /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		"long headers":     {"POST /hook HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		"HTTP/1.0":         {"POST /hook HTTP/1.0\r\nContent-Length: 12\r\n\r\n{\"value\":[]}", "202"},
		"HTTP/1.0 GET":     {"GET /hook HTTP/1.0\r\n\r\n", "405"},
		"TRACE":            {"TRACE /hook HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
		"dots":             {"POST /.. HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "404"},
		"an absolute form": {"POST http://other.example/hook HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"value\":[]}", "202"},
		"an asterisk":      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"CONNECT":          {"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"no HTTP":          {"\x16\x03\x01 hello\r\n\r\n", "400"},
		"two lengths":      {"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "400"},
		"two hosts":        {"POST /hook HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
	} {
		got := exchange(t, address, test.send)
		if !strings.HasPrefix(got, "HTTP/1.") || len(got) < 12 || got[9:12] != test.want {
			t.Errorf("%s: %.80q, want %s", name, got, test.want)
		}
		if strings.Contains(got, "goroutine") || strings.Contains(got, ".go:") {
			t.Errorf("%s: the answer tells of the program: %.200q", name, got)
		}
	}
}

// serving serves an inbox on loopback until the test ends.
func serving(t *testing.T, cert *Certificate) (string, *inbox) {
	t.Helper()
	l, err := Listen("127.0.0.1:0", cert)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := newInbox()
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, i) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), i
}

func exchange(t *testing.T, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, text) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("%v", err)
		return ""
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %s\n%s", resp.Proto, resp.Status, said)
}

func TestPlainHTTPIsServedOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "localhost.example.com:0"} {
		if l, err := Listen(address, nil); !errors.Is(err, ErrPlain) {
			t.Errorf("%s: %v", address, err)
			if err == nil {
				l.Close()
			}
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := Listen(address, nil)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		l.Close()
	}
	if _, err := Listen("nonsense", nil); err == nil {
		t.Error("nonsense is an address")
	}
}

func TestTLSIsSpokenAndACertificateIsReplacedWhileItIsUsed(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := writeCertificate(t, certFile, keyFile, 1)
	cert, err := LoadCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	address, i := serving(t, cert)
	serial := func(pool *x509.CertPool, max uint16) (int64, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: max}}}
		resp, err := client.Post("https://"+address+"/hook", "application/json", strings.NewReader(body(one(goodID, goodSecret))))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 202 {
			return 0, fmt.Errorf("status %d", resp.StatusCode)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if n, err := serial(first, 0); n != 1 || err != nil || i.Counts().Accepted != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := serial(first, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if got := exchange(t, address, "POST /hook HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 400") {
		t.Errorf("plain HTTP: %q", got)
	}
	if err := os.WriteFile(keyFile, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert.expireLook(t)
	if n, err := serial(first, 0); n != 1 || err != nil {
		t.Errorf("a key that cannot be read: %d, %v", n, err)
	}
	second := writeCertificate(t, certFile, keyFile, 2)
	cert.expireLook(t)
	if n, err := serial(second, 0); n != 2 || err != nil {
		t.Errorf("replaced: %d, %v", n, err)
	}
	for _, bad := range [][2]string{{certFile, "missing"}, {"missing", keyFile}, {keyFile, certFile}} {
		if _, err := LoadCertificate(bad[0], bad[1]); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// expireLook lets the files be looked at again.
func (c *Certificate) expireLook(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Time{}
	c.stamp = time.Time{} // a file system may keep times too coarsely for a test
}

func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

func TestConnectionsAreBoundedAndGivenBack(t *testing.T) {
	l := &bounded{Listener: newPipes(), free: make(chan struct{}, 2)}
	inner := l.Listener.(*pipes)
	accept := func() net.Conn {
		go inner.dial()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, _ := accept(), accept()
	if len(l.free) != 2 {
		t.Fatalf("%d are counted", len(l.free))
	}
	first.Close()
	first.Close()
	if len(l.free) != 1 {
		t.Errorf("%d are counted after one was closed twice", len(l.free))
	}
	inner.Close()
	if _, err := l.Accept(); err == nil || len(l.free) != 1 {
		t.Errorf("%d are counted after an error: %v", len(l.free), err)
	}
}
