package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// Bounds of what is asked before the deletes of a mirror run: one read of an item
// each, that is one resource unit (T10). Up to canaryDeletes deletes all are asked for,
// of more between half as many and as many, spread over the plan.
const (
	canaryDeletes = 16
	canaryPresent = 3
	canaryLook    = 64 // entries among which those are chosen that ought to be there
)

// canaries are the deletes of a mirror that are looked up at the source before any of
// them runs. Lost permission may look like deletion, and so may a service that has
// lost its state (D33, I-26).
type canaries struct {
	bySource bool // the source is the cause of a delete
	every    int64
	seen     int64
	list     []canary
}

type canary struct {
	id   plan.ItemID
	path plan.RelPath
}

// offer takes a delete into the sample, if the source is said to have the item no
// longer: one that has only left the selection is still there.
func (s *canaries) offer(c *plan.Change) {
	if c.Action() != plan.Delete || c.Cause != plan.BySource {
		return
	}
	s.bySource = true
	if c.Reason != plan.Removed && c.Reason != plan.TypeChanged || c.Remote != nil {
		return
	}
	s.every = max(s.every, 1)
	if s.seen%s.every == 0 {
		s.list = append(s.list, canary{c.ItemID, c.Path})
	}
	s.seen++
	if len(s.list) > canaryDeletes {
		s.every *= 2
		odd := true
		s.list = slices.DeleteFunc(s.list, func(canary) bool { odd = !odd; return odd })
	}
}

// suspicion asks the source whether it is to be believed: the drive, the mirror's
// folder and some items that ought to be there must be readable, and what the plan
// deletes must be gone. It returns why not, "" if all is well.
func (m *mirrorRun) suspicion(ctx context.Context) (string, error) {
	if !m.canaries.bySource {
		return "", nil
	}
	why, err := m.unreadable(ctx)
	if why != "" || err != nil {
		return why, err
	}
	for _, c := range m.canaries.list {
		id, _, turned := c.id.Was()
		it, err := m.lookUp(ctx, id)
		believed := false
		if err == nil && turned {
			if believed, err = m.believed(ctx, &it); err != nil {
				return "", err
			}
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case isGone(err), err == nil && it.Facets.Has(graph.Deleted):
		case believed:
		case err != nil:
			return fmt.Sprintf("whether %q is gone cannot be found out: %v", c.path, err), nil
		default:
			return fmt.Sprintf("the source still has %q", c.path), nil
		}
	}
	return "", nil
}

// unreadable says which of the items that ought to be there cannot be read, and why.
// One that is not found may have been deleted after the plan was made; when none is
// found, the source is not the one that was read. The mirror's folder is read by its
// id, which is also the drive's answer that it is there.
func (m *mirrorRun) unreadable(ctx context.Context) (string, error) {
	if _, err := m.lookUp(ctx, m.Plan.Source.FolderID); err != nil {
		return fmt.Sprintf("the folder of the mirror cannot be read: %v", err), ctx.Err()
	}
	ids, err := m.present(ctx)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	found := 0
	for _, id := range ids {
		switch _, err := m.lookUp(ctx, plan.ItemID(id)); {
		case err == nil:
			found++
		case !isGone(err):
			return fmt.Sprintf("item %s, which ought to be there, cannot be read: %v", id, err), ctx.Err()
		}
	}
	if found == 0 {
		return fmt.Sprintf("the source finds none of the items that ought to be there (%d were asked for)", len(ids)), nil
	}
	return "", nil
}

// present chooses a few tracked items that the source had when it was last read.
func (m *mirrorRun) present(ctx context.Context) ([]state.ItemID, error) {
	row, _, err := m.Store.MirrorByAddress(ctx, m.Plan.Address)
	if err != nil {
		return nil, fmt.Errorf("read mirror: %w", err)
	}
	var tracked, there []state.ItemID
	for e, err := range m.Store.EntriesByParent(ctx, m.Key) {
		if err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		if tracked = append(tracked, e.Item); len(tracked) == canaryLook {
			break
		}
	}
	for p, err := range m.Store.PairsOf(ctx, row, slices.Values(tracked)) {
		if err != nil {
			return nil, fmt.Errorf("read items: %w", err)
		}
		if p.Item == nil {
			continue
		}
		if there = append(there, p.Item.ID); len(there) == canaryPresent {
			break
		}
	}
	return there, nil
}

// lookUp asks for one item. A tenant that gives up says nothing of the item: the mirror
// ends in order.
func (m *mirrorRun) lookUp(ctx context.Context, id plan.ItemID) (graph.Item, error) {
	it, err := m.Source.Item(ctx, graph.DriveID(m.Plan.Source.DriveID), graph.ItemID(id))
	if hopeless(err) {
		m.giveUp(err)
	}
	return it, err
}

// isGone reports whether the service says that an item does not exist.
func isGone(err error) bool {
	e, ok := graph.AsError(err)
	return ok && (e.IsNotFound() || e.Status == http.StatusGone)
}

// distrust finds out before the first phase whether items may give their places up to
// others, for that is a delete as well.
func (m *mirrorRun) distrust(ctx context.Context) error {
	if len(m.leaving) == 0 {
		return nil
	}
	why, err := m.suspicion(ctx)
	if err != nil || why == "" {
		return ignoreCancelled(ctx, err)
	}
	m.Log.Warn("the source is not trusted", "mirror", m.Plan.Address, "reason", why)
	clear(m.leaving)
	return nil
}

// ignoreCancelled drops the error of a run that is being stopped.
func ignoreCancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
