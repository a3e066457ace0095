package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"
)

// strict gives every command the settings of the program and its errors of usage, lets groups refuse
// unknown words, and lets commands without ArgsUsage refuse arguments: what was
// typed is carried out or refused, never ignored.
func strict(list []*cli.Command) []*cli.Command {
	for _, c := range list {
		c.OnUsageError, c.CommandNotFound = usageError, helpBesideArguments
		c.DisableSliceFlagSeparator = true // -var='x=["a", "b"]' is one value
		switch {
		case len(c.Commands) > 0:
			c.Action = groupAction
			strict(c.Commands)
		case c.ArgsUsage == "":
			c.Action = withoutArguments(c.Action)
		}
	}
	return list
}

// groupAction is what a command that only holds others does by itself.
func groupAction(ctx context.Context, c *cli.Command) error {
	if name := c.Args().First(); name != "" {
		return unknownCommand(c, name)
	}
	if err := showHelp(ctx, c); err != nil {
		return err
	}
	return exitStatus(exitError)
}

func unknownCommand(c *cli.Command, name string) error {
	var names []string
	for _, sub := range c.VisibleCommands() {
		names = append(names, sub.Name)
	}
	return &problem{
		code: "SPM0003", summary: fmt.Sprintf("%s has no command named %q.%s", c.FullName(), name, didYouMean(name, "", names)),
		detail: "All commands: " + c.FullName() + " -help",
	}
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:        "help",
		Usage:       "explain the program or a command",
		ArgsUsage:   "[COMMAND...]",
		Description: "Prints what -help behind the command prints, as in `spmirror help state mv`.",
		Action: func(ctx context.Context, c *cli.Command) error {
			about := c.Root()
			for _, word := range c.Args().Slice() {
				sub := about.Command(word)
				if sub == nil {
					return unknownCommand(about, word)
				}
				about = sub
			}
			return showHelp(ctx, about)
		},
	}
}

// showHelp prints the help of a command.
func showHelp(ctx context.Context, c *cli.Command) error {
	if c.Root() == c {
		return cli.ShowRootCommandHelp(c)
	}
	return cli.ShowCommandHelp(ctx, c.Lineage()[1], c.Name)
}

// helpBesideArguments answers -help beside arguments, which the library takes for names of commands.
func helpBesideArguments(ctx context.Context, c *cli.Command, _ string) { _ = showHelp(ctx, c) }

func withoutArguments(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Len() > 0 {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("%s takes no arguments, but %q was given", c.FullName(), c.Args().First())}
		}
		return action(ctx, c)
	}
}

// oneOf refuses flags of which only one can be carried out.
func oneOf(c *cli.Command, names ...string) error {
	given := slices.DeleteFunc(names, func(name string) bool { return !c.IsSet(name) })
	if len(given) < 2 {
		return nil
	}
	return &problem{code: "SPM0002", summary: fmt.Sprintf("%s takes one of -%s", c.FullName(), strings.Join(given, " and -"))}
}

// goesWith refuses a flag that means nothing because none of others is given.
func goesWith(c *cli.Command, name string, others ...string) error {
	if !c.IsSet(name) || slices.ContainsFunc(others, c.IsSet) {
		return nil
	}
	return &problem{code: "SPM0002", summary: fmt.Sprintf("-%s goes with -%s", name, strings.Join(others, " or -"))}
}

// apart refuses a flag beside others that do not heed it.
func apart(c *cli.Command, name string, others ...string) error {
	for _, other := range others {
		if c.IsSet(name) && c.IsSet(other) {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("-%s does not go with -%s", name, other)}
		}
	}
	return nil
}

var unknownFlag = regexp.MustCompile(`^flag provided but not defined: -+(.+)$`)

// usageError explains flags that do not exist or do not take their value.
func usageError(_ context.Context, c *cli.Command, err error, _ bool) error {
	p := &problem{code: "SPM0002", summary: "Invalid command line", err: err, detail: "All flags: " + c.FullName() + " -help"}
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		for _, f := range c.Flags {
			names = append(names, f.Names()...)
		}
		p.err, p.summary = nil, fmt.Sprintf("%s has no flag -%s.%s", c.FullName(), m[1], didYouMean(m[1], "-", names))
	}
	return p
}

// didYouMeanAddress is didYouMean for addresses, of which the kind is often left out.
func didYouMeanAddress(given, kind string, candidates []string) string {
	if whole := kind + "." + given; slices.Contains(candidates, whole) {
		return fmt.Sprintf(" Did you mean %q?", whole)
	}
	return didYouMean(given, "", candidates)
}

// typingError is the number of slips up to which a word counts as mistyped.
const typingError = 2

// didYouMean names the candidate that was most likely meant, in a sentence of its
// own, or says nothing.
func didYouMean(given, prefix string, candidates []string) string {
	best, distance := "", min(typingError, len(given)/2)+1
	for _, candidate := range candidates {
		if d := levenshtein.Distance(given, candidate, nil); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", prefix+best)
}
