package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// counting is a sign-in that takes a second and returns numbered tokens of one hour.
type counting struct {
	mu     sync.Mutex
	calls  int
	wishes []wish
	fail   func(call int) error
	renew  time.Duration
}

func (c *counting) acquire(ctx context.Context, w wish) (grant, error) {
	c.mu.Lock()
	c.calls++
	call := c.calls
	c.wishes = append(c.wishes, w)
	c.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return grant{}, ctx.Err()
	}
	if c.fail != nil {
		if err := c.fail(call); err != nil {
			return grant{}, err
		}
	}
	now := time.Now()
	var renewal time.Time
	if c.renew > 0 {
		renewal = now.Add(c.renew)
	}
	return newGrant(fmt.Sprintf("token-%d", call), w.claims, now.Add(time.Hour), renewal, now), nil
}

// inParallel calls Token from many goroutines at once and returns how often each result came.
func inParallel(t *testing.T, source *Source, n int, req graph.TokenRequest) map[string]int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := map[string]int{}
	for range n {
		wg.Go(func() {
			token, err := source.Token(t.Context(), req)
			if err != nil {
				token = "error: " + err.Error()
			}
			mu.Lock()
			results[token]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return results
}

func TestManyCallersCauseOneSignInPerExpiryAndPerRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signIn := &counting{}
		source := &Source{acquire: signIn.acquire}
		for _, step := range []struct {
			req   graph.TokenRequest
			wait  time.Duration
			token string
			calls int
		}{
			{graph.TokenRequest{}, 0, "token-1", 1},
			{graph.TokenRequest{}, time.Minute, "token-1", 1},
			{graph.TokenRequest{Rejected: "token-1"}, 0, "token-2", 2},
			{graph.TokenRequest{Rejected: "token-1"}, 0, "token-2", 2}, // late news of the old token
			{graph.TokenRequest{}, 54 * time.Minute, "token-2", 2},
			{graph.TokenRequest{}, 2 * time.Minute, "token-3", 3},
		} {
			time.Sleep(step.wait)
			results := inParallel(t, source, 64, step.req)
			if results[step.token] != 64 || signIn.calls != step.calls {
				t.Fatalf("%+v: results %v after %d sign-ins", step, results, signIn.calls)
			}
		}
		if !signIn.wishes[1].fresh || signIn.wishes[0].fresh {
			t.Errorf("wishes: %+v", signIn.wishes)
		}
	})
}

func TestManyCallersShareOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signIn := &counting{fail: func(call int) error {
			if call == 1 {
				return &Error{Message: "no"}
			}
			return nil
		}}
		source := &Source{acquire: signIn.acquire}
		if results := inParallel(t, source, 64, graph.TokenRequest{}); results["error: sign in: no"] != 64 || signIn.calls != 1 {
			t.Fatalf("results %v after %d sign-ins", results, signIn.calls)
		}
		if results := inParallel(t, source, 64, graph.TokenRequest{}); results["token-2"] != 64 || signIn.calls != 2 {
			t.Fatalf("results %v after %d sign-ins", results, signIn.calls)
		}
	})
}

func TestACallerThatGivesUpDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signIn := &counting{}
		source := &Source{acquire: signIn.acquire}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := source.Token(impatient, graph.TokenRequest{})
			first <- err
		}()
		synctest.Wait()
		if results := inParallel(t, source, 8, graph.TokenRequest{}); results["token-2"] != 8 {
			t.Errorf("results %v", results)
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient caller got %v", err)
		}
	})
}

func TestAWaitingCallerCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &Source{acquire: (&counting{}).acquire}
		go source.Token(t.Context(), graph.TokenRequest{})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := source.Token(ctx, graph.TokenRequest{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		time.Sleep(time.Minute)
	})
}

func TestAClaimsChallengeIsAnsweredOnceAndByAllWhoCarryIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signIn := &counting{}
		source := &Source{acquire: signIn.acquire}
		inParallel(t, source, 1, graph.TokenRequest{})
		challenge := graph.TokenRequest{Rejected: "token-1", Claims: `{"access_token":{"nbf":{"value":"1"}}}`}
		if results := inParallel(t, source, 64, challenge); results["token-2"] != 64 || signIn.calls != 2 {
			t.Fatalf("results %v after %d sign-ins", results, signIn.calls)
		}
		if signIn.wishes[1].claims != challenge.Claims {
			t.Errorf("claims = %q", signIn.wishes[1].claims)
		}
		if results := inParallel(t, source, 4, graph.TokenRequest{}); results["token-2"] != 4 {
			t.Errorf("results %v", results)
		}
	})
}

func TestARefusedTokenIsNeverHandedOutAgain(t *testing.T) {
	stubborn := &Source{acquire: func(context.Context, wish) (grant, error) {
		return newGrant("same", "", time.Now().Add(time.Hour), time.Time{}, time.Now()), nil
	}}
	token, err := stubborn.Token(t.Context(), graph.TokenRequest{})
	if err != nil || token != "same" {
		t.Fatalf("Token = %q, %v", token, err)
	}
	for _, req := range []graph.TokenRequest{{Rejected: "same"}, {}, {Rejected: "other"}} {
		if token, err := stubborn.Token(t.Context(), req); err == nil {
			t.Errorf("%+v: the refused token came back as %q", req, token)
		}
	}
}

