package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/view"
)

// strict gives every command the settings of the program and its errors of usage, lets groups refuse
// unknown words, and lets commands without ArgsUsage refuse arguments: what was
// typed is carried out or refused, never ignored.
func strict(list []*cli.Command) []*cli.Command {
	for _, c := range list {
		c.OnUsageError, c.ShellComplete = usageError, complete
		c.DisableSliceFlagSeparator = true // -var='x=["a", "b"]' is one value
		if len(c.Commands) == 0 {
			c.CommandNotFound = helpBesideArguments
		}
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
		code: "SPM0003", summary: fmt.Sprintf("%s has no command named %q", c.FullName(), name) + didYouMean(name, "", names),
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

// helpOfNothing explains the library's error for -help behind a word that is no command.
func helpOfNothing(err error) error {
	var topic cli.ExitCoder
	if !errors.As(err, &topic) {
		return err
	}
	return &problem{code: "SPM0003", summary: topic.Error(), detail: "All commands: spmirror -help"}
}

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

// The forms in which the library says what is wrong with a flag.
var (
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -+(.+)$`)
	wrongValue  = regexp.MustCompile(`(?s)^invalid value "(.*)" for flag -([^:]+): `)
	noValue     = regexp.MustCompile(`^flag needs an argument: -+(.+)$`)
)

// usageError explains flags that do not exist or do not take their value.
func usageError(_ context.Context, c *cli.Command, err error, _ bool) error {
	p := &problem{code: "SPM0002", summary: "Invalid command line", err: err, detail: "All flags: " + c.FullName() + " -help"}
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		for _, f := range c.Flags {
			names = append(names, f.Names()...)
		}
		p.err, p.summary = nil, fmt.Sprintf("%s has no flag -%s", c.FullName(), m[1])+didYouMean(m[1], "-", names)
	}
	if m := noValue.FindStringSubmatch(err.Error()); m != nil {
		p.err, p.summary = nil, fmt.Sprintf("-%s needs a value", m[1])
	}
	if m := wrongValue.FindStringSubmatch(err.Error()); m != nil {
		p.err, p.summary, p.detail = nil, fmt.Sprintf("Invalid -%s=%s", m[2], m[1]), valueOf(c, m[2])
	}
	return p
}

// valueOf says what a flag takes.
func valueOf(c *cli.Command, name string) string {
	for _, f := range c.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.BoolFlag:
			return "It is true or false."
		case *cli.DurationFlag:
			return "It is a time such as 30s, 10m or 2h."
		}
	}
	return "It is a whole number."
}

// checkTyped refuses values with which a flag, or an argument, would mean nothing. An empty one is most often a
// variable that a pipeline did not set: taken for a flag that was not given, -within= would apply what nobody reviewed.
func checkTyped(_ context.Context, c *cli.Command) error {
	for _, f := range slices.Concat(c.Root().Flags, c.Flags) {
		name := f.Names()[0]
		if !f.IsSet() {
			continue
		}
		switch v := f.Get(); {
		case v == "", holds(v, ""):
			return &problem{code: "SPM0002", summary: "The value of -" + name + " is empty", detail: notSet}
		case isNegative(v):
			return &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -%s=%v", name, v), detail: "It cannot be negative. Nothing was done."}
		}
	}
	if slices.Contains(c.Args().Slice(), "") {
		return &problem{code: "SPM0002", summary: "An argument is empty", detail: notSet}
	}
	return cmp.Or(checkColor(c), checkLength(c), checkWritten(c))
}

const notSet = "It is not taken for a flag or argument that is not there. Is a variable of the shell not set? Nothing was done."

// holds reports whether a value is a list with a word in it.
func holds(value any, word string) bool {
	list, ok := value.([]string)
	return ok && slices.Contains(list, word)
}

func isNegative(value any) bool {
	switch n := value.(type) {
	case int:
		return n < 0
	case time.Duration:
		return n < 0
	}
	return false
}

// checkLength refuses flags about the length of a text beside each other, and where there is no text.
func checkLength(c *cli.Command) error {
	lengths := []string{"compact", "verbose"}
	if c.Name != "show" || c.Args().Len() > 0 { // of the state so many items are listed
		lengths = append(lengths, "list-limit")
	}
	return cmp.Or(oneOf(c, lengths...), apart(c, "compact", "json"), apart(c, "verbose", "json"), apart(c, "list-limit", "json"))
}

func checkColor(c *cli.Command) error {
	if when := c.String("color"); when != "" && !slices.Contains([]string{"auto", "always", "never"}, when) {
		return &problem{code: "SPM0002", summary: "Invalid -color=" + when, detail: "Allowed are auto, always and never."}
	}
	return oneOf(c, "color", "no-color")
}

// didYouMeanAddress is didYouMean for addresses, of which the kind is often left out.
func didYouMeanAddress(given, kind string, candidates []string) string {
	if whole := kind + "." + given; slices.Contains(candidates, whole) {
		return fmt.Sprintf(". Did you mean %q?", whole)
	}
	return didYouMean(given, "", candidates)
}

// mostNames is how many names an error lists.
const mostNames = 10

// among lists what there is where something was named that is not: "Outputs: a, b."
func among(kind string, names []string) string {
	var shown []string
	for _, n := range names[:min(len(names), mostNames)] {
		shown = append(shown, view.Name(n))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	return kind + ": " + cmp.Or(strings.Join(shown, ", "), "none") + "."
}

// typingError is the number of slips up to which a word counts as mistyped.
const typingError = 2

// didYouMean ends a sentence with another that names the candidate that was most likely meant, or says nothing.
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
	return fmt.Sprintf(". Did you mean %q?", prefix+best)
}
