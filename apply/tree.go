package apply

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// tree knows where the applied folders are on disk now, so that no path costs a
// query. It holds folders only, as the planner does: files are the many.
type tree struct {
	mu      sync.Mutex
	folders map[state.ItemID]branch
	paths   map[state.ItemID]string // of folders asked for since the last move
}

// branch is one applied folder. The name of a parked one is its whole path, and
// origin is where it was.
type branch struct {
	parent       state.ItemID
	name, origin string
}

func loadTree(ctx context.Context, store *state.Store, key state.MirrorKey) (*tree, error) {
	t := &tree{folders: make(map[state.ItemID]branch), paths: make(map[state.ItemID]string)}
	for e, err := range store.EntryFolders(ctx, key) {
		if err != nil {
			return nil, fmt.Errorf("read applied folders: %w", err)
		}
		t.folders[e.Item] = branchOf(&e)
	}
	return t, nil
}

func branchOf(e *state.Entry) branch {
	return branch{parent: e.Parent, name: e.Name, origin: origin(e)}
}

// parked returns the entry of an item that steps aside. A parked entry hangs
// directly below the target, so its name is its whole path; its fold, which only
// has to be unlike every other, remembers where people knew it.
func parked(e state.Entry, origin string) state.Entry {
	to := string(target.ParkName(string(e.Item)))
	e.Parent, e.Name, e.Fold = state.Parked, to, to+"/"+origin
	return e
}

// origin is where a parked entry was, "" for one that is in its place.
func origin(e *state.Entry) string {
	if e.Parent != state.Parked {
		return ""
	}
	if was, ok := strings.CutPrefix(e.Fold, e.Name+"/"); ok && was != "" {
		return was
	}
	return e.Name[strings.LastIndexByte(e.Name, '/')+1:]
}

// put takes over what was committed of entries.
func (t *tree) put(entries ...state.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if !e.Folder {
			continue
		}
		was, known := t.folders[e.Item]
		now := branchOf(e)
		t.folders[e.Item] = now
		if known && was != now {
			clear(t.paths)
		}
	}
}

// drop forgets folders that are gone.
func (t *tree) drop(ids []state.ItemID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.folders, id)
		delete(t.paths, id)
	}
}

// has reports whether a folder is applied; the target itself always is.
func (t *tree) has(id state.ItemID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.folders[id]
	return ok || id == ""
}

// aside reports whether a folder, or one above it, stepped aside.
func (t *tree) aside(id state.ItemID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range len(t.folders) + 1 {
		if id == "" {
			return false
		}
		b := t.folders[id]
		if b.parent == state.Parked {
			return true
		}
		id = b.parent
	}
	return false
}

// dir returns the path of an applied folder.
func (t *tree) dir(id state.ItemID) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.walk(id, t.paths, func(b branch) string { return b.name })
}

// path returns where an entry is on disk.
func (t *tree) path(e *state.Entry) (string, error) {
	if e.Parent == state.Parked {
		return e.Name, nil
	}
	dir, err := t.dir(e.Parent)
	return joinPath(dir, e.Name), err
}

// known returns the path under which people know an entry: where it is, or would
// be if neither it nor a folder above it had stepped aside.
func (t *tree) known(e *state.Entry) (string, error) {
	if e.Parent == state.Parked {
		return origin(e), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	dir, err := t.walk(e.Parent, nil, func(b branch) string { return b.origin })
	return joinPath(dir, e.Name), err
}

// knownAt returns the path under which people know an applied item, for lists that people read.
func (m *mirrorRun) knownAt(item, parent state.ItemID, name string) (string, error) {
	e := state.Entry{Item: item, Parent: parent, Name: name}
	if parent == state.Parked { // only the whole row knows where it was
		var err error
		if e, _, err = m.Store.Entry(context.WithoutCancel(m.ctx), m.Key, item); err != nil {
			return "", fmt.Errorf("path of %s: %w", item, err)
		}
	}
	path, err := m.tree.known(&e)
	if err != nil {
		return "", fmt.Errorf("path of %s: %w", item, err)
	}
	return path, nil
}

// walk joins the names from the target down to a folder; top names a parked one.
func (t *tree) walk(id state.ItemID, cache map[state.ItemID]string, top func(branch) string) (string, error) {
	var names []string
	at := id
	for at != "" {
		if path, ok := cache[at]; ok {
			names = append(names, path)
			break
		}
		b, ok := t.folders[at]
		if !ok || len(names) > len(t.folders) {
			return "", fmt.Errorf("folder %s is not applied: %w", at, state.ErrUnknownKey)
		}
		if b.parent == state.Parked {
			names = append(names, top(b))
			break
		}
		names = append(names, b.name)
		at = b.parent
	}
	if len(names) == 0 {
		return "", nil
	}
	path := names[len(names)-1]
	for i := len(names) - 2; i >= 0; i-- {
		path += "/" + names[i]
	}
	if cache != nil {
		cache[id] = path
	}
	return path, nil
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
