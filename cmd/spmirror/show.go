package main

import (
	"cmp"
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
		Usage:     "show a saved plan, or the state, in any form",
		ArgsUsage: "[FILE]",
		Description: "Shows a plan that `spmirror plan -out=FILE` saved. It needs no configuration, no state\n" +
			"and no network. Without FILE it shows what the state has on disk, as it was last recorded:\n" +
			"the mirrors, and with -verbose, -path or a form other than text and -md each file.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "as JSON, complete"},
			&cli.BoolFlag{Name: "jsonl", Usage: "one change a line; of the state, one item"},
			&cli.BoolFlag{Name: "csv", Usage: "as an audit list"},
			&cli.BoolFlag{Name: "md", Usage: "as Markdown for a pull request; of the state, its mirrors"},
			&cli.BoolFlag{Name: "html", Usage: "as one page, which needs no network"},
			&cli.StringFlag{Name: "names", Usage: "`HOW` to show names of files: full, folders or hashed"},
			&cli.StringFlag{Name: "marker", Usage: "with -md: `TEXT` of the first line, by which a bot finds its comment"},
			&cli.IntFlag{Name: "max-bytes", Value: 60000, Usage: "with -md: at most `N` bytes"},
			&cli.StringSliceFlag{Name: "action", Usage: "only changes of `ACTION`; may be repeated; not for the state"},
			&cli.StringFlag{Name: "path", Usage: "only paths that match `GLOB`"},
			&cli.BoolFlag{Name: "compact", Usage: "one line for each mirror"},
			&cli.BoolFlag{Name: "verbose", Usage: "list every change"},
			&cli.IntFlag{Name: "list-limit", HideDefault: true, Usage: "list up to `N` items of each kind"},
		}),
		Action: func(ctx context.Context, c *cli.Command) error { return runShow(ctx, env, c) },
	}
}

// showOptions say what of a plan or a state is shown.
type showOptions struct {
	text  view.TextOptions
	names string
}

func showOptionsOf(c *cli.Command) (showOptions, error) {
	o := showOptions{names: c.String("names"), text: view.TextOptions{
		Compact: c.Bool("compact"), Verbose: c.Bool("verbose"), ListLimit: int(c.Int("list-limit")), PlanFile: c.Args().First(),
	}}
	for _, a := range c.StringSlice("action") {
		if !slices.Contains(plan.Actions[:], plan.Action(a)) {
			return o, &problem{code: "SPM0002", summary: "Invalid -action=" + a, detail: fmt.Sprintf("Allowed are %s.", plan.Actions)}
		}
		o.text.Actions = append(o.text.Actions, plan.Action(a))
	}
	if glob := c.String("path"); glob != "" {
		match, err := plan.PathMatcher(glob)
		if err != nil {
			return o, &problem{code: "SPM0002", summary: "Invalid -path", err: err}
		}
		o.text.Path = match
	}
	if !slices.Contains([]string{"", view.NamesFull, view.NamesFolders, view.NamesHashed}, o.names) {
		return o, &problem{code: "SPM0002", summary: "Invalid -names=" + o.names, detail: "Allowed are full, folders and hashed."}
	}
	return o, nil
}

func runShow(ctx context.Context, env *environment, c *cli.Command) error {
	o, err := showOptionsOf(c)
	if err != nil {
		return err
	}
	if err := checkForms(c); err != nil {
		return err
	}
	if c.Args().Len() > 0 {
		return runShowPlan(env, c, o)
	}
	if len(o.text.Actions) > 0 {
		return &problem{code: "SPM0002", summary: "-action is for saved plans", detail: "Without FILE, show prints the state, in which nothing is to be done."}
	}
	return looking(env, takes{}, func(ctx context.Context, s *session, c *cli.Command) error { return s.showState(ctx, c, o) })(ctx, c)
}

func runShowPlan(env *environment, c *cli.Command, o showOptions) error {
	if c.Args().Len() > 1 {
		return &problem{code: "SPM0002", summary: "show takes one saved plan"}
	}
	for _, name := range []string{"var", "var-file", "config"} {
		if c.IsSet(name) {
			return &problem{code: "SPM0002", summary: "-" + name + " has no meaning for a saved plan", detail: "The plan holds the configuration it was made from."}
		}
	}
	file, err := plan.Open(c.Args().First())
	if err != nil {
		return refusedFile(c.Args().First(), err)
	}
	defer file.Close()
	switch {
	case c.Bool("json"):
		return view.WritePlanJSON(env.stdout, file.Header, file, o.names)
	case c.Bool("jsonl"):
		return view.WriteJSONL(env.stdout, file, o.names, keep(o.text))
	case c.Bool("csv"):
		return view.WriteCSV(env.stdout, file.Header, file, o.names, keep(o.text))
	case c.Bool("html"):
		return view.WriteHTML(env.stdout, file.Header, file, o.names)
	case c.Bool("md"):
		return view.WriteMarkdown(env.stdout, file.Header, file, view.MarkdownOptions{
			MaxBytes: int(c.Int("max-bytes")), PlanFile: c.Args().First(), Marker: c.String("marker"), Names: o.names,
		})
	}
	out := env.output(colorOf(c))
	out.Names = o.names
	return out.PlanText(file.Header, file, o.text)
}

// checkForms refuses flags that the chosen form would not heed.
func checkForms(c *cli.Command) error {
	errs := []error{oneOf(c, "json", "jsonl", "csv", "md", "html"), goesWith(c, "marker", "md"), goesWith(c, "max-bytes", "md"), apart(c, "path", "md")}
	if c.Args().Len() > 0 { // of a plan these forms have everything
		errs = append(errs, apart(c, "action", "json", "md", "html"), apart(c, "path", "json", "html"))
	}
	for _, text := range []string{"compact", "verbose", "list-limit"} {
		errs = append(errs, apart(c, text, "json", "jsonl", "csv", "md", "html"))
	}
	return cmp.Or(errs...)
}

// keep selects the changes that -action and -path name; nil for all.
func keep(opt view.TextOptions) func(*plan.Change) bool {
	if len(opt.Actions) == 0 && opt.Path == nil {
		return nil
	}
	return func(c *plan.Change) bool {
		return (len(opt.Actions) == 0 || slices.Contains(opt.Actions, c.Action())) && (opt.Path == nil || opt.Path(string(c.Path), c.Folder))
	}
}
