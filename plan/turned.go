package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// An item can turn from a file into a folder, or back, and keep its id (type_changed). On disk a file never
// becomes a directory: what was applied for the old one leaves, and the new one is added. So planning takes
// the applied entry for one of an item of its own that is gone, whose id says what it was. All that holds for
// an item that is deleted holds for it: lifecycle settings, guards, drift, and who may have its place. Apply
// gives the entry that id before it changes anything, so that there is a place in the state for the new one.
const (
	wasFile   = "!was-file"
	wasFolder = "!was-folder"
)

// Former is the id of what was applied for an item while it was a folder, or a file.
func (id ItemID) Former(folder bool) ItemID {
	if folder {
		return id + wasFolder
	}
	return id + wasFile
}

// Was takes the id of an entry apart whose item turned from a file into a folder, or back. It returns the item
// and whether it was a folder; ok is false for the id of any other item.
func (id ItemID) Was() (item ItemID, folder, ok bool) {
	rest := string(id)
	for {
		cut, isFile := strings.CutSuffix(rest, wasFile)
		cut, isFolder := strings.CutSuffix(cut, wasFolder)
		switch {
		case !isFile && !isFolder:
			return ItemID(rest), folder, ok
		case !ok:
			folder = isFolder
		}
		rest, ok = cut, true
	}
}

// turned reports whether an item is a folder by now and its entry a file, or the other way round. An item
// that is neither says nothing of its entry.
func (p Pair) turned() bool {
	return p.Item != nil && p.Entry != nil && (p.Item.Class.container() && !p.Entry.Folder || p.Item.Class.file() && p.Entry.Folder)
}

// file reports whether items of this class are files on disk.
func (c Class) file() bool { return c == ClassFile || c == ClassMalware || c == ClassPackagePart }

// turned are the items of a mirror that turned, by the id of the item and by that of what was applied for it.
type turned struct {
	entry map[ItemID]ItemID // by item
	item  map[ItemID]ItemID // by entry
}

// separate finds the items that turned, and from then on takes their entries for those of items that are gone.
func (p *planner) separate(ctx context.Context) error {
	found, err := p.findTurned(ctx)
	if err != nil {
		return fmt.Errorf("look for items that turned: %w", err)
	}
	if len(found) == 0 {
		return nil
	}
	t := turned{entry: make(map[ItemID]ItemID, len(found)), item: make(map[ItemID]ItemID, len(found))}
	for id, folder := range found {
		as := id
		for taken := true; taken; { // what it was before that may still be there
			as = as.Former(folder)
			if _, taken, err = p.req.Store.Applied.Entry(ctx, as); err != nil {
				return fmt.Errorf("read entry %s: %w", as, err)
			}
		}
		t.entry[id], t.item[as] = as, id
	}
	p.req.Store = Store{Inventory: turnedPairs{p.req.Store.Inventory, t}, Observed: turnedItems{p.req.Store.Observed, t}, Applied: turnedEntries{p.req.Store.Applied, t}}
	p.applied = newAppliedTree(p.req.Store.Applied)
	p.turned = t
	return nil
}

// findTurned returns the items that turned, and whether each was a folder. In a mirror that is settled they are
// among those that changed since.
func (p *planner) findTurned(ctx context.Context) (map[ItemID]bool, error) {
	found := make(map[ItemID]bool)
	if p.req.Mirror.Tracked.Items == 0 {
		return found, nil
	}
	if !p.req.Full && !p.req.Unfinished && p.req.Previous != nil {
		n := 0
		for pair, err := range p.req.Store.Since(ctx, p.req.Since) {
			if err != nil {
				return nil, err
			}
			if n++; n > maxIncremental {
				break
			}
			if pair.turned() {
				found[pair.id()] = pair.Entry.Folder
			}
		}
		if n <= maxIncremental {
			return found, nil
		}
	}
	ids := sortedIDs(p.req.Shortcuts) // one that is followed is a folder, of which the state knows nothing
	for id, err := range p.req.Store.Turned(ctx) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	for pair, err := range p.req.Store.Of(ctx, ids) {
		if err != nil {
			return nil, err
		}
		if pair.turned() {
			found[pair.id()] = pair.Entry.Folder
		}
	}
	return found, nil
}

// as is an entry as planning sees it.
func (t turned) as(e Entry) Entry {
	if as, ok := t.entry[e.Item]; ok {
		e.Item = as
	}
	if as, ok := t.entry[e.Parent]; ok { // that of a file has nothing in it
		e.Parent = as
	}
	return e
}

