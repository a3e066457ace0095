package graph

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// tripFunc is a transport made of a function.
type tripFunc func(*http.Request) (*http.Response, error)

func (f tripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// sequence gives tokens in order and remembers the sign-ins that it made.
type sequence struct {
	mu      sync.Mutex
	n       int
	asked   []TokenRequest
	failing error
	takes   time.Duration
	signing chan struct{}
}

func (s *sequence) Token(ctx context.Context, req TokenRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.signing != nil { // a mutex held while time passes would stop the clock of a bubble
		done := s.signing
		s.mu.Unlock()
		<-done
		s.mu.Lock()
	}
	if req != (TokenRequest{}) && (req.Rejected == "" || req.Rejected == fmt.Sprintf("token-%d", s.n)) {
		s.asked = append(s.asked, req)
		if s.failing != nil {
			return "", s.failing
		}
		s.signing = make(chan struct{})
		s.mu.Unlock()
		time.Sleep(s.takes)
		s.mu.Lock()
		close(s.signing)
		s.signing = nil
		s.n++
	}
	return fmt.Sprintf("token-%d", s.n), nil
}

// over makes a client on a transport made of a function; it belongs inside a synctest bubble.
func over(t *testing.T, send tripFunc, change ...func(*Options)) *Client {
	t.Helper()
	cloud, _ := CloudByName("global")
	o := Options{Cloud: cloud, Tokens: &sequence{}, Logger: slog.New(slog.DiscardHandler), UserAgent: defaultUserAgent("1.2.3"), Gate: NewGate(GateConfig{})}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.assemble(o, connected(send), connected(send))
	return c
}

// connected makes a transport that always comes to a connection, unless it fails with errUnmade.
func connected(send tripFunc) tripFunc {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := send(req)
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && !errors.Is(err, errUnmade) {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		return resp, err
	}
}

// errUnmade is a connection that does not come about.
var errUnmade = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}

// jsonAnswer makes a JSON answer.
func jsonAnswer(status int, body string, headers ...string) *http.Response {
	return response(status, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

const driveBody = `{"id":"d"}`

func TestRequestsAreDecoratedAndEachAttemptHasItsOwnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := map[string]bool{}
		c := over(t, func(req *http.Request) (*http.Response, error) {
			id := req.Header.Get("client-request-id")
			if _, err := uuid.Parse(id); err != nil || ids[id] {
				t.Errorf("id %q", id)
			}
			ids[id] = true
			for name, want := range map[string]string{"User-Agent": "NONISV|spmirror|spmirror/1.2.3", "Accept": "application/json", "Accept-Encoding": "gzip", "Authorization": "Bearer token-0", "Cookie": "", "Referer": ""} {
				if got := req.Header.Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
			if len(ids) < 3 {
				return jsonAnswer(500, ""), nil
			}
			return jsonAnswer(200, driveBody), nil
		})
		if _, err := c.Drive(t.Context(), "d"); err != nil || len(ids) != 3 {
			t.Fatalf("%v after %d attempts", err, len(ids))
		}
	})
}

