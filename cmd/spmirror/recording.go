package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// The log of runs: saved plans, applies, and edits of the state. It is appended to and
// never rewritten (I-52).

// Kinds of runs that have a plan.
const (
	kindApply = "apply"
	kindPlan  = "plan"
)

// runSummary is what the record of an apply keeps of it as a whole.
type runSummary struct {
	apply.Counts
	Traffic apply.Traffic `json:"traffic"`
	// Reviewed is the digest of the plan that -within was given.
	Reviewed string                  `json:"reviewed,omitempty"`
	Origins  map[string]apply.Origin `json:"origins,omitempty"`
}

// planSummary is what the record of a saved plan keeps of it.
type planSummary struct {
	Add     int64 `json:"add"`
	Change  int64 `json:"change"`
	Destroy int64 `json:"destroy"`
	Forget  int64 `json:"forget"`
	Adopt   int64 `json:"adopt"`
	Blocked int64 `json:"blocked"`
}

// newRun is a run that begins now.
func (s *session) newRun(kind string, h *plan.Header, summary any) (state.Run, error) {
	data, err := json.Marshal(summary)
	if err != nil {
		return state.Run{}, err
	}
	host, _ := os.Hostname()
	return state.Run{
		Kind: kind, PlanDigest: h.Digest, Commit: h.Configuration.Commit, Actor: actor(s.env), Host: host, Version: version,
		Started: s.env.now().UTC(), Summary: string(data),
	}, nil
}

// recordPlan records that a plan was saved: by its digest an apply leads to who planned
// it, when, and from which commit.
func (s *session) recordPlan(ctx context.Context, h *plan.Header, status error) error {
	if s.inventory {
		return nil // the state is elsewhere
	}
	t := h.Totals
	run, err := s.newRun(kindPlan, h, planSummary{
		Add: t.Count(plan.Add), Change: t.Changed(), Destroy: t.Count(plan.Delete), Forget: t.Count(plan.Forget), Adopt: t.Count(plan.Adopt), Blocked: t.Count(plan.Blocked),
	})
	if err != nil {
		return err
	}
	return s.store.Tx(ctx, func(tx *state.Tx) error {
		id, err := tx.BeginRun(run)
		if err != nil {
			return fmt.Errorf("record plan: %w", err)
		}
		return tx.EndRun(id, state.RunEnd{Ended: run.Started, Result: "saved", ExitCode: exitCode(status)})
	})
}

// begin records the run and advances the generations of its mirrors, so that no
// other plan made before can be applied any more.
func (s *session) begin(ctx context.Context, h *plan.Header, mirrors map[string]*apply.Mirror) (state.RunID, error) {
	overrides, err := overridesOf(h)
	if err != nil {
		return 0, err
	}
	s.recorded.Origins = apply.OriginsOf(mirrors)
	run, err := s.newRun(kindApply, h, s.recorded)
	if err != nil {
		return 0, err
	}
	run.Overrides = overrides
	err = s.store.Tx(ctx, func(tx *state.Tx) (err error) {
		if run.ID, err = tx.BeginRun(run); err != nil {
			return err
		}
		for _, m := range mirrors {
			if err := s.advance(ctx, tx, m, h.Digest, run.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return run.ID, err
}

// override is a guard that a run went ahead against, as the run's record keeps it.
type override struct {
	Guard  string `json:"guard"`
	Mirror string `json:"mirror"`
	Value  string `json:"value"`
	Limit  string `json:"limit"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason"`
}

// overridesOf is the JSON of the guards that were overridden, "" for none.
func overridesOf(h *plan.Header) (string, error) {
	var list []override
	for _, g := range h.Guards {
		if g.Status == plan.GuardOverridden {
			list = append(list, override{Guard: g.Name, Mirror: g.Mirror, Value: g.Value, Limit: g.Limit, Detail: g.Detail, Reason: g.Reason})
		}
	}
	if len(list) == 0 {
		return "", nil
	}
	data, err := json.Marshal(list)
	return string(data), err
}

func actor(env *environment) string {
	for _, name := range []string{"GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR"} {
		if a := env.get(name); a != "" {
			return a
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// traffic is what the session asked of all its tenants so far.
func (s *session) traffic() apply.Traffic {
	t := s.pool.traffic()
	t.Subtract(s.pool.before)
	return t
}

// end closes the run's record, also when the run was interrupted.
func (s *session) end(ctx context.Context, run state.RunID, result string, code int, r *apply.Report) error {
	sum := s.recorded
	if r != nil {
		sum.Counts, sum.Traffic = r.Counts, r.Traffic
	}
	data, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	return s.store.Tx(context.WithoutCancel(ctx), func(tx *state.Tx) error {
		return tx.EndRun(run, state.RunEnd{Ended: s.env.now().UTC(), Result: result, ExitCode: code, Summary: string(data)})
	})
}
