package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// stale refuses a saved plan that does not stand on the present ground.
func stale(code, format string, args ...any) error {
	return &problem{code: code, summary: "Saved plan is stale", exit: exitRefused,
		detail: fmt.Sprintf(format, args...) + "\nNothing was done. Make a new plan."}
}

// checkFresh decides whether a saved plan may still run (DESIGN section 5). It
// returns the run that applied it already, if one did.
func (s *session) checkFresh(ctx context.Context, h *plan.Header) (state.RunID, error) {
	expires := h.Created.Add(s.cfg.PlanMaxAge)
	if h.Expires.Before(expires) {
		expires = h.Expires
	}
	switch {
	case h.State.Lineage != s.store.Lineage():
		return 0, stale("SPM0406", "It was made for another state (lineage %s, this one is %s).", h.State.Lineage, s.store.Lineage())
	case h.Configuration.Digest != s.cfg.Digest:
		return 0, stale("SPM0407", "The configuration changed since it was made.")
	case s.env.now().After(expires):
		return 0, stale("SPM0408", "It expired at %s.", expires.UTC().Format("2006-01-02 15:04 UTC"))
	case h.Speculative:
		return 0, stale("SPM0409", "It is speculative: it was made without the state.")
	}
	finished, gone := state.RunID(0), ""
	for _, m := range h.Mirrors {
		if !m.Planned() {
			continue // nothing of it is carried out
		}
		_, _, nested := s.nested(m.Address) // the target of such a mirror follows from the plan of another one
		if cfg := s.mirror(m.Address); !nested && cfg != nil && m.Target.Path != cfg.Target {
			return 0, stale("SPM0407", "It has another target for %s than the configuration: %s.", m.Address, m.Target.Path)
		}
		row, ok, err := s.plannedRow(ctx, m)
		if err != nil {
			return 0, err
		}
		if (m.Forgotten() || m.Ended()) && !ok {
			gone = m.Address // an earlier run of this plan has done it, or somebody else
			continue
		}
		left, err := s.store.LeftAt(ctx, m.Address)
		if err != nil {
			return 0, err
		}
		if left > h.State.Serial {
			return 0, stale("SPM0401", "%s left the state after this plan was created: it was forgotten or renamed.", m.Address)
		}
		base := int64(0)
		if ok {
			base = row.Generation
		}
		if base == m.Generation.Base {
			continue
		}
		if !ok {
			return 0, stale("SPM0401", "%s is not in the state.", m.Address)
		}
		by, err := s.appliedBy(ctx, row.Key)
		if err != nil {
			return 0, err
		}
		if by.Plan != h.Digest || base != m.Generation.Base+1 {
			return 0, stale("SPM0401", "%s was changed by run %d after this plan was created.", m.Address, by.Run)
		}
		if by.Done {
			finished = by.Run
		}
	}
	if gone == "" || finished != 0 {
		return finished, nil
	}
	before, finished, err := s.runsOf(ctx, h.Digest)
	if err == nil && !before {
		err = stale("SPM0401", "%s left the state after this plan was created.", gone)
	}
	return finished, err
}

// runsOf reports whether a plan was applied before, and by which run it was carried out
// to its end. A mirror that is forgotten has no row that would tell.
func (s *session) runsOf(ctx context.Context, digest string) (before bool, finished state.RunID, err error) {
	runs, err := s.store.RunsOfPlan(ctx, kindApply, digest)
	for _, r := range runs {
		if r.Result == resultComplete {
			finished = r.ID
		}
	}
	return len(runs) > 0, finished, err
}

// applied by which plan a mirror's generation was advanced last.
type appliedPlan struct {
	Plan string      `json:"plan"`
	Run  state.RunID `json:"run"`
	Done bool        `json:"done"`
}

func (s *session) appliedBy(ctx context.Context, key state.MirrorKey) (a appliedPlan, err error) {
	text, err := s.store.Applied(ctx, key)
	if err != nil || text == "" {
		return a, err
	}
	return a, json.Unmarshal([]byte(text), &a)
}

// unfinished reports whether a run has changed a mirror since it was settled: a part of a plan, or one that broke off.
// What a resumed run changed is pending, or was begun after the mirror was settled.
func (s *session) unfinished(ctx context.Context, row state.Mirror) (bool, error) {
	by, err := s.appliedBy(ctx, row.Key)
	return by.Run > row.SettledRun, err
}

// advance moves a mirror's generation on, once for each plan.
func (s *session) advance(ctx context.Context, tx *state.Tx, m *apply.Mirror, digest string, run state.RunID) error {
	if m.Key == 0 {
		return nil // forgotten by an earlier run of this plan
	}
	by, err := s.appliedBy(ctx, m.Key)
	if err != nil {
		return err
	}
	if by.Plan == digest && !by.Done {
		m.Since = by.Run // resumed
		return nil
	}
	m.Since = run
	if err := tx.AdvanceMirror(m.Key); err != nil {
		return err
	}
	return putApplied(tx, m.Key, appliedPlan{Plan: digest, Run: run})
}

func putApplied(tx *state.Tx, key state.MirrorKey, a appliedPlan) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return tx.SetApplied(key, string(data))
}

// markApplied notes that a plan has nothing left to do.
func (s *session) markApplied(ctx context.Context, h *plan.Header, mirrors map[string]*apply.Mirror, run state.RunID, r *apply.Report) error {
	if r.Interrupted || r.Stopped() || r.Counts.Failed+r.Counts.Postponed > 0 {
		return nil
	}
	return s.store.Tx(ctx, func(tx *state.Tx) error {
		for _, m := range mirrors {
			if m.Dir == nil {
				continue
			}
			if err := putApplied(tx, m.Key, appliedPlan{Plan: h.Digest, Run: run, Done: true}); err != nil {
				return err
			}
		}
		return nil
	})
}
