package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

func showCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show a saved plan, in any form",
		ArgsUsage: "FILE",
		Description: "Shows a plan that `spmirror plan -out=FILE` saved. It needs no configuration, no state\n" +
			"and no network.",
		Flags: slices.Concat(outputFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "as JSON, complete"},
			&cli.BoolFlag{Name: "jsonl", Usage: "one change a line"},
			&cli.BoolFlag{Name: "csv", Usage: "as an audit list"},
			&cli.BoolFlag{Name: "md", Usage: "as Markdown for a pull request"},
			&cli.BoolFlag{Name: "html", Usage: "as one page with a map and tables, which needs no network"},
			&cli.StringFlag{Name: "names", Usage: "`HOW` to show names of files: full, folders or hashed"},
			&cli.StringFlag{Name: "marker", Usage: "with -md: `TEXT` of the first line, by which a bot finds its comment"},
			&cli.IntFlag{Name: "max-bytes", Value: 60000, Usage: "with -md: at most `N` bytes"},
			&cli.StringSliceFlag{Name: "action", Usage: "only changes of `ACTION`; may be repeated"},
			&cli.StringFlag{Name: "path", Usage: "only paths that match `GLOB`"},
			&cli.BoolFlag{Name: "compact", Usage: "one line for each mirror"},
			&cli.BoolFlag{Name: "verbose", Usage: "list every change"},
			&cli.IntFlag{Name: "list-limit", HideDefault: true, Usage: "list up to `N` items of each kind"},
		}),
		Action: func(_ context.Context, c *cli.Command) error { return runShow(env, c) },
	}
}

func runShow(env *environment, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return &problem{code: "SPM0002", summary: "show takes one saved plan", detail: "Save one with `spmirror plan -out=FILE`."}
	}
	file, err := plan.Open(c.Args().First())
	if err != nil {
		return refusedFile(c.Args().First(), err)
	}
	defer file.Close()
	opt := view.TextOptions{
		Compact: c.Bool("compact"), Verbose: c.Bool("verbose"), ListLimit: int(c.Int("list-limit")), PlanFile: c.Args().First(),
	}
	for _, a := range c.StringSlice("action") {
		if !slices.Contains(plan.Actions[:], plan.Action(a)) {
			return &problem{code: "SPM0002", summary: "Invalid -action=" + a, detail: fmt.Sprintf("Allowed are %s.", plan.Actions)}
		}
		opt.Actions = append(opt.Actions, plan.Action(a))
	}
	if glob := c.String("path"); glob != "" {
		match, err := plan.PathMatcher(glob)
		if err != nil {
			return &problem{code: "SPM0002", summary: "Invalid -path", err: err}
		}
		opt.Path = match
	}
	names := c.String("names")
	if !slices.Contains([]string{"", view.NamesFull, view.NamesFolders, view.NamesHashed}, names) {
		return &problem{code: "SPM0002", summary: "Invalid -names=" + names, detail: "Allowed are full, folders and hashed."}
	}
	switch {
	case c.Bool("json"):
		return view.WritePlanJSON(env.stdout, file.Header, file, names)
	case c.Bool("jsonl"):
		return view.WriteJSONL(env.stdout, file, names, keep(opt))
	case c.Bool("csv"):
		return view.WriteCSV(env.stdout, file.Header, file, names, keep(opt))
	case c.Bool("html"):
		return view.WriteHTML(env.stdout, file.Header, file, names)
	case c.Bool("md"):
		return view.WriteMarkdown(env.stdout, file.Header, file, view.MarkdownOptions{
			MaxBytes: int(c.Int("max-bytes")), PlanFile: c.Args().First(), Marker: c.String("marker"), Names: names,
		})
	}
	out := env.output(colorOf(c))
	out.Names = names
	return out.PlanText(file.Header, file, opt)
}

// keep selects the changes that -action and -path name; nil for all.
func keep(opt view.TextOptions) func(*plan.Change) bool {
	if len(opt.Actions) == 0 && opt.Path == nil {
		return nil
	}
	return func(c *plan.Change) bool {
		return (len(opt.Actions) == 0 || slices.Contains(opt.Actions, c.Action())) && (opt.Path == nil || opt.Path(string(c.Path)))
	}
}
