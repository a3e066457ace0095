// Package recorded says what the state and the disk hold in the words of the planner, which
// declares what it reads itself and knows neither of the two. Nothing is decided here: each
// method asks one question of the state or of a target and translates the answer. The program
// and the tests of apply, whose plans are to be real ones, share it.
//
// The invariant to know: what a sequence yields is valid until the next step.
package recorded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Store is the state of one mirror as the planner reads it.
func Store(s *state.Store, m state.Mirror) plan.Store {
	return plan.Store{Inventory: pairs{s, m}, Observed: observed{s, m}, Applied: applied{s, m}}
}

type pairs struct {
	store  *state.Store
	mirror state.Mirror
}

func (p pairs) All(ctx context.Context) iter.Seq2[plan.Pair, error] {
	return ahead(planPairs(p.store.PairsAll(ctx, p.mirror)))
}

func (p pairs) Since(ctx context.Context, g plan.Generation) iter.Seq2[plan.Pair, error] {
	return planPairs(p.store.PairsSince(ctx, p.mirror, state.Generation(g)))
}

func (p pairs) Of(ctx context.Context, ids []plan.ItemID) iter.Seq2[plan.Pair, error] {
	list := make([]state.ItemID, len(ids))
	for i, id := range ids {
		list[i] = state.ItemID(id)
	}
	return planPairs(p.store.PairsOf(ctx, p.mirror, slices.Values(list)))
}

func (p pairs) Turned(ctx context.Context) iter.Seq2[plan.ItemID, error] {
	return mapped(p.store.Turned(ctx, p.mirror), func(id state.ItemID) plan.ItemID { return plan.ItemID(id) })
}

