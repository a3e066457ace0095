package view

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spmirror/spmirror/plan"
)

// TextOptions choose how much of a plan is shown.
type TextOptions struct {
	Compact bool // one line a mirror
	Verbose bool // every change
	// ListLimit is how many deletes and blocked items a mirror lists one by one:
	// zero means 100, a negative number all.
	ListLimit int
	// Depth cuts the folders of the folder table; zero means as planned.
	Depth int
	// Actions and Path turn the output into a complete list of what they select.
	Actions []plan.Action
	Path    func(path string, folder bool) bool
	// PlanFile is named in the commands that show more.
	PlanFile string
	// Recorded says that the source was not read for this plan.
	Recorded bool
}

// Limits of the normal output (UX 3.2).
const (
	defaultListLimit = 100
	smallMirror      = 20 // up to so many changes are listed, not summarised
	maxQuietMirrors  = 10 // mirrors without changes that get a line
	maxGuardRows     = 12
)

func (t TextOptions) limit() int {
	switch {
	case t.Verbose || t.ListLimit < 0:
		return 1 << 62
	case t.ListLimit == 0:
		return defaultListLimit
	}
	return t.ListLimit
}

// PlanText writes a plan for people (UX 3.3): header, each mirror with what is
// dangerous first, guards, and the summary as the last block.
func (o Output) PlanText(h *plan.Header, p Plan, opt TextOptions) error {
	t, err := countItems(h, p)
	if err != nil {
		return fmt.Errorf("show plan: %w", err)
	}
	text := &planText{page: newPage(o.Out), out: o, names: o.names(), h: h, p: p, t: t, opt: opt}
	defer text.stop()
	if err := text.write(); err != nil {
		return fmt.Errorf("show plan: %w", err)
	}
	return text.close()
}

// planText is one plan being written.
type planText struct {
	*page
	out   Output
	names naming
	h     *plan.Header
	p     Plan
	t     *tally
	opt   TextOptions
	// Cursors over the items, one for each stretch of actions whose order in the
	// file is also that of the output.
	cursors []*cursor
}

func (x *planText) stop() {
	for _, c := range x.cursors {
		c.stop()
	}
}

func (x *planText) write() error {
	if len(x.opt.Actions) > 0 || x.opt.Path != nil {
		return x.list()
	}
	if x.opt.Compact {
		x.compact()
		x.summary()
		return nil
	}
	x.header()
	x.legend()
	if err := x.mirrors(); err != nil {
		return err
	}
	if err := x.drift(); err != nil {
		return err
	}
	x.guards()
	x.checks()
	x.warnings()
	x.gap()
	x.summary()
	return nil
}

// warnings says what planning found that concerns no item of the plan.
func (x *planText) warnings() {
	for _, d := range x.h.Diagnostics {
		if d.Severity != "warning" {
			continue
		}
		x.gap()
		x.line(x.out.paint(yellow, "Warning: "), Message(d.Summary), " [", Message(d.Code), "]   ", Name(d.Address))
		for line := range strings.Lines(d.Detail) {
			x.line("  ", Message(strings.TrimSpace(line)))
		}
	}
}

// header says what was planned, from what, and how fresh it is.
func (x *planText) header() {
	h := x.h
	parts := []string{"spmirror " + Message(h.SpmirrorVersion), "plan"}
	if h.Mode != plan.ModeNormal && h.Mode != "" {
		parts[1] = "plan (" + Message(h.Mode) + ")"
	}
	parts = append(parts, h.Created.UTC().Format("2006-01-02 15:04:05 MST"))
	if c := h.Configuration; c.Commit != "" {
		at := "commit " + Name(shortCommit(c.Commit))
		if c.Dirty {
			at += " (with uncommitted changes)"
		}
		if c.Branch != "" {
			at += " on " + Name(c.Branch)
		}
		parts = append(parts, at)
	}
	x.line(x.out.paint(bold, strings.Join(parts, "  ")))
	for i, t := range h.Tenants {
		head := "        "
		if i == 0 {
			head = "Tenant  "
		}
		x.line(head, Name(t.Name), " (", tenantText(t), ")")
	}
	x.line("State   ", x.stateText())
	x.line("Source  ", x.sourceText())
	if h.Options.Narrowed() {
		x.line("Scope   ", scopeText(h.Options), "; the rest was not planned")
	}
}

func shortCommit(s string) string {
	if len(s) > 12 && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		return s[:7]
	}
	return s
}

func tenantText(t plan.TenantRef) string {
	if t.TenantID == "" {
		return Message(t.Environment)
	}
	return Message(t.TenantID) + ", " + Message(t.Environment)
}

func scopeText(opt plan.Options) string {
	var parts []string
	for _, f := range []struct {
		flag string
		list []string
	}{{"-target=", opt.Targets}, {"-target-path=", opt.TargetPaths}, {"-exclude=", opt.Excludes}} {
		for _, v := range f.list {
			parts = append(parts, f.flag+Name(v))
		}
	}
	return strings.Join(parts, " ")
}

