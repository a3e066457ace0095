package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const strayThere = "something that spmirror did not write lies there"

// stray is something on disk that the state does not know.
type stray struct {
	Found
	path RelPath // where it lies now
}

// occupant looks for a stray where an item is to come that finds no entry there.
func (p *planner) occupant(ctx context.Context, at place) (*stray, error) {
	if p.req.Verify == VerifyNone || p.req.Disk == nil {
		return nil, nil
	}
	dir, there, err := p.whereabouts(ctx, at.parent)
	if err != nil || !there {
		return nil, err
	}
	list, err := p.listing(ctx, dir)
	if err != nil {
		return nil, err
	}
	f, ok := list.find(at.fold)
	if !ok {
		return nil, nil
	}
	return &stray{f, joinLocal(dir, f.Name)}, nil
}

// whereabouts returns the directory in which now lies what will be in a folder when the
// plan is done: where an applied one is, whatever moves; there is false for a new one
// that takes the place of another, and for what is in it.
func (p *planner) whereabouts(ctx context.Context, n *node) (dir RelPath, there bool, err error) {
	if n.root {
		return "", true, nil
	}
	e, err := p.applied.folder(ctx, n.id)
	switch {
	case err != nil:
		return "", false, err
	case e != nil && p.drift[n.id].kind == "":
		dir, err = p.applied.dir(ctx, n.id)
		return dir, err == nil, err
	case n.replaces != "":
		return "", false, nil
	}
	up, there, err := p.whereabouts(ctx, n.parent)
	return joinLocal(up, n.name), there, err
}

// listing is a directory in the order of fold.
type listing []foundAs

type foundAs struct {
	fold string
	Found
}

func (l listing) find(fold string) (Found, bool) {
	i, ok := slices.BinarySearchFunc(l, fold, func(f foundAs, fold string) int { return strings.Compare(f.fold, fold) })
	if !ok {
		return Found{}, false
	}
	return l[i].Found, true
}

// listing reads a directory once. A directory below one that does not exist is
// not asked for.
func (p *planner) listing(ctx context.Context, dir RelPath) (listing, error) {
	if list, ok := p.listings[dir]; ok {
		return list, nil
	}
	if up, name, ok := splitLocal(dir); ok {
		above, err := p.listing(ctx, up)
		if err != nil {
			return nil, err
		}
		if f, ok := above.find(p.names.Fold(name)); !ok || f.Kind != FoundDir {
			p.listings[dir] = nil
			return nil, nil
		}
	}
	found, err := p.req.Disk.ReadDir(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read directory %q: %w", dir, err)
	}
	list := make(listing, 0, len(found))
	if err == nil {
		for _, f := range found {
			list = append(list, foundAs{p.names.Fold(f.Name), f})
		}
	}
	slices.SortFunc(list, func(a, b foundAs) int { return strings.Compare(a.fold, b.fold) })
	p.listings[dir] = list
	return list, nil
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
