package crawl

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// askSurvivors asks by id for what the round shows in a folder that it removes. Either it left the folder, or a page showed
// it before the folder was deleted and it went with it: where the service tells the tombstone of the folder alone (D30), no
// later round takes it back. Only the second is not found; the tombstone of the folder is then its own (I-23). Anything else
// than a plain no leaves it as it was shown.
func (r *refresh) askSurvivors(ctx context.Context, round state.Round) error {
	for {
		ids, err := r.Store.StagedBelowTombstones(ctx, r.drive.Key, maxReread+maxLostParents)
		if err != nil {
			return fmt.Errorf("look for items of removed folders: %w", err)
		}
		var rows []state.Item
		for _, id := range ids {
			if r.asked[id] || len(r.asked) >= maxReread+maxLostParents {
				continue
			}
			r.asked[id] = true
			row, ok, err := r.survivor(ctx, id)
			if err != nil {
				return fmt.Errorf("fetch item %s: %w", id, err)
			}
			if ok {
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			return nil
		}
		err = r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.StagePage(r.drive.Key, rows, round.Next) })
		if err != nil {
			return fmt.Errorf("stage items of removed folders: %w", err)
		}
	}
}

// survivor is what the service says of an item now; ok is false if that says nothing.
func (r *refresh) survivor(ctx context.Context, id state.ItemID) (row state.Item, ok bool, err error) {
	it, err := r.Source.Item(ctx, graph.DriveID(r.drive.ID), graph.ItemID(id))
	if e, answered := graph.AsError(err); answered && (e.IsNotFound() || e.Status == http.StatusGone) {
		return state.Item{ID: id, Deleted: true}, true, nil
	}
	if unreadable(err) {
		return row, false, nil
	}
	return observed(&it), err == nil && string(it.ID) == string(id), err
}