func (x *planText) stateText() string {
	s := x.h.State
	text := "lineage " + Name(short(s.Lineage, 8)) + "  serial " + fmt.Sprint(s.Serial)
	if s.Path != "" {
		text = Name(filepath.Base(s.Path)) + "  " + text
	}
	switch {
	case x.h.Speculative:
		return text + ", as an inventory has it"
	case s.LastRun.IsZero():
		return text + ", no run yet"
	}
	return text + ", last run " + stamp(s.LastRun) + " (" + age(x.h.Created.Sub(s.LastRun)) + ")"
}

func short(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func (x *planText) sourceText() string {
	h := x.h
	text := count(int64(len(h.Mirrors)), "mirror") + ", "
	if x.onlyForgets() {
		return text + "to be forgotten; no source was read"
	}
	if h.Totals.Observed > 0 || x.notPlannedCount() == 0 { // of what could not be read nothing is known
		text += count(h.Totals.Observed, "item") + " known, "
	}
	if x.recorded() {
		return text + "recorded data, " + x.sourceAge()
	}
	var pages int64
	seen := map[plan.DriveID]bool{} // mirrors of one drive share its listing
	for _, m := range h.Mirrors {
		if !seen[m.Source.DriveID] {
			pages += m.Listing.Pages
		}
		seen[m.Source.DriveID] = true
	}
	if pages > 0 {
		text += count(pages, "page") + " read, "
	}
	if slices.ContainsFunc(h.Mirrors, func(m *plan.Mirror) bool { return !m.Planned() || !m.Listing.Complete }) {
		return text + x.out.paint(red, "listing NOT complete")
	}
	return text + "listing complete"
}

// onlyForgets reports whether the plan has to do with no source at all.
func (x *planText) onlyForgets() bool {
	return len(x.h.Mirrors) > 0 && !slices.ContainsFunc(x.h.Mirrors, func(m *plan.Mirror) bool { return !m.Forgotten() })
}

// recorded reports whether the plan was made without reading the source.
func (x *planText) recorded() bool {
	return !x.onlyForgets() && (x.opt.Recorded || x.h.Options.NoRefresh) ||
		slices.ContainsFunc(x.h.Mirrors, func(m *plan.Mirror) bool {
			return m.Listing.Mode == "recorded" && !m.Forgotten() // what is forgotten has no source to read
		})
}

// readAt is when the source was last read, of the mirror read longest ago.
func (x *planText) readAt() time.Time {
	var at time.Time
	for _, m := range x.h.Mirrors {
		if t := m.Listing.AsOf; !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

func (x *planText) sourceAge() string {
	at := x.readAt()
	if at.IsZero() {
		return "source not read"
	}
	return "source last read " + age(x.h.Created.Sub(at))
}

// legend explains the symbols in use, and only those.
func (x *planText) legend() {
	var parts []string
	for _, a := range shownOrder {
		if x.t.total.of(a) > 0 {
			parts = append(parts, x.out.paint(colourOf(a), symbol(a))+" "+legend(a, &x.t.total))
		}
	}
	if slices.ContainsFunc(x.h.Mirrors, func(m *plan.Mirror) bool { return !m.Planned() }) {
		parts = append(parts, x.out.paint(red, "?")+" not planned")
	}
	if len(parts) == 0 {
		return
	}
	x.gap()
	if x.h.Totals.Changes() > 0 {
		x.line("spmirror will perform the following actions:")
	}
	line := " "
	for _, part := range parts {
		if visibleCells(line)+visibleCells(part) > x.out.width() {
			x.line(line)
			line = " "
		}
		line += " " + part + "  "
	}
	x.line(line)
}

// compact is one line a mirror (UX 3.4).
func (x *planText) compact() {
	w := 0
	for _, m := range x.h.Mirrors {
		w = max(w, cells(Name(m.Address)))
	}
	for _, m := range x.h.Mirrors {
		c := x.t.of(m)
		var parts []string
		for _, a := range shownOrder {
			if n := c.of(a); n > 0 {
				parts = append(parts, x.out.paint(colourOf(a), symbol(a)+fmt.Sprint(n)))
			}
		}
		var causes []string
		for _, by := range plan.Causes {
			if c.cause(by) > 0 {
				causes = append(causes, string(by))
			}
		}
		head := left(Name(m.Address), w) + "   "
		switch {
		case !m.Planned():
			x.line(head, x.out.paint(red, "? not planned"), "  ", Message(m.Problem.Summary))
		case len(parts) == 0:
			x.line(head, "no changes")
		default:
			if bytes := m.Summary[plan.Add].Bytes + m.Summary[plan.Update].Bytes; bytes > 0 {
				parts = append(parts, size(bytes))
			}
			x.line(head, strings.Join(parts, "  "), "   ", strings.Join(causes, ", "))
		}
	}
}
