package main

import (
	"context"
	"slices"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// orphaned reports whether a marker is of this state and of no mirror that the state still
// knows: that mirror was forgotten, and another may take its directory over.
func (s *session) orphaned(ctx context.Context, marker target.Marker) (bool, error) {
	if marker.Lineage != s.store.Lineage() {
		return false, nil
	}
	rows, err := s.store.Mirrors(ctx)
	return err == nil && !slices.ContainsFunc(rows, func(r state.Mirror) bool { return r.Marker == marker.UUID }), err
}
