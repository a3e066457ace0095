package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
)

// planVanished plans the end of mirrors that the state knows and the configuration does
// not declare any more. Their files stay: configuration that is gone never deletes
// anything (I-28). Only a removed block that says so does, through the plan and its guards.
func (s *session) planVanished(ctx context.Context, draft *plan.Draft, h *plan.Header, o planOptions, planned []*wanted) ([]plan.GuardResult, error) {
	if o.Partial() || o.mode == plan.ModeRefreshOnly {
		return nil, nil
	}
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	var guards []plan.GuardResult
	for _, row := range rows {
		now := s.cfg.Now(row.Address)
		if o.Narrowed() && !s.lostShortcut(now, o, planned) {
			continue
		}
		if s.mirror(now) != nil {
			kept, _, err := s.rowOf(ctx, now)
			if err != nil {
				return nil, err
			}
			if kept.Key == row.Key {
				continue
			}
			h.Diagnostics = append(h.Diagnostics, movedOnto(row.Address, now))
		} else if _, ok := s.cfg.Ending(row.Address); ok {
			results, err := s.planRemoved(ctx, draft, h, row, o)
			if err != nil {
				return nil, err
			}
			guards = append(guards, results...)
			continue
		}
		if s.withheld(now) {
			hold(draft, h, row)
			continue
		}
		reason := plan.MirrorRemoved
		if of, _, ok := s.nested(now); ok && s.followsStill(of) {
			if !laid(of, planned) {
				continue // the mirror that had the shortcut is not planned: nothing is known of it
			}
			reason = plan.ShortcutGone
		}
		err := plan.ForgetMirror(ctx, draft, recorded.Store(s.store, row).Applied, plan.Gone{
			Address: row.Address, Target: row.Target, Generation: row.Generation, Reason: reason,
		})
		if err != nil {
			return nil, err
		}
	}
	return guards, nil
}

// lostShortcut reports whether a plan of a part of the mirrors ends that of a shortcut: what names the mirror that had
// the shortcut means it as well.
func (s *session) lostShortcut(address string, o planOptions, planned []*wanted) bool {
	of, _, ok := s.nested(address)
	return ok && s.mirror(address) == nil && s.followsStill(of) && laid(of, planned) && !addressed(address, o.Excludes, false)
}

// laid reports whether the folders of a mirror are planned.
func laid(address string, planned []*wanted) bool {
	return slices.ContainsFunc(planned, func(w *wanted) bool { return w.cfg.Address == address && w.layout != nil })
}

// withheld reports whether a mirror may be missing in the configuration only because an entry of a data block could not be
// read. So may the one whose shortcut it follows.
func (s *session) withheld(address string) bool {
	if of, _, ok := s.nested(address); ok {
		address = of
	}
	return s.mirror(address) == nil && s.cfg.Withheld(address)
}

// warnGaps tells the reviewers of a plan which data blocks lack entries: what these would bring is not in it.
func (s *session) warnGaps(h *plan.Header) {
	for _, address := range s.cfg.Gaps {
		h.Diagnostics = append(h.Diagnostics, plan.Diagnostic{
			Severity: "warning", Code: string(config.CodeDataGap), Address: address, Summary: "Data is incomplete",
			Detail: "An entry could not be read. What it would bring is not planned, and what came from it is kept.",
		})
	}
}

// lacksData reports whether a plan was made without some entries of its data.
func lacksData(h *plan.Header) bool {
	return slices.ContainsFunc(h.Diagnostics, func(d plan.Diagnostic) bool { return d.Code == string(config.CodeDataGap) })
}

// hold leaves a mirror as it is: it is in the plan as one that could not be planned.
func hold(draft *plan.Draft, h *plan.Header, row state.Mirror) {
	held := plan.Diagnostic{
		Severity: "warning", Code: string(config.CodeDataGap), Address: row.Address, Summary: "Data is incomplete",
		Detail: "It may belong to an entry that could not be read. It keeps everything and stays in the state.",
	}
	m := &plan.Mirror{Address: row.Address, Target: plan.TargetRef{Path: row.Target}, Generation: plan.GenerationRef{Base: row.Generation}}
	draft.Mirror(m)
	m.Problem = &held
	h.Diagnostics = append(h.Diagnostics, held)
}

// followsStill reports whether a declared mirror follows shortcuts.
func (s *session) followsStill(address string) bool {
	m := s.mirror(address)
	return m != nil && m.Content.Shortcuts == "follow"
}

// movedOnto warns that a moved block leads to a mirror that has a state of its own.
func movedOnto(from, to string) plan.Diagnostic {
	return plan.Diagnostic{
		Severity: "warning", Code: "SPM0274", Address: from, Summary: fmt.Sprintf("%s cannot become %s", from, to),
		Detail: fmt.Sprintf("The state knows both. %s is forgotten, its files stay. To keep it instead, remove the other one with\n`spmirror state rm %s` and plan again.", from, to),
	}
}

// planRemoved plans to delete what was written for a mirror that a removed block ends.
// What keeps it from being planned is a problem of this mirror alone.
func (s *session) planRemoved(ctx context.Context, draft *plan.Draft, h *plan.Header, row state.Mirror, o planOptions) ([]plan.GuardResult, error) {
	end := ending{row: row, cfg: s.configOf(row), reason: plan.MirrorRemoved}
	guards, err := s.planEnd(ctx, draft, &end, o)
	if err == nil || ctx.Err() != nil {
		return guards, ctx.Err()
	}
	if end.header == nil {
		return nil, err
	}
	end.header.Problem = asDiagnostic(err, row.Address)
	h.Diagnostics = append(h.Diagnostics, *end.header.Problem)
	return nil, nil
}

// allEnded reports whether removed blocks name all mirrors that the state knows.
func (s *session) allEnded(ctx context.Context) (bool, error) {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if !s.cfg.Ends(row.Address) {
			return false, nil
		}
	}
	return len(rows) > 0, nil
}
