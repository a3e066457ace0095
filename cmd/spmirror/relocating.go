package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// relocatingKey names the place in the state that says where a target is about to move.
func relocatingKey(key state.MirrorKey) string { return fmt.Sprintf("relocating:%d", key) }

// moveTarget moves the directory of a mirror. Where to is written first: a run that is
// killed before the row follows must not leave a target that nobody knows (I-52).
func (s *session) moveTarget(ctx context.Context, row state.Mirror, to string, marker target.Marker) error {
	err := s.store.Tx(ctx, func(tx *state.Tx) error { return tx.SetMeta(relocatingKey(row.Key), to) })
	if err != nil {
		return err
	}
	if err := target.Relocate(row.Target, to, marker); err != nil {
		return notRelocated(row.Target, to, err)
	}
	return nil
}

// resolveRelocations lets the rows of targets follow that moved in a run which was killed
// before it could say so. It looks at the disk: the target is where its marker is.
func (s *session) resolveRelocations(ctx context.Context) error {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		to, err := s.store.Meta(ctx, relocatingKey(row.Key))
		if err != nil {
			return err
		}
		if to == "" {
			continue
		}
		if !holdsMarker(row.Target, row.Marker) {
			if !holdsMarker(to, row.Marker) {
				continue // neither disk is there: the question stays open
			}
			row.Target = to
		}
		if err := s.putRelocated(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// putRelocated writes where a mirror's target is and that it is not moving.
func (s *session) putRelocated(ctx context.Context, row state.Mirror) error {
	return s.store.Tx(ctx, func(tx *state.Tx) error {
		key, err := tx.PutMirror(row)
		return errors.Join(err, tx.SetMeta(relocatingKey(key), ""))
	})
}

func holdsMarker(dir, uuid string) bool {
	have, ok := readMarker(dir)
	return ok && have.UUID == uuid
}

// notRelocated says why a target did not move, and what to do about it.
func notRelocated(from, to string, err error) error {
	switch {
	case errors.Is(err, target.ErrCrossDevice):
		return &problem{code: "SPM0811", summary: "The new target is on another device", err: err,
			detail: fmt.Sprintf("Nothing was changed. Move %s to %s yourself, with all that is in it, and plan again:\nits marker shows that it is the same target, and nothing is downloaded.", from, to)}
	case errors.Is(err, target.ErrOccupied):
		return &problem{code: "SPM0812", summary: "Something lies where the target is to move", err: err,
			detail: "Nothing was changed. Choose another path, or move away what lies there."}
	}
	return err
}
