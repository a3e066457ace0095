package state

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is the reference for stage and merge: maps and loops, no SQL.
type model struct {
	items  map[ItemID]Item
	gen    Generation
	floor  Generation
	log    map[Generation][]ItemID
	link   string
	staged []Item
	round  *Round
	unread map[ItemID]string
}

// merge applies the staged rows; it returns nil if the root would go.
func (m *model) merge() (Merged, error) {
	last := map[ItemID]Item{}
	for _, it := range m.staged {
		last[it.ID] = it
	}
	r := Merged{Generation: m.gen, ItemsBefore: int64(len(m.items))}
	first := len(m.items) == 0
	gone := map[ItemID]bool{}
	_, unnamed := last[""]
	keep := m.round.Keep || unnamed
	for id, it := range last {
		gone[id] = it.Deleted
		if _, known := m.items[id]; it.Deleted && !known {
			r.UnknownTombstones++
		}
	}
	there := func(id ItemID) bool { it, ok := last[id]; return ok && !it.Deleted }
	if m.round.Full && !keep {
		for id := range m.items {
			gone[id] = !there(id)
		}
	} else {
		for again := true; again; {
			again = false
			for id, it := range m.items {
				if gone[it.Parent] && !gone[id] && !there(id) {
					gone[id], again = true, true
				}
			}
		}
	}
	maps.DeleteFunc(gone, func(id ItemID, yes bool) bool { _, known := m.items[id]; return !yes || !known })
	rootTold := last["root"]
	if gone["root"] || rootTold.Deleted && !first || first && (!there("root") || rootTold.Unread) || !there("root") && m.round.Full && !keep {
		return r, ErrRootGone
	}
	var logged []ItemID
	next := maps.Clone(m.items)
	for id := range gone {
		delete(next, id)
		logged = append(logged, id)
	}
	for id, it := range last {
		if it.Deleted || it.Unread {
			continue
		}
		old, known := m.items[id]
		it = effective(it, old, known)
		next[id] = it
		switch {
		case !known:
			r.Added++
			logged = append(logged, id)
		case material(it, old):
			r.Changed++
			logged = append(logged, id)
			if !it.Class.IsFolder() { // what is in it is in no folder any more
				for child, was := range m.items {
					if was.Parent == id {
						logged = append(logged, child)
					}
				}
			}
		case it != old:
			r.Touched++
		default:
			r.Unchanged++
		}
	}
	r.Removed = int64(len(gone))
	if len(logged) > 0 {
		r.Generation++
	}
	if first {
		m.floor = r.Generation
	} else if len(logged) > 0 {
		m.log[r.Generation] = logged
	}
	r.ItemsAfter = int64(len(next))
	m.items, m.gen = next, r.Generation
	m.note(last, keep)
	return r, nil
}

// note keeps the unread items.
func (m *model) note(last map[ItemID]Item, keep bool) {
	maps.DeleteFunc(m.unread, func(id ItemID, _ string) bool {
		_, told := last[id]
		return told || m.round.Full && (!keep || id == "")
	})
	for id, it := range last {
		if it.Unread {
			m.unread[id] = it.Note
		}
	}
}

func effective(it, old Item, known bool) Item {
	if it.Class == Root {
		it.Parent = ""
	} else if it.Parent == "" && known {
		it.Parent = old.Parent
	}
	if it.Name == "" && known {
		it.Name = old.Name
	}
	if it.CTag == "" && known && it.ETag == old.ETag {
		it.CTag = old.CTag
	}
	return it
}

func material(a, b Item) bool {
	if a.Parent != b.Parent || a.Name != b.Name || a.Class != b.Class || a.Modified != b.Modified || a.Hash != b.Hash || a.Note != b.Note {
		return true
	}
	return !a.Class.IsFolder() && (a.Size != b.Size || a.Hash == "" && (a.CTag != b.CTag || a.CTag == "" && a.ETag != b.ETag))
}

