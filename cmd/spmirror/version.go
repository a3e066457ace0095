package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
)

func versionCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Description: "Prints the version with the platform and the Go it was built with, with -json also those of the\n" +
			"plan file and of the events.",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(_ context.Context, c *cli.Command) error {
			if !c.Bool("json") {
				fmt.Fprintf(env.stdout, "spmirror %s\non %s_%s, %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
				return nil
			}
			return writeJSON(env.stdout, map[string]string{
				"spmirror_version": version, "platform": runtime.GOOS + "_" + runtime.GOARCH, "go_version": runtime.Version(),
				"plan_format_version": plan.FormatVersion, "ui_version": "1.0", "format_version": "1.0",
			})
		},
	}
}
