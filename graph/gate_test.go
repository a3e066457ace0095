package graph

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pauses records when a gate was told to pause and until when it may not let anything start.
type pauses struct {
	mu    sync.Mutex
	spans [][2]time.Time
}

func (p *pauses) add(from time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans = append(p.spans, [2]time.Time{from, from.Add(d)})
}

func (p *pauses) covers(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.spans {
		if at.After(s[0]) && at.Before(s[1]) {
			return true
		}
	}
	return false
}

func TestNoRequestStartsInsideAnyPauseWithManyWorkers(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4, 5} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGate(GateConfig{InFlight: 32})
			rng := rand.New(rand.NewPCG(seed, 7))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
			var asked pauses
			var wg sync.WaitGroup
			started, early := 0, 0
			for range 32 {
				wg.Go(func() {
					for range 40 {
						ticket, err := g.Acquire(t.Context(), 1)
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						started++
						if asked.covers(time.Now()) {
							early++
						}
						mu.Unlock()
						time.Sleep(time.Duration(1+roll(400)) * time.Millisecond)
						if roll(25) == 0 {
							wait := time.Duration(1+roll(90)) * time.Second
							asked.add(time.Now(), wait)
							ticket.throttled(wait, true, "test")
						} else {
							ticket.answered(rateLimit{}, false, true)
						}
						time.Sleep(time.Duration(roll(300)) * time.Millisecond)
						ticket.Close()
					}
				})
			}
			wg.Wait()
			if started != 32*40 || early != 0 {
				t.Errorf("seed %d: %d requests started, %d of them inside a pause", seed, started, early)
			}
			if s := g.Stats(); s.Throttled == 0 || s.Pauses == 0 || s.InFlight != 0 || s.Waiting != 0 || s.Requests != 32*40 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestAfterAPauseOneRequestGoesAheadAndItsSuccessOpensTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []GateEvent
		g := NewGate(GateConfig{InFlight: 8, Tenant: "contoso", Observer: func(e GateEvent) { events = append(events, e) }})
		first, _ := g.Acquire(t.Context(), 1)
		began := time.Now()
		first.throttled(41*time.Second, true, "because")
		first.Close()

		got := make(chan *Ticket, 8)
		for range 8 {
			go func() {
				ticket, err := g.Acquire(t.Context(), 1)
				if err != nil {
					t.Error(err)
				}
				got <- ticket
			}()
		}
		probe := <-got
		if waited := time.Since(began); waited != 41*time.Second {
			t.Errorf("the probe waited %s", waited)
		}
		time.Sleep(time.Minute)
		if len(got) != 0 {
			t.Fatal("more than one request before the probe was answered")
		}
		probe.answered(rateLimit{}, false, true)
		synctest.Wait()
		if n := len(got); n != 1 {
			t.Errorf("%d more requests under way, want 1: half of 4, and the probe", n)
		}
		for range 7 {
			probe.Close()
			probe = <-got
			probe.answered(rateLimit{}, false, true)
		}
		probe.Close()
		if len(events) != 2 || !events[0].Paused || events[0].Tenant != "contoso" || events[0].Reason != "because" ||
			!events[0].Until.Equal(began.Add(41*time.Second)) || events[1].Paused {
			t.Errorf("events %+v", events)
		}
		if s := g.Stats(); s.PausedFor != 41*time.Second || s.Pauses != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAProbeThatFailsWithoutAnswerHandsOverToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{})
		g.Pause(time.Now().Add(time.Minute), "test")
		probe, err := g.Acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		probe.Close()
		next, err := g.Acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		next.Close()
		if g.Stats().InFlight != 0 {
			t.Error("places were lost")
		}
	})
}

