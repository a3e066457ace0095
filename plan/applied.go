package plan

import (
	"context"
	"fmt"
	"slices"
)

// appliedTree knows where applied folders are on disk now. It loads them one by
// one, or all at once for a full plan.
type appliedTree struct {
	store   Applied
	folders map[ItemID]*Entry // nil: not applied
	paths   map[ItemID]RelPath
	all     bool
}

func newAppliedTree(store Applied) *appliedTree {
	return &appliedTree{store: store, folders: make(map[ItemID]*Entry), paths: map[ItemID]RelPath{"": ""}}
}

func (t *appliedTree) preload(ctx context.Context) error {
	if t.all {
		return nil
	}
	for e, err := range t.store.Folders(ctx) {
		if err != nil {
			return fmt.Errorf("read applied folders: %w", err)
		}
		t.folders[e.Item] = &e
	}
	t.all = true
	return nil
}

// folder returns the entry of an applied folder, nil if there is none.
func (t *appliedTree) folder(ctx context.Context, id ItemID) (*Entry, error) {
	if e, ok := t.folders[id]; ok || t.all {
		return e, nil
	}
	e, ok, err := t.store.Entry(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read applied folder %s: %w", id, err)
	}
	if !ok || !e.Folder {
		t.folders[id] = nil
		return nil, nil
	}
	t.folders[id] = &e
	return &e, nil
}

// path returns where an entry is on disk now, before the plan.
func (t *appliedTree) path(ctx context.Context, e *Entry) (RelPath, error) {
	dir, err := t.dir(ctx, e.Parent)
	if err != nil {
		return "", err
	}
	return joinLocal(dir, e.Name), nil
}

// dir returns the path of an applied folder. A parent that is not applied, or a
// circle of them, cannot come from spmirror's own writes: the state is damaged.
func (t *appliedTree) dir(ctx context.Context, id ItemID) (RelPath, error) {
	if path, ok := t.paths[id]; ok {
		return path, nil
	}
	var chain []*Entry
	at := id
	for {
		if _, ok := t.paths[at]; ok {
			break
		}
		if at == ParkedParent {
			t.paths[at] = "" // the name of a parked entry is its whole path
			break
		}
		e, err := t.folder(ctx, at)
		if err != nil {
			return "", err
		}
		if e == nil || slices.Contains(chain, e) {
			return "", fmt.Errorf("applied folder %s has no path: the state is damaged", id)
		}
		chain = append(chain, e)
		at = e.Parent
	}
	for i := len(chain) - 1; i >= 0; i-- {
		t.paths[chain[i].Item] = joinLocal(t.paths[chain[i].Parent], chain[i].Name)
	}
	return t.paths[id], nil
}
