package crawl

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// TestAChangeThatTheServiceShowsLateIsBelievedWhenItShowsIt follows D25: rounds that begin
// too soon show the state before.
func TestAChangeThatTheServiceShowsLateIsBelievedWhenItShowsIt(t *testing.T) {
	size := int64(9)
	for name, edit := range map[string]sandbox.Edit{
		"new":     {Op: sandbox.OpPut, Path: "/a/new.txt", Size: &size},
		"changed": {Op: sandbox.OpPut, Path: "/a/x.txt", Size: &size},
		"renamed": {Op: sandbox.OpRename, Path: "/a", To: "b"},
		"moved":   {Op: sandbox.OpMove, Path: "/a/x.txt", To: "/y.txt"},
		"deleted": {Op: sandbox.OpDelete, Path: "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const lag = 30 * time.Second
				clk := newClock()
				now := func() time.Time { clk.mu.Lock(); defer clk.mu.Unlock(); return clk.at }
				tenant, err := sandbox.New(sandbox.Options{
					Seed: 1, StaticTokens: []string{"emu"}, Now: now, Epoch: clk.at.Add(-24 * time.Hour), Behaviour: sandbox.Behaviour{Lag: lag},
					Sites: []sandbox.SiteSpec{{Path: "sites/a", Drives: []sandbox.DriveSpec{{Name: "Documents", Files: []sandbox.FileSpec{
						{Path: "a/x.txt", Text: "x"}, {Path: "other.txt", Text: "o"}}}}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer tenant.Close()
				drive, store := tenant.Drive("sites/a/Documents"), newState(t)
				crawler := &Crawler{Source: clientFor(t, tenant.Handler()), Store: store, Query: graph.DeltaQuery{Select: graph.DeltaSelect()}, Now: clk.now}
				id := state.DriveID(drive.ID())
				putDrive(t, store, "t", id)
				refresh := func() map[string]string { // eTags by id
					t.Helper()
					if _, err := crawler.Refresh(context.Background(), driveRow(t, store, "t", id), false); err != nil {
						t.Fatal(err)
					}
					tags := map[string]string{}
					for id, it := range observedItems(t, store, driveRow(t, store, "t", id)) {
						tags[id] = it.ETag
					}
					return tags
				}
				before := refresh()
				edit.Drive = drive.Address()
				if _, err := tenant.Apply(edit); err != nil {
					t.Fatal(err)
				}
				if soon := refresh(); !maps.Equal(before, soon) {
					t.Errorf("too soon there are %v, want %v", soon, before)
				}
				clk.pass(2 * lag)
				late := refresh()
				truth := map[string]string{}
				for _, it := range drive.Tree() {
					truth[string(it.ID)] = it.ETag
				}
				if maps.Equal(before, late) || !maps.Equal(truth, late) {
					t.Errorf("there are %v at last, the tenant has %v", late, truth)
				}
			})
		})
	}
}

// TestAnOlderStateThatTheServiceShowsOnceMoreIsRepairedByTheNextRound is about copies of
// the service that disagree for a moment.
func TestAnOlderStateThatTheServiceShowsOnceMoreIsRepairedByTheNextRound(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("a", "root"), file("b", "root"))
		l.settled()
		l.refresh(false)
		l.pages["d1"] = last("d2", fileAs("a", "root", "new name", 2), tombstone("b"))
		l.pages["d2"] = last("d2", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "a")
		l.pages["d2"] = last("d3", file("a", "root"), file("b", "root")) // as if nothing had happened
		l.pages["d3"] = last("d3", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "a", "b")
		l.pages["d3"] = last("d4", fileAs("a", "root", "new name", 2), tombstone("b"))
		l.pages["d4"] = last("d4", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "a")
		if name := observedItems(t, l.store, l.row())["a"].Name; name != "new name" {
			t.Errorf("a is called %s", name)
		}
	})
}

// TestAYoungItemThatAnEnumerationMissesComesBackWithTheLinkOfTheEnumeration is why a
// listing is followed by the rounds from its own link (Q14), and why deletes are confirmed
// one by one (I-26).
func TestAYoungItemThatAnEnumerationMissesComesBackWithTheLinkOfTheEnumeration(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, file("a", "root"))
		l.settled()
		l.refresh(false)
		l.pages["d1"] = last("d2", file("young", "root"))
		l.pages["d2"] = last("d2", rootJSON)
		l.refresh(false)
		l.wantIDs("root", "a", "young")
		l.pages[""] = last("late", rootJSON, file("a", "root")) // another copy, which has not heard of it
		l.pages["late"] = last("d3", file("young", "root"))
		l.pages["d3"] = last("d3", rootJSON)
		l.refresh(true)
		l.wantIDs("root", "a", "young")
	})
}
