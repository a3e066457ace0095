package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// ownerOf is the mirror of the state that a marker belongs to.
func (s *session) ownerOf(ctx context.Context, marker target.Marker) (row state.Mirror, known bool, err error) {
	rows, err := s.store.Mirrors(ctx)
	for _, row := range rows {
		if row.Marker == marker.UUID {
			return row, true, nil
		}
	}
	return state.Mirror{}, false, err
}

// orphaned reports whether a marker is of this state and of no mirror that the state still
// knows: that mirror was forgotten, and another may take its directory over.
func (s *session) orphaned(ctx context.Context, marker target.Marker) (bool, error) {
	if marker.Lineage != s.store.Lineage() {
		return false, nil
	}
	_, owned, err := s.ownerOf(ctx, marker)
	return err == nil && !owned, err
}

// forgotten is the mirror that had a directory as its target until the state forgot it. It has no key,
// so nothing is recorded of it.
func (s *session) forgotten(ctx context.Context, dir string) (state.Mirror, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return state.Mirror{}, err
	}
	refuse := func(err error, format string, args ...any) (state.Mirror, error) {
		return state.Mirror{}, &problem{code: "SPM0803", summary: fmt.Sprintf(format, args...), err: err, detail: "-forgotten takes the target of a mirror that the state does not know any more. Nothing was changed."}
	}
	marker, err := target.ReadMarker(path)
	if err != nil {
		return refuse(err, "%s is no target", dir)
	}
	row, owned, err := s.ownerOf(ctx, marker)
	switch {
	case err != nil:
		return state.Mirror{}, err
	case owned:
		return refuse(nil, "%s is the target of %s", dir, row.Address)
	case marker.Lineage != s.store.Lineage():
		return refuse(nil, "%s belongs to the state with lineage %s", dir, marker.Lineage)
	}
	return state.Mirror{Address: marker.Mirror, Target: path, Marker: marker.UUID}, nil
}