func TestEverySituationIsTriedAsOftenAsItDeserves(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for _, c := range []struct {
		name    string
		send    func(n int) (*http.Response, error)
		want    int // attempts
		problem error
	}{
		{"success", func(int) (*http.Response, error) { return jsonAnswer(200, driveBody), nil }, 1, nil},
		{"500 for ever", func(int) (*http.Response, error) { return jsonAnswer(500, ""), nil }, maxTransient, new(Error)},
		{"502 for ever", func(int) (*http.Response, error) { return response(502, "<html>", "Content-Type", "text/html"), nil }, maxTransient, new(Error)},
		{"504 for ever", func(int) (*http.Response, error) { return jsonAnswer(504, ""), nil }, maxTransient, new(Error)},
		{"408 for ever", func(int) (*http.Response, error) { return jsonAnswer(408, ""), nil }, maxTransient, new(Error)},
		{"501", func(int) (*http.Response, error) { return jsonAnswer(501, ""), nil }, 1, new(Error)},
		{"400", func(int) (*http.Response, error) { return jsonAnswer(400, ""), nil }, 1, new(Error)},
		{"403", func(int) (*http.Response, error) { return jsonAnswer(403, ""), nil }, 1, new(Error)},
		{"404 with empty body", func(int) (*http.Response, error) { return response(404, ""), nil }, 1, new(Error)},
		{"423", func(int) (*http.Response, error) { return jsonAnswer(423, ""), nil }, 1, new(Error)},
		{"429 for ever", func(int) (*http.Response, error) { return jsonAnswer(429, "", "Retry-After", "5"), nil }, maxThrottled, ErrThrottled},
		{"429 that asks for a day", func(int) (*http.Response, error) { return jsonAnswer(429, "", "Retry-After", "86400"), nil }, 1, ErrThrottled},
		{"429 without a word", func(int) (*http.Response, error) { return jsonAnswer(429, ""), nil }, 10, ErrThrottled},
		{"reset for ever", func(int) (*http.Response, error) { return nil, reset }, maxTransient, reset},
		{"a reset is a failure of the network", func(int) (*http.Response, error) { return nil, reset }, maxTransient, ErrNetwork},
		{"so is the end of a connection", func(int) (*http.Response, error) { return nil, io.EOF }, maxTransient, ErrNetwork},
		{"so is a body that breaks off", func(int) (*http.Response, error) {
			resp := jsonAnswer(200, "")
			resp.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			return resp, nil
		}, maxTransient, ErrNetwork},
		{"early end of file for ever", func(int) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, maxTransient, io.ErrUnexpectedEOF},
		{"HTML with 200", func(int) (*http.Response, error) { return response(200, "<html>", "Content-Type", "text/html"), nil }, maxTransient, ErrProtocol},
		{"200 without type", func(int) (*http.Response, error) { return response(200, driveBody), nil }, maxTransient, ErrProtocol},
		{"empty 200", func(int) (*http.Response, error) { return jsonAnswer(200, ""), nil }, maxTransient, ErrProtocol},
		{"cut short", func(int) (*http.Response, error) { return jsonAnswer(200, `{"id":"d"`), nil }, maxTransient, ErrProtocol},
		{"broken compression", func(int) (*http.Response, error) { return jsonAnswer(200, driveBody, "Content-Encoding", "gzip"), nil }, maxTransient, ErrProtocol},
		{"unknown encoding", func(int) (*http.Response, error) { return jsonAnswer(200, driveBody, "Content-Encoding", "br"), nil }, maxTransient, ErrProtocol},
		{"invalid UTF-8", func(int) (*http.Response, error) { return jsonAnswer(200, "{\"id\":\"\xff\"}"), nil }, 1, ErrProtocol},
		{"wrong shape", func(int) (*http.Response, error) { return jsonAnswer(200, `{"id":7}`), nil }, 1, ErrProtocol},
		{"too large", func(int) (*http.Response, error) {
			return jsonAnswer(200, `{"id":"`+strings.Repeat("x", 2000)+`"}`), nil
		}, 1, ErrTooLarge},
		{"redirect", func(int) (*http.Response, error) { return response(302, "", "Location", "https://evil.example/"), nil }, 1, ErrProtocol},
		{"redirect to the page of the throttled", func(int) (*http.Response, error) {
			return response(302, "", "Location", "https://contoso.sharepoint.com/_layouts/15/Throttle.htm?x=1", "Retry-After", "5"), nil
		}, maxThrottled, ErrThrottled},
		{"204 for ever", func(int) (*http.Response, error) { return response(204, ""), nil }, maxTransient, ErrProtocol},
		{"206 for ever", func(int) (*http.Response, error) { return jsonAnswer(206, driveBody), nil }, maxTransient, ErrProtocol},
		{"304 for ever", func(int) (*http.Response, error) { return response(304, ""), nil }, maxTransient, ErrProtocol},
		{"202, then success", func(n int) (*http.Response, error) {
			if n == 1 {
				return response(202, ""), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, 2, nil},
		{"odd parameters of the type", func(int) (*http.Response, error) {
			return response(200, driveBody, "Content-Type", "Application/JSON ; odata.metadata=minimal;charset=utf-8;charset=UTF-8; x"), nil
		}, 1, nil},
		{"401 for ever", func(int) (*http.Response, error) { return jsonAnswer(401, ""), nil }, 1 + maxRenewals, new(Error)},
		{"401 for ever is a sign-in that failed", func(int) (*http.Response, error) { return jsonAnswer(401, ""), nil }, 1 + maxRenewals, ErrToken},
		{"compressed 401 for reasons of the service", func(n int) (*http.Response, error) {
			if n < 3 {
				return jsonAnswer(401, zipped(`{"error":{"code":"unauthenticated","message":"Unable to initialize RPS"}}`), "Content-Encoding", "gzip"), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, 3, nil},
		{"401 for reasons of the service", func(n int) (*http.Response, error) {
			if n < 3 {
				return jsonAnswer(401, `{"error":{"code":"unauthenticated","message":"Unable to initialize RPS"}}`), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, 3, nil},
		{"mixed, then success", func(n int) (*http.Response, error) {
			switch n {
			case 1:
				return nil, reset
			case 2:
				return jsonAnswer(429, "", "Retry-After", "3"), nil
			case 3:
				return jsonAnswer(200, ""), nil
			case 4:
				return jsonAnswer(503, ""), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, 5, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				client := over(t, func(*http.Request) (*http.Response, error) { n++; return c.send(n) }, func(o *Options) { o.MaxPage = 1000 })
				_, err := client.Drive(t.Context(), "d")
				var e *Error
				switch _, answered := c.problem.(*Error); {
				case c.problem == nil && err != nil, c.problem != nil && err == nil:
					t.Errorf("%v", err)
				case answered && !errors.As(err, &e), c.problem != nil && !answered && !errors.Is(err, c.problem):
					t.Errorf("%v", err)
				}
				if n != c.want && !(c.name == "429 without a word" && n > 5 && n < maxThrottled) {
					t.Errorf("%d attempts, want %d", n, c.want)
				}
				if s := client.Gate().Stats(); s.InFlight != 0 || s.Waiting != 0 {
					t.Errorf("places are not given back: %+v", s)
				} else if strings.HasSuffix(c.name, "reasons of the service") && s.Renewals != 0 {
					t.Errorf("the token was renewed %d times", s.Renewals)
				}
			})
		})
	}
}

func TestACallEndsAtItsDeadlineAndWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		c := over(t, hang)
		began := time.Now()
		_, err := c.Drive(t.Context(), "d")
		if took := time.Since(began); !errors.Is(err, errCallTimeout) || !errors.Is(err, ErrNetwork) || took < maxTransient*callTimeout || took > maxTransient*callTimeout+2*time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Drive(ctx, "d"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		slow := over(t, func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: &stuck{ctx: req.Context()}}, nil
		})
		if _, err := slow.Drive(t.Context(), "d"); !errors.Is(err, errCallTimeout) {
			t.Errorf("a body that never ends: %v", err)
		}
	})
}

// stuck is a body that gives nothing until its request ends.
type stuck struct {
	ctx  context.Context
	head []byte
}

func (s *stuck) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}
func (s *stuck) Close() error { return nil }