// anyItem draws rows that collide often: few ids, few values.
func anyItem(t *rapid.T) Item {
	id := ItemID(rapid.SampledFrom([]string{"root", "a", "b", "c", "d", "e", "f", "g"}).Draw(t, "id"))
	if id == "root" && rapid.IntRange(0, 9).Draw(t, "spare the root") > 0 {
		return rootItem()
	}
	if rapid.IntRange(0, 3).Draw(t, "tombstone") == 0 {
		return Item{ID: id, Deleted: true}
	}
	switch rapid.IntRange(0, 20).Draw(t, "unread") {
	case 0, 1:
		return Item{ID: id, Unread: true, Note: "odd " + rapid.SampledFrom([]string{"name", "size"}).Draw(t, "what")}
	case 2:
		return Item{Unread: true, Note: "no id"}
	}
	if id == "root" {
		return rootItem()
	}
	return Item{
		ID:       id,
		Parent:   ItemID(rapid.SampledFrom([]string{"root", "root", "a", "b", "c", "d", "nowhere", ""}).Draw(t, "parent")),
		Name:     rapid.SampledFrom([]string{"", "x", "y", "z\x00\n", "Ü"}).Draw(t, "name"),
		Class:    rapid.SampledFrom([]Class{Folder, Folder, File, File, Package}).Draw(t, "class"),
		Size:     int64(rapid.IntRange(-1, 1).Draw(t, "size")),
		Modified: testTime.AddDate(0, 0, rapid.IntRange(0, 1).Draw(t, "modified")),
		ETag:     rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "etag"),
		CTag:     rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "ctag"),
		Hash:     rapid.SampledFrom([]string{"", "h"}).Draw(t, "hash"),
	}
}

func TestRoundsAgreeWithTheModelForAnyPagesCrashesAndRestarts(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprintf("%d.db", n))
		defer os.Remove(path)
		ctx := context.Background()
		s, err := Create(ctx, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		tx := func(f func(*Tx) error) {
			t.Helper()
			if err := s.Tx(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		var drive, other DriveKey
		tx(func(tx *Tx) error {
			other, _ = tx.PutDrive(Drive{Tenant: "t", ID: "other", Root: "root"})
			drive, err = tx.PutDrive(Drive{Tenant: "t", ID: "d", Root: "root"})
			return err
		})
		tx(func(tx *Tx) error {
			// The other drive has an open round and the same ids: nothing of it may move.
			if err := tx.BeginRound(other, Round{}); err != nil {
				return err
			}
			return tx.StagePage(other, []Item{rootItem(), file("a", "root"), tombstone("b")}, "other")
		})
		m := &model{items: map[ItemID]Item{}, log: map[Generation][]ItemID{}, unread: map[ItemID]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				r := Round{Full: rapid.Bool().Draw(t, "full"), Keep: rapid.IntRange(0, 3).Draw(t, "keep") == 0, Next: "first", Headers: "h",
					Reason: "r", Started: testTime}
				tx(func(tx *Tx) error { return tx.BeginRound(drive, r) })
				m.round, m.staged = &r, nil
			},
			"page": func(t *rapid.T) {
				if m.round == nil {
					return
				}
				page := rapid.SliceOfN(rapid.Custom(anyItem), 0, 45).Draw(t, "items")
				cut := rapid.IntRange(0, len(page)).Draw(t, "cut")
				next := rapid.SampledFrom([]string{"l1", "l2"}).Draw(t, "next")
				tx(func(tx *Tx) error {
					return tx.StagePages(drive, []Page{{page[:cut], "inner"}, {page[cut:], next}})
				})
				m.staged = append(m.staged, page...)
				m.round.Next = next
				m.round.Pages += 2
				m.round.Items += int64(len(page))
			},
			"failing page": func(t *rapid.T) {
				if m.round == nil {
					return
				}
				err := s.Tx(ctx, func(tx *Tx) error {
					if err := tx.StagePage(drive, []Item{file("lost", "root")}, "lost"); err != nil {
						return err
					}
					return context.Canceled
				})
				if err != context.Canceled {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(ctx, path, Options{}); err != nil {
					t.Fatal(err)
				}
			},
			"trim": func(t *rapid.T) {
				// Without a mirror nobody needs the log.
				tx(func(tx *Tx) error { return tx.TrimLog() })
				m.floor, m.log = m.gen, map[Generation][]ItemID{}
			},
			"merge": func(t *rapid.T) {
				if m.round == nil {
					return
				}
				want, wantErr := m.merge()
				var got Merged
				err := s.Tx(ctx, func(tx *Tx) (err error) {
					got, err = tx.MergeRound(drive, Merge{DeltaLink: "delta", At: testTime})
					return err
				})
				if fmt.Sprint(err) != "<nil>" && wantErr == nil || err == nil && wantErr != nil {
					t.Fatalf("got %v, want %v", err, wantErr)
				}
				if wantErr != nil {
					return // the round is still there
				}
				if got != want {
					t.Fatalf("merged %+v, want %+v", got, want)
				}
				m.round, m.staged, m.link = nil, nil, "delta"
			},
			"": func(t *rapid.T) { compare(t, s, drive, m) },
		})
		if err := s.Check(ctx, true); err != nil {
			t.Fatal(err)
		}
	})
}

