package crawl

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
)

// book is a source whose pages lie in memory, one after another. It stops
// answering after so many of them.
type book struct {
	pages []graph.DeltaPage
	open  int // pages that can be read
}

var errCut = errors.New("the line was cut")

func pageLink(n int) graph.Link { return graph.Link(fmt.Sprint("page ", n)) }

func (b *book) DeltaStart(graph.DriveID, graph.DeltaQuery) graph.Link { return pageLink(0) }

func (b *book) DeltaPage(_ context.Context, l graph.Link, _ graph.DeltaQuery) (graph.DeltaPage, error) {
	var n int
	if _, err := fmt.Sscanf(string(l), "page %d", &n); err != nil {
		return graph.DeltaPage{}, err
	}
	if n >= b.open {
		return graph.DeltaPage{}, errCut
	}
	return b.pages[n], nil
}

func (b *book) Drive(context.Context, graph.DriveID) (graph.Drive, error) {
	return graph.Drive{}, errCut
}

func (b *book) Item(context.Context, graph.DriveID, graph.ItemID) (graph.Item, error) {
	return graph.Item{}, errCut
}

// bind links pages of items one after another.
func bind(pages [][]graph.Item) []graph.DeltaPage {
	out := make([]graph.DeltaPage, len(pages))
	for i, items := range pages {
		out[i] = graph.DeltaPage{Items: items, Next: pageLink(i + 1)}
	}
	out[len(out)-1].Next, out[len(out)-1].Delta = "", pageLink(1000)
	return out
}

// TestCuttingARoundAfterAnyPagePlansNoDelete follows I-23 over a round of 200 pages
// that would delete 200 files: by tombstones, and by leaving them out.
func TestCuttingARoundAfterAnyPagePlansNoDelete(t *testing.T) {
	const files = 200
	root := graph.Item{ID: "root", Name: "root", Facets: graph.Root | graph.Folder, Size: -1}
	file := func(i int) graph.Item {
		return graph.Item{ID: graph.ItemID(fmt.Sprintf("f%03d", i)), Parent: "root", Name: fmt.Sprintf("f%03d", i), HasName: true,
			Facets: graph.File, Size: 1, ETag: "e", CTag: "c"}
	}
	for _, c := range []struct {
		name string
		full bool
		page func(i int) []graph.Item
	}{
		{"tombstones", false, func(i int) []graph.Item { return []graph.Item{{ID: file(i).ID, Facets: graph.Deleted}} }},
		{"a listing without them", true, func(i int) []graph.Item {
			if i == 0 {
				return []graph.Item{root}
			}
			return []graph.Item{{ID: graph.ItemID(fmt.Sprint("new", i)), Parent: "root", Name: fmt.Sprint("new", i), HasName: true, Facets: graph.File, Size: 1}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, clk := newState(t), newClock()
			d := putDrive(t, store, "t", "d")
			first := []graph.Item{root}
			var changes [][]graph.Item
			for i := range files {
				first = append(first, file(i))
				changes = append(changes, c.page(i))
			}
			b := &book{pages: bind([][]graph.Item{first}), open: 1}
			crawler := &Crawler{Source: &settling{b}, Store: store, Now: clk.now}
			if _, err := crawler.Refresh(context.Background(), d, false); err != nil {
				t.Fatal(err)
			}
			mirror := applyAll(t, store, driveRow(t, store, "t", "d"))
			if n := deletes(t, store, mirror); n != 0 {
				t.Fatalf("%d deletes before anything changed", n)
			}
			b.pages = bind(changes)
			if !c.full { // the committed link leads to the changes
				relink(t, store, "t", "d", string(pageLink(0)))
			}
			for b.open = 0; b.open < files; b.open++ {
				if _, err := crawler.Refresh(context.Background(), driveRow(t, store, "t", "d"), c.full); !errors.Is(err, errCut) {
					t.Fatalf("cut after page %d: %v", b.open, err)
				}
				if n := deletes(t, store, mirror); n != 0 {
					t.Fatalf("cut after page %d: %d deletes are planned", b.open, n)
				}
			}
			b.open = files
			if _, err := crawler.Refresh(context.Background(), driveRow(t, store, "t", "d"), c.full); err != nil {
				t.Fatal(err)
			}
			if n := deletes(t, store, mirror); n != files {
				t.Fatalf("%d deletes after the whole round, want %d", n, files)
			}
		})
	}
}

// settling answers the delta link with nothing new.
type settling struct{ *book }

func (s *settling) DeltaPage(ctx context.Context, l graph.Link, q graph.DeltaQuery) (graph.DeltaPage, error) {
	if l == pageLink(1000) {
		return graph.DeltaPage{Delta: l}, nil
	}
	return s.book.DeltaPage(ctx, l, q)
}

// relink makes the drive's committed link another one, by an empty round.
func relink(t *testing.T, s *state.Store, tenant string, id state.DriveID, to string) {
	t.Helper()
	d := driveRow(t, s, tenant, id)
	err := s.Tx(context.Background(), func(tx *state.Tx) error {
		err := tx.BeginRound(d.Key, state.Round{Next: to, Headers: d.Headers, Started: d.CrawledAt})
		if err != nil {
			return err
		}
		_, err = tx.MergeRound(d.Key, state.Merge{DeltaLink: to, Headers: d.Headers, At: d.CrawledAt})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// applyAll puts a mirror of the drive's root into the state as if all its files had
// been downloaded.
func applyAll(t *testing.T, s *state.Store, d state.Drive) state.Mirror {
	t.Helper()
	var entries []state.Entry
	for id, it := range observedItems(t, s, d) {
		if it.Class == state.Root {
			continue
		}
		entries = append(entries, state.Entry{Item: state.ItemID(id), Name: it.Name, Fold: it.Name, Size: it.Size, RemoteSize: it.Size,
			MTime: time.Unix(1, 0), ETag: it.ETag, CTag: it.CTag, Verdict: state.SizeOnly})
	}
	err := s.Tx(context.Background(), func(tx *state.Tx) error {
		key, err := tx.PutMirror(state.Mirror{Address: "mirror.a", Drive: d.Key, Folder: d.Root, Target: "/srv/a"})
		if err != nil {
			return err
		}
		return tx.PutEntries(key, entries)
	})
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := s.MirrorByAddress(context.Background(), "mirror.a")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// deletes plans the mirror over everything that is observed and counts deletes.
func deletes(t *testing.T, s *state.Store, m state.Mirror) (n int) {
	t.Helper()
	req := plan.Request{
		Mirror: &plan.Mirror{Address: m.Address, Source: plan.SourceRef{FolderID: plan.ItemID(m.Folder)}, Policy: plan.Policy{
			OnRemoteDelete: "trash", OnDeselect: "forget", OnLocalChange: "restore", OnUntracked: "adopt", TrashEnabled: true}},
		Previous: &plan.Select{}, PreviousFolder: plan.ItemID(m.Folder), Full: true,
		Store: recorded.Store(s, m), Names: verbatim{}, Verify: plan.VerifyNone,
		Emit: func(c plan.Change) error {
			if c.Action() == plan.Delete {
				n++
			}
			return nil
		},
		Drift: func(plan.Drift) error { return nil },
	}
	if err := req.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// verbatim are names that are on disk what they are at the source.
type verbatim struct{}

func (verbatim) Local(remote string) (string, error) { return remote, nil }
func (verbatim) Fold(local string) string            { return local }
