package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

func explainCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "explain",
		Usage:       "explain a code such as SPM0204",
		ArgsUsage:   "[CODE]",
		Description: "Says what a code of an error or warning means and what to do. Without CODE it lists all codes.",
		Flags:       []cli.Flag{jsonFlag()},
		Action:      func(_ context.Context, c *cli.Command) error { return runExplain(env, c) },
	}
}

func runExplain(env *environment, c *cli.Command) error {
	if c.Args().Len() > 1 {
		return &problem{code: "SPM0002", summary: "explain takes one code"}
	}
	list := allCodes()
	code := strings.ToUpper(strings.Trim(c.Args().First(), "[]"))
	if code != "" && strings.Trim(code, "0123456789") == "" {
		code = "SPM" + code
	}
	if code == "" {
		if c.Bool("json") {
			return writeJSON(env.stdout, list)
		}
		for _, e := range list {
			if _, err := fmt.Fprintf(env.stdout, "%s  %s\n", e.Code, e.Title); err != nil {
				return err
			}
		}
		return nil
	}
	var known []string
	for _, e := range list {
		if e.Code == code {
			if c.Bool("json") {
				return writeJSON(env.stdout, e)
			}
			return writeExplanation(env.stdout, e)
		}
		known = append(known, e.Code)
	}
	return &problem{code: "SPM0014", summary: fmt.Sprintf("There is no code %q", c.Args().First()) + didYouMean(code, "", known)}
}

// textWidth is where explanations are wrapped.
const textWidth = 90

func writeExplanation(w io.Writer, e explanation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n", e.Code, e.Title)
	column := 0
	for _, word := range strings.Fields(e.Text) {
		switch {
		case column == 0:
			b.WriteString("  ")
			column = 2
		case column+1+len(word) > textWidth:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
