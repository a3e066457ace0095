package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

func TestEventsAreAsAgreed(t *testing.T) {
	var b bytes.Buffer
	now := planned
	e := NewEvents(&b, func() time.Time { now = now.Add(time.Millisecond); return now })
	e.Version("0.4.0")
	e.CrawlStarted(Crawl{Mirror: reports, Mode: "delta"})
	e.CrawlProgress(Crawl{Mirror: reports, Items: 10})
	e.CrawlDone(Crawl{Mirror: reports, Mode: "delta", Items: 52533, Pages: 38, Complete: true})
	e.CrawlDone(Crawl{Mirror: cad, Problem: "access denied"})
	for _, build := range plansInOrder() {
		p := build(t)
		p.PlanID, p.Digest = "7f3c9e12", "sha256:00"
		if err := e.Plan(p.Header, p); err != nil {
			t.Fatal(err)
		}
	}
	started := now
	e.Progress(apply.Progress{Mirror: reports, ItemsTotal: 9, BytesTotal: 100, Started: started})
	e.Progress(apply.Progress{Mirror: reports, ItemsDone: 1, ItemsTotal: 9, BytesTotal: 100, Started: started})
	now = now.Add(progressEvery)
	e.Progress(apply.Progress{Mirror: reports, ItemsDone: 2, ItemsTotal: 9, BytesDone: 20, BytesTotal: 100, Started: started})
	e.Paused(Pause{"contoso", PauseAsked, now.Add(41 * time.Second), "429", 3})
	e.Resumed(Pause{Tenant: "contoso", Kind: PauseAsked})
	e.Paused(Pause{"contoso", PauseNetwork, now.Add(15 * time.Minute), "graph.microsoft.com refuses connections", 1})
	e.Resumed(Pause{Tenant: "contoso", Kind: PauseNetwork})
	r, results := sampleReport()
	for _, one := range results {
		e.Item(one)
	}
	e.Progress(apply.Progress{Mirror: reports, Finished: true, Started: started, Counts: r.Counts})
	e.Report(r)
	e.RunReport("apply", 4, r)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(b.String()) {
		var ev map[string]any
		if err := json.Unmarshal([]byte(l), &ev); err != nil || ev["@module"] != "spmirror.ui" || ev["type"] == "" || ev["@level"] == "" {
			t.Errorf("%v: %s", err, l)
		}
	}
	golden(t, "events.jsonl", b.String())
}

func plansInOrder() []func(*testing.T) *plan.Plan {
	return []func(*testing.T) *plan.Plan{noChanges, mixed, guarded, notPlanned}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// cramped is a file on a disk with so many bytes left.
type cramped struct {
	bytes.Buffer
	room int
}

func (c *cramped) Write(p []byte) (int, error) {
	n := min(len(p), c.room)
	c.room -= n
	c.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("disk full")
	}
	return n, nil
}

func TestAStreamGoesOnWhenItIsBegunAgain(t *testing.T) {
	for _, room := range []int{0, 1, 50, 150} {
		w := &cramped{room: room}
		e := NewEvents(w, time.Now)
		e.Version("1")
		e.Begin()
		e.Version("2") // still no room
		if e.Error() == nil {
			t.Fatalf("with room for %d bytes nothing is wrong", room)
		}
		w.room = 10_000
		e.Version("3")
		e.Begin()
		e.Version("4")
		if err := e.Error(); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
		var last map[string]any
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last["spmirror"] != "4" {
			t.Errorf("with room for %d bytes the stream is %q", room, lines)
		}
		if room == 0 && len(lines) != 1 {
			t.Errorf("a line without text is in %q", lines)
		}
	}
}

func TestAStreamThatCannotBeWrittenSaysSo(t *testing.T) {
	e := NewEvents(failing{}, time.Now)
	e.Version("1")
	e.Version("2")
	if err := e.Close(); err == nil || err.Error() != "disk full" {
		t.Errorf("Close returns %v", err)
	}
}
