package crawl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// crawled makes the library hold root, a and b under the delta link "d1", which has
// gone bad since; a full enumeration shows root and a.
func (l *library) crawled(bad answer) {
	l.t.Helper()
	l.pages[""] = last("d1", rootJSON, file("a", "root"), file("b", "root"))
	l.settled()
	l.refresh(false)
	l.pages["d1"] = bad
	l.pages[""] = next("f2", rootJSON)
	l.pages["f2"] = last("d2", file("a", "root"))
	l.pages["d2"] = last("d2", rootJSON)
	l.requests()
}

func TestADeadLinkLeadsToOneFullEnumeration(t *testing.T) {
	gone := func(code, location string) answer {
		a := refusal(410, code)
		a.location = location
		return a
	}
	for _, c := range []struct {
		name string
		bad  answer
		asks []string
		keep bool
	}{
		{"410 with an address", gone("resyncRequired", link("start")), []string{"d1", "start", "f2", "d2"}, false},
		{"410 without one", gone("resyncRequired", ""), []string{"d1", "", "f2", "d2"}, false},
		{"410 with a hostile address", gone("resyncRequired", "https://evil.example/v1.0/drives/d/root/delta"), []string{"d1", "", "f2", "d2"}, false},
		{"410 with an address that is plain http elsewhere", gone("resyncRequired", "http://10.0.0.1/x"), []string{"d1", "", "f2", "d2"}, false},
		{"410 with an address that fails", gone("resyncRequired", link("broken")), []string{"d1", "broken", "", "f2", "d2"}, false},
		{"410 with an address that is no page", gone("resyncRequired", link("rubble")), []string{"d1", "rubble", "", "f2", "d2"}, false},
		{"410 with an address that is not there", gone("resyncRequired", link("nothing")), []string{"d1", "nothing", "", "f2", "d2"}, false},
		{"410 with an address that is gone too", gone("resyncRequired", link("gone")), []string{"d1", "gone", "", "f2", "d2"}, false},
		{"the server is right", gone("resyncChangesApplyDifferences", link("start")), []string{"d1", "start", "f2", "d2"}, false},
		{"the server lost state", gone("resyncChangesUploadDifferences", link("start")), []string{"d1", "start", "f2"}, true},
		{"the server lost state and its address", gone("resyncUploadDifferences", link("broken")), []string{"d1", "broken", "", "f2"}, true},
		{"the server lost state, then its address is gone", gone("resyncUploadDifferences", link("gone")), []string{"d1", "gone", "", "f2"}, true},
		{"the state of the token is unknown", refusal(400, "syncStateNotFound"), []string{"d1", "", "f2", "d2"}, false},
		{"404", refusal(404, "itemNotFound"), []string{"d1", "drive", "", "f2", "d2"}, false},
		{"400", refusal(400, "invalidRequest"), []string{"d1", "drive", "", "f2", "d2"}, false},
		{"504 for ever", refusal(504, "generalException"), []string{"d1", "", "f2", "d2"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(c.bad)
				l.pages["start"] = next("f2", rootJSON)
				l.pages["broken"] = refusal(500, "generalException")
				l.pages["rubble"] = answer{status: 200, body: `{"value":[]}`}
				l.pages["gone"] = refusal(410, "resyncRequired")
				r := l.refresh(false)
				want := []string{"root", "a"}
				if c.keep {
					want = append(want, "b")
				}
				l.wantIDs(want...)
				asked := l.requests()
				if n := count(asked, "d1"); n > 3 {
					t.Errorf("the dead link was asked %d times", n)
				}
				if got := slices.Compact(asked); !slices.Equal(got, c.asks) {
					t.Errorf("asked for %q, want %q", got, c.asks)
				}
				if r.Mode != ModeFull || r.Reason == "" {
					t.Errorf("the mode is %s, the reason %q", r.Mode, r.Reason)
				}
				if d := l.row(); d.DeltaLink != link("d2") || d.Round != nil {
					t.Errorf("the drive is %+v", d)
				}
			})
		})
	}
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// What a link leads to that is known goes on from there. Read as an enumeration it would count as gone what did not change.
func TestA410ThatLeadsBackToItsOwnLinkIsNoNewStart(t *testing.T) {
	scripted(t, func(l *library) {
		gone := refusal(410, "resyncRequired")
		gone.location = link("d1")
		l.crawled(gone)
		l.pages[""] = last("d2", rootJSON, file("a", "root"), file("b", "root"))
		l.pages["d2"] = last("d2", rootJSON)
		l.then = func(token string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if token == "d1" {
				l.pages["d1"] = last("d2", rootJSON)
			}
		}
		l.refresh(false)
		l.wantIDs("root", "a", "b")
	})
}

