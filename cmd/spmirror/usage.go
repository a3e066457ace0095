package main

import (
	"context"
	"fmt"
	"regexp"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"
)

// strict gives every command the settings of the program and its errors of usage, lets groups refuse
// unknown words, and lets commands without ArgsUsage refuse arguments: what was
// typed is carried out or refused, never ignored.
func strict(list []*cli.Command) []*cli.Command {
	for _, c := range list {
		c.OnUsageError = usageError
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
func groupAction(_ context.Context, c *cli.Command) error {
	if name := c.Args().First(); name != "" {
		var names []string
		for _, sub := range c.VisibleCommands() {
			names = append(names, sub.Name)
		}
		return &problem{
			code: "SPM0003", summary: fmt.Sprintf("%s has no command named %q.%s", c.FullName(), name, didYouMean(name, "", names)),
			detail: "All commands: " + c.FullName() + " -help",
		}
	}
	show := cli.ShowSubcommandHelp
	if c.Root() == c {
		show = cli.ShowRootCommandHelp
	}
	if err := show(c); err != nil {
		return err
	}
	return exitStatus(exitError)
}

func withoutArguments(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Len() > 0 {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("%s takes no arguments, but %q was given", c.Name, c.Args().First())}
		}
		return action(ctx, c)
	}
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
