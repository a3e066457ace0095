package crawl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/state"
)

// scripted runs a test of the scripted library under fake time.
func scripted(t *testing.T, f func(l *library)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newLibrary(t)) })
}

// settled answers the delta link "d1" with nothing new.
func (l *library) settled() { l.pages["d1"] = last("d1", rootJSON) }

func TestAFirstCrawlEndsWithAQuietRound(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = next("p2", rootJSON, folder("a", "root"))
		l.pages["p2"] = last("d1", file("f", "a"))
		l.settled()
		r := l.refresh(false)
		l.wantIDs("root", "a", "f")
		l.wantRequests("", "p2", "d1")
		if r.Mode != ModeFull || r.Reason != "first crawl" || r.Rounds != 2 || r.Merged.Added != 3 || !r.Done {
			t.Errorf("the report is %+v", r)
		}
		if d := l.row(); d.DeltaLink != link("d1") || d.Root != "root" || d.Round != nil {
			t.Errorf("the drive is %+v", d)
		}
		l.refresh(false)
		l.wantRequests("d1") // cost follows change
	})
}

func TestACrawlCutAtAnyPointGoesOnAndBelievesNothingBefore(t *testing.T) {
	const pages = 12
	// Every reading of the clock lies between two writes: the cut may fall on any of them.
	for cut := 1; ; cut++ {
		done := false
		scripted(t, func(l *library) {
			l.pages[""] = next("p1", rootJSON)
			for i := 1; i < pages; i++ {
				l.pages[fmt.Sprint("p", i)] = next(fmt.Sprint("p", i+1), file(fmt.Sprint("f", i), "root"))
			}
			l.pages[fmt.Sprint("p", pages)] = last("d1", file("last", "root"))
			l.settled()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			c, n := l.crawler(), 0
			c.Now = func() time.Time {
				if n++; n == cut {
					cancel()
				}
				return l.clock.now()
			}
			_, err := c.Refresh(ctx, l.row(), false)
			done = err == nil
			merged := l.row().DeltaLink != ""
			if got := len(l.ids()); !merged && got != 0 || merged && got != pages+1 {
				t.Fatalf("cut %d: %d items are observed", cut, got)
			}
			if !done && !errors.Is(err, context.Canceled) {
				t.Fatalf("cut %d: %v", cut, err)
			}
			first := l.requests()
			l.refresh(false)
			if got := len(l.ids()); got != pages+1 {
				t.Fatalf("cut %d: %d items after resuming", cut, got)
			}
			// At most the two pages that were under way are read again, and the settling round.
			if total := len(first) + len(l.requests()); total > pages+1+1+4 {
				t.Errorf("cut %d: %d requests in both runs", cut, total)
			}
		})
		if done {
			if cut < pages {
				t.Fatalf("only %d cuts were tried", cut)
			}
			return
		}
	}
}

func TestAFailingLastPageLeavesEverythingAsItWas(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("a", "root"), file("b", "root"))
		l.settled()
		l.refresh(false)
		l.pages["d1"] = next("p2", tombstone("a"))
		l.pages["p2"] = answer{status: 503}
		if _, err := l.try(false); err == nil {
			t.Fatal("a round without its end succeeded")
		}
		l.wantIDs("root", "a", "b")
		l.pages["p2"] = last("d2", tombstone("b"))
		l.pages["d2"] = last("d2", rootJSON)
		l.requests()
		l.refresh(false)
		l.wantIDs("root")
		l.wantRequests("p2", "d2")
	})
}

func TestTheNetworkFailingLeavesTheRoundToBeResumed(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = next("p2", rootJSON, file("a", "root"))
		l.pages["p2"] = last("d1", file("b", "root"))
		l.settled()
		c := l.crawler()
		source := &faultySource{Source: c.Source, fail: func(n int) error {
			if n == 2 {
				return &netError{}
			}
			return nil
		}}
		c.Source = source
		_, err := c.Refresh(context.Background(), l.row(), false)
		var typed *ErrSource
		if err == nil || errors.As(err, &typed) {
			t.Fatalf("the error is %v", err)
		}
		if u := l.row().Round; u == nil || u.Next != link("p2") || u.Pages != 1 {
			t.Fatalf("the round is %+v", u)
		}
		l.requests()
		l.refresh(false)
		l.wantRequests("p2", "d1")
		l.wantIDs("root", "a", "b")
	})
}

