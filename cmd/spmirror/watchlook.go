package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
	"github.com/spmirror/spmirror/watch"
)

// fullOfWatch is when the next daily look enumerates a drive in full: later than a week must not pass between two (I-66).
const fullOfWatch = crawl.FullInterval - watch.MaxSafety

// look takes one look, with the state locked for as long as it takes.
func (r *round) look(ctx context.Context, task watch.Task) (o watch.Outcome) {
	began := r.env.now()
	defer func() {
		r.tidy()
		r.meter.looked(began, codeOfLook(o))
	}()
	s, err := openSession(ctx, r.env, r.cfg, sessionOptions{
		operation: "watch", lockTimeout: r.c.Duration("lock-timeout"), color: colorOf(r.c), json: r.events != nil,
		pool: r.pool, events: r.events, quiet: true, seen: observers{meter: r.meter}, fullEvery: fullOfWatch,
	})
	if err != nil {
		if !r.looked && exitCode(err) != exitLocked && ctx.Err() == nil {
			r.fatal = err // the state cannot be used: that is for a person (I-36)
			r.stop()
		} else {
			r.failed(ctx, "state", err)
		}
		return watch.Outcome{Failed: true}
	}
	defer s.close()
	r.looked = true
	r.tell.settled("state")
	l := &look{round: r, session: s, task: task, changes: r.c.Bool("apply")}
	s.applies = l.changes
	if err := l.take(ctx); err != nil {
		r.failed(ctx, "look", err)
		l.outcome.Failed = true
	} else {
		r.tell.settled("look")
	}
	return l.outcome
}

// codeOfLook is the exit code that a look would have as a command.
func codeOfLook(o watch.Outcome) int {
	switch {
	case o.Failed:
		return exitError
	case len(o.Unsettled) > 0:
		return exitIncomplete
	}
	return exitOK
}

// failed tells why a look failed; the loop repeats it.
func (r *round) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		r.tell.once(what, explained(err))
	}
}

// tidy closes the connections of embedded tenants, which other commands may use in between. Subscriptions need theirs.
func (r *round) tidy() {
	r.pool.close(func(c *client) bool {
		return c.tenant.Sandbox != nil && r.keeper == nil
	})
}

// connection returns the connection to a tenant outside of a look.
func (r *round) connection(tenant string) (*client, error) {
	for i := range r.cfg.Tenants {
		if t := &r.cfg.Tenants[i]; t.Address == tenant {
			wait, err := r.env.networkWait()
			if err != nil {
				return nil, err
			}
			return r.pool.client(t, connecting{log: r.log, statePath: r.cfg.Backend.Path, networkWait: wait, now: r.env.now, inside: r.env.inside})
		}
	}
	return nil, fmt.Errorf("%s is not declared", tenant)
}

// look is one look.
type look struct {
	*round
	session *session
	task    watch.Task
	changes bool // apply
	drives  map[watch.Drive][]*wanted
	known   []string // addresses of the mirrors in drives, and of those without a drive
	outcome watch.Outcome
}

// reading is up to which change of which drive a mirror was planned.
type reading struct {
	drive      state.DriveID
	generation state.Generation
}

// take looks and does what is to be done about what it finds.
func (l *look) take(ctx context.Context) error {
	everything := l.everything()
	if err := l.session.knownAddresses(everything); err != nil {
		return err
	}
	if err := l.find(ctx, l.session.selected(everything)); err != nil {
		return err
	}
	if l.task.All {
		return l.plan(ctx, everything)
	}
	changed, err := l.probe(ctx)
	if err != nil || len(changed) == 0 {
		return err
	}
	narrowed := everything
	narrowed.Targets, narrowed.Excludes = nil, nil
	for _, w := range changed {
		narrowed.Targets = append(narrowed.Targets, w.cfg.Address)
	}
	return l.plan(ctx, narrowed)
}

// everything is what is watched.
func (l *look) everything() planOptions {
	return planOptions{mode: plan.ModeNormal, Options: plan.Options{
		Targets: l.c.StringSlice("target"), Excludes: l.c.StringSlice("exclude"), Verify: l.c.String("verify"),
	}}
}