func TestTheAddressOfA410ThatFailsIsNotResumedForEver(t *testing.T) {
	scripted(t, func(l *library) {
		gone := refusal(410, "resyncRequired")
		gone.location = link("broken")
		l.crawled(gone)
		l.pages["broken"] = refusal(500, "generalException")
		plain := l.pages[""]
		l.pages[""] = refusal(500, "generalException")
		if _, err := l.try(false); err == nil {
			t.Fatal("succeeded")
		}
		l.wantIDs("root", "a", "b") // the old set is in force (I-34)
		l.pages[""] = plain
		l.refresh(false)
		l.wantIDs("root", "a")
	})
}

func TestWhatAServiceThatLostStateDoesNotListSurvivesEveryInterruption(t *testing.T) {
	for _, c := range []struct {
		name   string
		second answer // of the page in the middle
	}{
		{"the page in the middle is gone", refusal(410, "resyncRequired")},
		{"the page in the middle is not found", refusal(404, "itemNotFound")},
		{"the page in the middle fails", refusal(500, "generalException")},
		{"the page in the middle is no page", answer{status: 200, body: "{}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				lost := refusal(410, "resyncChangesUploadDifferences")
				l.crawled(lost)
				good := l.pages["f2"]
				l.pages["f2"] = c.second
				for range 3 {
					if _, err := l.try(false); err == nil {
						t.Fatal("succeeded")
					}
					l.wantIDs("root", "a", "b")
				}
				l.query.Select = []string{"id"} // even a round begun anew keeps
				l.pages["f2"] = good
				l.refresh(false)
				l.wantIDs("root", "a", "b")
				l.refresh(true) // until someone asks for the whole truth
				l.wantIDs("root", "a")
			})
		})
	}
}

func TestADriveThatCannotBeReadIsAProblemOfTheDrive(t *testing.T) {
	for _, c := range []struct {
		name        string
		page, drive answer
		code        string
	}{
		{"denied", refusal(403, "accessDenied"), refusal(403, "accessDenied"), CodeDriveDenied},
		{"locked", refusal(423, "notAllowed"), refusal(423, "notAllowed"), CodeDriveLocked},
		{"gone", refusal(404, "itemNotFound"), refusal(404, "itemNotFound"), CodeDriveGone},
		{"link refused, drive denied", refusal(404, "itemNotFound"), refusal(403, "accessDenied"), CodeDriveDenied},
		{"link refused, drive locked", refusal(400, "invalidRequest"), refusal(423, "notAllowed"), CodeDriveLocked},
		{"nothing but 410", refusal(410, "resyncRequired"), answer{status: 200, body: driveJSON}, CodeSourceBroken},
		{"nothing but 404 from delta", refusal(404, "itemNotFound"), answer{status: 200, body: driveJSON}, CodeSourceBroken},
		{"the root deleted", last("d2", tombstone("root")), answer{status: 200, body: driveJSON}, CodeSourceEmpty},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(c.page)
				good := l.pages[""]
				l.pages[""], l.drive = c.page, c.drive
				for range 2 {
					_, err := l.try(false)
					var typed *ErrSource
					if !errors.As(err, &typed) || typed.Code != c.code {
						t.Fatalf("the error is %v, want code %s", err, c.code)
					}
					l.wantIDs("root", "a", "b")
					if n := len(l.requests()); n > 40 {
						t.Errorf("%d requests", n)
					}
				}
				if l.row().DeltaLink != link("d1") {
					t.Errorf("the link is %s", l.row().DeltaLink)
				}
				l.pages["d1"], l.pages[""] = refusal(410, "resyncRequired"), good
				l.drive = answer{status: 200, body: driveJSON}
				l.refresh(false) // everything heals by itself
				l.wantIDs("root", "a")
			})
		})
	}
}