// planPairs gives pairs in the words of the planner, in the same three values again and again: a pair is valid
// until the next one.
func planPairs(seq iter.Seq2[state.Pair, error]) iter.Seq2[plan.Pair, error] {
	return func(yield func(plan.Pair, error) bool) {
		var item plan.Item
		var entry plan.Entry
		var pending plan.Pending
		for both, err := range seq {
			var out plan.Pair
			if both.Item != nil {
				item = planItem(both.Item)
				out.Item = &item
			}
			if both.Entry != nil {
				entry = planEntry(both.Entry)
				out.Entry = &entry
			}
			if both.Pending != nil {
				pending = planPending(both.Pending)
				out.Pending = &pending
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

var planClasses = [...]plan.Class{
	state.Unknown: plan.ClassUnknown, state.File: plan.ClassFile, state.Folder: plan.ClassFolder, state.Root: plan.ClassRoot,
	state.Package: plan.ClassPackage, state.PackagePart: plan.ClassPackagePart, state.Shortcut: plan.ClassShortcut,
	state.Bundle: plan.ClassBundle, state.Malware: plan.ClassMalware,
}

func planItem(i *state.Item) plan.Item {
	return plan.Item{
		ID: plan.ItemID(i.ID), Parent: plan.ItemID(i.Parent), Name: i.Name, Class: planClasses[i.Class], Size: i.Size,
		Modified: i.Modified, ETag: i.ETag, CTag: i.CTag, Hash: i.Hash, ModifiedBy: i.ModifiedBy, Note: i.Note,
	}
}

func planPending(p *state.Pending) plan.Pending {
	return plan.Pending{Item: plan.ItemID(p.Item), Path: plan.RelPath(p.Path), Action: p.Action, Code: p.Code, Reason: p.Reason}
}

func planEntry(e *state.Entry) plan.Entry {
	return plan.Entry{
		Item: plan.ItemID(e.Item), Parent: plan.ItemID(e.Parent), Name: e.Name, Fold: e.Fold, Folder: e.Folder,
		Size: e.Size, MTime: e.MTime, Inode: e.Inode, Hash: e.Hash, SHA256: e.SHA256,
		RemoteHash: e.RemoteHash, RemoteSize: e.RemoteSize, Modified: e.Modified,
		ETag: e.ETag, CTag: e.CTag, Verdict: string(e.Verdict),
	}
}

type observed struct {
	store  *state.Store
	mirror state.Mirror
}

func (o observed) Item(ctx context.Context, id plan.ItemID) (plan.Item, bool, error) {
	i, ok, err := o.store.Item(ctx, o.mirror.Drive, state.ItemID(id))
	return planItem(&i), ok, err
}

func (o observed) Folders(ctx context.Context) iter.Seq2[plan.Item, error] {
	return mapped(o.store.Folders(ctx, o.mirror.Drive), func(i state.Item) plan.Item { return planItem(&i) })
}

func (o observed) Names(ctx context.Context) iter.Seq2[plan.Item, error] {
	return mapped(o.store.Names(ctx, o.mirror.Drive), func(i state.Item) plan.Item { return planItem(&i) })
}

func (o observed) Children(ctx context.Context, folder plan.ItemID) iter.Seq2[plan.Item, error] {
	return mapped(o.store.Children(ctx, o.mirror.Drive, state.ItemID(folder)), func(i state.Item) plan.Item { return planItem(&i) })
}

func (o observed) Subtree(ctx context.Context, folder plan.ItemID) iter.Seq2[plan.Pair, error] {
	return planPairs(o.store.Subtree(ctx, o.mirror, state.ItemID(folder)))
}

type applied struct {
	store  *state.Store
	mirror state.Mirror
}

func (a applied) Entry(ctx context.Context, id plan.ItemID) (plan.Entry, bool, error) {
	e, ok, err := a.store.Entry(ctx, a.mirror.Key, state.ItemID(id))
	return planEntry(&e), ok, err
}

func (a applied) EntryAt(ctx context.Context, parent plan.ItemID, fold string) (plan.Entry, bool, error) {
	e, ok, err := a.store.EntryAt(ctx, a.mirror.Key, state.ItemID(parent), fold)
	return planEntry(&e), ok, err
}

func (a applied) Folders(ctx context.Context) iter.Seq2[plan.Entry, error] {
	return mapped(a.store.EntryFolders(ctx, a.mirror.Key), func(e state.Entry) plan.Entry { return planEntry(&e) })
}

func (a applied) ByParent(ctx context.Context) iter.Seq2[plan.Entry, error] {
	return mapped(a.store.EntriesByParent(ctx, a.mirror.Key), func(e state.Entry) plan.Entry { return planEntry(&e) })
}

func (a applied) Below(ctx context.Context, folder plan.ItemID) iter.Seq2[plan.Pair, error] {
	return planPairs(a.store.EntrySubtree(ctx, a.mirror, state.ItemID(folder)))
}

func (a applied) Children(ctx context.Context, folder plan.ItemID) iter.Seq2[plan.Entry, error] {
	return mapped(a.store.EntryChildren(ctx, a.mirror.Key, state.ItemID(folder)), func(e state.Entry) plan.Entry { return planEntry(&e) })
}

func mapped[A, B any](seq iter.Seq2[A, error], f func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for a, err := range seq {
			if err != nil {
				var zero B
				yield(zero, err)
				return
			}
			if !yield(f(a), nil) {
				return
			}
		}
	}
}

// Disk is a target as the planner reads it.
type Disk struct{ Dir *target.Dir }

// ReadDir lists a directory.
func (d Disk) ReadDir(_ context.Context, dir plan.RelPath) ([]plan.Found, error) {
	list, err := d.Dir.ReadDir(target.RelPath(dir))
	if errors.Is(err, target.ErrNotPlain) && !errors.Is(err, target.ErrCrossDevice) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err) // a file or link has its place: nothing of ours lies below
	}
	if err != nil {
		return nil, err
	}
	found := make([]plan.Found, len(list))
	for i, f := range list {
		found[i] = plan.Found{Name: string(f.Name), Kind: foundKind(f.Kind), Size: f.Size, MTime: f.MTime, Inode: f.Inode}
	}
	return found, nil
}

func foundKind(k target.Kind) plan.FoundKind {
	switch k {
	case target.KindFile:
		return plan.FoundFile
	case target.KindDir:
		return plan.FoundDir
	}
	return plan.FoundOther
}

// Hash reads a file and returns its size, quickXorHash and SHA-256.
func (d Disk) Hash(ctx context.Context, file plan.RelPath) (int64, string, string, error) {
	fp, err := d.Dir.Hash(ctx, target.RelPath(file))
	return fp.Size, fp.QuickXor, fp.SHA256, err
}

// Names is a target's naming as the planner uses it.
type Names struct{ target.Naming }

// Local returns the name on disk of a remote one.
func (n Names) Local(remote string) (string, error) {
	local, err := n.Naming.Local(remote)
	return string(local), err
}

// Fold returns what two names have in common that are one on this disk.
func (n Names) Fold(local string) string { return n.Naming.Fold(target.LocalName(local)) }
