package apply

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// scenario is a mirror, edits of its source, and a kill at any point of applying them.
type scenario struct {
	name  string
	setup func(w *world)
	edit  func(w *world)
	// policy changes the mirror's settings.
	policy func(w *world)
}

var scenarios = []scenario{
	{
		name: "everything at once",
		setup: func(w *world) {
			for _, p := range []string{"keep", "change", "gone", "swap a", "swap b", "dir/in", "dir/sub/deep", "old/x", "old/y", "place", "big"} {
				w.tenant.put(p, "first "+p)
			}
		},
		edit: func(w *world) {
			s := w.tenant
			s.put("change", "second change")
			s.put("new/one", "new one")
			s.put("new/empty", "")
			s.put("big", random(1, 3000))
			s.remove("gone")
			a, b := s.find("swap a"), s.find("swap b")
			s.move(a, "swap c")
			s.move(b, "swap a")
			s.move(a, "swap b")
			s.move(s.find("dir/sub"), "sub")
			s.move(s.find("dir"), "sub/dir")
			s.remove("old")
			s.put("old", "a file now")
			s.remove("place")
			s.put("place/inside", "a folder now")
			s.put("swap b", "moved and changed")
		},
	},
	{
		name: "moves",
		setup: func(w *world) {
			for _, p := range []string{"a/1", "b/2", "c/3", "d/e/4", "x", "y", "z", "r"} {
				w.tenant.put(p, "text of "+p)
			}
		},
		edit: func(w *world) {
			s := w.tenant
			a, b, c := s.find("a"), s.find("b"), s.find("c")
			s.move(a, "t")
			s.move(c, "a")
			s.move(b, "c")
			s.move(a, "b")
			x, y, z := s.find("x"), s.find("y"), s.find("z")
			s.move(x, "t")
			s.move(z, "x")
			s.move(y, "z")
			s.move(x, "y")
			s.move(s.find("r"), "new/deep/R")
			e := s.find("d/e")
			d := s.find("d")
			s.move(e, "e2")
			s.move(d, "e2/d")
			s.move(e, "d")
		},
	},
	{
		name:   "deletes for good",
		policy: func(w *world) { w.policy.OnRemoteDelete, w.policy.TrashEnabled = "delete", false },
		setup: func(w *world) {
			for _, p := range []string{"a", "b/c", "b/d/e", "f", "place/x"} {
				w.tenant.put(p, "text of "+p)
			}
		},
		edit: func(w *world) {
			w.tenant.remove("a")
			w.tenant.remove("b")
			w.tenant.put("f", "changed")
			w.tenant.remove("place")
			w.tenant.put("place", "a file now")
		},
	},
	{
		name: "adds",
		edit: func(w *world) {
			for i := range 12 {
				w.tenant.put(fmt.Sprintf("d%d/f%d", i%3, i), random(i, 100*i))
			}
			w.tenant.put("large", random(9, 9000))
		},
	},
	{
		name: "resumes",
		setup: func(w *world) {
			for _, p := range []string{"keep", "one", "two", "three", "four", "dir/x"} {
				w.tenant.put(p, "first "+p)
			}
		},
		edit: func(w *world) {
			large := []string{"one", "two", "three", "four", "new"}
			for i, p := range large {
				w.tenant.put(p, random(20+i, 6000))
			}
			w.interrupt(len(large), 4000)
			w.tenant.put("two", random(30, 6000)) // its partial is of another version now
			w.tenant.remove("three")
			w.tenant.move(w.tenant.find("four"), "dir/four")
			w.tenant.put("dir/x", "second dir/x")
		},
	},
	{
		name: "parts",
		policy: func(w *world) {
			w.workers = 8 // streams need places beside the files
			w.parts = parts{size: 1000, least: 2000, most: 3, watch: 2 * time.Millisecond, enough: 1 << 40}
		},
		setup: func(w *world) {
			w.tenant.put("shrinks", "first shrinks")
			w.tenant.put("other", "first other")
		},
		edit: func(w *world) {
			large := []string{"shrinks", "other", "moved", "gone", "new"}
			for i, p := range large {
				w.tenant.put(p, random(40+i, 12_000))
			}
			w.interruptParts(large)
			w.tenant.put("shrinks", random(50, 3000)) // less than there is of the other version
			w.tenant.put("other", random(51, 12_000))
			w.tenant.move(w.tenant.find("moved"), "dir/moved")
			w.tenant.remove("gone")
		},
	},
	{
		name:   "lists",
		policy: func(w *world) { w.policy.Columns, w.policy.Versions = []string{"Change"}, "all" },
		setup: func(w *world) {
			for _, p := range []string{"a.txt", "dir/b.txt", "gone"} {
				w.tenant.put(p, "first "+p)
			}
		},
		edit: func(w *world) {
			w.tenant.put("a.txt", "second a")
			w.tenant.put("a.txt", "third a")
			w.tenant.put("dir/b.txt", "second b")
			w.tenant.move(w.tenant.find("dir"), "was dir")
			w.tenant.remove("gone")
			w.tenant.put("new", "new")
		},
	},
	{
		name: "files become folders",
		setup: func(w *world) {
			for _, p := range []string{"f", "d/1", "d/sub/2", "e/3", "g"} {
				w.tenant.put(p, "text of "+p)
			}
		},
		edit: func(w *world) {
			s := w.tenant
			s.turn("f", "")
			s.put("f/in", "in what was a file")
			s.move(s.find("d/sub"), "f/sub")
			s.turn("d", "what was a folder")
			s.turn("e", "another one")
			s.move(s.find("e"), "f/e")
			s.move(s.turn("g", ""), "e")
		},
	},
}