// compare reads everything back.
func compare(t *rapid.T, s *Store, drive DriveKey, m *model) {
	ctx := context.Background()
	d, ok, err := s.DriveByID(ctx, "t", "d")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if d.Generation != m.gen || d.LogFloor != m.floor || d.DeltaLink != m.link || d.Items != int64(len(m.items)) {
		t.Fatalf("drive %+v, model %+v", d, m)
	}
	if diff := cmp.Diff(m.round, d.Round); diff != "" {
		t.Fatal(diff)
	}
	got := map[ItemID]Item{}
	var order []ItemID
	for p, err := range s.PairsAll(ctx, Mirror{Drive: drive, Key: 99}) {
		if err != nil {
			t.Fatal(err)
		}
		got[p.Item.ID] = *p.Item
		order = append(order, p.Item.ID)
	}
	if diff := cmp.Diff(m.items, got); diff != "" {
		t.Fatal(diff)
	}
	if !slices.IsSorted(order) {
		t.Fatal("not in id order", order)
	}
	for _, parent := range []ItemID{"root", "a", "nowhere"} {
		var want, children []ItemID
		for id, it := range m.items {
			if it.Parent == parent {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		for it, err := range s.Children(ctx, drive, parent) {
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, it.ID)
		}
		if !slices.Equal(want, children) {
			t.Fatalf("children of %s are %v, want %v", parent, children, want)
		}
	}
	unread := map[ItemID]string{}
	list, err := s.Unread(ctx, drive, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list {
		unread[u.ID] = u.Reason
	}
	if diff := cmp.Diff(m.unread, unread); diff != "" {
		t.Fatal("unread: ", diff)
	}
	if _, unnamed := unread[""]; unnamed == d.UnnamedAt.IsZero() {
		t.Fatalf("unnamed at %s, unread are %v", d.UnnamedAt, unread)
	}
	compareLog(t, s, drive, m)
}

// compareLog asks for every generation that the log still holds.
func compareLog(t *rapid.T, s *Store, drive DriveKey, m *model) {
	for since := m.floor; since <= m.gen; since++ {
		want := map[ItemID]bool{}
		for g, ids := range m.log {
			for _, id := range ids {
				if _, there := m.items[id]; g > since && there {
					want[id] = true
				}
			}
		}
		got := map[ItemID]bool{}
		for p, err := range s.PairsSince(context.Background(), Mirror{Drive: drive, Key: 99}, since) {
			if err != nil {
				t.Fatal(err)
			}
			got[p.ID()] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(since, diff)
		}
	}
}
