package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// MarkdownOptions shape a plan as a comment of a pull request.
type MarkdownOptions struct {
	// MaxBytes is the largest size; zero means 60000, which every code host but
	// the smallest takes.
	MaxBytes int
	// Marker goes into the first line, by which a bot finds its old comment.
	Marker string
	// PlanFile is named in the commands.
	PlanFile string
	// Names is what is shown of files: full, folders or hashed.
	Names string
}

const (
	defaultMarkdownBytes = 60000
	// maxMarkdownItems bounds the deletes and blocked items that are named.
	maxMarkdownItems = 400
)

// detail is how much of a plan a Markdown text shows. Levels shrink from the
// least to the most important; deletes are the last to go (UX 3.8).
type detail struct {
	samples   bool
	tableRows int  // rows of each mirror's table of folders
	safeLines int  // so many mirrors without deletes get a line each
	allLines  bool // all mirrors get a line each
	items     bool // deletes and blocked items one by one
	folders   int  // rows of deletes and blocked items by folder
	findings  int  // guards and checks that are spelled out
	config    int  // lines of the difference of the configuration
}

var levels = []detail{
	{samples: true, tableRows: 10, allLines: true, items: true, folders: 1000, findings: 100, config: 300},
	{tableRows: 10, allLines: true, items: true, folders: 1000, findings: 100, config: 300},
	{tableRows: 4, allLines: true, items: true, folders: 1000, findings: 100, config: 300},
	{safeLines: 1000, allLines: true, items: true, folders: 1000, findings: 20, config: 100},
	{safeLines: 300, allLines: true, items: true, folders: 1000, findings: 20, config: 100},
	{safeLines: 50, allLines: true, items: true, folders: 1000, findings: 20, config: 100},
	{allLines: true, items: true, folders: 1000, findings: 20, config: 100},
	{items: true, folders: 1000, findings: 10, config: 40},
	{folders: 200, findings: 5, config: 40},
	{folders: 40, findings: 3},
	{folders: 10, findings: 1},
	{},
}

// ErrTooSmall says that not even the totals fit.
var ErrTooSmall = errors.New("the size limit is too small for the totals of the plan")

// WriteMarkdown writes a plan as Markdown of at most MaxBytes bytes. What does not
// fit goes by levels, never in the middle of a table, and the text says so.
func WriteMarkdown(w io.Writer, h *plan.Header, p Plan, opt MarkdownOptions) error {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = defaultMarkdownBytes
	}
	t, err := countItems(h, p)
	if err != nil {
		return fmt.Errorf("write plan as Markdown: %w", err)
	}
	lost, err := collectLost(h, p)
	if err != nil {
		return fmt.Errorf("write plan as Markdown: %w", err)
	}
	var least int
	for i, level := range levels {
		m := markdown{h: h, t: t, opt: opt, names: naming(opt.Names), lost: lost, detail: level, shrunk: i > 0}
		m.write()
		if m.buf.Len() <= opt.MaxBytes {
			_, err := w.Write(m.buf.Bytes())
			return err
		}
		least = m.buf.Len()
	}
	return fmt.Errorf("write plan as Markdown: %w, which take %d bytes", ErrTooSmall, least)
}

// losses are the deleted and the blocked items, in bounded memory.
type losses struct {
	by    map[plan.Action]map[string]*lossesOf // by action and mirror
	items int
}

type lossesOf struct {
	items []plan.Change
	sums  *folderSums
}

func collectLost(h *plan.Header, p Plan) (*losses, error) {
	l := &losses{by: map[plan.Action]map[string]*lossesOf{plan.Delete: {}, plan.Blocked: {}}}
	c := newCursor(p, plan.Blocked, plan.Delete)
	defer c.stop()
	for _, m := range h.Mirrors {
		for change, err := range c.of(m) {
			if err != nil {
				return nil, err
			}
			of := l.by[change.Action()][m.Address]
			if of == nil {
				of = &lossesOf{sums: newFolderSums()}
				l.by[change.Action()][m.Address] = of
			}
			of.sums.add(&change)
			l.items++
			if l.items <= maxMarkdownItems {
				of.items = append(of.items, change)
			}
		}
	}
	return l, nil
}

// markdown is one text at one level of detail.
type markdown struct {
	buf    bytes.Buffer
	h      *plan.Header
	t      *tally
	opt    MarkdownOptions
	names  naming
	lost   *losses
	detail detail
	shrunk bool
}

func (m *markdown) line(parts ...string) {
	for _, p := range parts {
		m.buf.WriteString(p)
	}
	m.buf.WriteByte('\n')
}

func (m *markdown) write() {
	marker := "<!-- spmirror:plan"
	if m.opt.Marker != "" {
		marker += " " + comment(m.opt.Marker)
	}
	m.line(marker, " -->")
	m.line("### spmirror plan: ", m.headline())
	m.line()
	m.line(m.meta())
	m.alerts()
	m.matrix()
	m.losses(plan.Blocked, "Blocked")
	m.losses(plan.Delete, "Delete")
	m.mirrors()
	m.configuration()
	m.findings()
	m.warnings()
	m.footer()
}

