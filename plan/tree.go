package plan

import (
	"context"
	"fmt"
)

// standing is where a folder stands towards a mirror.
type standing uint8

const (
	inside   standing = iota // the mirror's folder or below it
	outside                  // elsewhere in the drive
	orphaned                 // its chain of parents ends before the root (Q2)
	looped                   // its chain of parents comes back to itself
)

// node is a folder with all that its place decides for what is in it.
type node struct {
	id       ItemID
	standing standing
	class    Class
	remote   RemotePath
	local    RelPath
	// parent and name as they are on disk when the plan is done.
	parent *node
	name   string
	fold   string
	// excludedBy is the rule that excludes the folder and all below it.
	excludedBy string
	included   bool // an include pattern names it or a folder above it
	// unsafe says why nothing below it can be on disk; tooLong that its path is;
	// collision that its own place is taken; obstacle that something on disk is in it
	// which is no directory; replaces whose place it takes.
	unsafe    string
	tooLong   string
	collision string
	obstacle  Reason
	replaces  ItemID
	claimed   bool // asked for its place
	needed    bool // a selected item lies below it
	wanted    bool // wanted for its own sake
	root      bool
}

// tree places folders by id. It loads what it is asked for and remembers it, so
// that a plan of few changes reads few folders and a full plan reads each once.
type tree struct {
	root     ItemID
	selector *Selector
	names    Namer
	policy   Policy
	load     func(ctx context.Context, id ItemID) (Item, bool, error)
	nodes    map[ItemID]*node
	// shortcuts that are followed are wanted where the selection can reach what is in them.
	shortcuts Shortcuts
}

func newTree(root ItemID, sel *Selector, names Namer, policy Policy, obs Observed) *tree {
	return &tree{
		root:     root,
		selector: sel,
		names:    names,
		policy:   policy,
		load:     obs.Item,
		nodes:    make(map[ItemID]*node),
	}
}

// preload reads every folder of the drive in one pass; the loads that place them
// then come from memory.
func (t *tree) preload(ctx context.Context, obs Observed) error {
	type folder struct {
		parent ItemID
		name   string
		class  Class
	}
	folders := make(map[ItemID]folder)
	for f, err := range obs.Folders(ctx) {
		if err != nil {
			return fmt.Errorf("read folders: %w", err)
		}
		folders[f.ID] = folder{f.Parent, f.Name, f.Class}
	}
	t.load = func(_ context.Context, id ItemID) (Item, bool, error) {
		f, ok := folders[id]
		return Item{ID: id, Parent: f.parent, Name: f.name, Class: f.class}, ok, nil
	}
	return nil
}

// folder returns the node of an id, placing it and its ancestors if need be. An
// id that is no folder is orphaned as a parent (H-45).
func (t *tree) folder(ctx context.Context, id ItemID) (*node, error) {
	if n := t.nodes[id]; n != nil {
		return n, nil
	}
	var chain []Item
	onChain := make(map[ItemID]bool)
	end := orphaned
	for at := id; t.nodes[at] == nil; {
		if onChain[at] {
			end = looped
			break
		}
		f, ok, err := t.load(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("read folder %s: %w", at, err)
		}
		if !ok || !f.Class.container() {
			t.nodes[at] = &node{id: at, standing: orphaned}
			break
		}
		onChain[at] = true
		chain = append(chain, f)
		if at == t.root {
			end = inside
			break
		}
		if f.Class == ClassRoot {
			end = outside
			break
		}
		at = f.Parent
	}
	for i := len(chain) - 1; i >= 0; i-- {
		t.place(chain[i], end)
	}
	return t.nodes[id], nil
}

// place adds one folder whose parent, if it has a known one, is placed already.
func (t *tree) place(f Item, end standing) {
	n := &node{id: f.ID, class: f.Class, standing: end}
	t.nodes[f.ID] = n
	if f.ID == t.root {
		n.standing, n.root, n.wanted, n.needed = inside, true, true, true
		n.included = t.selector.includesRoot()
		return
	}
	up := t.nodes[f.Parent]
	if f.Class == ClassRoot || end == looped || up == nil {
		return
	}
	n.standing = up.standing
	if n.standing == inside {
		t.settle(n, up, f)
	}
}

// settle gives a folder below the mirror's folder its paths and its verdict.
func (t *tree) settle(n, up *node, f Item) {
	n.parent = up
	n.remote = joinRemote(up.remote, f.Name)
	n.excludedBy = up.excludedBy
	if n.excludedBy == "" {
		if rule, ok := t.selector.excludes(n.remote, true); ok {
			n.excludedBy = rule
		}
	}
	n.included = up.included || (len(t.selector.include) > 0 && t.selector.includes(n.remote, true))
	name, err := t.names.Local(f.Name)
	if err != nil {
		n.unsafe = fmt.Sprintf("the folder %q above it: %v", f.Name, err)
		return
	}
	n.name, n.fold = name, t.names.Fold(name)
	n.local = joinLocal(up.local, name)
	if n.tooLong = tooLong(n.local); n.tooLong != "" {
		n.unsafe = fmt.Sprintf("the folder %q above it has too long a path: %s", f.Name, n.tooLong)
	}
	n.wanted = n.excludedBy == "" && (t.shortcuts.follows(f.ID) || t.selector.explicitFolder(n.remote, n.included))
}

// need marks a folder and those above it as parents of a selected item.
func (n *node) need() {
	for at := n; at != nil && !at.needed; at = at.parent {
		at.needed = true
	}
}

// entryID is the parent under which the applied tree knows a folder: the
// mirror's own folder has none.
func (n *node) entryID() ItemID {
	if n.root {
		return ""
	}
	return n.id
}

func joinRemote(dir RemotePath, name string) RemotePath {
	if dir == "" {
		return RemotePath(name)
	}
	return dir + "/" + RemotePath(name)
}

func joinLocal(dir RelPath, name string) RelPath {
	if dir == "" {
		return RelPath(name)
	}
	return dir + "/" + RelPath(name)
}