func TestOneRefusedTokenIsRenewedOnceForAllWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &sequence{takes: time.Second}
		var mu sync.Mutex
		valid := "token-1"
		c := over(t, func(req *http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if req.Header.Get("Authorization") != "Bearer "+valid {
				return jsonAnswer(401, `{"error":{"code":"InvalidAuthenticationToken"}}`), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, func(o *Options) { o.Tokens = source; o.Gate = NewGate(GateConfig{InFlight: 64}) })
		work := func() {
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					if _, err := c.Drive(t.Context(), "d"); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		work()
		if len(source.asked) != 1 || source.asked[0].Rejected != "token-0" {
			t.Errorf("asked %+v", source.asked)
		}
		mu.Lock()
		valid = "token-2"
		mu.Unlock()
		work()
		if len(source.asked) != 2 || source.asked[1].Rejected != "token-1" {
			t.Errorf("asked %+v", source.asked)
		}
	})
}

func TestARenewedTokenThatIsRefusedTooIsRenewedAFewTimesMore(t *testing.T) {
	for name, c := range map[string]struct {
		superseded int // renewals by others while this request has the token before
		refused    int // answers of 401 to renewed tokens, for no reason
		renewals   int // all sign-ins there are in the end
		ok         bool
	}{
		"another's renewal":       {1, 0, 2, true},
		"refused once more":       {0, 1, 2, true},
		"refused again and again": {0, 1 << 20, maxRenewals, false},
		"renewed again and again": {1 << 20, 0, 1 + maxRenewals, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &sequence{}
				left, refused := c.superseded, c.refused
				client := over(t, func(req *http.Request) (*http.Response, error) {
					token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
					if token != "token-0" {
						switch {
						case left == 0 && refused == 0:
							return jsonAnswer(200, driveBody), nil
						case left == 0:
							refused--
						default:
							left--
							if _, err := source.Token(req.Context(), TokenRequest{Rejected: token}); err != nil {
								t.Error(err)
							}
						}
					}
					return jsonAnswer(401, `{"error":{"code":"InvalidAuthenticationToken"}}`), nil
				}, func(o *Options) { o.Tokens = source })
				_, err := client.Drive(t.Context(), "d")
				if (err == nil) != c.ok {
					t.Errorf("%v", err)
				}
				if len(source.asked) != c.renewals {
					t.Errorf("%d sign-ins, want %d", len(source.asked), c.renewals)
				}
			})
		})
	}
}

