package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/view"
)

// planFlags are the flags that plan shares with an apply that plans for itself.
func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "target", Usage: "plan only the mirrors of `ADDR`; * stands for anything; may be repeated"},
		&cli.StringSliceFlag{Name: "target-path", Usage: "plan only paths that match `GLOB`; may be repeated"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "leave out the mirrors of `ADDR`; may be repeated"},
		&cli.StringSliceFlag{Name: "replace", Usage: "download again what `ADDR` or a path glob names; may be repeated"},
		&cli.BoolFlag{Name: "refresh", Value: true, Usage: "read the sources; -refresh=false plans from what was recorded"},
		&cli.BoolFlag{Name: "refresh-only", Usage: "record and show what changed, propose nothing"},
		&cli.BoolFlag{Name: "full", Usage: "enumerate the sources in full and compare everything"},
		&cli.StringFlag{Name: "verify", Value: plan.VerifyStat, Usage: "check the disk in this `WAY`: stat, hash or none"},
		&cli.DurationFlag{Name: "lock-timeout", Usage: "wait up to `DURATION` for the state lock"},
	}
}

func planCommand(env *environment) *cli.Command {
	flags := slices.Concat(planFlags(), destroyFlags(), configFlags(), outputFlags(), planIntoFlags(), []cli.Flag{
		inventoryFlag(),
		metricsFlag(),
		&cli.IntFlag{Name: "parallelism", Value: drivesAtOnce, Usage: "read `N` drives at a time"},
		&cli.StringFlag{Name: "out", Usage: "save the plan to `FILE`"},
		&cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit with 2 when there are changes"},
		&cli.BoolFlag{Name: "json", Usage: "print events as JSON lines"},
		&cli.BoolFlag{Name: "compact", Usage: "one line for each mirror"},
		&cli.BoolFlag{Name: "verbose", Usage: "list every change"},
		&cli.IntFlag{Name: "list-limit", HideDefault: true, Usage: "list up to `N` items of each kind"},
	})
	return &cli.Command{
		Name:  "plan",
		Usage: "show what apply would change",
		Description: "Reads what changed at the sources since the last time, compares it with the state and\n" +
			"the disk, and shows the adds, updates, moves and deletes. It writes nothing to a target.\n\n" +
			"Exit codes: 0 ok (with -detailed-exitcode: no changes), 1 error, 2 changes\n" +
			"(-detailed-exitcode), 3 blocked by a guard, 4 a mirror could not be planned, 6 locked.",
		Flags: flags,
		Action: func(ctx context.Context, c *cli.Command) error {
			return observe(ctx, env, c, func(ctx context.Context, seen observers) error { return runPlan(ctx, env, c, seen) })
		},
	}
}

func planOptionsOf(c *cli.Command) (planOptions, error) {
	o := planOptions{mode: plan.ModeNormal, Options: plan.Options{
		Targets: c.StringSlice("target"), TargetPaths: c.StringSlice("target-path"), Excludes: c.StringSlice("exclude"),
		Replace: c.StringSlice("replace"), NoRefresh: !c.Bool("refresh"), Full: c.Bool("full"), Verify: c.String("verify"),
	}}
	if c.Bool("refresh-only") {
		o.mode = plan.ModeRefreshOnly
	}
	if err := destroyOptions(c, &o); err != nil {
		return o, err
	}
	if !slices.Contains([]string{plan.VerifyStat, plan.VerifyHash, plan.VerifyNone}, o.Verify) {
		return o, &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -verify=%s", o.Verify), detail: "Allowed are stat, hash and none."}
	}
	if c.IsSet("parallelism") {
		o.drivesAtOnce = int(c.Int("parallelism"))
		if o.drivesAtOnce < 1 || o.drivesAtOnce > maxParallelism {
			return o, &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -parallelism=%d", o.drivesAtOnce), detail: fmt.Sprintf("Allowed are 1 to %d.", maxParallelism)}
		}
	}
	if o.NoRefresh && o.Full {
		return o, &problem{code: "SPM0002", summary: "-refresh=false and -full exclude each other"}
	}
	return o, nil
}

