package view

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// screen is a terminal that knows the sequences Progress may write.
type screen struct {
	mu    sync.Mutex
	lines []string
	raw   bytes.Buffer
}

var goUp = regexp.MustCompile(`^\x1b\[(\d+)A\r\x1b\[J`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(p)
	text := string(p)
	for text != "" {
		if m := goUp.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			s.lines = s.lines[:len(s.lines)-n]
			text = text[len(m[0]):]
			continue
		}
		line, rest, ok := strings.Cut(text, "\n")
		if !ok || strings.ContainsRune(line, '\x1b') {
			return 0, fmt.Errorf("unexpected output %q", text)
		}
		s.lines = append(s.lines, line)
		text = rest
	}
	return len(p), nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func under(done int64, started time.Time) apply.Progress {
	return apply.Progress{Mirror: reports, ItemsDone: done, ItemsTotal: 1000, BytesDone: done << 20, BytesTotal: 1000 << 20,
		Failed: 2, Started: started, ActiveNames: []string{"2024/\x1b[2Jledger.csv"}}
}

func TestLiveLinesAreRedrawnAndLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := Output{Err: &s, Terminal: true, Width: 160}.ApplyProgress()
		time.Sleep(redrawEvery / 2) // never at the same time as a drawing
		p.CrawlStarted(Crawl{Mirror: cad, Mode: "delta"})
		p.CrawlProgress(Crawl{Mirror: cad, Mode: "delta", Items: 5200, Pages: 3})
		time.Sleep(3 * redrawEvery)
		if got := s.text(); got != cad+": reading source (delta, 5,200 items, 3 pages)" {
			t.Errorf("while reading: %q", got)
		}
		p.CrawlDone(Crawl{Mirror: cad, Mode: "delta", Items: 5300, Pages: 4, Complete: true})
		started := time.Now()
		for i := range int64(10) {
			p.Progress(under(i*10, started))
			time.Sleep(time.Second)
		}
		want := cad + ": source read (delta, 5,300 items, 4 pages in 0 s)\n" +
			reports + `: 90/1,000 items, 90.0 MiB/1000.0 MiB, 9.0 MiB/s, about 1 min 41 s left, 2 failed  2024/\x1b[2Jledger.csv`
		if got := s.text(); got != want {
			t.Errorf("while applying:\n%s\nwant\n%s", got, want)
		}
		p.Paused(Pause{"contoso", PauseAsked, time.Now().Add(41 * time.Second), "429", 3})
		time.Sleep(2 * time.Second)
		if got := s.text(); !strings.Contains(got, "\nwaiting 39 s, tenant contoso asked for it (429, 3rd time)\n") {
			t.Errorf("while waiting:\n%s", got)
		}
		p.Resumed(Pause{Tenant: "contoso", Kind: PauseAsked})
		p.Progress(apply.Progress{Mirror: reports, Finished: true, Started: started, Counts: apply.Counts{Added: 998, Failed: 2, Postponed: 72, DownloadBytes: 1 << 30}})
		p.Progress(apply.Progress{Mirror: cad, ItemsTotal: 3, Started: time.Now()})
		time.Sleep(time.Second)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		want = cad + ": source read (delta, 5,300 items, 4 pages in 0 s)\n" +
			reports + ": done in 12 s (998 added, 1.0 GiB, 2 failed, 72 deletes postponed)"
		if got := s.text(); got != want {
			t.Errorf("after the end:\n%s\nwant\n%s", got, want)
		}
		p.Progress(under(1, started))
		p.Paused(Pause{"contoso", PauseAsked, time.Now(), "429", 4})
		if got := s.text(); got != want || p.Close() != nil {
			t.Errorf("after Close:\n%s", got)
		}
	})
}

func TestALostNetworkIsSaidOnceAndCountedDownOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := Pause{"contoso", PauseNetwork, time.Now().Add(15 * time.Minute), "graph.microsoft.com refuses connections", 1}
		back := Pause{Tenant: "contoso", Kind: PauseNetwork}
		var terminal, pipe screen
		on, off := Output{Err: &terminal, Terminal: true, Width: 120}.Progress(), Output{Err: &pipe}.Progress()
		for _, p := range []*Progress{on, off} {
			p.Paused(lost)
		}
		time.Sleep(2*time.Minute + time.Second/2)
		want := "waiting for the network, tenant contoso: graph.microsoft.com refuses connections (giving up in 13 min)"
		if got := terminal.text(); got != want {
			t.Errorf("on a terminal:\n%s", got)
		}
		for _, p := range []*Progress{on, off} {
			p.Resumed(Pause{Tenant: "contoso", Kind: PauseAsked}) // of another kind
			p.Resumed(back)
		}
		time.Sleep(time.Second)
		if got := terminal.text(); got != "" {
			t.Errorf("after its return:\n%s", got)
		}
		if on.Close() != nil || off.Close() != nil {
			t.Error("not closed in order")
		}
		want = "waiting for the network, tenant contoso: graph.microsoft.com refuses connections (giving up in 15 min)\n"
		if got := pipe.raw.String(); got != want {
			t.Errorf("in a pipe:\n%s", got)
		}
	})
}

func TestManyLiveLinesNeverFillTheScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := Output{Err: &s, Terminal: true, Width: 80}.Progress()
		for i := range 50 {
			p.Progress(apply.Progress{Mirror: fmt.Sprintf("mirror.m[%d]", i), ItemsTotal: 3, ActiveNames: []string{strings.Repeat("日本", 60)}})
		}
		time.Sleep(time.Second)
		lines := strings.Split(s.text(), "\n")
		if len(lines) != maxLive || !strings.Contains(lines[maxLive-1], "43 more mirrors") {
			t.Errorf("%q", lines)
		}
		for _, l := range lines {
			if cells(l) >= 80 {
				t.Errorf("%d columns: %s", cells(l), l)
			}
		}
		p.Close()
	})
}

func TestOffATerminalALineComesNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := Output{Err: &s}.Progress()
		time.Sleep(time.Second / 2) // never at the same time as a line
		started := time.Now()
		for i := range int64(95) {
			p.Progress(under(i, started))
			time.Sleep(time.Second)
		}
		p.Paused(Pause{"contoso", PauseAsked, time.Now().Add(41 * time.Second), "429", 3})
		p.Paused(Pause{"contoso", PauseAsked, time.Now().Add(42 * time.Second), "429", 3})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if strings.ContainsRune(s.raw.String(), '\x1b') {
			t.Errorf("an escape is written: %q", s.raw.String())
		}
		lines := strings.Split(s.text(), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[0], reports+": ") || lines[3] != "waiting 41 s, tenant contoso asked for it (429, 3rd time)" {
			t.Errorf("%d lines:\n%s", len(lines), s.text())
		}
	})
}

func TestWatchersPassEverythingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		var b bytes.Buffer
		e := NewEvents(&b, time.Now)
		w := Watchers{Output{Err: &s}.Progress(), e}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				name := fmt.Sprintf("mirror.m%d", i)
				w.CrawlStarted(Crawl{Mirror: name})
				w.CrawlProgress(Crawl{Mirror: name, Items: 3})
				w.CrawlDone(Crawl{Mirror: name, Complete: true})
				w.Progress(apply.Progress{Mirror: name, ItemsTotal: 1})
				w.Item(apply.Result{Mirror: name, Action: plan.Add, Outcome: apply.Failed})
				w.Paused(Pause{"contoso", PauseAsked, time.Now().Add(time.Second), "503", i + 1})
				w.Resumed(Pause{Tenant: "contoso", Kind: PauseAsked})
				w.Progress(apply.Progress{Mirror: name, Finished: true})
			})
		}
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for kind, n := range map[string]int{"refresh_start": 4, "refresh_complete": 4, "apply_start": 4, "apply_complete": 4, "item_errored": 4, "throttle": 8} {
			if got := strings.Count(b.String(), `"type":"`+kind+`"`); got != n {
				t.Errorf("%d events %s, want %d", got, kind, n)
			}
		}
		if n := strings.Count(s.text(), ": done in "); n != 4 {
			t.Errorf("text:\n%s", s.text())
		}
	})
}

func TestDrivesWithoutNewsGetFewLinesAndThoseWithNewsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := Output{Err: &s, Width: 160}.Progress()
		for i := range 2000 {
			c := Crawl{Mirror: fmt.Sprintf("mirror.m%d", i), Mode: "delta", Items: 1, Pages: 1, Complete: true}
			if i%100 == 7 {
				c.Items = 2
			}
			p.CrawlStarted(c)
			p.CrawlDone(c)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		text := s.text()
		if got := strings.Count(text, "\n") + 1; got != maxQuiet+20+1 {
			t.Errorf("%d lines", got)
		}
		if want := "1,960 more sources read, without news"; strings.Count(text, "2 items") != 20 || !strings.HasSuffix(text, want) {
			t.Errorf("it ends with %q", text[max(0, len(text)-200):])
		}
	})
}
