package plan

import (
	"context"
	"iter"
)

// Shortcuts are the shortcuts of a mirror's drive that have, had or may have a directory in its target, with
// the reason why one is not followed; an empty reason: it is.
//
// A followed shortcut is a folder of the mirror like any other: it takes its place, it moves, and it carries
// along what lies in it. But what lies in it comes from another drive and belongs to another mirror (D56,
// C27). So it is not compared here, and the folder is never deleted: a shortcut that vanishes has left the
// scope, and what it led to is as it was (Q22).
type Shortcuts map[ItemID]string

func (s Shortcuts) follows(id ItemID) bool {
	why, known := s[id]
	return known && why == ""
}

// has reports whether an applied folder is, or was, the target of another mirror.
func (s Shortcuts) has(id ItemID) bool {
	_, known := s[id]
	return known
}

// leaves adjusts the end of an applied folder: that of a shortcut is forgotten.
func (s Shortcuts) leaves(id ItemID, d departure) departure {
	if s.has(id) {
		d.setting = "forget"
	}
	return d
}

// whyNot says why a shortcut is left out.
func (s Shortcuts) whyNot(it *Item) string {
	text := "shortcut to an item of another drive: " + it.Note
	if why := s[it.ID]; why != "" {
		text += " (" + why + ")"
	}
	return text
}

// followed is a store in which followed shortcuts are folders.
func followed(s Store, list Shortcuts) Store {
	if len(list) == 0 {
		return s
	}
	return Store{
		Inventory: followedPairs{s.Inventory, list}, Observed: followedItems{s.Observed, list}, Applied: followedEntries{s.Applied, list},
	}
}

// as is an item as planning sees it.
func (s Shortcuts) as(it Item) Item {
	if it.Class == ClassShortcut && s.follows(it.ID) {
		it.Class = ClassFolder
	}
	return it
}

// pairs are those of a sequence as planning sees them.
func (s Shortcuts) pairs(seq iter.Seq2[Pair, error]) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for p, err := range seq {
			if p.Item != nil && p.Item.Class == ClassShortcut {
				it := s.as(*p.Item)
				p.Item = &it
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

type followedPairs struct {
	Inventory
	list Shortcuts
}

func (f followedPairs) All(ctx context.Context) iter.Seq2[Pair, error] {
	return f.list.pairs(f.Inventory.All(ctx))
}

func (f followedPairs) Since(ctx context.Context, g Generation) iter.Seq2[Pair, error] {
	return f.list.pairs(f.Inventory.Since(ctx, g))
}

func (f followedPairs) Of(ctx context.Context, ids []ItemID) iter.Seq2[Pair, error] {
	return f.list.pairs(f.Inventory.Of(ctx, ids))
}

type followedItems struct {
	Observed
	list Shortcuts
}

func (f followedItems) Item(ctx context.Context, id ItemID) (Item, bool, error) {
	it, ok, err := f.Observed.Item(ctx, id)
	return f.list.as(it), ok, err
}

func (f followedItems) Children(ctx context.Context, folder ItemID) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for it, err := range f.Observed.Children(ctx, folder) {
			if !yield(f.list.as(it), err) {
				return
			}
		}
	}
}

func (f followedItems) Folders(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for it, err := range f.Observed.Folders(ctx) {
			if !yield(it, err) {
				return
			}
		}
		for _, id := range sortedIDs(f.list) {
			if !f.list.follows(id) {
				continue
			}
			it, ok, err := f.Item(ctx, id)
			if (ok || err != nil) && !yield(it, err) {
				return
			}
		}
	}
}

func (f followedItems) Subtree(ctx context.Context, folder ItemID) iter.Seq2[Pair, error] {
	return f.list.pairs(f.Observed.Subtree(ctx, folder))
}

type followedEntries struct {
	Applied
	list Shortcuts
}

func (f followedEntries) Below(ctx context.Context, folder ItemID) iter.Seq2[Pair, error] {
	return f.list.pairs(f.Applied.Below(ctx, folder))
}
