package crawl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

func TestPagingThatDoesNotEndIsStopped(t *testing.T) {
	for _, c := range []struct {
		name string
		page func(n int) answer
		most int // pages read
	}{
		{"the same link", func(int) answer { return next("loop", file("x", "root")) }, 3},
		{"a cycle of three links", func(n int) answer { return next(fmt.Sprint("c", n%3), file(fmt.Sprint("x", n), "root")) }, 5},
		{"the same content under new links", func(n int) answer { return next(fmt.Sprint("n", n), file("x", "root")) }, maxRepeats + 2},
		{"three contents under new links", func(n int) answer { return next(fmt.Sprint("n", n), file(fmt.Sprint("x", n%3), "root")) }, maxRepeats + 4},
		{"empty pages without end", func(n int) answer { return next(fmt.Sprint("n", n)) }, maxEmptyPages + 2},
		{"pages with the root alone", func(n int) answer { return next(fmt.Sprint("n", n), rootJSON) }, maxEmptyPages + 2},
		{"bad items without end", func(n int) answer { return next(fmt.Sprint("n", n), `{"id":"x","name":7}`) }, maxRepeats + 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.clock.step = time.Millisecond
				l.pages[""] = last("d1", rootJSON, file("a", "root"))
				l.settled()
				l.refresh(false)
				l.requests()
				delete(l.pages, "d1")
				n := 0
				l.any = func(string) (answer, bool) { n++; return c.page(n), true }
				_, err := l.try(false)
				var typed *ErrSource
				if !errors.Is(err, ErrLoop) || !errors.As(err, &typed) || typed.Code != CodeSourceLoop {
					t.Fatalf("the error is %v", err)
				}
				if asked := len(l.requests()); asked > c.most {
					t.Errorf("%d pages were read, want at most %d", asked, c.most)
				}
				if d := l.row(); d.DeltaLink != link("d1") || d.Round != nil {
					t.Errorf("the drive is %+v", d)
				}
				l.any = nil
				l.pages["d1"] = last("d2", file("b", "root"))
				l.pages["d2"] = last("d2", rootJSON)
				l.refresh(false)
				l.wantIDs("root", "a", "b")
			})
		})
	}
}

func TestManyEmptyPagesBeforeDataAreRead(t *testing.T) {
	scripted(t, func(l *library) {
		l.clock.step = time.Millisecond
		l.pages[""] = next("e0", rootJSON, file("a", "root"))
		for i := range 500 {
			l.pages[fmt.Sprint("e", i)] = next(fmt.Sprint("e", i+1))
		}
		l.pages["e500"] = next("p", file("b", "root"))
		l.pages["p"] = last("d1")
		l.settled()
		l.refresh(false)
		l.wantIDs("root", "a", "b")
	})
}

func TestEndlessPagesOfFreshItemsStopAtTheCap(t *testing.T) {
	g := newProgressGuard()
	g.pages = maxPages - 10
	var err error
	pages := 0
	for ; err == nil && pages < 100; pages++ {
		page := graph.DeltaPage{Items: []graph.Item{{ID: graph.ItemID(fmt.Sprint(pages))}}, Next: "x"}
		err = g.check(graph.Link(fmt.Sprint("link", pages)), &page)
	}
	if !errors.Is(err, ErrLoop) || pages != 11 {
		t.Errorf("after %d pages: %v", pages, err)
	}
}

func TestRoundsGoOnUntilOneIsQuiet(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("s1", rootJSON, file("a", "root"))
		for i := 1; i < 5; i++ {
			l.pages[fmt.Sprint("s", i)] = last(fmt.Sprint("s", i+1), file(fmt.Sprint("n", i), "root"))
		}
		l.pages["s5"] = last("s6", rootJSON)
		r := l.refresh(false)
		l.wantIDs("root", "a", "n1", "n2", "n3", "n4")
		if r.Rounds != 6 || r.Merged.Added != 6 || r.Merged.ItemsAfter != 6 {
			t.Errorf("the report is %+v", r)
		}
	})
}

