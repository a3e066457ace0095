package main

import (
	"context"
	"iter"
	"slices"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// deltaQuery is how a drive is read. It also asks for sharing if any mirror of the drive
// keeps permissions, and for shortcuts if any follows them, planned now or not: a link belongs
// to the headers it came with (D46), and one that goes to and fro would mean an enumeration in
// full each time.
func (s *session) deltaQuery(ctx context.Context, d *drive) (graph.DeltaQuery, error) {
	q := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: deltaPage}
	sharing, shortcuts := false, false
	for i := range s.cfg.Mirrors {
		m := &s.cfg.Mirrors[i]
		keeps, follows := keptPermissions(m) != "", m.Content.Shortcuts == "follow"
		if m.Tenant != d.tenant || !keeps && !follows {
			continue
		}
		reads, err := s.readsDrive(ctx, m, d.row.ID)
		if err != nil {
			return q, err
		}
		sharing, shortcuts = sharing || reads && keeps, shortcuts || reads && follows
	}
	if sharing {
		q = q.WithSharing()
	}
	if shortcuts {
		q = q.WithShortcuts()
	}
	return q, nil
}

// readsDrive reports whether a mirror was found to be of a drive.
func (s *session) readsDrive(ctx context.Context, m *config.Mirror, drive state.DriveID) (bool, error) {
	if state.DriveID(m.Source.DriveID) == drive {
		return true, nil
	}
	key, err := sourceKey(m)
	if err != nil {
		return false, err
	}
	id, err := s.store.Meta(ctx, key)
	return state.DriveID(id) == drive, err
}

// sidecars is what has to be planned beside the items of a mirror, nil for nothing.
func (s *session) sidecars(ctx context.Context, w *wanted) (*plan.Sidecars, error) {
	p := w.header.Policy
	before, settled := apply.DecodeSettled(w.row.Select)
	has, listed := false, true
	if w.row.Key != 0 {
		var err error
		if has, err = s.store.HasSidecars(ctx, w.row.Key); err != nil {
			return nil, err
		}
		if listed, err = s.store.Listed(ctx, w.row.Key); err != nil {
			return nil, err
		}
	}
	if p.Permissions == "" && len(p.Columns) == 0 && p.Versions == "" && !has && listed {
		return nil, nil
	}
	side := &plan.Sidecars{
		Columns: len(p.Columns) > 0, Versions: p.Versions != "",
		Configured: !settled || before.Permissions != p.Permissions || before.Versions != p.Versions || !slices.Equal(before.Columns, p.Columns),
		Outdated:   has && (p.Permissions == "" && before.Permissions != "" || len(p.Columns) == 0 && len(before.Columns) > 0),
		Unwritten:  !listed,
	}
	row := w.row
	row.Folder = state.ItemID(w.header.Source.FolderID)
	needs := s.store.Needs(ctx, row, state.Wants{Permissions: p.Permissions != "", Columns: apply.ColumnChoice(p.Columns), Versions: p.Versions})
	return side, side.Load(planNeeds(needs))
}

func planNeeds(list iter.Seq2[state.Need, error]) iter.Seq2[plan.Need, error] {
	return func(yield func(plan.Need, error) bool) {
		for n, err := range list {
			if !yield(plan.Need{Item: plan.ItemID(n.Item), Permissions: n.Permissions, Columns: n.Columns, Inherits: n.Inherits, Versions: n.Versions}, err) {
				return
			}
		}
	}
}

// runWithSidecars plans a mirror and what is kept beside its items.
func (s *session) runWithSidecars(ctx context.Context, w *wanted, req *plan.Request) error {
	side, err := s.sidecars(ctx, w)
	if err != nil || side == nil {
		if err == nil {
			err = req.Run(ctx)
		}
		return err
	}
	req.Emit, req.Kept = side.Attach(req.Emit), side.Keep
	if err := req.Run(ctx); err != nil {
		return err
	}
	return side.Rest(ctx, *req)
}
