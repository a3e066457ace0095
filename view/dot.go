package view

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// DotNode is a node of a graph in the language of Graphviz.
type DotNode struct {
	Name  string   // unique
	Lines []string // label, if it is more than the name
	Shape string   // box if empty
	Alert bool     // drawn in red
	Group string   // name of the group it is drawn in, "" for none
}

// DotEdge points from what needs to what is needed.
type DotEdge struct{ From, To string }

// WriteDot writes a graph as DOT: nodes and edges in order, names as text whatever is in them.
func WriteDot(w io.Writer, nodes []DotNode, edges []DotEdge) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "digraph G {\n  rankdir = \"RL\";\n  node [shape = box, fontname = \"sans-serif\"];\n")
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b DotNode) int { return strings.Compare(a.Name, b.Name) })
	groups := map[string][]DotNode{}
	var names []string
	for _, n := range nodes {
		if n.Group == "" {
			fmt.Fprintf(out, "  %s\n", n.dot())
			continue
		}
		if groups[n.Group] == nil {
			names = append(names, n.Group)
		}
		groups[n.Group] = append(groups[n.Group], n)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(out, "  subgraph %s {\n    label = %s;\n", dotText("cluster "+name), dotText(name))
		for _, n := range groups[name] {
			fmt.Fprintf(out, "    %s\n", n.dot())
		}
		fmt.Fprint(out, "  }\n")
	}
	edges = slices.Clone(edges)
	slices.SortFunc(edges, func(a, b DotEdge) int { return strings.Compare(a.From+"\x00"+a.To, b.From+"\x00"+b.To) })
	for _, e := range slices.Compact(edges) {
		fmt.Fprintf(out, "  %s -> %s;\n", dotText(e.From), dotText(e.To))
	}
	fmt.Fprint(out, "}\n")
	return out.Flush()
}

func (n DotNode) dot() string {
	var attributes []string
	if len(n.Lines) > 0 {
		attributes = append(attributes, "label = "+dotText(n.Lines...))
	}
	if n.Shape != "" {
		attributes = append(attributes, "shape = "+n.Shape)
	}
	if n.Alert {
		attributes = append(attributes, `color = "red"`, `fontcolor = "red"`)
	}
	if len(attributes) == 0 {
		return dotText(n.Name) + ";"
	}
	return dotText(n.Name) + " [" + strings.Join(attributes, ", ") + "];"
}

// dotText quotes lines as one text of DOT, in which a backslash begins an escape: \N would be the name
// of the node. What acts on a terminal is shown as in every other text.
func dotText(lines ...string) string {
	shown := make([]string, len(lines))
	for i, line := range lines {
		shown[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(Name(line))
	}
	return `"` + strings.Join(shown, `\n`) + `"`
}

// PlanDot writes what a plan would do as a graph: tenants, drives, mirrors with their counts, targets.
// It shows no name of a file.
func PlanDot(w io.Writer, h *plan.Header) error {
	var nodes []DotNode
	var edges []DotEdge
	seen := map[string]bool{}
	once := func(n DotNode) string {
		if !seen[n.Name] {
			seen[n.Name] = true
			nodes = append(nodes, n)
		}
		return n.Name
	}
	for _, m := range h.Mirrors {
		mirror := once(DotNode{Name: m.Address, Lines: planLines(m), Alert: !m.Planned() || m.Summary[plan.Blocked].Items > 0 || blockedByGuard(h, m.Address)})
		target := once(DotNode{Name: "target " + string(m.Target.Path), Lines: []string{m.Target.Path}, Shape: "folder"})
		edges = append(edges, DotEdge{target, mirror})
		if m.Source.Tenant == "" { // a mirror that is forgotten
			continue
		}
		tenant := once(DotNode{Name: m.Source.Tenant, Shape: "component"})
		drive := once(DotNode{Name: "drive " + cmp.Or(string(m.Source.DriveID), strings.Join(driveLines(m.Source), " ")), Lines: driveLines(m.Source), Shape: "cylinder"})
		edges = append(edges, DotEdge{mirror, drive}, DotEdge{drive, tenant})
	}
	return WriteDot(w, nodes, edges)
}

func driveLines(s plan.SourceRef) []string {
	var lines []string
	for _, line := range []string{s.Site, s.Drive} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, string(s.DriveID))
	}
	return lines
}

// planLines says of a mirror what the plan would do with it, deletes first.
func planLines(m *plan.Mirror) []string {
	lines := []string{m.Address}
	if !m.Planned() {
		return append(lines, "not planned")
	}
	for _, a := range []plan.Action{plan.Delete, plan.Forget, plan.Blocked, plan.Add, plan.Adopt, plan.Update, plan.Move, plan.Metadata} {
		if n := m.Summary[a].Items; n > 0 {
			lines = append(lines, fmt.Sprintf("%d %s", n, a))
		}
	}
	if len(lines) == 1 {
		lines = append(lines, "no changes")
	}
	return lines
}

func blockedByGuard(h *plan.Header, address string) bool {
	return slices.ContainsFunc(h.Guards, func(g plan.GuardResult) bool { return g.Mirror == address && g.Blocks() })
}
