package crawl

import (
	"context"
	"fmt"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// maxReread is how many unread items are asked for one by one before a round is merged. Those left over come first the
// next time.
const maxReread = 200

// unread turns what a page could not tell of an item into a row of the state.
func unread(bad graph.BadItem) state.Item {
	return state.Item{ID: state.ItemID(bad.ID), Unread: true, Note: bad.Reason}
}

// reread asks by id for the items whose last description broke the protocol: the source will not offer them again (Q27). What it
// says is staged behind the pages, so that it counts. One that stays unreadable, or is not found, keeps what was known of it: only a
// tombstone or a complete enumeration removes an item (I-23).
func (r *refresh) reread(ctx context.Context, round state.Round) error {
	list, err := r.Store.StagedUnread(ctx, r.drive.Key, maxReread)
	if err != nil {
		return fmt.Errorf("look for unread items: %w", err)
	}
	var rows []state.Item
	for _, u := range list {
		if r.asked[u.ID] || len(r.asked) >= maxReread+maxLostParents {
			continue
		}
		r.asked[u.ID] = true
		it, ok, err := r.ask(ctx, u.ID)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || !ok:
			rows = append(rows, state.Item{ID: u.ID, Unread: true, Note: u.Reason, Modified: r.now()})
		default:
			rows = append(rows, observed(&it))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	err = r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.StagePage(r.drive.Key, rows, round.Next) })
	if err != nil {
		return fmt.Errorf("stage unread items: %w", err)
	}
	return nil
}

// ask reads one item by id. ok is false if the answer is no evidence of a live item of that id; an answer to a single question never
// removes anything (I-23).
func (r *refresh) ask(ctx context.Context, id state.ItemID) (it graph.Item, ok bool, err error) {
	it, err = r.Source.Item(ctx, graph.DriveID(r.drive.ID), graph.ItemID(id))
	if unreadable(err) {
		return it, false, nil
	}
	return it, err == nil && string(it.ID) == string(id) && !it.Facets.Has(graph.Deleted), err
}
