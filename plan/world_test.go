package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// world is a small real state: what a drive shows and what one mirror has on disk,
// in memory. It yields in the order of a map unless the interfaces promise one.
type world struct {
	items   map[ItemID]Item
	entries map[ItemID]Entry
	pending map[ItemID]Pending
	log     map[ItemID]bool // changed since the mirror was settled
	removed []Item
	root    ItemID // the mirror's folder

	previous   *Select // that the mirror was settled with, if it may be another than that of the plan
	unfinished bool    // a run has changed the mirror since
	shortcuts  Shortcuts
}

func newWorld() *world {
	w := &world{items: map[ItemID]Item{}, entries: map[ItemID]Entry{}, pending: map[ItemID]Pending{}, log: map[ItemID]bool{}, root: "root"}
	w.put(Item{ID: "root", Name: "root", Class: ClassRoot, Size: -1})
	return w
}

func (w *world) put(it Item) {
	if old, ok := w.items[it.ID]; !ok || old != it {
		w.items[it.ID] = it
		w.log[it.ID] = true
	}
	for child, below := range w.items {
		if below.Parent == it.ID && !it.Class.container() {
			w.log[child] = true
		}
	}
}

// remove takes an item and all below it away, as a round does.
func (w *world) remove(id ItemID) {
	for _, child := range w.below(id) {
		delete(w.items, child)
		w.log[child] = true
	}
	w.removed = append(w.removed, w.items[id])
	delete(w.items, id)
	w.log[id] = true
}

func (w *world) below(id ItemID) (ids []ItemID) {
	for child, it := range w.items {
		for at, n := it.Parent, 0; at != "" && n < len(w.items); at, n = w.items[at].Parent, n+1 {
			if at == id && child != id {
				ids = append(ids, child)
				break
			}
		}
	}
	return ids
}

func (w *world) pair(id ItemID) (p Pair, ok bool) {
	if it, there := w.items[id]; there {
		p.Item, ok = &it, true
	}
	if e, there := w.entries[id]; there {
		p.Entry, ok = &e, true
	}
	if left, there := w.pending[id]; there {
		p.Pending, ok = &left, true
	}
	return p, ok
}

func (w *world) pairs(ids []ItemID) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for _, id := range ids {
			if p, ok := w.pair(id); ok && !yield(p, nil) {
				return
			}
		}
	}
}

func (w *world) All(context.Context) iter.Seq2[Pair, error] {
	ids := slices.Concat(slices.Collect(maps.Keys(w.items)), slices.Collect(maps.Keys(w.entries)), slices.Collect(maps.Keys(w.pending)))
	slices.Sort(ids)
	return w.pairs(slices.Compact(ids))
}

func (w *world) Since(context.Context, Generation) iter.Seq2[Pair, error] {
	ids := slices.Concat(slices.Collect(maps.Keys(w.log)), slices.Collect(maps.Keys(w.pending)))
	slices.Sort(ids)
	return w.pairs(slices.Compact(ids))
}

func (w *world) Of(_ context.Context, ids []ItemID) iter.Seq2[Pair, error] { return w.pairs(ids) }

func (w *world) Turned(context.Context) iter.Seq2[ItemID, error] {
	var ids []ItemID
	for id := range w.entries {
		if p, _ := w.pair(id); p.turned() {
			ids = append(ids, id)
		}
	}
	return values(ids)
}

type observedWorld struct{ *world }

func (w observedWorld) Item(_ context.Context, id ItemID) (Item, bool, error) {
	it, ok := w.items[id]
	return it, ok, nil
}

func values[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (w observedWorld) Folders(context.Context) iter.Seq2[Item, error] {
	var list []Item
	for _, it := range w.items {
		if it.Class.container() {
			list = append(list, it)
		}
	}
	return values(list)
}

func (w observedWorld) Names(context.Context) iter.Seq2[Item, error] {
	return values(slices.Collect(maps.Values(w.items)))
}

func (w observedWorld) Children(_ context.Context, folder ItemID) iter.Seq2[Item, error] {
	var list []Item
	for _, it := range w.items {
		if it.Parent == folder && it.ID != folder {
			list = append(list, it)
		}
	}
	return values(list)
}

func (w observedWorld) Subtree(_ context.Context, folder ItemID) iter.Seq2[Pair, error] {
	return w.pairs(w.below(folder))
}

type appliedWorld struct{ *world }

func (w appliedWorld) Entry(_ context.Context, id ItemID) (Entry, bool, error) {
	e, ok := w.entries[id]
	return e, ok, nil
}

func (w appliedWorld) EntryAt(_ context.Context, parent ItemID, fold string) (Entry, bool, error) {
	for _, e := range w.entries {
		if e.Parent == parent && e.Fold == fold {
			return e, true, nil
		}
	}
	return Entry{}, false, nil
}

func (w appliedWorld) Folders(context.Context) iter.Seq2[Entry, error] {
	var list []Entry
	for _, e := range w.entries {
		if e.Folder {
			list = append(list, e)
		}
	}
	return values(list)
}

func (w appliedWorld) ByParent(context.Context) iter.Seq2[Entry, error] {
	list := slices.Collect(maps.Values(w.entries))
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(strings.Compare(string(a.Parent), string(b.Parent)), strings.Compare(a.Fold, b.Fold))
	})
	return values(list)
}

