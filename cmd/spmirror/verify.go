package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

func verifyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "re-hash local files against the state, offline",
		ArgsUsage: "[ADDR]",
		Description: "Reads every tracked file and compares its bytes with what was downloaded. It changes nothing and\n" +
			"asks no service. The next plan repairs what it finds if it runs with -verify=hash.\n\n" +
			"Exit codes: 0 all is as it was left, 1 error, 4 something differs.",
		Flags:  readFlags(),
		Action: looking(env, takes{0, 1, "verify takes one address"}, runVerify),
	}
}

func runVerify(ctx context.Context, s *session, c *cli.Command) error {
	rows, err := s.recordedMirrors(ctx, c.Args().First())
	if err != nil {
		return err
	}
	var sum verified
	for _, row := range rows {
		if err := s.verify(ctx, row, c.Bool("json"), &sum); err != nil {
			return err
		}
	}
	switch {
	case c.Bool("json"):
		err = json.NewEncoder(s.env.stdout).Encode(map[string]any{"type": "summary", "format_version": "1.0", "files": sum.files, "bytes": sum.bytes, "differ": sum.differ})
	default:
		_, err = fmt.Fprintln(s.env.stdout, sum)
	}
	if err == nil && sum.differ > 0 {
		return exitStatus(exitIncomplete)
	}
	return err
}

// verified counts what was compared.
type verified struct{ files, bytes, differ int64 }

// String says it in a sentence.
func (v verified) String() string {
	left := "are as they were left"
	if v.files == 1 {
		left = "is as it was left"
	}
	return fmt.Sprintf("%s (%s) %s, %s.", plural(v.files, "file"), view.Size(v.bytes), left, agree(v.differ, "differs", "differ"))
}

func (s *session) verify(ctx context.Context, row state.Mirror, asJSON bool, sum *verified) error {
	dir, err := s.openTarget(row, target.WithReadOnly())
	if err != nil {
		return err
	}
	defer dir.Close()
	enc := json.NewEncoder(s.env.stdout)
	enc.SetEscapeHTML(false)
	h := newHashing(ctx, dir, row.Address, func(d difference) error {
		sum.differ++
		if asJSON {
			return enc.Encode(struct {
				Type string `json:"type"`
				difference
			}{"difference", d})
		}
		_, err := fmt.Fprintf(s.env.stdout, "%-10s  %s  %s  %s\n", d.Kind, view.Name(d.Mirror), s.shown("/"+d.Path, d.Folder), view.Message(d.Detail))
		return err
	})
	walked := h.run(h.ctx, s, row)
	hashed := h.group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	sum.files, sum.bytes = sum.files+h.files, sum.bytes+h.bytes
	return errors.Join(hashed, walked)
}
