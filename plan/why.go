package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Explanation is all that planning knows of one item of a mirror.
type Explanation struct {
	Item  *Item
	Entry *Entry
	// Path is where the item is below the mirror's folder, "" if it is nowhere.
	Path RemotePath
	// Verdict of the selection on it, and the rule that decided.
	Verdict Verdict
	// Change is what the next plan would do, nil for nothing.
	Change *Change
	// Skip says why it is no change, if it is left out.
	Skip Skip
	// Drift says how the disk differs from what was applied.
	Drift DriftKind
}

// Why explains one item of a mirror, found by its path below the mirror's folder
// or, if the source no longer has it, by its path on disk. ok is false if neither
// is known. What the next plan would do is what planning the whole mirror says: a
// place may be taken by another item of the same plan.
func (r Request) Why(ctx context.Context, path string) (x Explanation, ok bool, err error) {
	p, err := r.forOne(func(Change) error { return nil })
	if err != nil {
		return x, false, err
	}
	if err := p.separate(ctx); err != nil {
		return x, false, fmt.Errorf("plan %s: %w", r.Mirror.Address, err)
	}
	id, err := p.lookup(ctx, strings.Trim(path, "/"))
	if err != nil || id == "" {
		return x, false, err
	}
	whole, err := r.forOne(func(c Change) error {
		if c.ItemID == id && !c.OfMirror() {
			x.Change = &c
		}
		return nil
	})
	if err != nil {
		return x, false, err
	}
	if err := whole.run(ctx); err != nil {
		return x, false, fmt.Errorf("plan %s: %w", r.Mirror.Address, err)
	}
	p.drift = whole.drift
	for pair, err := range p.req.Store.Of(ctx, []ItemID{id}) {
		if err != nil {
			return x, false, err
		}
		pair = pair.clone()
		x.Item, x.Entry = pair.Item, pair.Entry
		if err := p.explain(ctx, pair, &x); err != nil {
			return x, false, err
		}
	}
	if d, ok := whole.drift[id]; ok {
		x.Drift = d.kind
	}
	return x, true, nil
}

// forOne makes a planner that counts nothing of the request's mirror.
func (r Request) forOne(emit func(Change) error) (*planner, error) {
	mirror := *r.Mirror
	mirror.Skipped = nil
	r.Mirror, r.Emit = &mirror, emit
	r.Drift = func(Drift) error { return nil }
	return newPlanner(r)
}

// explain says by which rule an item is selected and, if it is no change, why it is
// left out: for that it is decided alone.
func (p *planner) explain(ctx context.Context, pair Pair, x *Explanation) error {
	if it := pair.Item; it != nil && it.Class != ClassRoot {
		parent, err := p.tree.folder(ctx, it.Parent)
		if err != nil {
			return err
		}
		if parent.standing == inside {
			x.Path = joinRemote(parent.remote, it.Name)
			x.Verdict = p.ruleOf(ctx, parent, it)
		}
	}
	if x.Change != nil {
		return nil
	}
	decide := p.decide
	if isFolder(pair) {
		decide = p.decideFolder
	}
	if err := decide(ctx, pair); err != nil {
		return err
	}
	for skip := range p.req.Mirror.Skipped {
		x.Skip = skip
	}
	return nil
}

// ruleOf is the rule that decides whether an item is selected.
func (p *planner) ruleOf(ctx context.Context, parent *node, it *Item) Verdict {
	if _, why := p.classSkips(it, parent); why != "" {
		return Verdict{Rule: why}
	}
	if !it.Class.container() {
		return p.selects(p.tree, parent, it)
	}
	n, err := p.tree.folder(ctx, it.ID)
	switch {
	case err != nil:
		return Verdict{Rule: err.Error()}
	case n.excludedBy != "":
		return Verdict{Rule: fmt.Sprintf("select.exclude %q", n.excludedBy)}
	case n.wanted:
		return Verdict{Selected: true, Rule: "a folder of the selection"}
	}
	return Verdict{Rule: "a folder is made only for selected files in it"}
}

// lookup finds an item by its remote path, or by its path on disk.
func (p *planner) lookup(ctx context.Context, path string) (ItemID, error) {
	at := p.tree.root
	names := strings.Split(path, "/")
	for i, name := range names {
		if hostile, err := p.child(ctx, at, strings.Join(names[i:], "/")); err != nil || hostile != "" {
			return hostile, err // also a name that holds a slash (H-02)
		}
		next, err := p.child(ctx, at, name)
		if err != nil {
			return "", err
		}
		if next == "" {
			break
		}
		at = next
	}
	return p.lookupApplied(ctx, names)
}

// child finds an observed child by its name, or else by its name without regard to
// case (N7).
func (p *planner) child(ctx context.Context, folder ItemID, name string) (like ItemID, err error) {
	for it, err := range p.req.Store.Observed.Children(ctx, folder) {
		if err != nil {
			return "", fmt.Errorf("read folder: %w", err)
		}
		if it.Name == name {
			return it.ID, nil
		}
		if like == "" && strings.EqualFold(it.Name, name) {
			like = it.ID
		}
	}
	return like, nil
}

func (p *planner) lookupApplied(ctx context.Context, names []string) (ItemID, error) {
	var at ItemID
	for _, name := range names {
		e, ok, err := p.req.Store.Applied.EntryAt(ctx, at, p.names.Fold(name))
		if err != nil || !ok {
			return "", errors.Join(err)
		}
		at = e.Item
	}
	return at, nil
}
