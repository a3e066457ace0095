package view

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// losses writes the items that are deleted or blocked: one by one if they are
// few, else by folder. Counts of rows always add up to the title.
func (m *markdown) losses(a plan.Action, title string) {
	total := m.t.total.of(a)
	if total == 0 {
		return
	}
	var all folderSum
	for _, of := range m.lost.by[a] {
		all.merge(&of.sums.all)
	}
	m.line()
	m.line("<details open><summary>", title, " (", all.text(), ")</summary>")
	m.line()
	if m.detail.items && m.lost.items <= maxMarkdownItems && m.names != NamesFolders {
		m.lossItems(a)
	} else {
		m.lossFolders(a)
	}
	m.line()
	m.line("</details>")
}

func (m *markdown) lossItems(a plan.Action) {
	m.line("| Mirror | Path | Size | Why |")
	m.line("| --- | --- | ---: | --- |")
	for _, mirror := range m.h.Mirrors {
		of := m.lost.by[a][mirror.Address]
		if of == nil {
			continue
		}
		for _, c := range of.items {
			c = m.names.change(c)
			bytes := ""
			if !c.Folder {
				bytes = sizeOf(&c)
			}
			m.line("| ", code(c.Mirror), " | ", code(pathText(c.Path, c.Folder)), " | ", bytes, " | ", m.lossWhy(&c), " |")
		}
	}
}

func (m *markdown) lossWhy(c *plan.Change) string {
	text := phrases()[c.Reason]
	if text == "" {
		text = code(string(c.Reason))
	}
	if c.Action() == plan.Delete && c.Disposal != plan.DisposeTrash {
		text += ", **DELETED FOR GOOD**"
	}
	if c.Detail != "" {
		text += ": " + sentence(c.Detail)
	}
	return text
}

// placeText is where a change is, or was, not encoded. A target that moves is named by its own path.
func placeText(c *plan.Change, p plan.RelPath) string {
	if c.Reason == plan.TargetMoved {
		return string(p)
	}
	return pathText(p, c.Folder)
}

// pathText is a path below the target, not encoded.
func pathText(p plan.RelPath, folder bool) string {
	text := "/" + string(p)
	if folder && p != "" {
		text += "/"
	}
	return text
}

// lossRow is one folder of one mirror.
type lossRow struct {
	mirror, folder string
	sum            folderSum
}

func (m *markdown) lossFolders(a plan.Action) {
	rows, rest := m.lost.rows(m.h, a, m.detail.folders)
	m.line("| Mirror | Folder | Items | Size |")
	m.line("| --- | --- | ---: | ---: |")
	for _, r := range rows {
		folder := pathText(m.names.path(plan.RelPath(r.folder), true), true)
		m.line("| ", code(r.mirror), " | ", code(folder), " | ", commas(r.sum.items()), " | ", size(r.sum.bytes), " |")
	}
	if rest.items() > 0 {
		m.line("| | (other folders) | ", commas(rest.items()), " | ", size(rest.bytes), " |")
	}
}

// mirrors writes each mirror, as much of it as the level allows.
func (m *markdown) mirrors() {
	var quiet, folded int64
	safe := 0
	for _, mirror := range m.h.Mirrors {
		c := m.t.of(mirror)
		lossy := c.of(plan.Delete)+c.of(plan.Blocked) > 0
		switch {
		case !mirror.Planned():
			m.line()
			m.line("? ", code(mirror.Address), " not planned: ", sentence(mirror.Problem.Summary), " ", code(mirror.Problem.Code))
		case mirror.Changes()+c.of(plan.Blocked) == 0:
			quiet++
		case m.detail.tableRows > 0:
			m.mirror(mirror, c)
		case m.detail.allLines && lossy || safe < m.detail.safeLines:
			if !lossy {
				safe++
			}
			m.line()
			m.line(code(mirror.Address), ": ", m.mirrorLine(mirror, c))
		default:
			folded++
		}
	}
	if folded > 0 {
		m.line()
		m.line(count(folded, "mirror"), " with changes not shown here.")
	}
	if quiet > 0 {
		m.line()
		m.line(count(quiet, "mirror"), " without changes.")
	}
}

func (m *markdown) mirrorLine(mirror *plan.Mirror, c *counts) string {
	var parts []string
	for _, a := range shownOrder {
		if n := c.of(a); n > 0 {
			parts = append(parts, commas(n)+" "+string(a))
		}
	}
	if bytes := mirror.Summary[plan.Add].Bytes + mirror.Summary[plan.Update].Bytes; bytes > 0 {
		parts = append(parts, size(bytes))
	}
	return strings.Join(parts, ", ")
}

func (m *markdown) mirror(mirror *plan.Mirror, c *counts) {
	m.line()
	m.line("<details><summary>", codeHTML(mirror.Address), ": ", html.EscapeString(m.mirrorLine(mirror, c)), "</summary>")
	m.line()
	m.folderTable(mirror, c)
	if m.detail.samples && m.names != NamesFolders {
		m.samples(mirror, c)
	}
	m.line()
	m.line("</details>")
}

func (m *markdown) folderTable(mirror *plan.Mirror, c *counts) {
	rows := mergeRows(mirror.Folders, m.detail.tableRows)
	head, rule := "| Folder |", "| --- |"
	var used []plan.Action
	for _, a := range shownOrder {
		if c.of(a) > 0 {
			used = append(used, a)
			head += " " + string(a) + " |"
			rule += " ---: |"
		}
	}
	m.line(head, " download |")
	m.line(rule, " ---: |")
	for _, r := range rows {
		name := "(other folders)"
		if r.Path != "" {
			name = code(m.names.folder(r.Path))
		}
		line := "| " + name + " |"
		for _, a := range used {
			line += " " + commas(r.Counts[a]) + " |"
		}
		m.line(line, " ", size(r.DownloadBytes), " |")
	}
}