// find groups the mirrors by drive and tells the loop which drives there are. A mirror whose drive is not found belongs
// to none; planning says why.
func (l *look) find(ctx context.Context, mirrors []*wanted) error {
	l.drives, l.known = make(map[watch.Drive][]*wanted), nil
	known := planOptions{Options: plan.Options{NoRefresh: true}} // it is looked up again with the look at the drive
	for _, w := range mirrors {
		l.known = append(l.known, w.cfg.Address)
		if w.drive, w.err = l.session.resolveDrive(ctx, w.cfg, known); w.err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		d := watch.Drive{Tenant: w.cfg.Tenant, ID: graph.DriveID(w.drive.ID)}
		l.drives[d] = append(l.drives[d], w)
	}
	var list []watch.Drive
	for d := range l.drives {
		list = append(list, d)
	}
	l.loop.Want(list)
	if l.keeper != nil {
		l.keeper.Want(list)
	}
	l.dropRefusals(list)
	maps.DeleteFunc(l.read, func(address string, _ reading) bool { return !slices.Contains(l.known, address) })
	l.tell.started(len(mirrors), len(list), l.c)
	return nil
}

// findAgain does so after planning has found other shortcuts to follow.
func (l *look) findAgain(ctx context.Context, o planOptions) error {
	mirrors := l.session.selected(o)
	if slices.EqualFunc(mirrors, l.known, func(w *wanted, address string) bool { return w.cfg.Address == address }) {
		return nil
	}
	return l.find(ctx, mirrors)
}

// probe asks the drives of the task what changed, which costs a request for each that did not, and returns the mirrors
// that are to be planned: those of which a change is recorded that was not planned here, whoever heard of it first.
func (l *look) probe(ctx context.Context) ([]*wanted, error) {
	var asked []*wanted
	for _, d := range l.task.Drives {
		asked = append(asked, l.drives[d]...)
	}
	if err := l.session.refresh(ctx, asked, planOptions{mode: plan.ModeNormal}); err != nil {
		return nil, err
	}
	var changed []*wanted
	for _, d := range l.task.Drives {
		for _, w := range l.drives[d] {
			now := reading{w.drive.ID, w.drive.Generation}
			switch {
			case w.err != nil:
				l.tell.once(w.cfg.Address, explained(w.err))
				l.outcome.Unsettled = append(l.outcome.Unsettled, d)
			case now != l.read[w.cfg.Address] || slices.Contains(l.task.Retry, d):
				l.tell.settled(w.cfg.Address)
				l.read[w.cfg.Address] = now
				changed = append(changed, w)
			default:
				l.tell.settled(w.cfg.Address)
				l.outcome.Unchanged = append(l.outcome.Unchanged, d)
			}
		}
	}
	return changed, nil
}

// plan makes the plan, shows it, saves it, and applies it if it may.
func (l *look) plan(ctx context.Context, o planOptions) error {
	s := l.session
	if l.changes {
		if _, err := s.recoverAll(ctx); err != nil {
			return err
		}
	}
	p, err := s.makePlan(ctx, o)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := l.findAgain(ctx, l.everything()); err != nil {
		return err
	}
	l.note(p.Header)
	note := view.WatchNote{State: view.WatchLooked, Reasons: reasons(l.task), Result: "no_changes"}
	for _, m := range p.Mirrors {
		note.Mirrors = append(note.Mirrors, m.Address)
	}
	if !l.worthTelling(p.Header) {
		return s.settleUnchanged(ctx, p)
	}
	s.notify(l.events != nil)
	l.tell.looking(l.task, note.Mirrors)
	if err := s.showFresh(p, l.c, o); err == nil {
		l.tell.settled("output")
	} else if l.changes { // nobody may be there to read it: the terminal is gone, or the disk of its file is full
		l.failed(ctx, "output", err)
	} else {
		return err
	}
	err = l.act(ctx, p, &note)
	s.notice.close()
	l.tell.looked(note)
	return err
}