func TestAFailedRenewalFailsAllWhoWaitedForItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("AADSTS7000222: the secret is expired")
		source := &sequence{failing: broken}
		c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(401, ""), nil }, func(o *Options) { o.Tokens = source })
		_, err := c.Drive(t.Context(), "d")
		if !errors.Is(err, broken) || !errors.Is(err, ErrToken) || len(source.asked) != 1 {
			t.Errorf("%v, asked %d times", err, len(source.asked))
		}
	})
}

// tokenFunc is a token source made of a function.
type tokenFunc func(context.Context, TokenRequest) (string, error)

func (f tokenFunc) Token(ctx context.Context, req TokenRequest) (string, error) { return f(ctx, req) }

func TestFailuresWithoutAnswerAreTriedAgainOnlyIfTheyMayGoAway(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"broken connection":     {&connError{cause: errors.New("reset by peer")}, true},
		"early end":             {io.ErrUnexpectedEOF, true},
		"stalled":               {ErrStalled, true},
		"no JSON":               {&protocolError{transient: true}, true},
		"wrong JSON":            {&protocolError{}, false},
		"unknown authority":     {&connError{cause: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, false},
		"certificate of others": {&connError{cause: x509.HostnameError{}}, false},
		"refused address":       {&connError{cause: refused("it leads to this machine")}, false},
		"no token":              {fmt.Errorf("%w: %w", ErrToken, io.EOF), false},
		"too large":             {ErrTooLarge, false},
		"a proxy that refuses":  {&connError{cause: &proxyError{407}}, false},
		"something else":        {errors.New("else"), false},
	} {
		if got := isTransient(c.err); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTheLogNamesTheExchangeAndNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := over(t, func(req *http.Request) (*http.Response, error) {
			if strings.HasPrefix(req.URL.Host, "graph") {
				return jsonAnswer(404, `{"error":{"code":"itemNotFound"}}`, "request-id", "rid-1"), nil
			}
			return response(200, "bytes"), nil
		}, func(o *Options) {
			o.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		_, _ = c.DeltaPage(t.Context(), "https://graph.microsoft.com/v1.0/drives/d/root/delta(token='canary')?token=canary", DeltaQuery{})
		_, _ = c.SharedItem(t.Context(), "https://contoso.sharepoint.com/:x:/canary")
		_, _ = c.DeltaPage(t.Context(), "https://graph.microsoft.com/v1.0/drives/d/root/delta?token=canary", DeltaQuery{})
		content, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/canary?tempauth=canary")})
		if err != nil {
			t.Fatal(err)
		}
		_ = content.Body.Close()
		log := out.String()
		encoded := base64.RawURLEncoding.EncodeToString([]byte("https://contoso.sharepoint.com/:x:/canary"))
		for _, secret := range []string{"canary", encoded, "token-0", "Bearer"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log has %q:\n%s", secret, log)
			}
		}
		for _, want := range []string{`"status":404`, `"request_id":"rid-1"`, `"path":"/v1.0/drives/d/root/delta"`, `"op":"open content"`, `"host":"contoso.sharepoint.com"`} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %s:\n%s", want, log)
			}
		}
	})
}

