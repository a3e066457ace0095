package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// line is a network that tests cut and mend.
type line struct {
	mu      sync.Mutex
	cut     bool
	tried   int // while it was cut
	asked   int
	longest int // connections tried at once while it was cut
	now     int
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *line) send(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.asked++
	cut := l.cut
	if cut {
		l.tried++
		l.now++
		l.longest = max(l.longest, l.now)
	}
	l.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	if cut {
		l.mu.Lock()
		l.now--
		l.mu.Unlock()
		return nil, errUnmade
	}
	if strings.HasSuffix(req.URL.Host, "sharepoint.com") {
		return response(200, "bytes"), nil
	}
	return jsonAnswer(200, driveBody), nil
}

// heard collects the events of a gate.
type heard struct {
	mu     sync.Mutex
	events []GateEvent
}

func (h *heard) tell(e GateEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *heard) all() []GateEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

func TestANetworkThatIsGoneForMinutesIsWaitedForAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		var told heard
		c := over(t, l.send, func(o *Options) { o.Gate = NewGate(GateConfig{Tenant: "contoso", Observer: told.tell}) })
		if _, err := c.Drive(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		l.set(true)
		began := time.Now()
		time.AfterFunc(12*time.Minute, func() { l.set(false) })
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for range 5 {
					var err error
					if i%2 == 0 {
						_, err = c.Drive(t.Context(), "d")
					} else if content, openErr := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/x?t=1")}); openErr == nil {
						_ = content.Body.Close()
					} else {
						err = openErr
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took < 12*time.Minute || took > 13*time.Minute {
			t.Errorf("took %s", took)
		}
		if l.tried > 60 { // 16 at the start, then one at a time
			t.Errorf("%d connections were tried in 12 minutes", l.tried)
		}
		if len(told.all()) != 2 || !told.all()[0].Paused || told.all()[1].Paused {
			t.Fatalf("events %+v", told.all())
		}
		first := told.all()[0]
		if first.Kind != PauseNetwork || first.Tenant != "contoso" || !strings.HasSuffix(first.Reason, "refuses connections") || first.Until.Sub(first.At) != DefaultNetworkWait {
			t.Errorf("%+v", first)
		}
		if s := c.Gate().Stats(); s.Outages != 1 || s.LostFor < 11*time.Minute || s.LostFor > 13*time.Minute || s.Pauses != 0 || s.PausedFor != 0 || s.InFlight != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestANetworkThatDoesNotReturnEndsTheRunForAllAtOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool // something has answered before
		set    time.Duration
		want   time.Duration
	}{
		{"in the middle of a run", true, 0, DefaultNetworkWait},
		{"at its beginning", false, 0, startNetworkWait},
		{"in the middle, with a wait of its own", true, 5 * time.Minute, 5 * time.Minute},
		{"at its beginning, with a wait of its own", false, 5 * time.Minute, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l line
			var told heard
			c := over(t, l.send, func(o *Options) { o.Gate = NewGate(GateConfig{NetworkWait: test.set, Observer: told.tell}) })
			if test.before {
				if _, err := c.Drive(t.Context(), "d"); err != nil {
					t.Fatal(err)
				}
			}
			l.set(true)
			began := time.Now()
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					_, err := c.Drive(t.Context(), "d")
					if !errors.Is(err, ErrGaveUp) || !errors.Is(err, ErrOffline) || errors.Is(err, ErrThrottled) {
						t.Errorf("%s: %v", test.name, err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(began); took < test.want || took > test.want+10*time.Second {
				t.Errorf("%s: took %s, want %s", test.name, took, test.want)
			}
			again := time.Now()
			if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrGaveUp) || !time.Now().Equal(again) {
				t.Errorf("%s: the next one: %v after %s", test.name, err, time.Since(again))
			}
			if len(told.all()) != 2 || l.longest > startInFlight {
				t.Errorf("%s: events %+v, %d connections at once", test.name, told.all(), l.longest)
			}
		})
	}
}

func TestOneConnectionThatFailsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			if n++; n == 2 {
				return nil, errUnmade
			}
			return jsonAnswer(200, driveBody), nil
		}, func(o *Options) {
			o.Gate = NewGate(GateConfig{Observer: func(e GateEvent) { t.Errorf("event %+v", e) }})
		})
		for range 3 {
			if _, err := c.Drive(t.Context(), "d"); err != nil {
				t.Error(err)
			}
		}
		if s := c.Gate().Stats(); n != 4 || s.Outages != 0 || s.Retries != 1 || s.Answers != [6]int64{1, 0, 3} {
			t.Errorf("%d requests, %+v", n, s)
		}
	})
}

