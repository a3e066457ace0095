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
// is known.
func (r Request) Why(ctx context.Context, path string) (x Explanation, ok bool, err error) {
	r.Emit = func(c Change) error { x.Change = &c; return nil }
	r.Drift = func(Drift) error { return nil }
	mirror := *r.Mirror
	mirror.Skipped = nil
	r.Mirror = &mirror
	p, err := newPlanner(r)
	if err != nil {
		return x, false, err
	}
	id, err := p.lookup(ctx, strings.Trim(path, "/"))
	if err != nil || id == "" {
		return x, false, err
	}
	if err := p.checkDisk(ctx); err != nil {
		return x, false, err
	}
	for pair, err := range r.Store.Of(ctx, []ItemID{id}) {
		if err != nil {
			return x, false, err
		}
		pair = pair.clone()
		x.Item, x.Entry = pair.Item, pair.Entry
		if err := p.explain(ctx, pair, &x); err != nil {
			return x, false, err
		}
	}
	for skip := range mirror.Skipped {
		x.Skip = skip
	}
	if d, ok := p.drift[id]; ok {
		x.Drift = d.kind
	}
	return x, true, nil
}

// explain decides the item alone and says by which rule it is selected.
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
	if isFolder(pair) {
		return p.decideFolder(ctx, pair)
	}
	return p.decide(ctx, pair)
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
		next, err := p.child(ctx, at, name)
		if err != nil {
			return "", err
		}
		if next == "" {
			break
		}
		if at = next; i == len(names)-1 {
			return at, nil
		}
	}
	return p.lookupApplied(ctx, names)
}

// child finds an observed child by name, without regard to case (N7).
func (p *planner) child(ctx context.Context, folder ItemID, name string) (ItemID, error) {
	for it, err := range p.req.Store.Observed.Children(ctx, folder) {
		if err != nil {
			return "", fmt.Errorf("read folder: %w", err)
		}
		if strings.EqualFold(it.Name, name) {
			return it.ID, nil
		}
	}
	return "", nil
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
