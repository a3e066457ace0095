package apply

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// person is somebody who works in the mirror while it is applied: ahead of effects of
// the run, files get new text, other names, or company.
type person struct {
	mu      sync.Mutex
	w       *world
	rand    *rand.Rand
	written map[string]bool // texts that must survive
	n       int
}

func (p *person) Before(op, path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rand.IntN(3) > 0 {
		return nil
	}
	var files []string
	for name, text := range p.w.disk() {
		if text != "/" {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	p.n++
	fresh := fmt.Sprintf("local %d", p.n)
	at := fresh
	if len(files) > 0 && p.rand.IntN(4) > 0 {
		at = files[p.rand.IntN(len(files))]
	}
	name := filepath.Join(p.w.root(), at)
	switch p.rand.IntN(3) {
	case 0: // as an editor saves: a new file over the old one
		if os.WriteFile(name+"~", []byte(fresh), 0o600) == nil && os.Rename(name+"~", name) == nil {
			p.wrote(name, fresh)
		}
	case 1:
		to := filepath.Join(p.w.root(), fresh)
		_ = os.Rename(name, to)
	default:
		to := filepath.Join(filepath.Dir(name), fresh)
		if os.WriteFile(to, []byte(fresh), 0o600) == nil {
			p.wrote(to, fresh)
		}
	}
	return nil
}

// wrote remembers a text, and forgets the one that the person replaced.
func (p *person) wrote(_, text string) {
	for old := range maps.Keys(p.written) {
		if !slices.Contains(p.everything(), old) {
			delete(p.written, old) // overwritten by the person
		}
	}
	p.written[text] = true
}

// everything are the texts in the mirror, in the trash, and in between.
func (p *person) everything() []string {
	var found []string
	_ = filepath.WalkDir(p.w.root(), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil {
			found = append(found, string(text))
		}
		return nil
	})
	return found
}

// Whoever works in the mirror while it is applied loses nothing: what is saved, moved
// or added at any moment is in the mirror or in the trash afterwards (I-13 to I-17,
// R10).
func TestPeopleWhoWorkInTheMirrorLoseNothing(t *testing.T) {
	inMemory(t)
	rounds := uint64(12)
	if os.Getenv("SPMIRROR_LONG") != "" {
		rounds = 400
	}
	edits := 0
	for seed := range rounds {
		for _, sc := range []scenario{scenarios[0], scenarios[1], scenarios[4]} {
			w := newWorld(t)
			w.workers, w.checkpoint = 1, 1024
			w.prepare(sc)
			p := w.plan()
			someone := &person{w: w, rand: rand.New(rand.NewPCG(seed, 1)), written: map[string]bool{}}
			w.diskFaults = someone
			w.reopen()
			if _, _, err := w.apply(context.Background(), p, 0); err != nil {
				t.Errorf("the run ends with %v", err)
			}
			w.diskFaults = nil
			w.reopen()
			have := someone.everything()
			for text := range someone.written {
				if !slices.Contains(have, text) {
					t.Errorf("%q is lost", text)
				}
			}
			w.tidyUp()
			edits += someone.n
			if w.close(); t.Failed() {
				t.Fatalf("%s with seed %d", sc.name, seed)
			}
		}
	}
	t.Logf("%d local edits", edits)
	if edits < 50 {
		t.Error("too few edits to prove anything")
	}
}

// tidyUp wants nothing unfinished to be left.
func (w *world) tidyUp() {
	w.t.Helper()
	w.run()
	for in, err := range w.store.Intents(w.t.Context(), w.key) {
		w.check(err)
		w.t.Errorf("intent %+v is left", in)
	}
}

// A cleaner that deletes temporary files at any moment costs a repetition at most (F19).
func TestStagedFilesThatVanishAreFetchedAgain(t *testing.T) {
	for _, when := range []string{"in the middle", "at the end"} {
		t.Run(when, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				clean := func() {
					names, err := filepath.Glob(filepath.Join(w.root(), ".spmirror/staging/*.part"))
					w.check(err)
					for _, name := range names {
						w.check(os.Remove(name))
					}
				}
				w.tenant.onOpen = func(n *node, q graph.ContentRequest, nth int) (*graph.Content, error, bool) {
					if nth > 1 {
						return nil, nil, false
					}
					text := n.text[q.Offset:]
					if when == "in the middle" {
						text = text[:3000]
					}
					c := w.tenant.serve(n, q)
					c.Body = &cleaned{strings.NewReader(text), clean}
					return c, nil, true
				}
				r := w.run()
				if r.Counts.Incomplete() {
					w.equal(map[string]string{"file": "old text"})
				}
				w.tenant.onOpen = nil
				w.sync()
				w.same()
			})
		})
	}
}

