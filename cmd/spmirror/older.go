package main

import (
	"context"
	"fmt"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

// A target names the run that changed it last. A state of the same lineage that does not know that run was put back to
// an older one, or is a copy that stayed behind: what it says of the target is not so any more (I-37, S02).

// older reports whether a state knows nothing of the run that changed a target last.
func (s *session) older(ctx context.Context, last target.LastRun) (bool, error) {
	if last.Run == 0 || last.Lineage != s.store.Lineage() {
		return false, nil
	}
	begun, known, err := s.store.RunStarted(ctx, state.RunID(last.Run))
	return err == nil && !(known && begun.Equal(last.Begun)), err
}

// notOlder refuses a state that is older than a target.
func (s *session) notOlder(ctx context.Context, address string, dir *target.Dir) error {
	last := dir.LastRun()
	if older, err := s.older(ctx, last); !older {
		return err
	}
	return &problem{
		code: "SPM0713", summary: "The state is older than the target of " + address,
		detail: fmt.Sprintf("Run %d of %s changed %s, and this state knows nothing of it: an older one\nwas put back, or this is a copy that stayed behind. Nothing was changed. Put the newest state back.\nIf it is lost, bring this one up to date with what is there, without downloading it:\nspmirror state rebuild '%s'",
			last.Run, timeText(last.Begun), view.Name(dir.Path()), address),
	}
}

// notOlderThan is notOlder for a directory that is not open.
func (s *session) notOlderThan(ctx context.Context, address, at string, marker target.Marker) error {
	dir, err := target.Open(at, marker, target.WithReadOnly())
	if err != nil {
		return err
	}
	defer dir.Close()
	return s.notOlder(ctx, address, dir)
}