func TestAnUnfinishedRoundIsNotResumedUnderOtherTerms(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *library)
		full   bool
		want   []string
		reason string
	}{
		{"another header", func(l *library) { l.query.Prefer = []string{"hierarchicalsharing"} }, false, []string{"", "p2"}, "the query changed (D46)"},
		{"other members", func(l *library) { l.query.Select = []string{"id", "name"} }, false, []string{"", "p2"}, "the query changed (D46)"},
		{"a full enumeration asked for", func(*library) {}, true, []string{"", "p2"}, "requested"},
		{"too old a round", func(l *library) { l.clock.pass(8 * 24 * time.Hour) }, false, []string{"", "p2"}, "last full enumeration is older than 168h0m0s"},
		{"nothing changed", func(*library) {}, false, []string{"i2", "d1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.pages[""] = next("p2", rootJSON, file("a", "root"))
				l.pages["p2"] = last("d1", file("b", "root"))
				l.settled()
				l.refresh(false)
				l.pages["d1"] = next("i2", fileAs("a", "root", "stale", 2))
				l.pages["i2"] = refusal(500, "generalException")
				if _, err := l.try(false); err == nil {
					t.Fatal("a round without its end succeeded")
				}
				l.pages["i2"] = last("d1", fileAs("a", "root", "newer", 3))
				l.settled()
				l.requests()
				c.change(l)
				r := l.refresh(c.full)
				l.wantRequests(c.want...)
				if r.Reason != c.reason {
					t.Errorf("the reason is %q", r.Reason)
				}
				l.wantIDs("root", "a", "b")
			})
		})
	}
}

func TestARoundOlderThanItsLinkIsDropped(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("a", "root"))
		l.settled()
		l.refresh(false)
		d := l.row()
		err := l.store.Tx(context.Background(), func(tx *state.Tx) error {
			err := tx.BeginRound(d.Key, state.Round{Headers: d.Headers, Next: link("old"), Started: d.CrawledAt.Add(-time.Hour)})
			return errors.Join(err, tx.StagePage(d.Key, []state.Item{{ID: "a", Deleted: true}}, link("old")))
		})
		if err != nil {
			t.Fatal(err)
		}
		l.requests()
		l.refresh(false)
		l.wantRequests("d1")
		l.wantIDs("root", "a")
	})
}

func TestADeadNextLinkOfAnOldRoundLeadsBackToTheCommittedLink(t *testing.T) {
	for _, refused := range []answer{refusal(404, "itemNotFound"), refusal(400, "invalidRequest")} {
		scripted(t, func(l *library) {
			l.pages[""] = last("d1", rootJSON, file("a", "root"))
			l.settled()
			l.refresh(false)
			l.pages["d1"] = next("i2", file("b", "root"))
			l.pages["i2"] = refused
			l.then = func(token string) {
				if token == "drive" { // the service has recovered by the time it is looked at
					l.mu.Lock()
					defer l.mu.Unlock()
					l.pages["i2"] = last("d2", file("c", "root"))
				}
			}
			l.pages["d2"] = last("d2", rootJSON)
			l.requests()
			r := l.refresh(false)
			l.wantIDs("root", "a", "b", "c")
			if r.Mode != ModeDelta {
				t.Errorf("the mode is %s: a link in the middle is no reason for a full enumeration (Q8)", r.Mode)
			}
			asked := slices.Compact(l.requests()) // 400 is worth three tries to the client (Q70)
			if want := []string{"d1", "i2", "drive", "d1", "i2", "d2"}; !slices.Equal(asked, want) {
				t.Errorf("asked for %q, want %q", asked, want)
			}
		})
	}
}

func TestALinkThatStopsAnsweringIsReplacedOnlyWhileTheServiceAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		ill   answer
		alive bool
	}{
		{"a page that is no page", answer{status: 200, body: `{}`}, true},
		{"a page that fails", refusal(500, "generalException"), true},
		{"a service that is down", refusal(500, "generalException"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.pages[""] = next("p2", rootJSON, file("a", "root"))
				l.pages["p2"] = c.ill
				if _, err := l.try(false); err == nil {
					t.Fatal("succeeded")
				}
				if u := l.row().Round; u == nil || u.Next != link("p2") {
					t.Fatalf("after one failure the round is %+v", u)
				}
				if !c.alive {
					l.pages[""] = c.ill
					if _, err := l.try(false); err == nil {
						t.Fatal("succeeded")
					}
					if u := l.row().Round; u == nil || u.Next != link("p2") || u.Pages != 1 {
						t.Fatalf("an outage cost what had been read: %+v", u)
					}
					return
				}
				l.pages[""] = last("d1", rootJSON, file("b", "root"))
				l.settled()
				l.refresh(false)
				l.wantIDs("root", "b")
			})
		})
	}
}

func TestALinkOfAnotherEndpointIsReplaced(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("a", "root"))
		l.settled()
		l.refresh(false)
		d := l.row()
		err := l.store.Tx(context.Background(), func(tx *state.Tx) error {
			return tx.BeginRound(d.Key, state.Round{Headers: d.Headers, Next: "https://old.example/v1.0/drives/d/root/delta?token=x", Started: l.clock.now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		r := l.refresh(false)
		if r.Mode != ModeFull || !strings.Contains(r.Reason, "another address") {
			t.Errorf("the report is %+v", r)
		}
		l.wantIDs("root", "a")
	})
}
