package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
)

// run parses the command line and runs one command. It returns the exit code.
func run(ctx context.Context, args []string, env *environment) int {
	log.SetOutput(io.Discard) // net/http prints there what a host sends unasked: a secret, perhaps, and no line of ours (I-61)
	ctx, interrupted, stop := withSignals(ctx, env)
	defer stop()
	app := newApp(env)
	err := helpOfNothing(app.Run(ctx, arguments(args, env)))
	if code := interrupted(); code != 0 && err != nil {
		if !errors.Is(err, context.Canceled) { // which is what was asked for
			reportError(env, err)
		}
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
		HideHelpCommand:       true, // there is one of our own
		ConfigureShellCompletionCommand: func(c *cli.Command) {
			c.Hidden, c.Usage, c.Description = false, "print the completion script for a shell", completionText
			for _, shell := range c.Commands {
				shell.Usage = "print the completion script for " + shell.Name
			}
			strict([]*cli.Command{c})
		},
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "chdir", Usage: "work in `DIR`"},
			&cli.BoolFlag{Name: versionFlag, Local: true, HideDefault: true, Usage: "print the version"},
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
		ArgValidator:   checkTyped,
		Action:         groupAction,
		ShellComplete:  complete,
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
		helpCommand(),
	}
}

// versionFlag, before any command, stands for the command of that name.
const versionFlag = "version"

// arguments adds SPMIRROR_CLI_ARGS and SPMIRROR_CLI_ARGS_<command>, and gives a
// value to flags that may stand without one.
func arguments(args []string, env *environment) []string {
	if len(args) == 0 {
		return args
	}
	name, rest := args[0], args[1:]
	for i, a := range rest {
		if a == "-"+versionFlag || a == "--"+versionFlag {
			return []string{name, "version"}
		}
		// The first word that is no flag and no value of -chdir is the command.
		if strings.HasPrefix(a, "-") || i > 0 && (rest[i-1] == "-chdir" || rest[i-1] == "--chdir") {
			continue
		}
		added := strings.Fields(env.get("SPMIRROR_CLI_ARGS") + " " + env.get("SPMIRROR_CLI_ARGS_"+a))
		rest = slices.Insert(slices.Clone(rest), i+1, added...)
		break
	}
	return approvals(append([]string{name}, rest...))
}

// bareApproval is the value of -auto-approve without one: any plan, within guards.
const bareApproval = "true"

// grades are the values that -auto-approve may have beside it.
var grades = [...]string{"no-delete", "add-only"}

// approvals spells out the value of each -auto-approve, which may stand without one.
func approvals(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] != "-auto-approve" && args[i] != "--auto-approve" {
			out = append(out, args[i])
			continue
		}
		value := bareApproval
		if i+1 < len(args) && slices.Contains(grades[:], args[i+1]) {
			i++
			value = args[i]
		}
		out = append(out, "-auto-approve="+value)
	}
	return out
}
