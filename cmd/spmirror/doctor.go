package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

func doctorCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check credentials, permissions, clock, network, disk, state and names",
		Description: "Tries what the configuration needs: it signs in, finds the source of every mirror, reads one page\n" +
			"of it and one byte of one file, and says of a refusal what to grant. It tries on each target what\n" +
			"its file system can do, in a directory of its own that it removes again, and reads the whole state.\n" +
			"Nothing else is written, and no token is ever shown.\n\n" +
			"Each line is ok, warn, fail, or skip where something before it failed. `schema doctor` prints the\n" +
			"form of -json. Exit codes: 0 nothing failed, 1 something failed.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			jsonFlag(), &cli.BoolFlag{Name: "offline", Usage: "leave tenants and sources out"},
		}),
		Action: func(ctx context.Context, c *cli.Command) error { return runDoctor(ctx, env, c) },
	}
}

// doctorWait is how long doctor waits for a network that is gone: it is asked because of that.
const doctorWait = 5 * time.Second

func runDoctor(ctx context.Context, env *environment, c *cli.Command) error {
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	s, err := newSession(env, cfg, colorOf(c))
	if err != nil {
		return err
	}
	defer s.close()
	s.notify(false)
	d := &doctor{session: s, drives: map[graph.DriveID]bool{}}
	d.configuration()
	d.state(ctx)
	if !c.Bool("offline") {
		d.tenants(ctx)
		d.readData(ctx, c)
	}
	for i := range d.cfg.Mirrors {
		m := &d.cfg.Mirrors[i]
		if !c.Bool("offline") {
			d.source(ctx, m)
		}
		d.target(ctx, m)
		d.names(ctx, m)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	report := view.NewDoctorReport(d.checks)
	if c.Bool("json") {
		err = writeJSON(env.stdout, report)
	} else {
		err = s.out.Doctor(report)
	}
	if err == nil && !report.Healthy {
		return exitStatus(exitError)
	}
	return err
}

// doctor looks at one thing after the other and collects what it finds.
type doctor struct {
	*session
	checks []view.DoctorCheck
	roles  map[string][]string // permissions in the token, by the address of the tenant
	failed map[string]bool     // tenants that cannot be asked
	drives map[graph.DriveID]bool
}

// looked starts the line of one check.
func looked(area, subject, check string) view.DoctorCheck {
	return view.DoctorCheck{Area: area, Subject: subject, Check: check}
}

func (d *doctor) ok(c view.DoctorCheck, format string, args ...any) {
	c.Status, c.Message = view.CheckOK, fmt.Sprintf(format, args...)
	d.checks = append(d.checks, c)
}

func (d *doctor) warn(c view.DoctorCheck, advice, format string, args ...any) {
	c.Status, c.Advice, c.Message = view.CheckWarn, advice, fmt.Sprintf(format, args...)
	d.checks = append(d.checks, c)
}

func (d *doctor) skip(c view.DoctorCheck, format string, args ...any) {
	c.Status, c.Message = view.CheckSkip, fmt.Sprintf(format, args...)
	d.checks = append(d.checks, c)
}

// fail tells an error in the words of the registry of codes, with the advice that belongs to it.
func (d *doctor) fail(c view.DoctorCheck, err error, advice string) {
	p := explained(err)
	c.Status, c.Message, c.Code, c.Advice = view.CheckFail, p.Error(), p.code, advice
	if advice == "" {
		c.Advice = p.detail
	}
	if c.Code == codeUnexpected { // it says nothing that the message does not
		c.Code = ""
	}
	d.checks = append(d.checks, c)
}

// configuration says what is declared. Mistakes in it were told before.
func (d *doctor) configuration() {
	c := looked("config", relative(d.cfg.Dir, d.cfg.Dir), "valid")
	d.ok(c, "tenants: %d, mirrors: %d", len(d.cfg.Tenants), len(d.cfg.Mirrors))
}

// row is what a usable state knows of a mirror.
func (d *doctor) row(ctx context.Context, address string) (state.Mirror, bool) {
	if d.store == nil {
		return state.Mirror{}, false
	}
	row, known, err := d.store.MirrorByAddress(ctx, address)
	return row, known && err == nil
}
