package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// busy is the answer of a login that throttles.
type busy struct {
	status int
	pause  time.Duration
}

func (b busy) Error() string                  { return fmt.Sprint("the login answered ", b.status) }
func (b busy) Transient() bool                { return true }
func (b busy) Answered() (int, time.Duration) { return b.status, b.pause }

func TestALoginThatThrottlesPausesEverythingForAsLongAsItAsks(t *testing.T) {
	for _, test := range []struct {
		busy     busy
		refusals int
		from, to time.Duration
		events   string
	}{
		{busy{429, 2 * time.Minute}, 1, 2 * time.Minute, 2*time.Minute + 5*time.Second, "throttle true, throttle false"},
		{busy{503, 5 * time.Minute}, 2, 10 * time.Minute, 10*time.Minute + 5*time.Second, "throttle true, throttle false, throttle true, throttle false"},
		{busy{429, 0}, 1, firstBackOff, 2 * firstBackOff, "throttle true, throttle false"},
		{busy{502, 0}, 3, time.Second, time.Minute, "network true, network false"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told heard
			refused, until := 0, time.Now()
			source := tokenFunc(func(context.Context, TokenRequest) (string, error) {
				if time.Now().Before(until) {
					t.Errorf("%+v: asked inside the pause", test.busy)
				}
				time.Sleep(100 * time.Millisecond)
				if refused++; refused <= test.refusals {
					until = time.Now().Add(test.busy.pause)
					return "", test.busy
				}
				return "token", nil
			})
			c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(200, driveBody), nil },
				func(o *Options) { o.Tokens, o.Gate = source, NewGate(GateConfig{Observer: told.tell}) })
			began := time.Now()
			_, err := c.Drive(t.Context(), "d")
			if took := time.Since(began); err != nil || took < test.from || took > test.to {
				t.Errorf("%+v: %v after %s", test.busy, err, took)
			}
			var kinds []string
			for _, e := range told.all() {
				kinds = append(kinds, fmt.Sprintf("%s %t", e.Kind, e.Paused))
				if e.Paused && (!strings.HasPrefix(e.Reason, "the login answer") || !strings.HasSuffix(e.Reason, fmt.Sprint(test.busy.status))) {
					t.Errorf("the reason is %q", e.Reason)
				}
			}
			if got := strings.Join(kinds, ", "); got != test.events {
				t.Errorf("%+v: events %s", test.busy, got)
			}
		})
	}
}

func TestManyWorkersThatALoginThrottlesWaitTogetherAndGiveUpTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		source := tokenFunc(func(context.Context, TokenRequest) (string, error) {
			time.Sleep(time.Second)
			if time.Since(began) > 5*time.Minute {
				return "", busy{429, time.Hour}
			}
			return "", busy{429, time.Minute}
		})
		c := over(t, nil, func(o *Options) { o.Tokens = source })
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				_, err := c.Drive(t.Context(), "d")
				if !errors.Is(err, ErrGaveUp) || !errors.Is(err, ErrThrottled) || errors.Is(err, ErrToken) || !strings.Contains(err.Error(), "the login answered 429") {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took < 5*time.Minute || took > 7*time.Minute {
			t.Errorf("took %s", took)
		}
		if s := c.Gate().Stats(); s.Pauses != 5 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAGateThatGaveUpRestsUntilThePauseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wish, rest := range map[string]time.Duration{"3600": time.Hour, "99999999999": maxRest} {
			c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(429, "", "Retry-After", wish), nil })
			if c.Gate().Resting() {
				t.Error("a new gate rests")
			}
			if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrGaveUp) {
				t.Errorf("%v", err)
			}
			time.Sleep(rest - time.Second)
			if !c.Gate().Resting() {
				t.Errorf("%s: not to its end", wish)
			}
			time.Sleep(time.Second)
			if c.Gate().Resting() {
				t.Errorf("%s: beyond its end", wish)
			}
		}
		lost := over(t, func(*http.Request) (*http.Response, error) { return nil, errUnmade })
		if _, err := lost.Drive(t.Context(), "d"); !errors.Is(err, ErrOffline) || lost.Gate().Resting() {
			t.Errorf("%v, and nobody asked for a pause", err)
		}
	})
}

func TestNobodySignsInWhileTheServicePausesAndAllLeaveWithTheGateOrTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := tokenFunc(func(context.Context, TokenRequest) (string, error) { asked++; return "token", nil })
		c := over(t, nil, func(o *Options) { o.Tokens = source })
		c.Gate().Pause(time.Now().Add(5*time.Minute), "a test")
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Drive(ctx, "d"); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() {
			c.Gate().throttled(time.Now(), time.Hour, true, "a test")
		})
		if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, ErrGaveUp) || time.Since(began) != 2*time.Second || asked != 0 {
			t.Errorf("%v after %s, asked %d times", err, time.Since(began), asked)
		}
	})
}