// note remembers what of which mirrors was planned, and the drives of those that could not be.
func (l *look) note(h *plan.Header) {
	for _, m := range h.Mirrors {
		if !m.Planned() {
			l.unsettle(m.Address)
			continue
		}
		l.read[m.Address] = reading{state.DriveID(m.Source.DriveID), state.Generation(m.Generation.Observed)}
	}
}

// unsettle lets the drive of a mirror be looked at again before long.
func (l *look) unsettle(address string) {
	for d, mirrors := range l.drives {
		if slices.ContainsFunc(mirrors, func(w *wanted) bool { return w.cfg.Address == address }) {
			l.outcome.Unsettled = append(l.outcome.Unsettled, d)
			return
		}
	}
	l.outcome.Failed = true // it has no drive yet
}

// maxShown bounds what is remembered of plans; to show one again does no harm.
const maxShown = 1000

// worthTelling tells whether a plan is shown: always when somebody began to watch, and once a day what is still to be
// done; else when it says something new.
func (l *look) worthTelling(h *plan.Header) bool {
	scope := fmt.Sprint(h.Options.Targets)
	quiet := h.Totals.Changes() == 0 && !h.Blocked && h.Totals.Count(plan.Blocked) == 0 && len(h.Diagnostics) == 0
	if len(l.shown) > maxShown {
		clear(l.shown)
	}
	known := l.shown[scope] == h.PlanID
	l.shown[scope] = h.PlanID
	switch {
	case slices.Contains(l.task.Reasons, watch.Start):
		return true
	case quiet:
		return false
	case l.task.All && !slices.Contains(l.task.Reasons, watch.Retried):
		return true
	}
	return !known || l.changes && h.Totals.Changes() > 0
}

// act does what is to be done about a plan that was shown.
func (l *look) act(ctx context.Context, p *plan.Plan, note *view.WatchNote) error {
	s := l.session
	if p.Totals.Changes() == 0 {
		if p.Blocked {
			note.Result = "blocked"
		}
		if err := s.settleUnchanged(ctx, p); err != nil || !l.changes {
			return err
		}
		return s.forgetEmptied(ctx, p.Header)
	}
	note.Result = "changes"
	if !l.changes {
		return l.save(p, note)
	}
	err := s.allow(l.c, p.Header)
	if err != nil && exitCode(err) == exitBlocked {
		note.Result = "blocked"
		if !p.Blocked { // else the plan says so
			note.Result = "needs_review"
			l.tell.problem(explained(err))
		}
		return l.save(p, note)
	}
	if err != nil {
		return err
	}
	return l.execute(ctx, p, note)
}

// execute applies a plan. What is left over is tried again by the loop.
func (l *look) execute(ctx context.Context, p *plan.Plan, note *view.WatchNote) error {
	l.session.ended = false // each apply has its report
	err := l.session.execute(ctx, l.c, p.Header, p, executing{})
	note.Result = "applied"
	if err == nil || ctx.Err() != nil {
		return nil
	}
	note.Result = "incomplete"
	for _, m := range p.Mirrors {
		if m.Planned() && m.Changes() > 0 {
			l.unsettle(m.Address)
		}
	}
	var status exitStatus
	if errors.As(err, &status) {
		return nil // it has been told
	}
	note.Result = "failed"
	return err
}

// save puts a plan that is left to a person where the user wants it. Its name has the plan's id, so that the same plan
// is one file.
func (l *look) save(p *plan.Plan, note *view.WatchNote) error {
	dir := l.c.String("out")
	if dir == "" {
		return nil
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%s.spplan", p.Created.UTC().Format("20060102T150405Z"), p.PlanID))
	if err := p.WriteFile(name); err != nil {
		return &problem{code: "SPM0007", summary: "The plan was not saved", err: err}
	}
	note.PlanFile = name
	return nil
}

func reasons(t watch.Task) []string {
	var list []string
	for _, r := range t.Reasons {
		list = append(list, string(r))
	}
	return list
}