func TestALibraryThatNeverRestsEndsTheRefresh(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("s0", rootJSON)
		n := 0
		l.any = func(string) (answer, bool) {
			n++
			return last(fmt.Sprint("s", n), fileAs("a", "root", fmt.Sprint("name", n), n)), true
		}
		r := l.refresh(false)
		if r.Rounds != maxSettle+1 || l.row().DeltaLink != link(fmt.Sprint("s", n)) {
			t.Errorf("%d rounds, link %s", r.Rounds, l.row().DeltaLink)
		}
	})
}

func TestParentsThatNoPageShowsAreFetched(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("f", "deep"), file("orphan", "nowhere"), file("shut", "secret"), file("odd", "rubble"))
		l.items["deep"] = answer{status: 200, body: folder("deep", "middle")}
		l.items["middle"] = answer{status: 200, body: folder("middle", "root")}
		l.items["secret"] = refusal(403, "accessDenied")
		l.items["rubble"] = answer{status: 200, body: `{"id":"rubble","name":7}`}
		l.settled()
		l.refresh(false)
		l.wantIDs("root", "f", "deep", "middle", "orphan", "shut", "odd")
		asked := l.requests()
		for _, id := range []string{"item:deep", "item:middle", "item:nowhere", "item:secret", "item:rubble"} {
			if count(asked, id) != 1 {
				t.Errorf("%s was asked for %d times", id, count(asked, id))
			}
		}
		items := observedItems(t, l.store, l.row())
		if items["deep"].Parent != "middle" || items["middle"].Parent != "root" || items["orphan"].Parent != "nowhere" {
			t.Errorf("the tree is %v", items)
		}
	})
}

func TestAParentThatCannotBeFetchedForNowEndsTheRunNotTheRound(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("f", "deep"))
		l.items["deep"] = refusal(500, "generalException")
		l.settled()
		if _, err := l.try(false); err == nil {
			t.Fatal("succeeded")
		}
		l.wantIDs()
		l.items["deep"] = answer{status: 200, body: folder("deep", "root")}
		l.refresh(false)
		l.wantIDs("root", "f", "deep")
	})
}

func TestOrphansAreKeptAndFindTheirParentLater(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("f", "late"), folder("self", "self"), folder("x", "y"), folder("y", "x"))
		l.pages["d1"] = last("d2", folder("late", "root"), rootJSON)
		l.pages["d2"] = last("d2", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "f", "late", "self", "x", "y")
	})
}

// badForms are descriptions of item "b" that break the protocol; certain says that
// they leave no doubt of its id.
var badForms = []struct {
	name, json string
	certain    bool
}{
	{"a name that is a number", `{"id":"b","name":7,"file":{},"parentReference":{"id":"root"}}`, true},
	{"a size that is none", `{"id":"b","name":"b","size":-1.5,"file":{},"parentReference":{"id":"root"}}`, true},
	{"a name in another encoding", "{\"id\":\"b\",\"name\":\"caf\xe9\",\"file\":{},\"parentReference\":{\"id\":\"root\"}}", true},
	{"half a character", `{"id":"b","name":"b\ud800","file":{},"parentReference":{"id":"root"}}`, true},
	{"an id twice", `{"id":"b","id":"c","name":"b","file":{},"parentReference":{"id":"root"}}`, false},
	{"no id", `{"name":"b","file":{},"parentReference":{"id":"root"}}`, false},
	{"no object", `17`, false},
}

