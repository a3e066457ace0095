package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// The digests of a saved plan can be computed anew by whoever edits it. Before such a
// plan is carried out, what it says is derived again: its numbers from its items, its
// items from the state and the configuration, its guards and checks from both (I-46).
// Only -expect-digest tells two plans apart that both follow.

// replay is a saved plan being derived again: without the source and without the disk,
// of which the plan holds what was found.
type replay struct {
	drift  map[string][]plan.Drift // by mirror
	judges map[string]guardJudge
}

// guardJudge evaluates the guards of one mirror.
type guardJudge func(m *plan.Mirror, deletes map[string]int64) ([]plan.GuardResult, error)

func (r *replay) driftOf(address string) iter.Seq2[plan.Drift, error] {
	return func(yield func(plan.Drift, error) bool) {
		for _, d := range r.drift[address] {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// doesNotFollow refuses a plan that says something else than its state and configuration.
func doesNotFollow(format string, args ...any) error {
	return &problem{code: "SPM0412", summary: "The plan does not follow from the state", exit: exitRefused,
		detail: fmt.Sprintf(format, args...) + "\nThe same configuration, state and listing lead to another plan: this file was edited. Nothing was done.\nMake a new plan with `spmirror plan -out=FILE`."}
}

// vet derives a saved plan again and refuses one that does not follow. If the source was
// read since the plan was made, or what a killed run left open before it is resolved only
// now, the changes that do not follow any more are overtaken.
func (s *session) vet(ctx context.Context, file *plan.File) (overtaken func(*plan.Change) bool, err error) {
	recovered, err := s.recoverAll(ctx)
	if err != nil {
		return nil, err
	}
	resumed, _, err := s.runsOf(ctx, file.Digest)
	if err != nil {
		return nil, err
	}
	follower, err := plan.NewFollower(os.TempDir())
	if err != nil {
		return nil, err
	}
	defer follower.Close()
	counted, err := recount(file, follower)
	if err != nil {
		return nil, err
	}
	defer func() { s.replay = nil }()
	anew, err := s.planAgain(ctx, file, follower)
	if err != nil {
		return nil, err
	}
	if !resumed { // the first run of this very plan found that it follows, and has changed the state since
		if err := s.sameJudgement(file.Header, anew, counted); err != nil {
			return nil, err
		}
	}
	same := make(map[string]bool)
	for _, m := range file.Mirrors {
		now := mirrorIn(anew, m.Address)
		same[m.Address] = now != nil && now.Generation.Observed == m.Generation.Observed && !slices.Contains(recovered, m.Address)
	}
	return s.overtaken(ctx, file.Header, same, follower, resumed)
}

// recount compares the header of a saved plan with its items.
func recount(file *plan.File, follower *plan.Follower) (*plan.Recounted, error) {
	r := plan.Recount(file.Header)
	for c, err := range file.Changes() {
		if err == nil {
			err = errors.Join(r.Count(&c), follower.Saved(&c))
		}
		if err != nil {
			return nil, doesNotFollow("%v.", err)
		}
	}
	if err := r.Compare(file.Header); err != nil {
		return nil, doesNotFollow("%v.", err)
	}
	return r, nil
}

// planAgain makes the plan once more from what is recorded, with the options of the
// saved one, and hands its changes to the follower.
func (s *session) planAgain(ctx context.Context, file *plan.File, follower *plan.Follower) (*plan.Header, error) {
	o := planOptions{Options: file.Options, mode: file.Mode}
	o.NoRefresh, o.Verify = true, plan.VerifyNone
	draft, header, err := s.startDraft(ctx, o)
	if err != nil {
		return nil, err
	}
	draft.Divert(follower.Anew)
	s.replay = &replay{drift: make(map[string][]plan.Drift), judges: make(map[string]guardJudge)}
	for d, err := range file.Drifts() {
		if err != nil {
			return nil, errors.Join(doesNotFollow("%v.", err), draft.Close())
		}
		s.replay.drift[d.Mirror] = append(s.replay.drift[d.Mirror], d)
	}
	guards, err := s.compare(ctx, draft, header, o)
	if err != nil {
		return nil, errors.Join(err, draft.Close())
	}
	return header, draft.Finish(s.env.now(), guards, nil).Close()
}

// sameJudgement refuses a plan whose mirrors, guards or checks are not those that the
// configuration leads to.
func (s *session) sameJudgement(h, anew *plan.Header, counted *plan.Recounted) error {
	for _, m := range h.Mirrors {
		if err := sameMirror(m, mirrorIn(anew, m.Address)); err != nil {
			return err
		}
	}
	guards, err := s.guardsAgain(anew, counted)
	if err != nil {
		return err
	}
	for _, g := range append(guards, anew.Guards...) {
		if g.Blocks() && !slices.ContainsFunc(h.Guards, func(was plan.GuardResult) bool {
			return was.Name == g.Name && was.Mirror == g.Mirror && was.Blocks()
		}) {
			return doesNotFollow("The guard %s of %s blocks it (%s, limit %s), and the plan says otherwise.", g.Name, g.Mirror, g.Value, g.Limit)
		}
	}
	judged := *counted.Header
	judged.Checks, judged.Diagnostics = nil, nil
	s.judge(&plan.Plan{Header: &judged})
	for _, check := range judged.Checks {
		if check.Blocks() && !slices.ContainsFunc(h.Checks, func(was plan.CheckResult) bool { return was.Name == check.Name && was.Blocks() }) {
			return doesNotFollow("The mandatory check %s does not hold, and the plan says otherwise.", check.Name)
		}
	}
	return nil
}

func mirrorIn(h *plan.Header, address string) *plan.Mirror {
	i := slices.IndexFunc(h.Mirrors, func(m *plan.Mirror) bool { return m.Address == address })
	if i < 0 {
		return nil
	}
	return h.Mirrors[i]
}

// sameMirror compares what the configuration and the state say of a mirror.
func sameMirror(saved, anew *plan.Mirror) error {
	type ground struct {
		Tenant, Drive, Folder, Target, Previous string
		Policy                                  plan.Policy
		Select                                  plan.Select
		Forgotten, Ended                        bool
	}
	on := func(m *plan.Mirror) string {
		data, err := json.Marshal(ground{
			m.Source.Tenant, string(m.Source.DriveID), string(m.Source.FolderID), m.Target.Path, m.PreviousAddress,
			m.Policy, m.Select, m.Forgotten(), m.Ended(),
		})
		return fmt.Sprint(string(data), err)
	}
	switch {
	case !saved.Planned():
		return nil
	case anew == nil:
		return doesNotFollow("There is nothing to plan for %s.", saved.Address)
	case !anew.Planned():
		p := anew.Problem
		return &problem{code: p.Code, summary: p.Summary, detail: strings.TrimSpace(p.Detail + "\nNothing was done.")}
	case on(saved) != on(anew):
		return doesNotFollow("Its source, target, selection or policy of %s is not the one that is configured.", saved.Address)
	}
	return nil
}

// guardsAgain evaluates the guards on what the items of the saved plan make.
func (s *session) guardsAgain(anew *plan.Header, counted *plan.Recounted) ([]plan.GuardResult, error) {
	var list []plan.GuardResult
	for _, m := range counted.Header.Mirrors {
		judge, now := s.replay.judges[m.Address], mirrorIn(anew, m.Address)
		if judge == nil || now == nil {
			continue
		}
		judged := *m
		judged.Tracked, judged.Listing.Complete = now.Tracked, true // only complete listings are recorded
		results, err := judge(&judged, counted.TopDeletes(m.Address))
		if err != nil {
			return nil, err
		}
		list = append(list, results...)
	}
	return list, nil
}

// maxOvertaken bounds the changes of a plan that are left out; a plan with more is stale.
const maxOvertaken = 10_000

// overtaken finds the changes that do not follow. Where the ground of the plan is still
// the same, none may; folders alone are left out, which the disk has a say in.
func (s *session) overtaken(ctx context.Context, h *plan.Header, same map[string]bool, follower *plan.Follower, resumed bool) (func(*plan.Change) bool, error) {
	type key struct {
		mirror string
		item   plan.ItemID
	}
	left := make(map[key]bool)
	for misfit, err := range follower.Misfits(func(mirror string) bool { return same[mirror] }) {
		if err != nil {
			return nil, err
		}
		if resumed {
			done, err := s.doneBefore(ctx, h, misfit)
			if err != nil {
				return nil, err
			}
			if done {
				continue
			}
		} else if same[misfit.Mirror] && !misfit.Folder {
			return nil, doesNotFollow("It has %s of %s, %s.", strings.Join(actionWords(misfit.Actions), " and "), misfit.Mirror, "/"+string(misfit.Path))
		}
		if len(left) == maxOvertaken {
			return nil, &problem{code: "SPM0401", summary: "Saved plan is stale", exit: exitRefused,
				detail: fmt.Sprintf("The source of %s changed too much since it was made.\nNothing was done. Make a new plan.", misfit.Mirror)}
		}
		left[key{misfit.Mirror, misfit.Item}] = true
	}
	if len(left) == 0 {
		return nil, nil
	}
	return func(c *plan.Change) bool { return !c.OfMirror() && left[key{c.Mirror, c.ItemID}] }, nil
}

func actionWords(list []plan.Action) []string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = string(a)
	}
	return words
}

// doneBefore reports whether a change that does not follow any more is for the apply to
// decide, because an earlier run of the plan has begun it: what takes nothing away, which
// apply looks up in its own rows, what is done, and what planning anew comes to as well,
// be it at the place to which that run has moved it.
func (s *session) doneBefore(ctx context.Context, h *plan.Header, misfit plan.Misfit) (bool, error) {
	if saved, anew := misfit.Removes(); !saved || anew {
		return true, nil
	}
	m := mirrorIn(h, misfit.Mirror)
	if m == nil {
		return false, nil
	}
	row, known, err := s.plannedRow(ctx, m)
	if err != nil || !known {
		return !known, err
	}
	_, there, err := s.store.Entry(ctx, row.Key, state.ItemID(misfit.Item))
	return !there, err
}