func (w appliedWorld) Below(_ context.Context, folder ItemID) iter.Seq2[Pair, error] {
	var list []ItemID
	for id, e := range w.entries {
		for at, n := e.Parent, 0; at != "" && n < len(w.entries); at, n = w.entries[at].Parent, n+1 {
			if at == folder {
				list = append(list, id)
				break
			}
		}
	}
	return w.pairs(list)
}

func (w appliedWorld) Children(_ context.Context, folder ItemID) iter.Seq2[Entry, error] {
	var list []Entry
	for _, e := range w.entries {
		if e.Parent == folder {
			list = append(list, e)
		}
	}
	return values(list)
}

// foldingNames is a target that does not tell case apart and refuses names with an
// exclamation mark.
type foldingNames struct{}

func (foldingNames) Local(remote string) (string, error) {
	if strings.Contains(remote, "!") {
		return "", errors.New("the name has an exclamation mark")
	}
	return remote, nil
}

func (foldingNames) Fold(local string) string { return strings.ToLower(local) }

// sum of the entries, as the caller of a plan gives it.
func (w *world) tracked() (s Sum) {
	for _, e := range w.entries {
		s.Items++
		if e.Folder {
			s.Folders++
		} else {
			s.Files++
			s.Bytes += e.Size
		}
	}
	return s
}

// apply does what a plan says, as an apply without failures would.
func (w *world) apply(changes []Change) error {
	w.pending = map[ItemID]Pending{}
	w.rename(changes)
	for _, c := range changes {
		switch c.Action() {
		case Blocked:
			w.pending[c.ItemID] = Pending{Item: c.ItemID, Action: string(Blocked), Reason: string(c.Reason), Path: c.Path}
		case Delete, Forget:
			delete(w.entries, c.ItemID)
		case Add, Adopt, Update, Move, Metadata:
			it, ok := w.items[c.ItemID]
			if !ok {
				return fmt.Errorf("%s of %s, which is not there", c.Action(), c.ItemID)
			}
			e := w.entries[c.ItemID]
			e.Item, e.Parent, e.Name, e.Fold, e.Folder = c.ItemID, c.Parent, c.Name, c.Fold, c.Folder
			if !c.Folder && c.Action() != Move {
				e.Size, e.RemoteSize, e.Hash, e.RemoteHash, e.CTag, e.ETag, e.Modified = it.Size, it.Size, it.Hash, it.Hash, it.CTag, it.ETag, it.Modified
			}
			w.entries[c.ItemID] = e
		}
	}
	w.log = map[ItemID]bool{}
	return w.sound()
}

// rename gives entries of items that turned the ids that the plan has for them, and returns the items.
func (w *world) rename(changes []Change) (renamed map[ItemID]ItemID) {
	renamed = map[ItemID]ItemID{}
	for _, c := range changes {
		item, folder, ok := c.ItemID.Was()
		e, there := w.entries[item]
		if _, known := w.entries[c.ItemID]; !ok || known || !there || e.Folder != folder {
			continue
		}
		delete(w.entries, item)
		renamed[item] = c.ItemID
		e.Item = c.ItemID
		w.entries[e.Item] = e
		for id, below := range w.entries {
			if below.Parent == item {
				below.Parent = e.Item
				w.entries[id] = below
			}
		}
	}
	return renamed
}

// sound checks what every state of a target must hold: each place has one holder,
// and each entry a folder above it.
func (w *world) sound() error {
	places := map[string]ItemID{}
	for id, e := range w.entries {
		key := string(e.Parent) + "/" + e.Fold
		if other, taken := places[key]; taken {
			return fmt.Errorf("%s and %s are both at %s; observed are %+v and %+v", other, id, key, w.items[other], w.items[id])
		}
		places[key] = id
		if up, ok := w.entries[e.Parent]; e.Parent != "" && (!ok || !up.Folder) {
			return fmt.Errorf("%s (%s) lies in %s, which is no applied folder", id, e.Name, e.Parent)
		}
		seen := map[ItemID]bool{}
		for at := e; at.Parent != ""; at = w.entries[at.Parent] {
			if seen[at.Item] {
				return fmt.Errorf("%s lies below itself", id)
			}
			seen[at.Item] = true
		}
	}
	return nil
}