func TestABadItemKeepsItselfAndDoesNotHideLostTombstones(t *testing.T) {
	for _, bad := range badForms {
		t.Run(bad.name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.pages[""] = last("d1", rootJSON, file("a", "root"), file("b", "root"), file("c", "root"))
				l.settled()
				l.refresh(false)
				l.pages[""] = last("d1", rootJSON, bad.json, file("a", "root")) // the tombstone of c was lost (D32)
				if r := l.refresh(true); r.BadItems != 1 || len(r.Bad) != 1 {
					t.Errorf("the report has %d bad items", r.BadItems)
				}
				if bad.certain {
					l.wantIDs("root", "a", "b")
				} else { // it may be any of them: absence proves nothing
					l.wantIDs("root", "a", "b", "c")
				}
				// The next enumeration that can be read tells.
				l.pages[""] = last("d1", rootJSON, file("a", "root"))
				l.refresh(true)
				l.wantIDs("root", "a")
				l.wantUnread()
			})
		})
	}
}

func TestABadItemIsAskedForByIDAtOnce(t *testing.T) {
	for _, full := range []bool{false, true} {
		scripted(t, func(l *library) {
			l.crawled(last("d2", rootJSON, file("a", "root"), `{"id":"b","name":7}`, `{"id":"new","name":7}`))
			l.pages[""] = l.pages["d1"]
			l.pages["d2"] = last("d2", rootJSON)
			l.items["b"] = answer{status: 200, body: fileAs("b", "root", "better", 2)}
			l.items["new"] = answer{status: 200, body: file("new", "root")}
			l.requests()
			l.refresh(full)
			l.wantIDs("root", "a", "b", "new")
			l.wantUnread()
			if name := observedItems(t, l.store, l.row())["b"].Name; name != "better" {
				t.Errorf("b is called %s", name)
			}
			if asked := l.requests(); count(asked, "item:b") != 1 || count(asked, "item:new") != 1 {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

func TestABadItemIsAskedForAgainInEveryRefreshUntilItIsRead(t *testing.T) {
	tombstoneByID := answer{status: 200, body: tombstone("b")}
	another := answer{status: 200, body: file("c", "root")}
	for name, refused := range map[string]answer{
		"as bad as before": {status: 200, body: `{"id":"b","name":8}`}, "not found": refusal(404, "itemNotFound"), "shut": refusal(403, "accessDenied"),
		"out of order": refusal(500, "generalException"), "a tombstone, which no round told": tombstoneByID, "another item": another,
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.crawled(last("d2", rootJSON, `{"id":"b","name":7}`))
				l.pages["d2"] = last("d2", rootJSON)
				l.items["b"] = refused
				for range 3 {
					l.requests()
					l.refresh(false)
					l.wantIDs("root", "a", "b")
					l.wantUnread("b")
					if asked := l.requests(); count(asked, "item:b") == 0 {
						t.Errorf("asked for %q", asked)
					}
				}
				l.items["b"] = answer{status: 200, body: fileAs("b", "root", "better", 2)}
				l.refresh(false)
				l.wantUnread()
				if name := observedItems(t, l.store, l.row())["b"].Name; name != "better" {
					t.Errorf("b is called %s", name)
				}
				l.requests()
				l.refresh(false)
				l.wantRequests("d2") // and not any more
			})
		})
	}
}

func TestABadItemThatTheSourceDeletesIsForgotten(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("d2", rootJSON, `{"id":"b","name":7}`))
		l.pages["d2"] = last("d2", rootJSON)
		l.refresh(false)
		l.wantUnread("b")
		l.pages["d2"] = last("d3", tombstone("b"))
		l.pages["d3"] = last("d3", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "a")
		l.wantUnread()
	})
}