// interrupt applies until so many downloads have got so far, all at once, and stops.
func (w *world) interrupt(downloads, after int) {
	w.t.Helper()
	workers := w.workers
	w.workers = downloads
	ctx, stop := context.WithCancel(context.Background())
	var far sync.WaitGroup
	far.Add(downloads)
	w.tenant.onOpen = func(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		end := stopping{func() { far.Done(); far.Wait(); stop() }}
		r := io.MultiReader(strings.NewReader(n.text[q.Offset:after]), end)
		return &graph.Content{Body: io.NopCloser(r), Total: int64(len(n.text)), Length: -1}, nil, true
	}
	r, _, err := w.apply(ctx, w.plan(), 0)
	if err != nil || !r.Interrupted {
		w.t.Fatalf("%+v, %v", r, err)
	}
	partials := collect(w.t, w.store.Partials(context.Background(), w.key))
	if len(partials) != downloads {
		w.t.Fatalf("%d downloads were interrupted, %d partials are kept", downloads, len(partials))
	}
	w.tenant.onOpen, w.workers = nil, workers
}

// hesitant answers as a good host does, but streams without an end come with a pause, so that
// parts are worth while.
func (w *world) hesitant(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
	c := w.tenant.serve(n, q)
	if q.Length > 0 {
		w.asked.Add(1)
	}
	if q.Length <= 0 && len(n.text) > 5000 {
		c.Body = &pausing{Reader: c.Body, pause: 5 * w.parts.watch}
	}
	return c, nil, true
}

// pausing gives some bytes and then waits.
type pausing struct {
	io.Reader
	pause time.Duration
	read  int
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.read++; p.read == 2 {
		time.Sleep(p.pause)
	}
	return p.Reader.Read(b[:min(len(b), 500)])
}

func (p *pausing) Close() error { return nil }

// interruptParts applies until every download has come so far that parts of it are kept ahead
// of its beginning, and stops.
func (w *world) interruptParts(names []string) {
	w.t.Helper()
	for _, name := range names {
		ctx, stop := context.WithCancel(context.Background())
		later := make(chan struct{})
		arrived := sync.OnceFunc(func() { close(later) })
		w.tenant.onOpen = func(n *node, q graph.ContentRequest, i int) (*graph.Content, error, bool) {
			if n.name != name {
				return nil, errLine, true
			}
			c, err, _ := w.hesitant(n, q, i)
			switch {
			case q.Length <= 0:
			case q.Offset < 1000: // the first part comes to a stand
				c.Body = io.NopCloser(io.MultiReader(io.LimitReader(c.Body, 100), waiting{later, stop}))
			default:
				c.Body = &arriving{Reader: c.Body, left: c.Length, all: arrived}
			}
			return c, err, true
		}
		r, _, err := w.apply(ctx, w.plan(), 0)
		stop()
		if err != nil || !r.Interrupted {
			w.t.Fatalf("%+v, %v", r, err)
		}
	}
	w.tenant.onOpen = w.hesitant
	ahead := 0
	for _, p := range collect(w.t, w.store.Partials(context.Background(), w.key)) {
		ahead += len(p.Ahead)
	}
	if ahead < len(names) {
		w.t.Fatalf("%d parts are kept ahead of %d downloads", ahead, len(names))
	}
}

// waiting lets the parts behind it come and then stops the run.
type waiting struct {
	later <-chan struct{}
	stop  func()
}

func (r waiting) Read([]byte) (int, error) {
	<-r.later
	r.stop()
	return 0, errLine
}

// arriving tells when all of it has been read.
type arriving struct {
	io.Reader
	left int64
	all  func()
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if a.left -= int64(n); a.left == 0 {
		a.all()
	}
	return n, err
}

func (a *arriving) Close() error { return nil }