func TestASourceThatLooksEmptyRemovesNothing(t *testing.T) {
	for name, page := range map[string]answer{
		"no item":          last("d9"),
		"no root":          last("d9", file("x", "root")),
		"a tombstone root": last("d9", tombstone("root"), tombstone("a"), tombstone("b")),
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(refusal(410, "resyncRequired"))
				l.pages[""] = page
				_, err := l.try(false)
				var typed *ErrSource
				if !errors.As(err, &typed) || typed.Code != CodeSourceEmpty {
					t.Fatalf("the error is %v", err)
				}
				l.wantIDs("root", "a", "b")
				if d := l.row(); d.DeltaLink != link("d1") || d.Round != nil {
					t.Errorf("the drive is %+v", d)
				}
			})
		})
	}
}

func TestAFirstListingWithoutARootIsNotTakenForADrive(t *testing.T) {
	for name, page := range map[string]answer{"no item": last("d1"), "an item in itself": last("d1", file("x", "x"))} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.pages[""] = page
				l.settled()
				for range 2 {
					_, err := l.try(false)
					var typed *ErrSource
					if !errors.As(err, &typed) || typed.Code != CodeSourceBroken || !errors.Is(err, state.ErrNoRoot) {
						t.Fatalf("the error is %v", err)
					}
				}
				l.pages[""] = last("d1", rootJSON, file("a", "root"))
				l.pages["d1"] = last("d1")
				l.refresh(false)
				l.wantIDs("root", "a")
			})
		})
	}
}

func TestAPeriodicFullEnumerationFindsLostTombstones(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("d1", rootJSON)) // b is gone, and no tombstone says so
		l.refresh(false)
		l.wantIDs("root", "a", "b")
		l.clock.pass(FullInterval - 10*60*1e9)
		l.refresh(false)
		l.wantIDs("root", "a", "b")
		l.clock.pass(3600 * 1e9)
		r := l.refresh(false)
		l.wantIDs("root", "a")
		if r.Mode != ModeFull || r.Merged.Removed != 1 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// I-66
func TestAClockThatWasAheadDoesNotPutTheNextFullEnumerationOffForYears(t *testing.T) {
	scripted(t, func(l *library) {
		const year = 365 * 24 * time.Hour
		l.clock.pass(10 * year)
		l.crawled(last("d1", rootJSON)) // b is gone, and no tombstone says so
		l.clock.pass(-30 * time.Minute)
		l.refresh(false)
		l.wantIDs("root", "a", "b")
		l.clock.pass(-10 * year)
		if r := l.refresh(false); r.Mode != ModeFull {
			t.Errorf("the report is %+v", r)
		}
		l.wantIDs("root", "a")
		if r := l.refresh(false); r.Mode != ModeDelta {
			t.Errorf("the next report is %+v", r)
		}
	})
}

func TestAChangedHeaderSetStartsAFullEnumeration(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("d1", rootJSON))
		l.query = graph.DeltaQuery{Prefer: []string{"hierarchicalsharing"}}
		r := l.refresh(false)
		if r.Mode != ModeFull || !strings.Contains(r.Reason, "D46") {
			t.Errorf("the report is %+v", r)
		}
		l.wantIDs("root", "a")
	})
}

func TestALinkThatWouldNeverReportAnythingIsRefused(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("latest", tombstone("a")))
		if _, err := l.try(false); !errors.Is(err, graph.ErrProtocol) {
			t.Fatalf("the error is %v", err)
		}
		l.wantIDs("root", "a", "b")
		if l.row().DeltaLink != link("d1") {
			t.Error("the link in force was replaced (I-57)")
		}
	})
}