func (m *markdown) headline() string {
	t := m.h.Totals
	var parts []string
	add := func(n int64, word string, loud bool) {
		text := commas(n) + " " + word
		if loud {
			text = "**" + text + "**"
		}
		if n > 0 {
			parts = append(parts, text)
		}
	}
	add(t.Count(plan.Add), "to add", false)
	add(t.Changed(), "to change", false)
	add(t.Count(plan.Delete), "to delete", true)
	add(t.Count(plan.Forget), "to forget", false)
	add(t.Count(plan.Adopt), "to adopt", false)
	add(t.Count(plan.Blocked), "blocked", true)
	text := planText{h: m.h}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case text.notPlannedCount() > 0 || m.h.Errored:
		return "nothing planned, because the plan is incomplete"
	case text.recorded():
		return "no changes against recorded data"
	case m.h.Options.Narrowed():
		return "no changes in what was selected"
	case m.h.Mode == plan.ModeRefreshOnly:
		return "nothing is planned, -refresh-only proposes no transfer"
	case m.h.Blocked:
		return "no changes, but the plan is blocked"
	}
	return "no changes"
}

func (m *markdown) meta() string {
	h := m.h
	parts := []string{size(h.Totals.DownloadBytes) + " to download"}
	if h.PlanID != "" {
		parts = append(parts, "plan "+code(h.PlanID))
	}
	if h.Configuration.Commit != "" {
		parts = append(parts, "commit "+code(shortCommit(h.Configuration.Commit)))
	}
	text := planText{h: h}
	if at := text.readAt(); !at.IsZero() {
		parts = append(parts, "source read "+stamp(at))
	}
	if !h.Expires.IsZero() {
		parts = append(parts, "valid until "+stamp(h.Expires))
	}
	return strings.Join(parts, ", ") + "."
}

// alerts say what a reviewer must not miss.
func (m *markdown) alerts() {
	text := planText{h: m.h, t: m.t, names: m.names}
	var lines []string
	c := &m.t.total
	if n := c.of(plan.Delete) - c.forGood; n > 0 {
		lines = append(lines, "**"+count(n, "item")+"** will be moved to the trash.")
	}
	if c.forGood > 0 {
		lines = append(lines, "**"+count(c.forGood, "item")+" will be DELETED FOR GOOD.**")
	}
	if m.h.Blocked {
		lines = append(lines, "**The plan is blocked** and cannot be applied as it is.")
	}
	if n := text.notPlannedCount(); n > 0 {
		lines = append(lines, "**"+count(n, "mirror")+"** could not be planned.")
	}
	if m.h.Speculative {
		lines = append(lines, "Speculative: made from an inventory, without the state; it cannot be applied.")
	}
	if text.recorded() {
		lines = append(lines, "Made from recorded data; changes at the source since then are unknown.")
	}
	if m.h.Options.Narrowed() {
		lines = append(lines, "Only a part was planned: "+fence(scopeText(m.h.Options))+".")
	}
	if len(lines) == 0 {
		return
	}
	m.line()
	m.line("> [!CAUTION]")
	for i, l := range lines {
		if i < len(lines)-1 {
			l += "<br>"
		}
		m.line("> ", l)
	}
}

// matrix says who is the cause of what. Its cells add up to the headline.
func (m *markdown) matrix() {
	c := &m.t.total
	titles := map[plan.Cause]string{
		plan.ByConfig: "by the configuration", plan.BySource: "by SharePoint users",
		plan.ByDrift: "by disk changes", plan.ByRetry: "left from the last run",
	}
	var used []plan.Cause
	head, rule := "| |", "| --- |"
	for _, by := range plan.Causes {
		if c.cause(by) > 0 {
			used = append(used, by)
			head += " " + titles[by] + " |"
			rule += " ---: |"
		}
	}
	if len(used) == 0 {
		return
	}
	m.line()
	m.line(head)
	m.line(rule)
	for _, row := range []struct {
		name    string
		actions []plan.Action
	}{
		{"delete", []plan.Action{plan.Delete}},
		{"change", []plan.Action{plan.Update, plan.Move, plan.Metadata}},
		{"add", []plan.Action{plan.Add}},
		{"adopt", []plan.Action{plan.Adopt}},
		{"forget", []plan.Action{plan.Forget}},
	} {
		line, sum := "| "+row.name+" |", int64(0)
		for _, by := range used {
			var n int64
			for _, a := range row.actions {
				n += c.cell(a, by)
			}
			sum += n
			text := commas(n)
			if row.name == "delete" && n > 0 {
				text = "**" + text + "**"
			}
			line += " " + text + " |"
		}
		if sum > 0 {
			m.line(line)
		}
	}
}

// footer says what was left out and what to run.
func (m *markdown) footer() {
	if m.shrunk {
		m.line()
		m.line("_Shortened to ", commas(int64(m.opt.MaxBytes)), " bytes; the plan file has every item._")
	}
	if m.opt.PlanFile == "" || !m.h.Applyable {
		return
	}
	if guards := m.h.Overrides(); m.h.Blocked && len(guards) > 0 {
		m.line()
		m.line("To apply exactly this nevertheless: ", fence("spmirror apply "+OverrideFlags(guards)+" "+commandFile(m.opt.PlanFile)), ".")
	}
	if m.h.Blocked {
		return
	}
	m.line()
	m.line("To apply exactly this: ", fence("spmirror apply "+commandFile(m.opt.PlanFile)),
		". To apply at merge, allowing less but not more: ", fence("spmirror apply -within="+shellWord(m.opt.PlanFile)), ".")
}
