package target

import (
	"container/list"
	"errors"
	"sync"
	"syscall"
)

// maxParents bounds the held directory descriptors. Files are published folder by folder, so a few are
// enough to make confinement free; the soft limit of descriptors is often 1024.
const maxParents = 64

// parents holds directories that were opened safely, so that many files in one directory cost one walk. A
// held directory is used only while its path still leads to it; Reidentify drops them all.
type parents struct {
	root *handle

	mu     sync.Mutex
	byPath map[RelPath]*parent
	recent *list.List // of *parent, most recent first
}

// parent is a counted descriptor.
type parent struct {
	*handle
	rel   RelPath
	owner *parents
	users int
	elem  *list.Element // nil once dropped
}

func newParents(root *handle) *parents {
	return &parents{root: root, byPath: map[RelPath]*parent{}, recent: list.New()}
}

// open returns the directory at rel; the caller releases it.
func (c *parents) open(rel RelPath) (*parent, error) {
	if p := c.held(rel); p != nil {
		if now, err := c.root.identify(rel.orDot()); err == nil && now == p.id {
			return p, nil
		}
		p.release()
		c.drop(rel)
	}
	h, err := c.root.openDir(rel)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) { // F08: what we hold is the first to go
		c.clear()
		h, err = c.root.openDir(rel)
	}
	if err != nil {
		return nil, err
	}
	return c.hold(rel, h), nil
}

func (p RelPath) orDot() RelPath {
	if p == "" {
		return "."
	}
	return p
}

func (c *parents) held(rel RelPath) *parent {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.byPath[rel]
	if p != nil {
		p.users++
		c.recent.MoveToFront(p.elem)
	}
	return p
}

func (c *parents) hold(rel RelPath, h *handle) *parent {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.byPath[rel]; old != nil { // another goroutine was faster; ours is the fresher one
		c.forget(old)
	}
	p := &parent{handle: h, rel: rel, owner: c, users: 1}
	p.elem = c.recent.PushFront(p)
	c.byPath[rel] = p
	for c.recent.Len() > maxParents {
		c.forget(c.recent.Back().Value.(*parent))
	}
	return p
}

// release ends one use.
func (p *parent) release() {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	if p.users--; p.users == 0 && p.elem == nil {
		p.close()
	}
}

// drop forgets rel and everything below it: they were moved or removed.
func (c *parents) drop(rel RelPath) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, p := range c.byPath {
		if path.Within(rel) {
			c.forget(p)
		}
	}
}

func (c *parents) clear() { c.drop("") }

// forget takes p out; it is closed now or by its last user.
func (c *parents) forget(p *parent) {
	c.recent.Remove(p.elem)
	delete(c.byPath, p.rel)
	p.elem = nil
	if p.users == 0 {
		p.close()
	}
}