func TestOddPagesLeaveLinkAndItemsAlone(t *testing.T) {
	page := func(body string) answer { return answer{status: 200, body: body} }
	foreign := `{"value":[],"@odata.deltaLink":"https://evil.example/v1.0/drives/d/root/delta?token=x"}`
	other := `{"value":[],"@odata.deltaLink":"` + origin + `/v1.0/drives/e/root/delta?token=x"}`
	for name, odd := range map[string]answer{
		"an empty object": page(`{}`), "an array": page(`[]`), "null": page(`null`), "true": page(`true`), "nothing": page(``),
		"no link": page(`{"value":[]}`), "both links": page(`{"value":[],"@odata.nextLink":"` + link("x") + `","@odata.deltaLink":"` + link("y") + `"}`),
		"no value": page(`{"@odata.deltaLink":"` + link("x") + `"}`), "a cut page": page(`{"value":[{"id":"a","del`),
		"rubble behind": page(`{"value":[],"@odata.deltaLink":"` + link("x") + `"} {}`), "a foreign link": page(foreign), "another drive": page(other),
		"a sign-in page":     {status: 200, kind: "text/html", body: "<html>Sign in</html>"},
		"an error under 200": page(`{"error":{"code":"generalException"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(odd)
				l.pages[""] = odd
				for range 3 {
					if _, err := l.try(false); err == nil {
						t.Fatal("succeeded")
					}
					l.wantIDs("root", "a", "b")
					if l.row().DeltaLink != link("d1") {
						t.Fatal("the link was replaced")
					}
				}
				l.pages["d1"] = last("d3", tombstone("a"))
				l.pages["d3"] = last("d3", rootJSON)
				l.refresh(false)
				l.wantIDs("root", "b")
			})
		})
	}
}

func TestAListingThatCannotBeUnderstoodIsBrokenWhereverItBreaks(t *testing.T) {
	page := func(body string) answer { return answer{status: 200, body: body} }
	for name, odd := range map[string]answer{
		"no link": page(`{"value":[]}`), "a cut page": page(`{"value":[{"id":"a","del`), "nothing": {status: 204},
		"a sign-in page": {status: 200, kind: "text/html", body: "<html>Sign in</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(odd)
				l.pages[""] = odd
				for _, full := range []bool{false, false, true, true} { // from the link, then where that run stopped, and so on
					var source *ErrSource
					if _, err := l.try(full); !errors.As(err, &source) || source.Code != CodeSourceBroken || !errors.Is(err, graph.ErrProtocol) {
						t.Errorf("full %t: %v", full, err)
					}
					l.wantIDs("root", "a", "b")
				}
			})
		})
	}
}

func TestTwoDrivesAreReadAtOnce(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = next("p2", rootJSON, file("a", "root"))
		l.pages["p2"] = last("d1", file("b", "root"))
		l.settled()
		c := l.crawler()
		results := make(chan error, 8)
		for _, tenant := range []string{"t1", "t2", "t3", "t4"} {
			d := putDrive(t, l.store, tenant, "d")
			go func() { _, err := c.Refresh(context.Background(), d, false); results <- err }()
		}
		for range 4 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		for _, tenant := range []string{"t1", "t2", "t3", "t4"} {
			if n := len(observedItems(t, l.store, driveRow(t, l.store, tenant, "d"))); n != 3 {
				t.Errorf("%s has %d items", tenant, n)
			}
		}
	})
}

func TestADriveOutOfReachDoesNotKeepAnotherFromBeingRead(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON)
		l.settled()
		err := l.store.Tx(context.Background(), func(tx *state.Tx) error {
			_, err := tx.PutDrive(state.Drive{Tenant: "t", ID: "missing"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.crawler().Refresh(context.Background(), driveRow(t, l.store, "t", "missing"), false)
		if err == nil {
			t.Error("a drive that is not there was read")
		}
		l.refresh(false)
		l.wantIDs("root")
	})
}
