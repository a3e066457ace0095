package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
)

// run parses the command line and runs one command. It returns the exit code.
func run(ctx context.Context, args []string, env *environment) int {
	ctx, interrupted, stop := withSignals(ctx, env)
	defer stop()
	app := newApp(env)
	err := app.Run(ctx, arguments(args, env))
	if code := interrupted(); code != 0 && err != nil {
		reportError(env, err)
		return code
	}
	if err != nil {
		reportError(env, err)
	}
	return exitCode(err)
}

// withSignals cancels the context at the first SIGINT or SIGTERM, and ends the
// process at the second. Everything committed by then is consistent (I-49).
func withSignals(ctx context.Context, env *environment) (context.Context, func() int, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	code := make(chan int, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				c := exitInterrupted
				if s == syscall.SIGTERM {
					c = exitTerminated
				}
				if n > 0 {
					fmt.Fprintln(env.stderr, "\nTwo interrupts received. Leaving at once; the state is consistent, run again to go on.")
					os.Exit(c)
				}
				code <- c
				fmt.Fprintln(env.stderr, "\nInterrupt received. Stopping: no new work is taken, what runs is saved. Interrupt again to leave at once.")
				cancel()
			case <-done:
				return
			}
		}
	}()
	stopped := func() int {
		select {
		case c := <-code:
			return c
		default:
			return 0
		}
	}
	return ctx, stopped, func() { signal.Stop(signals); close(done); cancel() }
}

func newApp(env *environment) *cli.Command {
	return &cli.Command{
		Name:    "spmirror",
		Usage:   "mirror SharePoint libraries and OneDrives, by plan and apply",
		Version: version,
		Description: "Files *.hcl of the working directory declare which sites, drives and folders are\n" +
			"mirrored to which directories. `spmirror plan` shows what would change;\n" +
			"`spmirror apply` does exactly that.",
		Writer:                env.stdout,
		ErrWriter:             env.stderr,
		HideVersion:           true,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(c *cli.Command) {
			c.Hidden = false
			strict([]*cli.Command{c})
		},
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "chdir", Usage: "work in `DIR`"},
		},
		Before: func(ctx context.Context, c *cli.Command) (context.Context, error) {
			if dir := c.String("chdir"); dir != "" {
				if err := os.Chdir(dir); err != nil {
					return ctx, &problem{code: "SPM0001", summary: "Cannot change to the directory of -chdir", err: err}
				}
			}
			return ctx, nil
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		OnUsageError:   usageError,
		Action:         groupAction,
		Commands:       strict(commands(env)),
	}
}

func commands(env *environment) []*cli.Command {
	return []*cli.Command{
		initCommand(env),
		validateCommand(env),
		planCommand(env),
		applyCommand(env),
		showCommand(env),
		schemaCommand(env),
		whyCommand(env),
		discoverCommand(env),
		doctorCommand(env),
		stateCommand(env),
		runsCommand(env),
		trashCommand(env),
		statusCommand(env),
		verifyCommand(env),
		destroyCommand(env),
		outputCommand(env),
		consoleCommand(env),
		graphCommand(env),
		loginCommand(env),
		logoutCommand(env),
		forceUnlockCommand(env),
		explainCommand(env),
		fmtCommand(env),
		watchCommand(env),
		sandboxCommand(env),
		manCommand(env),
		versionCommand(env),
	}
}

// arguments adds SPMIRROR_CLI_ARGS and SPMIRROR_CLI_ARGS_<command>, and gives a
// value to flags that may stand without one.
func arguments(args []string, env *environment) []string {
	if len(args) == 0 {
		return args
	}
	if len(args) == 2 && (args[1] == "-version" || args[1] == "--version") {
		return []string{args[0], "version"}
	}
	out := []string{args[0]}
	rest := args[1:]
	for i, a := range rest {
		out = append(out, bareFlag(a))
		if strings.HasPrefix(a, "-") {
			continue
		}
		// The first word that is no flag and no value of -chdir is the command.
		if i > 0 && (rest[i-1] == "-chdir" || rest[i-1] == "--chdir") {
			continue
		}
		out = append(out, strings.Fields(env.get("SPMIRROR_CLI_ARGS"))...)
		out = append(out, strings.Fields(env.get("SPMIRROR_CLI_ARGS_"+a))...)
		for _, b := range rest[i+1:] {
			out = append(out, bareFlag(b))
		}
		return out
	}
	return out
}

// bareFlag spells out the value of -auto-approve without one.
func bareFlag(arg string) string {
	if arg == "-auto-approve" || arg == "--auto-approve" {
		return "-auto-approve=all"
	}
	return arg
}