// id is the id that the state has for an entry; ok is false for an item that turned, for which nothing is applied.
func (t turned) id(id ItemID) (in ItemID, ok bool) {
	if _, is := t.entry[id]; is {
		return "", false
	}
	if item, is := t.item[id]; is {
		return item, true
	}
	return id, true
}

// halves are the item and the entry of a pair, as two pairs if the item turned. One of them may be empty.
func (t turned) halves(p Pair) (item, entry Pair) {
	if p.Entry == nil {
		return p, Pair{}
	}
	e := t.as(*p.Entry)
	if e.Item == p.Entry.Item {
		p.Entry = &e
		return p, Pair{}
	}
	return Pair{Item: p.Item, Pending: p.Pending}, Pair{Entry: &e}
}

// pairs yields the halves of pairs that are asked for.
func (t turned) pairs(seq iter.Seq2[Pair, error], asked func(ItemID) bool) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for p, err := range seq {
			if err != nil {
				yield(p, err)
				return
			}
			item, entry := t.halves(p)
			for _, half := range [...]Pair{item, entry} {
				if half != (Pair{}) && asked(half.id()) && !yield(half, nil) {
					return
				}
			}
		}
	}
}

// isEntry and isItem tell apart the two halves of an item that turned; all else is both.
func (t turned) isEntry(id ItemID) bool { return t.entry[id] == "" }
func (t turned) isItem(id ItemID) bool  { return t.item[id] == "" }

type turnedPairs struct {
	Inventory
	t turned
}

func all(ItemID) bool { return true }

func (p turnedPairs) All(ctx context.Context) iter.Seq2[Pair, error] {
	return p.t.pairs(p.Inventory.All(ctx), all)
}

func (p turnedPairs) Since(ctx context.Context, g Generation) iter.Seq2[Pair, error] {
	return p.t.pairs(p.Inventory.Since(ctx, g), all)
}

func (p turnedPairs) Of(ctx context.Context, ids []ItemID) iter.Seq2[Pair, error] {
	asked := make(map[ItemID]bool, len(ids))
	in := make([]ItemID, len(ids))
	for i, id := range ids {
		asked[id], in[i] = true, id
		if item, ok := p.t.item[id]; ok {
			in[i] = item
		}
	}
	slices.Sort(in)
	return p.t.pairs(p.Inventory.Of(ctx, slices.Compact(in)), func(id ItemID) bool { return asked[id] })
}

type turnedItems struct {
	Observed
	t turned
}

func (o turnedItems) Subtree(ctx context.Context, folder ItemID) iter.Seq2[Pair, error] {
	return o.t.pairs(o.Observed.Subtree(ctx, folder), o.t.isItem)
}

type turnedEntries struct {
	Applied
	t turned
}

func (a turnedEntries) Entry(ctx context.Context, id ItemID) (Entry, bool, error) {
	in, ok := a.t.id(id)
	if !ok {
		return Entry{}, false, nil
	}
	e, ok, err := a.Applied.Entry(ctx, in)
	return a.t.as(e), ok, err
}

func (a turnedEntries) EntryAt(ctx context.Context, parent ItemID, fold string) (Entry, bool, error) {
	in, ok := a.t.id(parent)
	if !ok {
		return Entry{}, false, nil
	}
	e, ok, err := a.Applied.EntryAt(ctx, in, fold)
	return a.t.as(e), ok, err
}

func (a turnedEntries) Folders(ctx context.Context) iter.Seq2[Entry, error] {
	return a.entries(a.Applied.Folders(ctx))
}

func (a turnedEntries) ByParent(ctx context.Context) iter.Seq2[Entry, error] {
	return a.entries(a.Applied.ByParent(ctx))
}

func (a turnedEntries) Below(ctx context.Context, folder ItemID) iter.Seq2[Pair, error] {
	in, ok := a.t.id(folder)
	if !ok {
		return func(func(Pair, error) bool) {}
	}
	return a.t.pairs(a.Applied.Below(ctx, in), a.t.isEntry)
}

func (a turnedEntries) Children(ctx context.Context, folder ItemID) iter.Seq2[Entry, error] {
	in, ok := a.t.id(folder)
	if !ok {
		return func(func(Entry, error) bool) {}
	}
	return a.entries(a.Applied.Children(ctx, in))
}

func (a turnedEntries) entries(seq iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range seq {
			if !yield(a.t.as(e), err) || err != nil {
				return
			}
		}
	}
}
