package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/view"
)

func schemaCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "schema",
		Usage:     "print the JSON Schema of a machine-readable output",
		ArgsUsage: "plan|events|report|doctor",
		Description: "`plan` is the form of show -json, `events` that of one line of plan -json and apply -json,\n" +
			"`report` that of apply -report=FILE.json, `doctor` that of doctor -json.\n" +
			"The schemas are JSON Schema, draft 2020-12.",
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return &problem{code: "SPM0002", summary: "schema takes one name", detail: among("Schemas", view.Schemas[:])}
			}
			name := c.Args().First()
			if !slices.Contains(view.Schemas[:], name) {
				return &problem{code: "SPM0002", summary: fmt.Sprintf("There is no schema %q", name) + didYouMean(name, "", view.Schemas[:]), detail: among("Schemas", view.Schemas[:])}
			}
			data, err := view.Schema(name)
			if err != nil {
				return err
			}
			_, err = env.stdout.Write(data)
			return err
		},
	}
}