func TestAHostThatIsGoneAloneFailsItsOwnFilesAndEndsNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := over(t, func(req *http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			if req.URL.Host == "dead.sharepoint.com" {
				return nil, errUnmade
			}
			return jsonAnswer(200, driveBody), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, err := c.Drive(ctx, "d"); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		began := time.Now()
		_, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://dead.sharepoint.com/x?t=1")})
		if err == nil || errors.Is(err, ErrGaveUp) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("took %s", took)
		}
		cancel()
		wg.Wait()
		if err := c.Gate().Stopped(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnAnswerThatWasOnItsWayDoesNotEndAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told heard
		g := NewGate(GateConfig{Observer: told.tell})
		var held []*Ticket
		for range 4 {
			ticket, _ := g.Acquire(t.Context(), 1)
			held = append(held, ticket)
		}
		time.Sleep(time.Second)
		held[0].unreachable("no route")
		held[1].unreachable("no route")
		held[2].answered(rateLimit{}, false, true)
		for _, ticket := range held {
			ticket.Close()
		}
		began := time.Now()
		probe, _ := g.Acquire(t.Context(), 1)
		if time.Since(began) < firstProbe || len(told.all()) != 1 {
			t.Errorf("after %s: events %+v", time.Since(began), told.all())
		}
		probe.answered(rateLimit{}, false, true)
		probe.Close()
		if len(told.all()) != 2 || !g.Stats().Until.IsZero() {
			t.Errorf("events %+v", told.all())
		}
	})
}

func TestAThrottleInTheMiddleOfAnOutageEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told heard
		n := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			switch n++; {
			case n <= 4:
				return nil, errUnmade
			case n == 5:
				return jsonAnswer(429, "", "Retry-After", "40"), nil
			}
			return jsonAnswer(200, driveBody), nil
		}, func(o *Options) { o.Gate = NewGate(GateConfig{Observer: told.tell}) })
		if _, err := c.Drive(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range told.all() {
			kinds = append(kinds, fmt.Sprintf("%s %t", e.Kind, e.Paused))
		}
		if got := strings.Join(kinds, ", "); got != "network true, network false, throttle true, throttle false" {
			t.Error(got)
		}
		if s := c.Gate().Stats(); s.PausedFor != 40*time.Second || s.Pauses != 1 || s.Outages != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// passing is an error of a sign-in that may go away.
type passing struct{}

func (passing) Error() string   { return "no answer from login.example" }
func (passing) Transient() bool { return true }

func TestALoginThatCannotBeReachedIsWaitedForAsGraphIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told heard
		began := time.Now()
		back := began.Add(40 * time.Second)
		asked := 0
		source := tokenFunc(func(context.Context, TokenRequest) (string, error) {
			asked++
			if time.Now().Before(back) {
				return "", passing{}
			}
			return "token", nil
		})
		c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(200, driveBody), nil },
			func(o *Options) { o.Tokens, o.Gate = source, NewGate(GateConfig{Observer: told.tell}) })
		if _, err := c.Drive(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		if len(told.all()) != 2 || told.all()[0].Reason != "the login cannot be reached" || asked > 15 {
			t.Errorf("asked %d times, events %+v", asked, told.all())
		}
		back = time.Now().Add(time.Hour)
		began = time.Now()
		if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrOffline) || errors.Is(err, ErrToken) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took < DefaultNetworkWait || took > DefaultNetworkWait+time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

// unreachedLogin is an error of a sign-in that names the host and the reason.
type unreachedLogin struct {
	passing
	cause error
}

func (unreachedLogin) Unreached() string { return "login.example" }
func (e unreachedLogin) Unwrap() error   { return e.cause }

func TestALoginThatCannotBeReachedIsNamedWithTheReason(t *testing.T) {
	for reason, cause := range map[string]error{
		"the name login.example cannot be resolved": &net.DNSError{Name: "login.example", IsNotFound: true},
		"login.example refuses connections":         syscall.ECONNREFUSED,
		"login.example cannot be reached":           io.EOF,
		"the proxy cannot be reached":               &net.OpError{Op: "proxyconnect", Err: io.EOF},
		"login.example refuses the connection (tls: protocol version not supported)": &net.OpError{Op: "remote error",
			Err: errors.New("tls: protocol version not supported")},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told heard
			source := tokenFunc(func(context.Context, TokenRequest) (string, error) { return "", unreachedLogin{cause: cause} })
			c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(200, driveBody), nil },
				func(o *Options) { o.Tokens, o.Gate = source, NewGate(GateConfig{Observer: told.tell}) })
			if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), reason) {
				t.Errorf("%v, want %q", err, reason)
			}
			if events := told.all(); len(events) == 0 || events[0].Reason != reason {
				t.Errorf("%+v, want %q", events, reason)
			}
		})
	}
}

func TestASignInThatIsRefusedForGoodIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := tokenFunc(func(context.Context, TokenRequest) (string, error) { asked++; return "", errors.New("AADSTS7000222") })
		c := over(t, nil, func(o *Options) { o.Tokens = source })
		if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrToken) || errors.Is(err, ErrGaveUp) || asked != 1 {
			t.Errorf("%v, asked %d times", err, asked)
		}
	})
}

// TestRealTransportsTellALostNetworkFromABrokenAnswer uses real connections: what net/http says of them is not ours.
func TestRealTransportsTellALostNetworkFromABrokenAnswer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := closed.Addr().String()
	_ = closed.Close()
	cutting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cutting.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer secure.Close()
	nowhere := func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "graph.microsoft.com", IsNotFound: true}
	}
	for _, test := range []struct {
		name, url string
		lookup    LookupFunc
		lost      bool
		reason    string
	}{
		{"refused", "http://" + dead, nil, true, "127.0.0.1 refuses connections"},
		{"no such name", "https://graph.microsoft.com", nowhere, true, "the name graph.microsoft.com cannot be resolved"},
		{"cut in the middle", cutting.URL, nil, false, ""},
		{"certificate of nobody", secure.URL, nil, false, ""},
	} {
		policy, err := newPolicy(Cloud{Name: "custom", Login: test.url, Graph: test.url}, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		d := &dialer{policy: policy, lookup: test.lookup}
		req, _ := http.NewRequest(http.MethodGet, test.url+"/v1.0/me", nil)
		_, err = (&wire{d.apiTransport(nil)}).RoundTrip(req)
		if got := isUnreachable(err); err == nil || got != test.lost {
			t.Errorf("%s: lost is %t for %v", test.name, got, err)
		} else if got && lossReason(req.URL.Hostname(), err) != test.reason {
			t.Errorf("%s: %q", test.name, lossReason(req.URL.Hostname(), err))
		}
	}
}

func TestADeadProxyIsALostNetworkAndARefusalIsNot(t *testing.T) {
	for _, test := range []struct {
		status int // 0: the proxy is not there
		lost   bool
		again  bool
		reason string
	}{
		{0, true, true, "the proxy cannot be reached"},
		{http.StatusBadGateway, true, true, "the proxy answers 502 instead of connecting to graph.microsoft.com"},
		{http.StatusServiceUnavailable, true, true, "the proxy answers 503 instead of connecting to graph.microsoft.com"},
		{http.StatusProxyAuthRequired, false, false, ""},
		{http.StatusForbidden, false, false, ""},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(test.status) }))
		address := proxy.Listener.Addr().String()
		if test.status == 0 {
			proxy.Close()
		}
		cloud, _ := CloudByName("global")
		policy, err := newPolicy(cloud, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		d := &dialer{policy: policy}
		d.proxies.Store(address, struct{}{})
		transport := d.apiTransport(nil)
		req, _ := http.NewRequest(http.MethodGet, "https://graph.microsoft.com/v1.0/me", nil)
		transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://user:canary@" + address) }
		_, err = (&wire{transport}).RoundTrip(req)
		if got := isUnreachable(err); err == nil || got != test.lost || isTransient(err) != test.again {
			t.Errorf("%d: lost is %t, transient is %t for %v", test.status, got, isTransient(err), err)
		} else if got && lossReason(req.URL.Hostname(), err) != test.reason {
			t.Errorf("%d: %q", test.status, lossReason(req.URL.Hostname(), err))
		}
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%d: the proxy's password is in %v", test.status, err)
		}
		proxy.Close()
	}
}

// Who has a patience of his own is not given that of the client on top; what all share is waited for all the same.
func TestADownloadThatIsAskedForOnceIsRepeatedOnlyForWhatAllShare(t *testing.T) {
	const address = "https://contoso.sharepoint.com/x?t=1"
	for name, test := range map[string]struct {
		fail func() (*http.Response, error)
		once int // requests
	}{
		"a server error":      {func() (*http.Response, error) { return jsonAnswer(502, ""), nil }, 1},
		"a connection broken": {func() (*http.Response, error) { return nil, io.EOF }, 1},
		"a throttle":          {func() (*http.Response, error) { return jsonAnswer(429, "", "Retry-After", "2"), nil }, 3},
		"a network gone":      {func() (*http.Response, error) { return nil, errUnmade }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := over(t, func(*http.Request) (*http.Response, error) {
					if n++; n <= 2 {
						return test.fail()
					}
					return response(200, "content", "Content-Type", "text/plain"), nil
				})
				for _, once := range []bool{false, true} {
					n = 0
					content, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL(address), Once: once})
					want := 3
					if once {
						want = test.once
					}
					if n != want || (err == nil) != (want == 3) {
						t.Errorf("once %t: %d requests, want %d: %v", once, n, want, err)
					}
					if err == nil {
						_ = content.Body.Close()
					}
				}
			})
		})
	}
}
