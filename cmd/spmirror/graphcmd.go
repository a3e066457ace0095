package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

func graphCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "graph",
		Usage:     "print what depends on what, for Graphviz",
		ArgsUsage: "[FILE]",
		Description: "Prints tenants, data, mirrors, modules, checks and outputs in the language DOT, with an arrow from\n" +
			"each to what it refers to. It works offline and without credentials; blocks with for_each are one\n" +
			"node. -type=plan draws a saved plan: tenants, drives, mirrors with the counts of their changes, and\n" +
			"targets; what is blocked or not planned is red.\n\n" +
			"  spmirror graph | dot -Tsvg > graph.svg",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			&cli.StringFlag{Name: "type", Value: "config", Usage: "`WHAT` to draw: config, or plan for the saved plan in FILE"},
		}),
		Action: func(_ context.Context, c *cli.Command) error { return runGraph(env, c) },
	}
}

func runGraph(env *environment, c *cli.Command) error {
	switch kind := c.String("type"); {
	case kind == "plan" && c.Args().Len() == 1:
		return graphOfPlan(env, c.Args().First())
	case kind == "plan":
		return &problem{code: "SPM0002", summary: "graph -type=plan takes the file of a saved plan", detail: "`spmirror plan -out=FILE` saves one."}
	case kind == "config" && c.Args().Len() == 0:
		return graphOfConfig(env, c)
	case kind == "config":
		return &problem{code: "SPM0002", summary: "graph takes a file with -type=plan only"}
	default:
		return &problem{code: "SPM0002", summary: "Invalid -type=" + kind, detail: "Allowed are config and plan."}
	}
}

func graphOfPlan(env *environment, name string) error {
	f, err := plan.Open(name)
	if err != nil {
		return refusedFile(name, err)
	}
	defer f.Close()
	return view.PlanDot(env.stdout, f.Header)
}

func graphOfConfig(env *environment, c *cli.Command) error {
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	shapes := map[string]string{"tenant": "component", "data": "cylinder", "check": "octagon", "output": "note", "module": "box3d"}
	var nodes []view.DotNode
	var edges []view.DotEdge
	for _, d := range cfg.Graph() {
		n := view.DotNode{Name: d.Address, Shape: shapes[d.Kind], Group: d.Module}
		if count := instances(cfg, d); count != "" {
			n.Lines = []string{d.Address, count}
		}
		nodes = append(nodes, n)
		for _, need := range d.Needs {
			edges = append(edges, view.DotEdge{From: d.Address, To: need})
		}
	}
	return view.WriteDot(env.stdout, nodes, edges)
}

// instances says how many mirrors or tenants a block with for_each declares, if that is known offline.
func instances(cfg *config.Config, d config.Declared) string {
	n := 0
	count := func(address string) {
		if strings.HasPrefix(address, d.Address+"[") {
			n++
		}
	}
	for _, m := range cfg.Mirrors {
		count(m.Address)
	}
	for _, t := range cfg.Tenants {
		count(t.Address)
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("instances: %d", n)
}