// mergeRows keeps the first rows and sums the rest, so that the table still adds up.
func mergeRows(rows []plan.FolderRow, limit int) []plan.FolderRow {
	if len(rows) <= limit {
		return rows
	}
	rest := plan.FolderRow{Counts: make(map[plan.Action]int64)}
	for _, r := range rows[limit-1:] {
		for a, n := range r.Counts {
			rest.Counts[a] += n
		}
		rest.DownloadBytes += r.DownloadBytes
	}
	return append(slices.Clone(rows[:limit-1]), rest)
}

func (m *markdown) samples(mirror *plan.Mirror, c *counts) {
	for _, a := range []plan.Action{plan.Update, plan.Move, plan.Add} {
		list := mirror.Samples[a]
		if len(list) == 0 {
			continue
		}
		m.line()
		title := fmt.Sprintf("%s of %s to %s:", commas(int64(len(list))), commas(c.of(a)), a)
		switch {
		case int64(len(list)) == c.of(a):
			title = upperFirst(string(a)) + " (" + commas(c.of(a)) + "):"
		case a != plan.Move:
			title = "Largest " + title
		}
		m.line(title)
		m.line()
		for i := range list {
			s := m.names.change(list[i])
			line := "- " + code(placeText(&s, s.Path))
			if s.Moves() {
				line = "- " + code(placeText(&s, s.PreviousPath)) + " to " + code(placeText(&s, s.Path))
			}
			if s.Reason == plan.AddressMoved {
				line = "- the mirror itself, which was " + code(mirror.PreviousAddress)
			}
			if a != plan.Move {
				line += ", " + size(s.Bytes())
			}
			m.line(line)
		}
	}
}

// configuration shows what was configured otherwise before. A line begins with a
// sign or is indented, so none can end the block.
func (m *markdown) configuration() {
	lines := configDiff(m.names.header(m.h))
	if len(lines) == 0 {
		return
	}
	m.line()
	if m.detail.config == 0 {
		m.line("The configuration of ", count(m.changedMirrors(), "mirror"), " changed.")
		return
	}
	ticks := "```"
	for _, l := range lines {
		ticks = strings.Repeat("`", max(len(ticks), longestRun(l.Text, '`')+1))
	}
	m.line("<details><summary>Configuration change that causes this</summary>")
	m.line()
	m.line(ticks, "diff")
	for _, l := range lines[:min(len(lines), m.detail.config)] {
		m.line(l.Text)
	}
	if left := len(lines) - m.detail.config; left > 0 {
		m.line("  and ", count(int64(left), "line"), " more")
	}
	m.line(ticks)
	m.line()
	m.line("</details>")
}

func (m *markdown) changedMirrors() int64 {
	var n int64
	for _, mirror := range m.h.Mirrors {
		if len(mirror.ConfigChanges) > 0 {
			n++
		}
	}
	return n
}

// findings sums up guards and checks and spells out those that do not pass.
func (m *markdown) findings() {
	var lines []string
	passed, failed := int64(0), int64(0)
	note := func(ok bool, line string) {
		if ok {
			passed++
			return
		}
		failed++
		if len(lines) < m.detail.findings {
			lines = append(lines, line)
		}
	}
	for _, g := range m.h.Guards {
		g = m.names.guard(g)
		value, limit, detail := guardText(g)
		note(g.Status == plan.GuardPass, "- guard "+code(g.Name)+" of "+code(g.Mirror)+": **"+strings.ToUpper(statusWord(g.Status))+
			"**, "+fence(value+detail)+", limit "+fence(limit))
	}
	for _, c := range m.h.Checks {
		note(c.Status == "pass", "- check "+code(c.Name)+" ("+enforcementWord(c.Enforcement)+"): **FAILED** "+
			sentence(short(strings.Join(c.Messages, "; "), 500)))
	}
	if passed+failed == 0 {
		return
	}
	m.line()
	m.line("Guards and checks: ", commas(passed), " passed, ", commas(failed), " did not.")
	if len(lines) > 0 {
		m.line()
	}
	for _, l := range lines {
		m.line(l)
	}
	if left := failed - int64(len(lines)); left > 0 && len(lines) > 0 {
		m.line("- and ", commas(left), " more")
	}
}

// warnings says what planning found that concerns no item of the plan.
func (m *markdown) warnings() {
	var lines []string
	for _, d := range m.h.Diagnostics {
		if d.Severity != "warning" {
			continue // a mirror that could not be planned says its own
		}
		of := ""
		if d.Address != "" {
			of = " of " + code(d.Address)
		}
		lines = append(lines, "- warning "+code(d.Code)+of+": "+sentence(d.Summary))
	}
	if len(lines) == 0 {
		return
	}
	m.line()
	shown := min(len(lines), m.detail.findings)
	if shown == 0 {
		m.line(count(int64(len(lines)), "warning"), " not shown here.")
		return
	}
	for _, l := range lines[:shown] {
		m.line(l)
	}
	if left := len(lines) - shown; left > 0 {
		m.line("- and ", commas(int64(left)), " more")
	}
}

// statusWord and enforcementWord let only the words we know out of a code span.
func statusWord(s string) string {
	if s == plan.GuardBlocked || s == plan.GuardOverridden {
		return s
	}
	return "failed"
}

func enforcementWord(s string) string {
	if s == "mandatory" {
		return s
	}
	return "advisory"
}