// cleaned runs something at its end.
type cleaned struct {
	*strings.Reader
	clean func()
}

func (c *cleaned) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.Len() == 0 && c.clean != nil {
		c.clean()
		c.clean = nil
	}
	return n, err
}

func (*cleaned) Close() error { return nil }

// Sizes at the edges of checkpoints and buffers, whole and interrupted at their middle
// (M13).
func TestSizesAtEveryEdgeArriveWhole(t *testing.T) {
	const checkpoint = 4096
	sizes := []int{0, 1, 2}
	for _, edge := range []int{checkpoint, 2 * checkpoint, bufferSize, 2 * bufferSize} {
		sizes = append(sizes, edge-1, edge, edge+1)
	}
	for _, interrupted := range []bool{false, true} {
		t.Run(fmt.Sprintf("interrupted %v", interrupted), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, _ *node) {
				w.checkpoint = checkpoint
				for i, size := range sizes {
					w.tenant.put(fmt.Sprintf("size %d", size), random(i, size))
				}
				seen := map[string]bool{}
				w.tenant.onOpen = func(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
					if n.text == "" {
						t.Errorf("%s was asked for", n.name)
					}
					if !interrupted || seen[n.id] {
						return nil, nil, false
					}
					seen[n.id] = true
					c, err := cut(len(n.text)/2)(w.tenant, n, q)
					return c, err, true
				}
				w.sync()
				w.same()
			})
		})
	}
}

// Clocks that go back make new trash no older than the runs before, so that it is
// kept as long as it should be; ones that go ahead confuse no row (S06, I-66).
func TestAClockThatJumpsLosesNothing(t *testing.T) {
	w := newWorld(t)
	const year = 365 * 24 * time.Hour
	var kept []string
	for i, jump := range []time.Duration{0, -10 * year, time.Hour, -5 * year, -5*year + time.Second, 2 * time.Hour, 10 * year, 3 * time.Hour, 4 * time.Hour} {
		w.clock = testTime.Add(time.Hour + jump)
		if jump == 10*year {
			kept = nil // has been there for years, as far as anybody knows
		}
		text := fmt.Sprintf("text %d", i)
		w.tenant.put("file", text)
		w.tenant.put("dir/other", text+" too")
		w.sync()
		w.same()
		for _, old := range kept {
			if !slices.Contains(w.trashed(), old) {
				t.Errorf("%q is not in the trash after a jump by %s", old, jump)
			}
		}
		kept = append(kept, text, text+" too")
	}
}

// Two files whose quickXorHash is made equal stay two files (T-33): the hash finds
// accidents, it identifies nothing.
func TestFilesOfOneHashStayTwoFiles(t *testing.T) {
	w := newWorld(t)
	a := []byte(random(1, 400))
	b := slices.Clone(a)
	b[7], b[167] = a[167], a[7] // the hash comes round after 160 bytes
	if quick(string(a)) != quick(string(b)) || string(a) == string(b) {
		t.Fatal("the texts do not collide")
	}
	w.tenant.put("a", string(a))
	w.tenant.put("b", string(b))
	w.tenant.put("c/d", "moved to where a text of the same hash was")
	w.sync()
	w.same()
	w.tenant.remove("a")
	w.tenant.move(w.tenant.find("b"), "a")
	w.sync()
	w.same()
	for e, err := range w.store.EntriesByParent(t.Context(), w.key) {
		w.check(err)
		if !e.Folder && e.Verdict != state.Verified {
			t.Errorf("%s is %s", e.Name, e.Verdict)
		}
	}
}