func runPlan(ctx context.Context, env *environment, c *cli.Command, seen observers) (err error) {
	o, err := planOptionsOf(c)
	if err == nil {
		err = goesWith(c, "marker", "md-into")
	}
	if err != nil {
		return err
	}
	if c.String("inventory") != "" {
		if o.Full || c.IsSet("verify") {
			return &problem{code: "SPM0002", summary: "-inventory excludes -full and -verify", detail: "There is neither a source nor a disk to look at."}
		}
		o.NoRefresh, o.Verify = true, plan.VerifyNone
	}
	cfg, err := loadFor(ctx, env, c)
	if err != nil {
		return err
	}
	s, err := openSession(ctx, env, cfg, sessionOptions{
		operation: "plan", lockTimeout: c.Duration("lock-timeout"), color: colorOf(c), json: c.Bool("json"), jsonInto: c.String("json-into"),
		inventory: c.String("inventory"), seen: seen,
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer func() { err = s.endStreams("plan", err, nil) }()
	p, err := s.makePlan(ctx, o)
	if err != nil {
		return err
	}
	defer p.Close()
	file := c.String("out")
	if file != "" {
		if err := p.WriteFile(file); err != nil {
			return &problem{code: "SPM0007", summary: "The plan was not saved", err: err}
		}
	}
	if err := s.writePlanInto(c, p); err != nil {
		return err
	}
	if err := s.showPlan(p, c, file, o); err != nil {
		return err
	}
	if err := s.settleUnchanged(ctx, p); err != nil {
		return err
	}
	status := planStatus(p.Header, c.Bool("detailed-exitcode"))
	if file != "" {
		if err := s.recordPlan(ctx, p.Header, status); err != nil {
			return err
		}
	}
	return status
}

// showPlan prints the plan in the form that was asked for.
func (s *session) showPlan(p *plan.Plan, c *cli.Command, file string, o planOptions) error {
	s.notice.close()
	if err := s.streamPlan(p); err != nil || s.events != nil {
		return err
	}
	opt := view.TextOptions{
		Compact: c.Bool("compact"), Verbose: c.Bool("verbose"), ListLimit: int(c.Int("list-limit")), PlanFile: file, Recorded: o.NoRefresh,
	}
	if err := s.out.PlanText(p.Header, p, opt); err != nil {
		return err
	}
	if p.Totals.Changes() == 0 && !p.Blocked {
		return nil
	}
	return s.out.SavedPlan(p.Header, file)
}

// settleUnchanged records for mirrors that agree with their source that they do:
// the next plan then starts from here.
func (s *session) settleUnchanged(ctx context.Context, p *plan.Plan) error {
	if p.Options.Partial() || p.Mode != plan.ModeNormal {
		return nil
	}
	for _, m := range p.Mirrors {
		row, ok, err := s.store.MirrorByAddress(ctx, m.Address)
		if err != nil {
			return err
		}
		if !ok || !m.Planned() || m.Forgotten() || m.Ended() || row.Settled == 0 ||
			m.Changes()+m.Summary[plan.Blocked].Items > 0 {
			continue
		}
		unfinished, err := s.unfinished(ctx, row)
		if err != nil {
			return err
		}
		if !unfinished && row.Settled == state.Generation(m.Generation.Observed) && row.Select == apply.SettledOf(m).Encode() {
			continue
		}
		err = s.store.Tx(ctx, func(tx *state.Tx) error {
			return apply.Settle(ctx, s.store, tx, row.Key, m, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// planStatus is the exit code of a plan.
func planStatus(h *plan.Header, detailed bool) error {
	code := exitOK
	if detailed && h.Totals.Changes() > 0 {
		code = exitChanges
	}
	if slices.ContainsFunc(h.Mirrors, func(m *plan.Mirror) bool { return !m.Planned() }) {
		code = worse(code, exitIncomplete)
		if !slices.ContainsFunc(h.Mirrors, (*plan.Mirror).Planned) {
			code = exitError
		}
	}
	if lacksData(h) {
		code = worse(code, exitIncomplete)
	}
	if h.Blocked {
		code = worse(code, exitBlocked)
	}
	if code == exitOK {
		return nil
	}
	return exitStatus(code)
}
