package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

// applyFlags are the flags of apply and destroy.
func applyFlags() []cli.Flag {
	return slices.Concat(planFlags(), configFlags(), outputFlags(), withinFlags(), []cli.Flag{
		&cli.StringFlag{Name: "auto-approve", Usage: "do not ask; with `=GRADE`, no-delete or add-only, refuse a plan that does more"},
		&cli.BoolFlag{Name: "input", Value: true, Usage: "ask for approval; -input=false never asks"},
		&cli.IntFlag{Name: "parallelism", Value: apply.DefaultWorkers, Usage: "download `N` files at a time; if given, also read N drives at a time"},
		&cli.BoolFlag{Name: "fail-fast", Usage: "stop at the first item that fails"},
		&cli.StringSliceFlag{Name: "dangerous-override-guard", Usage: "go ahead although guard `NAME` blocks; needs -reason; may be repeated"},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` that says why a guard is overridden; goes into the run's record"},
		&cli.StringFlag{Name: "expect-digest", Usage: "refuse a saved plan whose digest is not `SHA256`"},
		&cli.StringFlag{Name: "report", Usage: "write the results to `FILE` (.json, .csv or .md)"},
		&cli.BoolFlag{Name: "json", Usage: "print events as JSON lines"},
		jsonIntoFlag(),
		metricsFlag(),
		&cli.BoolFlag{Name: "compact", Usage: "one line for each mirror"},
		&cli.BoolFlag{Name: "verbose", Usage: "list every change"},
		&cli.IntFlag{Name: "list-limit", HideDefault: true, Usage: "list up to `N` items of each kind"},
	}, destroyFlags())
}

func applyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "carry out a saved plan, or plan and ask",
		ArgsUsage: "[FILE]",
		Description: "With a saved plan it does exactly what the plan says, or nothing. Without one it plans,\n" +
			"shows the plan and asks. It can be interrupted at any time and goes on where it was.\n\n" +
			"Exit codes: 0 ok, 1 error, 3 blocked by a guard or an approval rule, 4 some items are left\n" +
			"over (run again), 5 the saved plan is refused, 6 locked, 7 declined, 130 interrupted.",
		Flags: applyFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			return observe(ctx, env, c, func(ctx context.Context, seen observers) error { return runApply(ctx, env, c, seen) })
		},
	}
}

func runApply(ctx context.Context, env *environment, c *cli.Command, seen observers) (err error) {
	if c.Args().Len() > 1 {
		return &problem{code: "SPM0002", summary: "apply takes one saved plan"}
	}
	if err := cmp.Or(checkApproval(env, c), checkReport(c)); err != nil {
		return err
	}
	o, err := planOptionsOf(c)
	if err != nil {
		return err
	}
	if err := checkOverrides(c); err != nil {
		return err
	}
	if file := c.Args().First(); file != "" {
		if err := refuseFlags(c); err != nil {
			return err
		}
	}
	reviewed, share, err := openReviewed(c)
	if err != nil {
		return err
	}
	if reviewed != nil {
		defer reviewed.Close()
	}
	cfg, err := load(ctx, env, c)
	if err != nil {
		return err
	}
	s, err := openSession(ctx, env, cfg, sessionOptions{
		operation: "apply", lockTimeout: c.Duration("lock-timeout"), color: colorOf(c), json: c.Bool("json"), jsonInto: c.String("json-into"), seen: seen,
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer func() { err = s.endStreams("apply", err, nil) }()
	if file := c.Args().First(); file != "" {
		return s.applyFile(ctx, c, file)
	}
	return s.applyFresh(ctx, c, o, func(p *plan.Plan) error {
		if reviewed == nil {
			return nil
		}
		return s.within(ctx, reviewed, share, p)
	})
}

// maxParallelism is more than any gate lets through; each download holds a buffer and a
// staged file open.
const maxParallelism = 1024

// checkApproval finds out before any work whether anybody can approve.
func checkApproval(env *environment, c *cli.Command) error {
	grade := c.String("auto-approve")
	if !slices.Contains([]string{"", bareApproval, "false", "no-delete", "add-only"}, grade) {
		return &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -auto-approve=%s", grade), detail: "Allowed are no value, no-delete and add-only."}
	}
	if reviewedBefore(c) || approves(grade) {
		return nil
	}
	if c.Bool("json") {
		return &problem{code: "SPM0008", summary: "Plan file or -auto-approve required", detail: "With -json nobody can be asked."}
	}
	if !c.Bool("input") || !env.stdinTerminal && env.get("SPMIRROR_INPUT") == "" && env.automation() {
		return &problem{code: "SPM0008", summary: "Approval needed", detail: "Use a saved plan (`spmirror apply FILE`) or -auto-approve. Nothing was done."}
	}
	return nil
}

// reviewedBefore reports whether a person has seen what is going to be done: the saved
// plan itself, or one that covers it.
func reviewedBefore(c *cli.Command) bool { return c.Args().Len() > 0 || c.String("within") != "" }

func approves(grade string) bool { return grade != "" && grade != "false" }

// refuseFlags refuses what a saved plan cannot honour: to ignore it would do
// something else than was asked for (UX finding 6).
func refuseFlags(c *cli.Command) error {
	for _, name := range []string{"target", "target-path", "exclude", "replace", "refresh", "refresh-only", "full", "verify", "destroy", "delete-files", "var", "var-file"} {
		if c.IsSet(name) {
			return &problem{
				code: "SPM0402", summary: fmt.Sprintf("-%s cannot be used with a saved plan", name),
				detail: "A saved plan is carried out as it is, or not at all. Make a new plan with this flag. Nothing was done.",
			}
		}
	}
	return nil
}

func (s *session) applyFile(ctx context.Context, c *cli.Command, name string) error {
	file, err := openExpected(c, name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := errors.Join(s.resolveRelocations(ctx), s.followTargets(ctx)); err != nil {
		return err
	}
	done, err := s.checkFresh(ctx, file.Header)
	if err != nil {
		return err
	}
	if done != 0 {
		report := &apply.Report{PlanID: file.PlanID, AlreadyApplied: int64(done)}
		return s.endStreams("apply", s.report(ctx, c, report, name), report)
	}
	found, err := s.vet(ctx, file)
	if err != nil {
		return madeElsewhere(err, file.Header)
	}
	var space []plan.GuardResult
	if !found.resumed { // else what is there already would be counted twice
		space = s.guardSpace(file.Mirrors)
	}
	file.AskSpace(space)
	if err := s.allow(c, file.Header); err != nil {
		return err
	}
	if s.events == nil {
		if err := s.out.ApplyStart(file.Header); err != nil {
			return err
		}
	}
	return s.execute(ctx, c, file.Header, file, executing{file: name, found: found})
}

// openExpected opens a saved plan, and refuses one that is not that of -expect-digest.
func openExpected(c *cli.Command, name string) (*plan.File, error) {
	file, err := plan.Open(name)
	if err != nil {
		return nil, refusedFile(name, err)
	}
	want := c.String("expect-digest")
	if want == "" || want == file.Digest {
		return file, nil
	}
	err = &problem{code: "SPM0403", summary: "The plan is not the one that was expected", exit: exitRefused,
		detail: fmt.Sprintf("Its digest is %s, expected was %s. Nothing was done.", file.Digest, want)}
	return nil, errors.Join(err, file.Close())
}

func refusedFile(name string, err error) error {
	p := &problem{code: "SPM0404", summary: fmt.Sprintf("The plan %q is refused", name), err: err, exit: exitRefused,
		detail: "Nothing was done. Make a new plan with `spmirror plan -out=FILE`."}
	if !errors.Is(err, plan.ErrAltered) && !errors.Is(err, plan.ErrNotPlan) && !errors.Is(err, plan.ErrPlanFormat) {
		p.code, p.exit, p.summary = "SPM0405", exitError, "Cannot open the plan"
	}
	return p
}

// applyFresh plans and applies what covered does not refuse.
func (s *session) applyFresh(ctx context.Context, c *cli.Command, o planOptions, covered func(*plan.Plan) error) error {
	if _, err := s.recoverAll(ctx); err != nil {
		return err
	}
	s.applies = true
	p, err := s.makePlan(ctx, o)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := covered(p); err != nil {
		return err
	}
	if err := s.showFresh(p, c, o); err != nil {
		return err
	}
	if p.Totals.Changes() == 0 {
		if err := s.settleUnchanged(ctx, p); err != nil {
			return err
		}
		if err := s.forgetEmptied(ctx, p.Header); err != nil {
			return err
		}
		return planStatus(p.Header, false)
	}
	if err := s.allow(c, p.Header); err != nil {
		return err
	}
	if err := s.approve(ctx, c, p.Header); err != nil {
		return err
	}
	return s.execute(ctx, c, p.Header, p, executing{})
}

func (s *session) showFresh(p *plan.Plan, c *cli.Command, o planOptions) error {
	if err := s.streamPlan(p); err != nil || s.events != nil {
		return err
	}
	s.notice.close()
	defer s.notify(false) // the apply shows its own progress
	return s.out.PlanText(p.Header, p, view.TextOptions{
		Compact: c.Bool("compact"), Verbose: c.Bool("verbose"), ListLimit: int(c.Int("list-limit")), Recorded: o.NoRefresh,
	})
}

// approve asks the question, unless it is answered already.
func (s *session) approve(ctx context.Context, c *cli.Command, h *plan.Header) error {
	if reviewedBefore(c) || approves(c.String("auto-approve")) {
		return nil
	}
	return s.confirm(ctx, "Do you want to perform these actions?\n  spmirror will perform the actions described above.", "Apply cancelled.", "a saved plan or -auto-approve")
}

// trashPath is where a mirror's trash is below its target.
func trashPath(m *config.Mirror) string { return m.Trash.Path }