func TestOverlappingThrottlesPauseForTheLongestAndHalveOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{InFlight: 16})
		g.limit = 16
		var tickets []*Ticket
		for range 16 {
			ticket, _ := g.Acquire(t.Context(), 1)
			tickets = append(tickets, ticket)
		}
		began := time.Now()
		for i, wait := range []time.Duration{10, 90, 5, 60} {
			time.Sleep(time.Second)
			tickets[i].throttled(wait*time.Second, true, "test")
		}
		for _, ticket := range tickets {
			ticket.Close()
		}
		next, _ := g.Acquire(t.Context(), 1)
		if waited := time.Since(began); waited != 92*time.Second {
			t.Errorf("waited %s, want 92s", waited)
		}
		next.Close()
		if s := g.Stats(); s.Limit != 8 || s.Pauses != 1 || s.Throttled != 4 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAThrottleWithoutAWordBacksOffFromThirtySecondsAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{MaxPause: 10 * time.Minute})
		low := 30 * time.Second
		for i := range 8 {
			ticket, _ := g.Acquire(t.Context(), 1)
			time.Sleep(time.Millisecond)
			ticket.throttled(0, false, "test")
			ticket.Close()
			wait := time.Until(g.Stats().Until)
			want := min(low<<i, 10*time.Minute)
			if wait < want || wait > min(want*3/2+1, 10*time.Minute) {
				t.Errorf("throttle %d: pause %s, want about %s", i+1, wait, want)
			}
		}
		ticket, _ := g.Acquire(t.Context(), 1)
		ticket.answered(rateLimit{}, false, true)
		ticket.Close()
		ticket, _ = g.Acquire(t.Context(), 1)
		time.Sleep(time.Millisecond)
		ticket.throttled(0, false, "test")
		ticket.Close()
		if wait := time.Until(g.Stats().Until); wait > 45*time.Second {
			t.Errorf("after a success the pause is %s again", wait)
		}
	})
}

func TestAPauseLongerThanARunWaitsEndsTheRunForAllAtOnce(t *testing.T) {
	for name, wish := range map[string]time.Duration{"an hour": time.Hour, "absurd": endless} {
		synctest.Test(t, func(t *testing.T) {
			var events []GateEvent
			g := NewGate(GateConfig{MaxPause: 2 * time.Minute, Observer: func(e GateEvent) { events = append(events, e) }})
			var held []*Ticket
			for range startInFlight {
				ticket, _ := g.Acquire(t.Context(), 1)
				held = append(held, ticket)
			}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if _, err := g.Acquire(t.Context(), 1); !errors.Is(err, ErrGaveUp) || !errors.Is(err, ErrThrottled) || errors.Is(err, ErrOffline) {
						t.Errorf("%s: one who waits: %v", name, err)
					}
				})
			}
			synctest.Wait()
			began := time.Now()
			held[0].throttled(wish, true, "Microsoft Graph answered 429 to get item")
			wg.Wait()
			_, err := g.Acquire(t.Context(), 1)
			if !errors.Is(err, ErrGaveUp) || !strings.Contains(err.Error(), "longer than the 2m0s that a run waits") {
				t.Errorf("%s: one who comes: %v", name, err)
			}
			for _, ticket := range held {
				ticket.Close()
			}
			if s := g.Stats(); !time.Now().Equal(began) || s.Waiting != 0 || s.InFlight != 0 || s.Pauses != 0 || len(events) != 0 {
				t.Errorf("%s: after %s: %+v, events %+v", name, time.Since(began), s, events)
			}
		})
	}
}

func TestThrottlesWithoutASuccessBetweenThemEndTheRun(t *testing.T) {
	for name, test := range map[string]struct {
		wish  time.Duration
		times int
	}{
		"many short ones": {5 * time.Second, maxInARow},
		"few long ones":   {9 * time.Minute, 8}, // an hour
	} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGate(GateConfig{})
			tries := 0
			for {
				ticket, err := g.Acquire(t.Context(), 1)
				if err != nil {
					if !errors.Is(err, ErrThrottled) || !errors.Is(err, ErrGaveUp) || tries != test.times {
						t.Errorf("%s: %v after %d tries", name, err, tries)
					}
					return
				}
				tries++
				ticket.throttled(test.wish, true, "test")
				ticket.Close()
				if tries == 100 {
					t.Fatalf("%s: it never ends", name)
				}
			}
		})
	}
}

func TestASuccessBetweenThrottlesForgivesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{})
		for i := range 200 { // hours of a tenant that throttles every second request
			ticket, err := g.Acquire(t.Context(), 1)
			if err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			if i%2 == 0 {
				ticket.throttled(3*time.Minute, true, "test")
			} else {
				ticket.answered(rateLimit{}, false, true)
			}
			ticket.Close()
		}
	})
}