func TestABadItemWithoutIDIsLookedForByAnEnumerationOnceADay(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("d2", rootJSON, `{"name":"b"}`))
		l.pages["d2"] = last("d2", rootJSON)
		l.pages[""] = last("d2", rootJSON, file("a", "root"), fileAs("b", "root", "better", 2))
		if r := l.refresh(false); r.Mode != ModeDelta {
			t.Errorf("mode %s (%s)", r.Mode, r.Reason)
		}
		l.wantUnread("")
		if r := l.refresh(false); r.Mode != ModeDelta {
			t.Errorf("mode %s (%s) at once", r.Mode, r.Reason)
		}
		l.clock.pass(25 * time.Hour)
		if r := l.refresh(false); r.Mode != ModeFull {
			t.Errorf("mode %s a day later", r.Mode)
		}
		l.wantUnread()
		if name := observedItems(t, l.store, l.row())["b"].Name; name != "better" {
			t.Errorf("b is called %s", name)
		}
		l.clock.pass(25 * time.Hour)
		if r := l.refresh(false); r.Mode != ModeDelta {
			t.Errorf("mode %s (%s) another day later", r.Mode, r.Reason)
		}
	})
}

func TestMoreBadItemsThanARefreshAsksForTakeTurns(t *testing.T) {
	scripted(t, func(l *library) {
		var bad []string
		for i := range maxReread + 50 {
			bad = append(bad, fmt.Sprintf(`{"id":"b%03d","name":7}`, i))
		}
		l.crawled(last("d2", bad...))
		l.pages["d2"] = last("d2", rootJSON)
		asked := map[string]bool{}
		for range 2 {
			l.requests()
			l.refresh(false)
			n := 0
			for _, request := range l.requests() {
				if strings.HasPrefix(request, "item:b") {
					asked[request] = true
					n++
				}
			}
			if n > maxReread {
				t.Errorf("%d items were asked for in one refresh", n)
			}
		}
		if len(asked) != len(bad) {
			t.Errorf("%d of %d items were asked for in two refreshes", len(asked), len(bad))
		}
	})
}

func TestABadItemIsRememberedWhenTheRoundIsCut(t *testing.T) {
	scripted(t, func(l *library) {
		l.crawled(last("d1", rootJSON))
		l.pages[""] = next("f2", rootJSON, file("a", "root"), `{"id":"b","name":7}`)
		l.pages["f2"] = refusal(500, "generalException")
		if _, err := l.try(true); err == nil {
			t.Fatal("succeeded")
		}
		l.pages["f2"] = last("d1", rootJSON)
		l.refresh(true)
		l.wantIDs("root", "a", "b")
		l.wantUnread("b")
	})
}

func TestTheLastOccurrenceOfAnItemDecides(t *testing.T) {
	scripted(t, func(l *library) {
		var many []string
		for i := range 1000 {
			many = append(many, tombstone("a"), fileAs("a", "root", fmt.Sprint("name", i), i+1))
		}
		l.pages[""] = next("p2", append([]string{rootJSON}, many...)...)
		l.pages["p2"] = last("d1", tombstone("unknown"), file("b", "root"), tombstone("b"))
		l.settled()
		l.refresh(false)
		l.wantIDs("root", "a")
		if name := observedItems(t, l.store, l.row())["a"].Name; name != "name999" {
			t.Errorf("the name is %s", name)
		}
	})
}

func TestClassesAreExplicit(t *testing.T) {
	item := func(id, facets string) string {
		return `{"id":"` + id + `","name":"` + id + `","parentReference":{"driveId":"d","id":"root"},` + facets + `}`
	}
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON,
			item("file", `"size":3,"file":{}`), item("folder", `"folder":{}`), item("package", `"package":{"type":"oneNote"}`),
			item("package with folder", `"folder":{},"package":{"type":"oneNote"}`),
			item("shortcut", `"remoteItem":{"id":"r","parentReference":{"driveId":"e"}}`), item("bundle", `"bundle":{}`),
			item("to a file", `"remoteItem":{"id":"r","parentReference":{"driveId":"e"},"file":{}}`),
			item("infected", `"file":{},"malware":{"description":"bad"}`), item("nothing", `"size":3`), item("both", `"file":{},"folder":{}`))
		l.settled()
		l.refresh(false)
		want := map[string]string{"root": "root", "file": "file", "folder": "folder", "package": "package", "package with folder": "package",
			"shortcut": "shortcut", "to a file": "shortcut", "bundle": "bundle", "infected": "malware", "nothing": "unknown", "both": "unknown"}
		got := map[string]string{}
		items := observedItems(t, l.store, l.row())
		for id, it := range items {
			got[id] = it.Class.String()
		}
		if !maps.Equal(got, want) {
			t.Errorf("classes are %v, want %v", got, want)
		}
		if items["shortcut"].Note != "e|r" || items["to a file"].Note != "e|r|file" || items["infected"].Note != "bad" || items["package"].Note != "oneNote" {
			t.Errorf("the notes are %q, %q, %q", items["shortcut"].Note, items["infected"].Note, items["package"].Note)
		}
	})
}

