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

// deltaQuery is how a drive is read.
func (w wishes) deltaQuery() graph.DeltaQuery {
	q := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: deltaPage}
	if w.sharing {
		q = q.WithSharing()
	}
	if w.shortcuts {
		q = q.WithShortcuts()
	}
	return q
}

// wishes are what the mirrors of a drive want of its listing beyond the usual.
type wishes struct{ sharing, shortcuts bool }

// driveName names a drive as mirrors do.
type driveName struct {
	tenant string
	id     state.DriveID
}

// wishes finds the drives that are asked for more than the usual: for sharing if any mirror of the drive
// keeps permissions, and for shortcuts if any follows them, planned now or not. A link belongs
// to the headers it came with (D46), and one that goes to and fro would mean an enumeration in
// full each time.
func (s *session) wishes(ctx context.Context) (map[driveName]wishes, error) {
	all := make(map[driveName]wishes)
	for i := range s.cfg.Mirrors {
		m := &s.cfg.Mirrors[i]
		keeps, follows := keptPermissions(m) != "", m.Content.Shortcuts == "follow"
		if !keeps && !follows {
			continue
		}
		key, err := sourceKey(m)
		if err != nil {
			return nil, err
		}
		found, err := s.store.Meta(ctx, key)
		if err != nil {
			return nil, err
		}
		for _, id := range []string{m.Source.DriveID, found} {
			name := driveName{m.Tenant, state.DriveID(id)}
			was := all[name]
			all[name] = wishes{was.sharing || keeps, was.shortcuts || follows}
		}
	}
	return all, nil
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
