package crawl

import (
	"slices"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// sharing reports whether the query tells which items have permissions of their own.
func (r *refresh) sharing() bool { return slices.Contains(r.query.Prefer, "deltashowsharingchanges") }

// shared is what an item says of its sharing. A folder is also compared by its tag,
// because the mark of a change was seen on files only (D54). Tombstones say nothing.
func shared(it *graph.Item, again bool) (state.Shared, bool) {
	s := state.Shared{
		ID: state.ItemID(it.ID), Own: it.Facets.Has(graph.Shared), Facet: it.Sharing,
		Changed: again || it.Facets.Has(graph.SharedChanged),
	}
	if it.Facets.Has(graph.Folder) {
		s.ETag = it.ETag
	}
	return s, !it.Facets.Has(graph.Deleted)
}

// noteSharing adds what an item says of its sharing. A round that lists everything drops
// the others when it is complete.
func (r *refresh) noteSharing(list []state.Shared, round *state.Round, it *graph.Item) []state.Shared {
	s, live := shared(it, r.again(round))
	if !live || !s.Own && round.Full {
		return list
	}
	return append(list, s)
}

// again reports whether a round has all permissions read again: one that lists everything
// for another reason than that its time has come. Then changes may have been missed.
func (r *refresh) again(round *state.Round) bool {
	return round.Full && !isPeriodic(round.Reason)
}

// version of what a round notes of sharing. It grows from round to round.
func version(round *state.Round) int64 { return round.Started.UnixNano() }
