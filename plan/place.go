package plan

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
)

// claimKey identifies a place on disk, a parent and a folded name, in 128 bits so
// that a million of them fit into little memory.
type claimKey [16]byte

func keyOf(parent ItemID, fold string) claimKey {
	h := fnv.New128a()
	h.Write([]byte(parent))
	h.Write([]byte{0})
	h.Write([]byte(fold))
	var k claimKey
	h.Sum(k[:0])
	return k
}

// hold is the answer to a claim: by names the item that keeps the place, replaces
// the one that leaves it.
type hold struct {
	by       ItemID
	replaces ItemID
	detail   string
}

// claim asks for a place on disk for an item that comes to it. An item that is
// there and stays keeps it; of several newcomers the first in the order of ids
// gets it, so that the result does not depend on the order of arrival (I-64).
func (p *planner) claim(ctx context.Context, pair Pair, at place) (hold, error) {
	parent := at.parent.entryID()
	key := keyOf(parent, at.fold)
	if _, taken := p.claims[key]; taken {
		return hold{by: "another item", detail: "another new item of this folder has the same name on disk"}, nil
	}
	occupant, ok, err := p.entryAt(ctx, parent, at.fold)
	if err != nil {
		return hold{}, fmt.Errorf("read place of %s: %w", at.local, err)
	}
	if !ok || occupant.Item == pair.Item.ID {
		p.claims[key] = struct{}{}
		return hold{}, nil
	}
	frees, err := p.frees(ctx, occupant)
	if err != nil {
		return hold{}, err
	}
	if !frees {
		return hold{by: occupant.Item, detail: fmt.Sprintf("%q is held by item %s", at.local, occupant.Item)}, nil
	}
	p.claims[key] = struct{}{}
	return hold{replaces: occupant.Item}, nil
}

// entryAt asks the state who holds a place; a mirror without entries is not asked.
func (p *planner) entryAt(ctx context.Context, parent ItemID, fold string) (Entry, bool, error) {
	if p.req.Mirror.Tracked.Items == 0 {
		return Entry{}, false, nil
	}
	return p.req.Store.Applied.EntryAt(ctx, parent, fold)
}

// frees reports whether an applied item gives its place up by this plan: it is
// gone and its local file goes with it, or it moves elsewhere.
func (p *planner) frees(ctx context.Context, e Entry) (bool, error) {
	policy := p.req.Mirror.Policy
	removes := func(setting string) bool { return setting != "keep" && setting != "forget" && !policy.PreventDelete }
	for pair, err := range p.req.Store.Of(ctx, []ItemID{e.Item}) {
		if err != nil {
			return false, fmt.Errorf("read item %s: %w", e.Item, err)
		}
		if pair.Item == nil {
			return removes(policy.OnRemoteDelete), nil
		}
		parent, err := p.tree.folder(ctx, pair.Item.Parent)
		if err != nil {
			return false, err
		}
		switch {
		case parent.standing == outside:
			return removes(policy.OnRemoteDelete), nil
		case parent.standing != inside:
			return false, nil
		}
		if skip, _ := p.classSkips(pair.Item, parent); skip != "" {
			return removes(policy.OnDeselect), nil
		}
		if !pair.Item.Class.container() && !p.selects(p.tree, parent, pair.Item).Selected {
			return removes(policy.OnDeselect), nil
		}
		name, problem := p.localName(parent, pair.Item)
		if problem != "" {
			return false, nil
		}
		return parent.entryID() != e.Parent || p.names.Fold(name) != e.Fold, nil
	}
	return removes(policy.OnRemoteDelete), nil
}

// claimFolders claims the places of all folders of the mirror before any file
// does, so that a folder that cannot exist blocks what is below it.
func (p *planner) claimFolders(ctx context.Context) error {
	var ids []ItemID
	for f, err := range p.req.Store.Observed.Folders(ctx) {
		if err != nil {
			return fmt.Errorf("read folders: %w", err)
		}
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	for _, id := range ids {
		n, err := p.tree.folder(ctx, id)
		if err != nil {
			return err
		}
		if err := p.claimFolder(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) claimThese(ctx context.Context, folders []Pair) error {
	for _, pair := range folders {
		if pair.Item == nil {
			continue
		}
		n, err := p.tree.folder(ctx, pair.Item.ID)
		if err != nil {
			return err
		}
		if err := p.claimFolder(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// claimFolder claims the place of one folder, if it is to have one, and remembers
// on the node what became of it.
func (p *planner) claimFolder(ctx context.Context, n *node) error {
	if n.standing != inside || n.root || n.excludedBy != "" || n.blockedBy() != "" {
		return nil
	}
	e, err := p.applied.folder(ctx, n.id)
	if err != nil {
		return err
	}
	at := place{parent: n.parent, name: n.name, fold: n.fold, local: n.local}
	if e != nil && at.same(e) {
		if p.drift[n.id].kind == DriftReplaced {
			n.obstruct(BlockedLocalChange)
		}
		return nil
	}
	held, err := p.claim(ctx, Pair{Item: &Item{ID: n.id}}, at)
	if err != nil {
		return err
	}
	n.replaces = held.replaces
	if held.by != "" {
		n.collision = held.detail
		n.unsafe = fmt.Sprintf("the folder %q above it has no place: %s", n.local, held.detail)
		return nil
	}
	if e != nil || held.replaces != "" {
		return nil
	}
	found, ok, err := p.occupant(ctx, at)
	if ok && found.Kind != FoundDir {
		n.obstruct(BlockedUntracked)
	}
	return err
}

// obstruct notes that a folder cannot be on disk because of what lies there.
func (n *node) obstruct(reason Reason) {
	n.obstacle = reason
	n.unsafe = fmt.Sprintf("the folder %q above it has no place: something that is not a directory lies there", n.local)
}

// occupant looks for something on disk that the state does not know, where an
// item is to be added.
func (p *planner) occupant(ctx context.Context, at place) (Found, bool, error) {
	if p.req.Verify == VerifyNone || p.req.Disk == nil {
		return Found{}, false, nil
	}
	found, err := p.listing(ctx, at.parent.local)
	if err != nil {
		return Found{}, false, err
	}
	i := slices.IndexFunc(found, func(f Found) bool { return p.names.Fold(f.Name) == at.fold })
	if i < 0 {
		return Found{}, false, nil
	}
	return found[i], true, nil
}

// listing reads a directory once. A directory below one that does not exist is
// not asked for.
func (p *planner) listing(ctx context.Context, dir RelPath) ([]Found, error) {
	if found, ok := p.listings[dir]; ok {
		return found, nil
	}
	if up, name, ok := splitLocal(dir); ok {
		above, err := p.listing(ctx, up)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(above, func(f Found) bool { return f.Name == name && f.Kind == FoundDir }) {
			p.listings[dir] = nil
			return nil, nil
		}
	}
	found, err := p.req.Disk.ReadDir(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		found, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read directory %q: %w", dir, err)
	}
	p.listings[dir] = found
	return found, nil
}

// splitLocal splits a path into its directory and its last name; ok is false for
// the target itself.
func splitLocal(path RelPath) (dir RelPath, name string, ok bool) {
	if path == "" {
		return "", "", false
	}
	i := strings.LastIndexByte(string(path), '/')
	if i < 0 {
		return "", string(path), true
	}
	return path[:i], string(path[i+1:]), true
}
