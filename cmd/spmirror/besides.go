package main

import (
	"context"
	"iter"
	"slices"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// deltaQuery is how a drive is read. It also asks for sharing if any mirror of the drive
// keeps permissions, planned now or not: a link belongs to the headers it came with (D46),
// and one that goes to and fro would mean an enumeration in full each time.
func (s *session) deltaQuery(ctx context.Context, d *drive) (graph.DeltaQuery, error) {
	q := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: deltaPage}
	for i := range s.cfg.Mirrors {
		m := &s.cfg.Mirrors[i]
		if m.Tenant != d.tenant || keptPermissions(m) == "" {
			continue
		}
		key, err := sourceKey(m)
		if err != nil {
			return q, err
		}
		id, err := s.store.Meta(ctx, key)
		if err != nil {
			return q, err
		}
		if state.DriveID(id) == d.row.ID {
			return q.WithSharing(), nil
		}
	}
	return q, nil
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