func TestAThrottleAnywherePausesEveryCallEvenOnTheContentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked pauses
		var mu sync.Mutex
		n := 0
		c := over(t, func(req *http.Request) (*http.Response, error) {
			if asked.covers(time.Now()) {
				t.Error("a request started inside a pause")
			}
			mu.Lock()
			n++
			mine := n
			mu.Unlock()
			time.Sleep(time.Duration(10+mine%90) * time.Millisecond)
			if mine%50 == 0 {
				asked.add(time.Now(), 20*time.Second)
				return jsonAnswer(429, "", "Retry-After", "20", "RateLimit-Reset", "7"), nil
			}
			if strings.HasSuffix(req.URL.Host, "sharepoint.com") {
				if mine%77 == 0 {
					asked.add(time.Now(), time.Minute)
					return response(302, "", "Location", "https://contoso.sharepoint.com/Throttle.htm", "Retry-After", "60"), nil
				}
				return response(200, "bytes"), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, func(o *Options) { o.Gate = NewGate(GateConfig{InFlight: 32}) })
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				for range 20 {
					if i%2 == 0 {
						if _, err := c.Drive(t.Context(), "d"); err != nil {
							t.Error(err)
						}
						continue
					}
					content, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/x?t=1")})
					if err != nil {
						t.Error(err)
						continue
					}
					_, _ = io.Copy(io.Discard, content.Body)
					_ = content.Body.Close()
				}
			})
		}
		wg.Wait()
		if s := c.Gate().Stats(); s.InFlight != 0 || s.Pauses < 5 {
			t.Errorf("%+v", s)
		}
	})
}

func TestA503OfAFragileItemIsItsOwnFailureAndPausesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := over(t, func(*http.Request) (*http.Response, error) { n++; return response(503, ""), nil })
		_, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/notes.one"), Fragile: true})
		e, ok := AsError(err)
		if !ok || !e.IsItemFault() || e.IsThrottle() || errors.Is(err, ErrThrottled) || n != maxItemFaults {
			t.Errorf("%v after %d attempts", err, n)
		}
		if s := c.Gate().Stats(); s.Pauses != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestADeltaLinkThatTimesOutAgainAndAgainIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := over(t, func(*http.Request) (*http.Response, error) { n++; return jsonAnswer(504, ""), nil })
		_, err := c.DeltaPage(t.Context(), "https://graph.microsoft.com/v1.0/drives/d/root/delta?token=1", DeltaQuery{})
		if e, ok := AsError(err); !errors.Is(err, ErrLinkTimeout) || !ok || e.Status != 504 || n != maxLinkTimeouts {
			t.Errorf("%v after %d attempts", err, n)
		}
	})
}
