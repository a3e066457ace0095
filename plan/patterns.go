package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Patterns are path globs of -target-path and -replace, and what is known of whether
// they name anything.
type Patterns struct{ list []pattern }

type pattern struct {
	text  string
	globs []glob
	named bool
}

// NewPatterns compiles globs.
func NewPatterns(texts ...string) (*Patterns, error) {
	p := &Patterns{}
	for _, text := range texts {
		globs, err := compileGlobs([]string{text})
		if err != nil {
			return nil, err
		}
		p.list = append(p.list, pattern{text: text, globs: globs})
	}
	return p, nil
}

// See notes which globs name a change, or a folder above it. Base is that of the Request.
func (p *Patterns) See(base RelPath, c *Change) {
	p.see(base, c.Path, c.Folder)
	p.see(base, c.PreviousPath, c.Folder)
}

func (p *Patterns) see(base, path RelPath, folder bool) {
	if path == "" {
		return
	}
	path = joinLocal(base, string(path))
	for i := range p.list {
		if at := &p.list[i]; !at.named {
			at.named = coveredBy(at.globs, string(path), folder)
		}
	}
}

// Unnamed returns the globs that have named nothing so far, in order.
func (p *Patterns) Unnamed() (texts []string) {
	for _, at := range p.list {
		if !at.named {
			texts = append(texts, at.text)
		}
	}
	return texts
}

func (p *Patterns) allNamed() bool {
	return !slices.ContainsFunc(p.list, func(at pattern) bool { return !at.named })
}

// Glance looks where globs begin with names of folders, or name something outright, and
// visits what lies below that and nothing else. What it does not find is for Look.
func (r Request) Glance(ctx context.Context, globs *Patterns) error {
	return r.looking(globs, func(p *planner) error {
		for i := range globs.list {
			if err := p.glance(ctx, globs, &globs.list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Look goes through what a mirror has on disk and what it selects, until every glob
// has named something. A plan visits what changed and not what exists, so this is for
// globs that named no change.
func (r Request) Look(ctx context.Context, globs *Patterns) error {
	return r.looking(globs, func(p *planner) error { return p.look(ctx, globs) })
}

func (r Request) looking(globs *Patterns, look func(*planner) error) error {
	if globs.allNamed() {
		return nil
	}
	p, err := r.forOne(nil)
	if err == nil {
		err = look(p)
	}
	if err != nil {
		return fmt.Errorf("look through %s: %w", r.Mirror.Address, err)
	}
	return nil
}

// glance visits what lies below the folder with which a glob begins, until it is named.
func (p *planner) glance(ctx context.Context, globs *Patterns, at *pattern) error {
	begin := at.globs[0].literal()
	if p.req.Base != "" {
		begin, _ = strings.CutPrefix(begin, folded(string(p.req.Base))+"/") // what it does not find then, Look does
	}
	if at.named || begin == "" {
		return nil
	}
	id, err := p.lookup(ctx, begin)
	if err != nil || id == "" {
		return err
	}
	store := p.req.Store
	for _, pairs := range []iter.Seq2[Pair, error]{store.Of(ctx, []ItemID{id}), store.Observed.Subtree(ctx, id), store.Applied.Below(ctx, id)} {
		for pair, err := range pairs {
			if err == nil {
				err = p.show(ctx, globs, pair)
			}
			if err != nil || at.named {
				return err
			}
		}
	}
	return nil
}

// literal is the path with which everything begins that the pattern names, "" if there
// is none.
func (g glob) literal() string {
	names := strings.Split(g.pattern, "/")
	for i, name := range names {
		if strings.ContainsAny(name, `*?[]{}\`) {
			return strings.Join(names[:i], "/")
		}
	}
	return g.pattern
}

func (p *planner) look(ctx context.Context, globs *Patterns) error {
	if err := p.tree.preload(ctx, p.req.Store.Observed); err != nil {
		return err
	}
	if err := p.applied.preload(ctx); err != nil {
		return err
	}
	for pair, err := range p.req.Store.All(ctx) {
		if err != nil {
			return fmt.Errorf("read inventory: %w", err)
		}
		if err := p.show(ctx, globs, pair); err != nil || globs.allNamed() {
			return err
		}
	}
	return nil
}

// show lets globs see where an item is on disk and where it belongs.
func (p *planner) show(ctx context.Context, globs *Patterns, pair Pair) error {
	if pair.Entry != nil {
		at, err := p.applied.path(ctx, pair.Entry)
		if err != nil {
			return err
		}
		globs.see(p.req.Base, at, pair.Entry.Folder)
	}
	if pair.Item == nil {
		return nil
	}
	at, err := p.selectedPath(ctx, pair.Item)
	globs.see(p.req.Base, at, isFolder(pair))
	return err
}

// selectedPath is where an item of the source belongs, "" if the mirror does not want
// it. One that has no name on disk is known by that of the source.
func (p *planner) selectedPath(ctx context.Context, it *Item) (RelPath, error) {
	parent, err := p.tree.folder(ctx, it.Parent)
	if err != nil || parent.standing != inside || !p.ruleOf(ctx, parent, it).Selected {
		return "", err
	}
	if name, problem := p.localName(parent, it); problem == "" {
		return joinLocal(parent.local, name), nil
	}
	return RelPath(joinRemote(parent.remote, it.Name)), nil
}
