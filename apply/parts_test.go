package apply

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/state"
)

// slowHost serves ranges as it should, each connection at its own low rate, and
// counts.
type slowHost struct {
	rate   int // bytes a second of one connection
	bend   func(q graph.ContentRequest, c *graph.Content)
	onRead func(total int64)

	mu      sync.Mutex
	streams int
	most    int // streams at once
	ranges  []graph.ContentRequest
	read    int64
}

func (h *slowHost) open(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := len(n.text)
	status := http.StatusOK
	if q.Offset > 0 || q.Length > 0 {
		status = http.StatusPartialContent
		h.ranges = append(h.ranges, q)
	}
	if q.Length > 0 {
		end = int(q.Offset + q.Length)
	}
	h.streams++
	h.most = max(h.most, h.streams)
	c := &graph.Content{
		Status: status, Offset: q.Offset, Total: int64(len(n.text)), Length: int64(end) - q.Offset, ETag: n.item().ETag,
		Body: &slowBody{h: h, text: n.text[q.Offset:end]},
	}
	if h.bend != nil && status == http.StatusPartialContent {
		h.bend(q, c)
	}
	return c, nil, true
}

type slowBody struct {
	h    *slowHost
	text string
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), max(1, b.h.rate/10))], b.text)
	time.Sleep(time.Duration(n) * time.Second / time.Duration(b.h.rate))
	b.text = b.text[n:]
	b.h.mu.Lock()
	b.h.read += int64(n)
	total := b.h.read
	b.h.mu.Unlock()
	if b.h.onRead != nil {
		b.h.onRead(total)
	}
	return n, nil
}

func (b *slowBody) Close() error {
	b.h.mu.Lock()
	b.h.streams--
	b.h.mu.Unlock()
	return nil
}

// smallParts are usualParts in the small.
var smallParts = parts{size: 4000, least: 16000, most: 4, watch: 2 * time.Second, enough: 1 << 20}

// slowly runs a test in fake time with one new file of 100,000 bytes at a slow host.
func slowly(t *testing.T, host *slowHost, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.workers, w.checkpoint, w.parts = 8, 2000, smallParts
		w.tenant.put("file", random(3, 100_000))
		w.tenant.onOpen = host.open
		test(t, w)
	})
}

func TestAFileAtASlowHostIsFetchedInPartsAtOnce(t *testing.T) {
	host := &slowHost{rate: 1000}
	slowly(t, host, func(t *testing.T, w *world) {
		began := time.Now()
		w.sync()
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("it took %s, and one stream takes 100 s", took)
		}
		if host.most != smallParts.most {
			t.Errorf("%d streams at once", host.most)
		}
		for _, q := range host.ranges {
			if q.Length > smallParts.size || q.Length <= 0 {
				t.Errorf("a range of %d bytes was asked for", q.Length)
			}
		}
		if twice := host.read - 100_000; twice > int64(host.rate)/10 {
			t.Errorf("%d bytes were fetched twice", twice)
		}
		w.same()
	})
}

func TestAFileIsFetchedInOneStreamWhereMoreGainNothing(t *testing.T) {
	tests := map[string]struct {
		host  *slowHost
		setup func(w *world)
		most  int
	}{
		"a fast host":                {&slowHost{rate: 4 << 20}, func(w *world) {}, 1},
		"other files wait":           {&slowHost{rate: 1000}, func(w *world) { w.workers = 1 }, 1},
		"a host without a tag":       {&slowHost{rate: 1000}, func(w *world) { w.tenant.onOpen = untagged(w.tenant.onOpen) }, 1},
		"a part of a notebook":       {&slowHost{rate: 1000}, func(w *world) { w.tenant.move(w.tenant.find("file"), "file.one") }, 1},
		"a file that is nearly here": {&slowHost{rate: 1000}, func(w *world) { w.parts.least = 99_000 }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			slowly(t, test.host, func(t *testing.T, w *world) {
				test.setup(w)
				w.sync()
				if test.host.most != test.most {
					t.Errorf("%d streams at once, want %d", test.host.most, test.most)
				}
				w.same()
			})
		})
	}
}

func untagged(open func(*node, graph.ContentRequest, int) (*graph.Content, error, bool)) func(*node, graph.ContentRequest, int) (*graph.Content, error, bool) {
	return func(n *node, q graph.ContentRequest, i int) (*graph.Content, error, bool) {
		c, err, mine := open(n, q, i)
		c.ETag = ""
		return c, err, mine
	}
}

// A host that shares one rate among its connections gains nothing by more of them.
func TestStreamsThatMakeAFileNoFasterAreGivenUp(t *testing.T) {
	host := &slowHost{rate: 1000}
	host.bend = func(_ graph.ContentRequest, c *graph.Content) {
		c.Body.(*slowBody).h = &slowHost{rate: 400, onRead: nil}
	}
	slowly(t, host, func(t *testing.T, w *world) {
		w.sync()
		if n := len(host.ranges); n > 4 {
			t.Errorf("%d ranges were asked for", n)
		}
		w.same()
	})
}

