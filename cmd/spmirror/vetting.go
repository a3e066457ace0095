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
	"github.com/spmirror/spmirror/view"
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

const codeNotFollowing = "SPM0412"

// doesNotFollow refuses a plan that says something else than its state and configuration.
func doesNotFollow(format string, args ...any) error {
	return &problem{code: codeNotFollowing, summary: "The plan does not follow from the state", exit: exitRefused,
		detail: fmt.Sprintf(format, args...) + "\nThe same configuration, state and listing lead to another plan: this file was edited. Nothing was done.\nMake a new plan with `spmirror plan -out=FILE`."}
}

// madeElsewhere says of a plan that does not follow, and that another version has made, that
// it need not have been edited.
func madeElsewhere(err error, h *plan.Header) error {
	p := (*problem)(nil)
	if !errors.As(err, &p) || p.code != codeNotFollowing || h.SpmirrorVersion == version {
		return err
	}
	return stale("SPM0401", "It was made by spmirror %s. This is %s, which comes to another plan.", view.Message(h.SpmirrorVersion), version)
}

// vetted is what is known of a saved plan that may be carried out.
type vetted struct {
	resumed   bool                    // an earlier run has begun it
	overtaken func(*plan.Change) bool // is left out; nil for nothing
	lacks     map[string]bool         // mirrors of which it does not have all that there is to do
}

// vet derives a saved plan again and refuses one that does not follow. If the source was
// read since the plan was made, or what a killed run left open before it is resolved only
// now, the changes that do not follow any more are overtaken.
func (s *session) vet(ctx context.Context, file *plan.File) (v vetted, err error) {
	recovered, err := s.recoverAll(ctx)
	if err != nil {
		return v, err
	}
	if v.resumed, _, err = s.runsOf(ctx, file.Digest); err != nil {
		return v, err
	}
	follower, err := plan.NewFollower(os.TempDir())
	if err != nil {
		return v, err
	}
	defer follower.Close()
	counted, err := recount(file, follower)
	if err != nil {
		return v, err
	}
	defer func() { s.replay = nil }()
	anew, err := s.planAgain(ctx, file, follower)
	if err != nil {
		return v, err
	}
	same := sameGround(file.Header, anew, recovered)
	if !v.resumed { // the first run of this very plan found that it follows, and has changed the state since
		if err := s.sameJudgement(ctx, file.Header, anew, counted, same); err != nil {
			return v, err
		}
	}
	return v, s.compareChanges(ctx, &v, file.Header, same, follower)
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
		if d.OfApplied() { // files that nobody tracks may be many
			s.replay.drift[d.Mirror] = append(s.replay.drift[d.Mirror], d)
		}
	}
	guards, err := s.compare(ctx, draft, header, o)
	if err != nil {
		return nil, errors.Join(err, draft.Close())
	}
	return header, draft.Finish(s.env.now(), guards, nil).Close()
}

// sameGround tells the mirrors that are planned from the same listing and the same state
// by both plans: there the two must agree.
func sameGround(saved, anew *plan.Header, recovered []string) map[string]bool {
	same := make(map[string]bool)
	for _, m := range saved.Mirrors {
		now := mirrorIn(anew, m.Address)
		same[m.Address] = now != nil && m.Planned() && now.Planned() &&
			now.Generation.Observed == m.Generation.Observed && !slices.Contains(recovered, m.Address)
	}
	return same
}

// sameJudgement refuses a plan whose mirrors, guards or checks are not those that the
// configuration leads to.
func (s *session) sameJudgement(ctx context.Context, h, anew *plan.Header, counted *plan.Recounted, same map[string]bool) error {
	for _, m := range h.Mirrors {
		now := mirrorIn(anew, m.Address)
		if err := s.sameShortcut(h, anew, m, now); err != nil {
			return err
		}
		_, renamed, err := s.store.MirrorByAddress(ctx, m.Address)
		if err == nil {
			err = sameMirror(m, now, same[m.Address], renamed)
		}
		if err != nil {
			return err
		}
	}
	judged := facts(counted.Header, anew, same)
	guards, err := s.guardsAgain(judged, counted)
	if err != nil {
		return err
	}
	for _, g := range append(guards, anew.Guards...) {
		m := mirrorIn(h, g.Mirror)
		said := slices.ContainsFunc(h.Guards, func(was plan.GuardResult) bool {
			return was.Name == g.Name && was.Mirror == g.Mirror && was.Blocks()
		})
		switch {
		case said || !g.Blocks() || m == nil || !m.Planned():
		case same[g.Mirror]:
			return doesNotFollow("It hides that it is blocked by guard %s.", s.out.GuardText(g))
		default:
			return stale("SPM0401", "By now it is blocked by guard %s.", s.out.GuardText(g))
		}
	}
	s.judge(&plan.Plan{Header: judged})
	for _, check := range judged.Checks {
		if check.Blocks() && !slices.ContainsFunc(h.Checks, func(was plan.CheckResult) bool { return was.Name == check.Name && was.Blocks() }) {
			return doesNotFollow("The mandatory check %s does not hold, and the plan says otherwise.", check.Name)
		}
	}
	return nil
}

