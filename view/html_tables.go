package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// pageTable is a small table that the page shows without its script.
type pageTable struct {
	Head []string
	Rows [][]string
	// Text is the number of leading columns that hold text; the others are numbers.
	Text int
}

// Number reports whether a column holds numbers.
func (t *pageTable) Number(column int) bool { return column >= t.Text }

// Causes says who is the cause of what; nil when nothing changes.
func (v *pageView) Causes() *pageTable {
	c := &v.t.total
	out := &pageTable{Head: []string{"Action"}, Text: 1}
	titles := map[plan.Cause]string{
		plan.ByConfig: "by the configuration", plan.BySource: "by SharePoint users",
		plan.ByDrift: "by disk changes", plan.ByRetry: "left from the last run",
	}
	used := slices.DeleteFunc(slices.Clone(plan.Causes[:]), func(by plan.Cause) bool { return c.cause(by) == 0 })
	for _, by := range used {
		out.Head = append(out.Head, titles[by])
	}
	for _, a := range shownOrder {
		if a == plan.Blocked || c.of(a) == 0 {
			continue
		}
		row := []string{symbol(a) + " " + string(a)}
		for _, by := range used {
			row = append(row, commas(c.cell(a, by)))
		}
		out.Rows = append(out.Rows, row)
	}
	if len(out.Rows) == 0 {
		return nil
	}
	return out
}

// Mirrors lists every mirror with what happens to it.
func (v *pageView) Mirrors() *pageTable {
	out := &pageTable{Head: []string{"Mirror", "From", "To", "Plan", "Download"}, Text: 4}
	for _, m := range v.h.Mirrors {
		c := v.t.of(m)
		what := actionCounts(c)
		switch {
		case !m.Planned():
			what = "NOT PLANNED: " + Message(m.Problem.Summary) + " [" + Name(m.Problem.Code) + "]"
		case what == "":
			what = "no changes"
		case m.PreviousAddress != "":
			what += ", was " + Name(m.PreviousAddress)
		}
		out.Rows = append(out.Rows, []string{Name(m.Address), Name(sourceText(m)), Name(m.Target.Path), what,
			size(m.Summary[plan.Add].Bytes + m.Summary[plan.Update].Bytes)})
	}
	return out
}

func sourceText(m *plan.Mirror) string {
	return strings.TrimSpace(m.Source.Site + " " + m.Source.Drive + " " + m.Source.Folder)
}

// actionCounts counts the actions of a mirror in words.
func actionCounts(c *counts) string {
	var parts []string
	for _, a := range shownOrder {
		if n := c.of(a); n > 0 {
			parts = append(parts, commas(n)+" "+string(a))
		}
	}
	return strings.Join(parts, ", ")
}

// pageLoss is the list of what is deleted, or held back.
type pageLoss struct {
	Title, Text string
	Table       *pageTable
}

// Losses are shown before all else: deletes, then what is held back.
func (v *pageView) Losses() []pageLoss {
	var list []pageLoss
	for _, l := range []struct {
		action plan.Action
		title  string
	}{{plan.Delete, "Delete"}, {plan.Blocked, "Held back"}} {
		if v.t.total.of(l.action) == 0 {
			continue
		}
		var all folderSum
		for _, of := range v.lost.by[l.action] {
			all.merge(&of.sums.all)
		}
		table := v.lossItems(l.action)
		if v.t.total.of(l.action) > maxPageItems || v.lost.items > maxMarkdownItems || v.names == NamesFolders {
			table = v.lossFolders(l.action)
		}
		list = append(list, pageLoss{l.title, all.text(), table})
	}
	return list
}

func (v *pageView) lossItems(a plan.Action) *pageTable {
	out := &pageTable{Head: []string{"Mirror", "Path", "Why", "Size"}, Text: 3}
	for _, m := range v.h.Mirrors {
		of := v.lost.by[a][m.Address]
		if of == nil {
			continue
		}
		for _, c := range of.items {
			c = v.names.change(c)
			bytes := ""
			if !c.Folder {
				bytes = sizeOf(&c)
			}
			out.Rows = append(out.Rows, []string{Name(c.Mirror), Name(pathText(c.Path, c.Folder)), lossReason(&c), bytes})
		}
	}
	return out
}

func lossReason(c *plan.Change) string {
	text := phrase(c.Reason)
	if c.Action() == plan.Delete && c.Disposal != plan.DisposeTrash {
		text += ", DELETED FOR GOOD"
	}
	if c.Detail != "" {
		text += ": " + Message(c.Detail)
	}
	return text
}

func (v *pageView) lossFolders(a plan.Action) *pageTable {
	rows, rest := v.lost.rows(v.h, a, maxPageFolders)
	out := &pageTable{Head: []string{"Mirror", "Folder", "Items", "Size"}, Text: 2}
	for _, r := range rows {
		folder := pathText(v.names.path(plan.RelPath(r.folder), true), true)
		out.Rows = append(out.Rows, []string{Name(r.mirror), Name(folder), commas(r.sum.items()), size(r.sum.bytes)})
	}
	if rest.items() > 0 {
		out.Rows = append(out.Rows, []string{"", "(other folders)", commas(rest.items()), size(rest.bytes)})
	}
	return out
}

// rows are the folders of an action, those with most items first, and the sum of
// the others.
func (l *losses) rows(h *plan.Header, a plan.Action, limit int) (rows []lossRow, rest folderSum) {
	for _, mirror := range h.Mirrors {
		of := l.by[a][mirror.Address]
		if of == nil {
			continue
		}
		for folder, sum := range of.sums.by {
			rows = append(rows, lossRow{mirror.Address, folder, *sum})
		}
		rest.merge(&of.sums.other)
	}
	slices.SortFunc(rows, func(x, y lossRow) int {
		return cmp.Or(cmp.Compare(y.sum.items(), x.sum.items()), strings.Compare(x.mirror, y.mirror), strings.Compare(x.folder, y.folder))
	})
	keep := min(len(rows), limit)
	for _, r := range rows[keep:] {
		rest.merge(&r.sum)
	}
	return rows[:keep], rest
}

// ConfigDiff shows what the configuration changed for each mirror.
func (v *pageView) ConfigDiff() []diffLine { return configDiff(v.h) }