// Whatever a host answers to ranges, the file is right in the end, and the host is
// asked for it in one stream (H-53 to H-55).
func TestAHostThatDoesNotAnswerRangesExactlyIsAskedForOneStream(t *testing.T) {
	lies := map[string]func(n *node, q graph.ContentRequest, c *graph.Content){
		"everything instead": func(n *node, q graph.ContentRequest, c *graph.Content) {
			c.Status, c.Offset, c.Length = http.StatusOK, 0, c.Total
			c.Body.(*slowBody).text = n.text
		},
		"another place": func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.Offset++ },
		"fewer bytes":   func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.Length-- },
		"no length":     func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.Length = -1 },
		"another total": func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.Total++ },
		"no total":      func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.Total = -1 },
		"another tag":   func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.ETag = `"other"` },
		"no tag":        func(_ *node, _ graph.ContentRequest, c *graph.Content) { c.ETag = "" },
		"other bytes": func(_ *node, _ graph.ContentRequest, c *graph.Content) {
			b := c.Body.(*slowBody)
			b.text = flip(b.text)
		},
		"a part too few": func(_ *node, _ graph.ContentRequest, c *graph.Content) {
			b := c.Body.(*slowBody)
			b.text = b.text[:len(b.text)/2]
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			host := &slowHost{rate: 1000}
			slowly(t, host, func(t *testing.T, w *world) {
				n := w.tenant.find("file")
				told := false
				host.bend = func(q graph.ContentRequest, c *graph.Content) {
					if !told {
						told = true
						lie(n, q, c)
					}
				}
				w.sync()
				if goesOn := name == "other bytes" || name == "a part too few"; !goesOn && len(host.ranges) > 4 {
					t.Errorf("%d ranges were asked for", len(host.ranges))
				}
				w.same()
			})
		})
	}
}

// TestAnInterruptedDownloadFetchesAtMostOneIntervalTwice kills a download at random
// places, twenty times, in one stream and in parts: what a kill costs is never more
// than one checkpoint interval (I-08).
func TestAnInterruptedDownloadFetchesAtMostOneIntervalTwice(t *testing.T) {
	for name, how := range map[string]parts{
		"one stream": {size: 1 << 40, least: 1 << 40, most: 1, watch: time.Hour},
		"parts":      {size: 16 << 10, least: 64 << 10, most: 4, watch: 50 * time.Millisecond, enough: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			interruptOften(t, how, 32<<10, random(5, 2<<20))
		})
		t.Run(name+", a gibibyte", func(t *testing.T) {
			if os.Getenv("SPMIRROR_LONG") == "" {
				t.Skip("runs with SPMIRROR_LONG=1")
			}
			how.size, how.least = how.size<<11, how.least<<11
			interruptOften(t, how, checkpointEvery, strings.Repeat(random(6, 1<<20+16), 1<<10)[:1<<30])
		})
	}
}

func interruptOften(t *testing.T, how parts, interval int64, text string) {
	const interruptions = 20
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.workers, w.checkpoint, w.parts = 8, interval, how
		w.tenant.put("file", text).hash = quickOf(text)
		host := &slowHost{rate: len(text) / 10}
		w.tenant.onOpen = host.open
		p := w.plan()
		var since state.RunID
		held, most := int64(0), 0
		dice := rand.New(rand.NewPCG(1, 2))
		for i := range interruptions {
			k := &killer{}
			stop := host.read + 1 + dice.Int64N((int64(len(text))-held)*2/int64(interruptions-i+1))
			before, killed := host.read, int64(0)
			host.onRead = func(total int64) {
				if total >= stop && k.now() {
					killed = total
				}
			}
			_, since, _ = w.applyKilled(k, p, since)
			if host.onRead = nil; killed == 0 {
				t.Fatalf("interruption %d came too late", i)
			}
			most = max(most, host.most)
			now := int64(0)
			for _, part := range collect(t, w.store.Partials(t.Context(), w.key)) {
				now = part.Offset
				for _, a := range part.Ahead {
					now += a.To - a.From
				}
			}
			if twice := held + killed - before - now; twice > interval {
				t.Errorf("interruption %d: %d bytes will be fetched twice, an interval has %d", i, twice, interval)
			}
			held = now
		}
		if most != how.most {
			t.Errorf("%d streams at once, want %d", most, how.most)
		}
		host.onRead = nil
		if r, _, err := w.apply(t.Context(), p, since); err != nil || r.Counts.Incomplete() {
			t.Fatalf("%+v, %v", r, err)
		}
		if twice := host.read - int64(len(text)); twice > interruptions*interval {
			t.Errorf("%d bytes were fetched twice", twice)
		}
		w.holds("file", text)
	})
}

// quickOf is quick for a text that is too large to be copied, and asked for often.
func quickOf(text string) string {
	h := quickxor.New()
	for rest := text; rest != ""; {
		n := min(len(rest), 1<<20)
		h.Write([]byte(rest[:n]))
		rest = rest[n:]
	}
	return h.String()
}

// holds wants a file to have a text, which may be too large to be read whole.
func (w *world) holds(name, text string) {
	w.t.Helper()
	f, err := os.Open(w.root() + "/" + name)
	w.check(err)
	defer f.Close()
	buf := make([]byte, 1<<20)
	for at := 0; ; {
		n, err := io.ReadFull(f, buf)
		if at+n > len(text) || string(buf[:n]) != text[at:at+n] {
			w.t.Fatalf("%s differs after %d bytes", name, at)
		}
		if at += n; err != nil {
			if at != len(text) {
				w.t.Errorf("%s has %d bytes, want %d", name, at, len(text))
			}
			return
		}
	}
}