// sameShortcut refuses a plan as stale if it fills or forgets the directory of a shortcut that has come, gone or moved
// since, as a later reading of the mirror that has it shows, or if what the shortcut leads to has another name.
func (s *session) sameShortcut(h, anew *plan.Header, m, now *plan.Mirror) error {
	of, _, nested := s.nested(m.Address)
	then, later := mirrorIn(h, of), mirrorIn(anew, of)
	switch {
	case !nested || !m.Planned():
	case now != nil && now.Forgotten() == m.Forgotten() && now.Target.Path == m.Target.Path:
		if now.Source.Folder != m.Source.Folder && now.Generation.Observed != m.Generation.Observed {
			return stale("SPM0401", "The folder that the shortcut of %s leads to has another name or place.", m.Address)
		}
	case then != nil && later != nil && then.Generation.Observed != later.Generation.Observed:
		return stale("SPM0401", "The shortcut of %s came, went or moved since it was made.", m.Address)
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

// sameMirror compares what the configuration and the state say of a mirror. One that has
// its row under the new address already is not renamed any more: a run that was stopped
// before it began has done so.
func sameMirror(saved, anew *plan.Mirror, same, renamed bool) error {
	switch {
	case !saved.Planned():
		return nil
	case anew == nil:
		return doesNotFollow("There is nothing to plan for %s.", saved.Address)
	case !anew.Planned():
		p := anew.Problem
		return &problem{code: p.Code, summary: p.Summary, detail: strings.TrimSpace(p.Detail + "\nNothing was done.")}
	case configured(saved) != configured(anew), !renamed && saved.PreviousAddress != anew.PreviousAddress:
		return doesNotFollow("The source, target, selection or policy of %s is not the one that is configured.", saved.Address)
	case saved.Source.DriveID != anew.Source.DriveID, saved.Source.FolderID != anew.Source.FolderID:
		return stale("SPM0401", "The source of %s is another drive or folder by now.", saved.Address)
	case saved.Generation.Observed > anew.Generation.Observed:
		return stale("SPM0401", "The state knows an older listing of the source of %s than the plan.", saved.Address)
	case same && saved.Tracked != anew.Tracked:
		return doesNotFollow("It says that %s tracks other items than it does.", saved.Address)
	}
	return nil
}

// configured is what of a mirror the configuration alone decides.
func configured(m *plan.Mirror) string {
	data, err := json.Marshal(struct {
		Tenant, Site, Folder, Target, Names string
		Policy                              plan.Policy
		Select                              plan.Select
		Forgotten, Ended                    bool
	}{m.Source.Tenant, m.Source.Site, m.Source.Folder, m.Target.Path, m.Target.Names, m.Policy, m.Select, m.Forgotten(), m.Ended()})
	return fmt.Sprint(string(data), err)
}

// facts is the header of a saved plan, counted from its items, with what the state knows
// of its mirrors.
func facts(counted, anew *plan.Header, same map[string]bool) *plan.Header {
	h := *counted
	h.Mirrors, h.Checks, h.Diagnostics = slices.Clone(counted.Mirrors), nil, nil
	h.Totals.Observed = 0
	for i, m := range h.Mirrors {
		judged := *m
		if now := mirrorIn(anew, m.Address); now != nil {
			judged.Tracked, judged.Listing.Complete = now.Tracked, true // only complete listings are recorded
			if same[m.Address] {
				judged.Observed = now.Observed
			}
		}
		h.Mirrors[i] = &judged
		h.Totals.Observed += judged.Observed
	}
	return &h
}

// guardsAgain evaluates the guards on what the items of the saved plan make.
func (s *session) guardsAgain(judged *plan.Header, counted *plan.Recounted) ([]plan.GuardResult, error) {
	var list []plan.GuardResult
	for _, m := range judged.Mirrors {
		judge := s.replay.judges[m.Address]
		if judge == nil {
			continue
		}
		results, err := judge(m, counted.TopDeletes(m.Address))
		if err != nil {
			return nil, err
		}
		list = append(list, results...)
	}
	return list, nil
}

// maxOvertaken bounds the changes of a plan that are left out; a plan with more is stale.
const maxOvertaken = 10_000

// compareChanges finds the changes that do not follow. Where the ground of the plan is
// still the same, none may, and none may be missing; folders alone are left out or added,
// for the disk has a say in them.
func (s *session) compareChanges(ctx context.Context, v *vetted, h *plan.Header, same map[string]bool, follower *plan.Follower) error {
	type key struct {
		mirror string
		item   plan.ItemID
	}
	left := make(map[key]bool)
	v.lacks = make(map[string]bool)
	for misfit, err := range follower.Misfits(func(mirror string) bool { return same[mirror] }) {
		if err != nil {
			return err
		}
		if v.resumed {
			done, err := s.doneBefore(ctx, h, misfit)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		switch {
		case !v.resumed && same[misfit.Mirror] && !misfit.Folder:
			return s.misfits(misfit)
		case misfit.Lacking():
			v.lacks[misfit.Mirror] = v.lacks[misfit.Mirror] || same[misfit.Mirror]
			continue
		case len(left) == maxOvertaken:
			return stale("SPM0401", "The source of %s changed too much since it was made.", misfit.Mirror)
		}
		left[key{misfit.Mirror, misfit.Item}] = true
	}
	if len(left) > 0 {
		v.overtaken = func(c *plan.Change) bool { return !c.OfMirror() && left[key{c.Mirror, c.ItemID}] }
	}
	return nil
}

// misfits refuses a plan for a change that it has and should not have, or the reverse.
func (s *session) misfits(m plan.Misfit) error {
	has, actions := "has", m.Actions
	if m.Lacking() {
		has, actions = "lacks", m.Anew
	}
	words := make([]string, len(actions))
	for i, a := range actions {
		words[i] = string(a)
	}
	return doesNotFollow("It %s %s of %s, %s.", has, strings.Join(words, " and "), m.Mirror, s.out.ShownPath("/"+string(m.Path), m.Folder))
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
