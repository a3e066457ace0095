package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
)

func validateCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "validate",
		Usage: "check the configuration, offline",
		Description: "Reads the configuration and reports every mistake at once. It needs no credentials,\n" +
			"no state and no network. Exit code 0 if it is valid, else 1.",
		Flags: readFlags(),
		Action: func(_ context.Context, c *cli.Command) error {
			cfg, diags := config.Load(loadOptions(env, c))
			if c.Bool("json") {
				if err := writeJSON(env.stdout, config.DiagnosticsJSON(diags, cfg.Sources)); err != nil {
					return err
				}
				if diags.HasErrors() {
					return exitStatus(exitError)
				}
				return nil
			}
			if err := diagnostics(env, cfg, diags); err != nil {
				return err
			}
			_, err := fmt.Fprintln(env.stdout, "Success! The configuration is valid.")
			return err
		},
	}
}