func TestConcurrencyGrowsByOneForEachFullRoundUpToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{InFlight: 6})
		if g.Stats().Limit != startInFlight {
			t.Fatalf("starts at %d", g.Stats().Limit)
		}
		rounds := 0
		for g.Stats().Limit < 6 {
			if rounds++; rounds > 100 {
				t.Fatal("it does not grow")
			}
			ticket, _ := g.Acquire(t.Context(), 1)
			ticket.answered(rateLimit{}, false, true)
			ticket.Close()
		}
		if rounds < 8 {
			t.Errorf("grew within %d answers", rounds)
		}
		sick := NewGate(GateConfig{InFlight: 6})
		for range 100 {
			ticket, _ := sick.Acquire(t.Context(), 1)
			ticket.answered(rateLimit{}, false, false)
			ticket.Close()
		}
		if got := sick.Stats().Limit; got != startInFlight {
			t.Errorf("failures raised the limit to %d", got)
		}
		for range 100 {
			ticket, _ := g.Acquire(t.Context(), 1)
			ticket.answered(rateLimit{}, false, true)
			ticket.Close()
		}
		if got := g.Stats().Limit; got != 6 {
			t.Errorf("limit %d", got)
		}
	})
}

func TestTheBudgetSpreadsUnitsOverTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{InFlight: 64, PerMinute: 600})
		began := time.Now()
		for range 300 { // 600 units
			ticket, err := g.Acquire(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			ticket.Close()
		}
		if took := time.Since(began); took < 55*time.Second || took > 61*time.Second {
			t.Errorf("600 units took %s", took)
		}
		if g.Stats().Units != 600 {
			t.Errorf("units %d", g.Stats().Units)
		}
	})
}

func TestLittleRemainingSlowsDownUntilTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{InFlight: 64})
		run := func(n int) time.Duration {
			began := time.Now()
			for range n {
				ticket, _ := g.Acquire(t.Context(), 1)
				ticket.Close()
			}
			return time.Since(began)
		}
		if took := run(100); took != 0 {
			t.Fatalf("unhindered: %s", took)
		}
		ticket, _ := g.Acquire(t.Context(), 1)
		ticket.answered(rateLimit{limit: 1200, remaining: 30, reset: 30 * time.Second}, true, true)
		ticket.Close()
		if took := run(36); took < 15*time.Second { // 16 may start together
			t.Errorf("slowed: %s", took)
		}
		time.Sleep(30 * time.Second)
		run(1)
		if took := run(100); took != 0 {
			t.Errorf("after the reset: %s", took)
		}
	})
}

func TestQuietHoursLetOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at midnight UTC
		g := NewGate(GateConfig{QuietHours: QuietHours{From: 6 * time.Hour, To: 20 * time.Hour, Location: time.UTC}})
		if got := g.Stats().Limit; got != startInFlight {
			t.Errorf("at night %d", got)
		}
		time.Sleep(6 * time.Hour)
		if got := g.Stats().Limit; got != 1 {
			t.Errorf("by day %d", got)
		}
		time.Sleep(14 * time.Hour)
		if got := g.Stats().Limit; got != startInFlight {
			t.Errorf("in the evening %d", got)
		}
	})
}

func TestQuietHoursAreReadAndMaySpanMidnight(t *testing.T) {
	q, err := ParseQuietHours(" 22:30 - 05:00 ")
	if err != nil {
		t.Fatal(err)
	}
	q.Location = time.UTC
	for clock, want := range map[string]bool{"22:29": false, "22:30": true, "00:00": true, "04:59": true, "05:00": false, "12:00": false} {
		at, _ := time.Parse("15:04", clock)
		if q.Contains(at) != want {
			t.Errorf("%s: %t", clock, !want)
		}
	}
	for _, text := range []string{"", "6-20", "06:00", "06:00-06:00", "25:00-26:00", "06:00-20:00-22:00"} {
		if _, err := ParseQuietHours(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestBandwidthHoldsForAllBodiesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Bandwidth: 1 << 20})
		began := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if err := g.spend(t.Context(), 300<<10); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		want := time.Duration(float64(4*10*300<<10-bandwidthBurst) / (1 << 20) * float64(time.Second))
		if took := time.Since(began); took < want-time.Second || took > want+time.Second {
			t.Errorf("took %s, want %s", took, want)
		}
		if g.Stats().Bytes != 4*10*300<<10 {
			t.Errorf("bytes %d", g.Stats().Bytes)
		}
	})
}

func TestAWaiterThatGivesUpLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{})
		g.Pause(time.Now().Add(time.Hour), "test")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := g.Acquire(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if s := g.Stats(); s.Waiting != 0 || s.InFlight != 0 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(2 * time.Hour)
		ticket, err := g.Acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ticket.Close()
		ticket.Close()
		if s := g.Stats(); s.InFlight != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