func TestAnEarlyRenewalThatDoesNotWorkKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signIn := &counting{renew: 30 * time.Minute, fail: func(call int) error {
			if call == 2 {
				return &Error{Message: "down", transient: true}
			}
			return nil
		}}
		source := &Source{acquire: signIn.acquire}
		inParallel(t, source, 1, graph.TokenRequest{})
		time.Sleep(31 * time.Minute)
		for range 2 { // the second time within the pause: nobody tries again
			if results := inParallel(t, source, 16, graph.TokenRequest{}); results["token-1"] != 16 || signIn.calls != 2 {
				t.Fatalf("results %v after %d sign-ins", results, signIn.calls)
			}
		}
		time.Sleep(renewalPause)
		inParallel(t, source, 16, graph.TokenRequest{})
		if results := inParallel(t, source, 16, graph.TokenRequest{}); results["token-3"] != 16 || signIn.calls != 3 {
			t.Fatalf("results %v after %d sign-ins", results, signIn.calls)
		}
	})
}

func TestAPanicInASignInDoesNotHangTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		source := &Source{acquire: func(context.Context, wish) (grant, error) {
			calls++
			if calls == 1 {
				time.Sleep(time.Second)
				panic("library")
			}
			return newGrant("token", "", time.Now().Add(time.Hour), time.Time{}, time.Now()), nil
		}}
		go func() {
			defer func() { _ = recover() }()
			source.Token(t.Context(), graph.TokenRequest{})
		}()
		synctest.Wait()
		if token, err := source.Token(t.Context(), graph.TokenRequest{}); err != nil || token != "token" {
			t.Errorf("Token = %q, %v", token, err)
		}
	})
}

func TestSignInsThroughMSALAreSingleFlightAndPassTheChallengeOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login, config := inMemory()
		source := mustNew(t, config)
		if results := inParallel(t, source, 64, graph.TokenRequest{}); results["token-1"] != 64 {
			t.Fatalf("results %v", results)
		}
		req := graph.TokenRequest{Rejected: "token-1", Claims: `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`}
		if results := inParallel(t, source, 64, req); results["token-2"] != 64 {
			t.Fatalf("results %v", results)
		}
		time.Sleep(time.Hour)
		if results := inParallel(t, source, 64, graph.TokenRequest{}); results["token-3"] != 64 {
			t.Fatalf("results %v", results)
		}
		forms := login.seen()
		if len(forms) != 3 {
			t.Fatalf("%d token requests", len(forms))
		}
		if claims := forms[1].Get("claims"); !strings.Contains(claims, "1604106651") || !strings.Contains(claims, "cp1") {
			t.Errorf("claims = %s", claims)
		}
	})
}

func TestClaimsThatAreNotJSONAreNotSent(t *testing.T) {
	login, config := inMemory()
	_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{Claims: "bm90IEpTT04="})
	if e := asError(t, err); !strings.Contains(e.Message, "claims") || len(login.seen()) != 0 {
		t.Errorf("error = %v", e)
	}
}

func TestTransientAnswersAreRepeatedWithinBounds(t *testing.T) {
	for name, test := range map[string]struct {
		failures   int
		status     int
		retryAfter string
		requests   int
		waited     time.Duration
		ok         bool
	}{
		"one 503":               {1, 503, "", 2, time.Second, true},
		"two 500":               {2, 500, "", 3, 3 * time.Second, true},
		"for ever":              {99, 502, "", 3, 3 * time.Second, false},
		"throttled":             {1, 429, "7", 2, 7 * time.Second, true},
		"throttled for long":    {99, 429, "120", 1, 0, false},
		"for ever and a day":    {99, 429, "99999999999", 1, 0, false},
		"throttled by decimals": {1, 429, "1.5", 2, 1500 * time.Millisecond, true},
		"refused is no failure": {99, 400, "", 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				login, config := inMemory()
				left := test.failures
				login.intercept = func(w http.ResponseWriter, _ *http.Request, _ url.Values) bool {
					if left--; left < 0 {
						return false
					}
					if test.retryAfter != "" {
						w.Header().Set("Retry-After", test.retryAfter)
					}
					w.WriteHeader(test.status)
					return true
				}
				start := time.Now()
				_, err := mustNew(t, config).Token(t.Context(), graph.TokenRequest{})
				if (err == nil) != test.ok || len(login.seen()) != test.requests || time.Since(start) != test.waited {
					t.Errorf("error %v, %d requests, waited %v", err, len(login.seen()), time.Since(start))
				}
				if err != nil {
					if e := asError(t, err); e.Transient() != (test.status != 400) || e.Status != test.status {
						t.Errorf("error = %+v", e)
					} else if status, pause := e.Answered(); status != test.status || test.retryAfter == "120" && pause != 2*time.Minute || test.retryAfter == "" && pause != 0 {
						t.Errorf("answered %d, pause %v", status, pause)
					}
				}
				for _, form := range login.seen() {
					if form.Get("client_secret") == "" {
						t.Error("a repeated request lost its body")
					}
				}
			})
		})
	}
}
