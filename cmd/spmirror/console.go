package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

func consoleCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "console",
		Usage: "evaluate expressions of the configuration",
		Description: "Reads expressions, one a line, and prints their values: variables, locals, functions, mirrors.\n" +
			"It works offline; what only data blocks would know is printed as not known yet.",
		Flags:  slices.Concat(configFlags(), outputFlags()),
		Action: func(ctx context.Context, c *cli.Command) error { return runConsole(ctx, env, c) },
	}
}

// longestExpression bounds one line of input.
const longestExpression = 1 << 20

func runConsole(ctx context.Context, env *environment, c *cli.Command) error {
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	prompt := func() {
		if env.stdinTerminal {
			fmt.Fprint(env.stderr, "> ")
		}
	}
	failed := false
	lines := bufio.NewScanner(interruptible{ctx, env.stdin})
	lines.Buffer(nil, longestExpression)
	for prompt(); lines.Scan(); prompt() {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		if text == "exit" {
			break
		}
		value, diags := cfg.Console(text)
		if diagnostics(env, cfg, diags) != nil {
			failed = true
			continue
		}
		if _, err := fmt.Fprintln(env.stdout, value); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read expressions: %w", err)
	}
	if failed && !env.stdinTerminal {
		return exitStatus(exitError)
	}
	return nil
}