func TestIdsAreOpaque(t *testing.T) {
	scripted(t, func(l *library) {
		ids := []string{"a/b", "A/B", "a!1", "%2e%2e", `q"uote`, "ABC", "abc", strings.Repeat("x", 4096)}
		items := []string{rootJSON}
		for _, id := range ids {
			items = append(items, fmt.Sprintf(`{"id":%s,"name":"n","size":1,"file":{},"parentReference":{"id":"root"}}`, quoted(id)))
		}
		l.pages[""] = last("d1", items...)
		l.settled()
		l.refresh(false)
		l.wantIDs(append(ids, "root")...)
	})
}

func TestNamesComeFromTheNameAlone(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, `{"id":"a","name":"real name.txt","size":1,"file":{},"webUrl":"https://x/Forms/DispForm.aspx?ID=7",
			"parentReference":{"driveId":"d","id":"root","name":"elsewhere","path":"/drives/d/root:/some/other%20place"},"listItem":{"name":"third"}}`)
		l.settled()
		l.refresh(false)
		if it := observedItems(t, l.store, l.row())["a"]; it.Name != "real name.txt" || it.Parent != "root" {
			t.Errorf("the item is %+v", it)
		}
	})
}

func TestTombstonesAreResolvedByIDAlone(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, folder("dir", "root"), folder("sub", "dir"), file("in", "sub"), file("moved", "dir"), file("a", "root"))
		l.settled()
		l.refresh(false)
		l.pages["d1"] = last("d2",
			`{"id":"dir","deleted":{"state":"deleted"},"file":{"hashes":{"quickXorHash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}},"size":0}`,
			fileAs("moved", "root", "moved.txt", 1), tombstone("never seen"), `{"id":"a","deleted":{},"parentReference":{"id":"nowhere"}}`)
		l.pages["d2"] = last("d2", rootJSON)
		r := l.refresh(false)
		l.wantIDs("root", "moved")
		if r.Merged.UnknownTombstones != 1 || r.Merged.Removed != 4 {
			t.Errorf("merged %+v", r.Merged)
		}
	})
}

func TestTheClockMayBeLeftOut(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON)
		l.settled()
		c := l.crawler()
		c.Now = nil
		if _, err := c.Refresh(context.Background(), l.row(), false); err != nil {
			t.Fatal(err)
		}
		if d := l.row(); d.CrawledAt.IsZero() || d.FullAt != d.CrawledAt {
			t.Errorf("the drive is %+v", d)
		}
	})
}

func TestTheWatcherSeesTheCrawlAdvance(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = next("p2", rootJSON)
		l.pages["p2"] = last("d1", file("a", "root"))
		l.settled()
		c := l.crawler()
		var w watched
		c.Watch = &w
		if _, err := c.Refresh(context.Background(), l.row(), false); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.pages, []int64{0, 1, 2, 2, 3, 3}) || !w.done {
			t.Errorf("seen were %v, done %v", w.pages, w.done)
		}
	})
}

type watched struct {
	pages []int64
	done  bool
}

func (w *watched) Crawling(_ state.DriveID, r Report) {
	w.pages = append(w.pages, r.Pages)
	w.done = r.Done
}
