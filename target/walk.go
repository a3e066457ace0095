package target

import (
	"context"
	"iter"
	"sync"
)

// Listing is one directory of a walk.
type Listing struct {
	Path    RelPath
	Entries []Found // valid until the next step of the walk
	// Err says that the directory could not be read completely; Entries is then empty. It must never be taken
	// for an empty directory.
	Err error
}

// maxWalkers is more than any disk rewards.
const maxWalkers = 16

// Walk lists every directory of the mirror once, with several workers, in no order. Links, mount points and
// other special entries are reported and not entered. Memory is bounded by the number of workers and the
// directories still to do; a consumer that stops early ends the walk.
func (d *Dir) Walk(ctx context.Context, workers int) iter.Seq2[Listing, error] {
	return d.walk(ctx, "", workers, nil)
}

// WalkFrom is Walk below one directory. A directory for which enter returns false is reported by its parent
// but not listed; nil enters all.
func (d *Dir) WalkFrom(ctx context.Context, from RelPath, workers int, enter func(RelPath) bool) iter.Seq2[Listing, error] {
	return d.walk(ctx, from, workers, enter)
}

func (d *Dir) walk(ctx context.Context, from RelPath, workers int, enter func(RelPath) bool) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := newWalker(d, from, enter)
		var running sync.WaitGroup
		for range min(max(workers, 1), maxWalkers) {
			running.Go(func() { w.work(ctx) })
		}
		stop := context.AfterFunc(ctx, w.wake)
		go func() { running.Wait(); close(w.results) }()
		defer func() {
			cancel()
			for range w.results { // the workers' owner waits for them
			}
			stop()
		}()
		for listing := range w.results {
			if !yield(listing, nil) {
				return
			}
			w.recycle(listing.Entries)
		}
		if err := ctx.Err(); err != nil {
			yield(Listing{}, err)
		}
	}
}

// walker is a stack of directories to do, taken from its top so that it stays as short as the tree allows.
type walker struct {
	d       *Dir
	enter   func(RelPath) bool
	results chan Listing
	spare   chan []Found

	mu      sync.Mutex
	changed sync.Cond
	todo    []RelPath
	busy    int
}

func newWalker(d *Dir, from RelPath, enter func(RelPath) bool) *walker {
	w := &walker{d: d, enter: enter, todo: []RelPath{from}, results: make(chan Listing, maxWalkers), spare: make(chan []Found, 2*maxWalkers)}
	w.changed.L = &w.mu
	return w
}

func (w *walker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed.Broadcast()
}

// next takes a directory, or reports that nothing is left or the walk is over.
func (w *walker) next(ctx context.Context) (RelPath, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.todo) == 0 && w.busy > 0 && ctx.Err() == nil {
		w.changed.Wait()
	}
	if len(w.todo) == 0 || ctx.Err() != nil {
		return "", false
	}
	last := len(w.todo) - 1
	rel := w.todo[last]
	w.todo = w.todo[:last]
	w.busy++
	return rel, true
}

func (w *walker) done(rel RelPath, entries []Found) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range entries {
		if entries[i].Kind != KindDir {
			continue
		}
		if sub := rel.Join(entries[i].Name); w.enter == nil || w.enter(sub) {
			w.todo = append(w.todo, sub)
		}
	}
	w.busy--
	w.changed.Broadcast()
}

func (w *walker) work(ctx context.Context) {
	buf := make([]byte, listBuffer)
	for {
		rel, ok := w.next(ctx)
		if !ok {
			return
		}
		entries, err := w.d.readDir(rel, w.blank(), buf)
		if err != nil {
			entries = nil
		}
		w.done(rel, entries)
		select {
		case w.results <- Listing{Path: rel, Entries: entries, Err: err}:
		case <-ctx.Done():
			return
		}
	}
}

func (w *walker) blank() []Found {
	select {
	case s := <-w.spare:
		return s[:0]
	default:
		return nil
	}
}

func (w *walker) recycle(s []Found) {
	clear(s)
	select {
	case w.spare <- s:
	default:
	}
}
