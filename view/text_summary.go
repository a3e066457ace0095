package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// driftSamples is how many differences of a mirror's disk are named.
const driftSamples = 10

// drift writes what differs on disk from what was applied. Files that are not tracked concern no change
// of the plan: they are told only where all is wanted (UX row 143), and counted by status.
func (x *planText) drift() error {
	all, limit := x.opt.Verbose || x.h.Mode == plan.ModeRefreshOnly, driftSamples
	if all {
		limit = x.opt.limit()
	}
	kinds := map[plan.DriftKind]int64{}
	at, listed := "", 0
	finish := func() {
		if at == "" {
			return
		}
		var total int64
		var parts []string
		for _, k := range plan.DriftKinds {
			if kinds[k] > 0 {
				parts = append(parts, commas(kinds[k])+" "+string(k))
				total += kinds[k]
			}
		}
		x.line("    ", strings.Join(parts, ", "), moreOf(total-int64(listed)))
	}
	for d, err := range x.p.Drifts() {
		if err != nil {
			return err
		}
		if d.Kind == plan.DriftUntracked && !all {
			continue
		}
		if d.Mirror != at {
			finish()
			if at == "" {
				x.gap()
				x.line(x.out.paint(bold, x.driftTitle()), x.sinceLastRun())
			}
			at, listed = d.Mirror, 0
			clear(kinds)
			x.line("  ", Name(at))
		}
		kinds[d.Kind]++
		if listed < limit && x.names != NamesFolders {
			listed++
			x.driftLine(x.names.drift(d))
		}
	}
	finish()
	return nil
}

func moreOf(n int64) string {
	if n <= 0 {
		return ""
	}
	return "; " + commas(n) + " not listed here (-verbose lists all)"
}

// driftTitle says what was looked at: -refresh-only also tells what changed at the
// sources.
func (x *planText) driftTitle() string {
	if x.h.Mode == plan.ModeRefreshOnly {
		return "Changed on disk and at the source"
	}
	return "Changed on disk"
}

func (x *planText) sinceLastRun() string {
	if x.h.State.LastRun.IsZero() {
		return ""
	}
	return " since the last run (" + stamp(x.h.State.LastRun) + ")"
}

func (x *planText) driftLine(d plan.Drift) {
	w := x.nameWidth()
	x.line("    ", left(fit(itemPath(d.Path, false), w), w), "  ", left(string(d.Kind), 9), "  ", driftText(d))
}

func driftText(d plan.Drift) string {
	switch {
	case d.Found == nil || d.Applied == nil:
		return ""
	case d.Found.SHA256 != "" && d.Applied.SHA256 != "":
		return "on disk " + short(d.Found.SHA256, 8) + ", last applied " + short(d.Applied.SHA256, 8)
	case d.Found.Size != d.Applied.Size:
		return "on disk " + size(d.Found.Size) + ", last applied " + size(d.Applied.Size)
	}
	return "on disk of " + stamp(d.Found.MTime) + ", last applied " + stamp(d.Applied.MTime)
}

// guards writes the guards; those that pass are counted when there are many.
func (x *planText) guards() {
	if len(x.h.Guards) == 0 {
		return
	}
	all := x.opt.Verbose || len(x.h.Guards) <= maxGuardRows
	t := newTable(2, 0)
	hiddenPasses := int64(0)
	for _, g := range x.h.Guards {
		g = x.names.guard(g)
		if !all && g.Status == plan.GuardPass {
			hiddenPasses++
			continue
		}
		value, limit, detail := guardText(g)
		status := cell{text: Message(g.Status)}
		if g.Status != plan.GuardPass {
			status = cell{text: strings.ToUpper(Message(g.Status)), colour: red}
		}
		t.add(cell{text: Name(g.Name)}, cell{text: Name(g.Mirror)}, cell{text: value + detail},
			cell{text: "limit " + limit}, status)
	}
	x.gap()
	x.line(x.out.paint(bold, "Guards"))
	t.write(x.page, x.out)
	if hiddenPasses > 0 {
		x.line("  # ", count(hiddenPasses, "guard"), " passed, not listed")
	}
}

// GuardText says in one line what a guard found.
func (o Output) GuardText(g plan.GuardResult) string {
	value, limit, detail := guardText(o.names().guard(g))
	return Name(g.Name) + " of " + Name(g.Mirror) + ": " + value + detail + ", limit " + limit + whereText(g.Range)
}

// OverrideFlags are the flags of an apply that overrule guards.
func OverrideFlags(guards []string) string {
	var flags strings.Builder
	for _, g := range guards {
		flags.WriteString("-dangerous-override-guard=" + Name(g) + " ")
	}
	return flags.String() + "-reason=TEXT"
}

// guardText makes a guard's plain numbers readable.
func guardText(g plan.GuardResult) (value, limit, detail string) {
	value, limit, detail = Message(g.Value), Message(g.Limit), Message(g.Detail)
	v, err := strconv.ParseInt(g.Value, 10, 64)
	l, errLimit := strconv.ParseInt(g.Limit, 10, 64)
	unit, bytes := strings.CutPrefix(g.Detail, "bytes")
	switch {
	case bytes && err != nil && errLimit == nil: // a saved plan says "enough"
		return value, size(l), ""
	case err != nil || errLimit != nil:
		return value, limit, inBrackets(detail)
	}
	if bytes {
		if v < 0 {
			value = "minus " + size(-v)
		} else {
			value = size(v)
		}
		return value, size(l), strings.TrimRight(" "+Message(strings.TrimSpace(unit)), " ")
	}
	return commas(v), commas(l), inBrackets(detail)
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// checks writes the outcome of the check blocks.
func (x *planText) checks() {
	if len(x.h.Checks) == 0 {
		return
	}
	t := newTable(2, 0)
	for _, c := range x.h.Checks {
		status := cell{text: Message(c.Status)}
		if c.Status != "pass" {
			status = cell{text: strings.ToUpper(Message(c.Status)), colour: red}
		}
		t.add(cell{text: Name(c.Name)}, cell{text: Message(c.Enforcement)}, status,
			cell{text: Message(strings.Join(c.Messages, "; "))})
	}
	x.gap()
	x.line(x.out.paint(bold, "Checks"))
	t.write(x.page, x.out)
}

// summary writes the last block, which scripts read.
func (x *planText) summary() {
	if lines, ok := x.nothing(); ok {
		for _, l := range lines {
			x.line(l)
		}
		return
	}
	x.line(x.out.paint(bold, PlanLine(x.h.Totals)))
	x.line(transferLine(x.h.Totals, x.t))
	if line := causeLine(x.t); line != "" {
		x.line(line)
	}
	x.line(x.estimateLine())
	for _, l := range x.blockedLines() {
		x.line(x.out.paint(red, l))
	}
	if n := x.notPlannedCount(); n > 0 {
		x.line(x.out.paint(red, "Incomplete: "+count(n, "mirror")+" could not be planned; nothing is done for "+pronoun(n)+"."))
	}
	if x.recorded() {
		x.line("Recorded: ", x.sourceAge(), "; changes since then are unknown.")
	}
	if x.h.Options.Verify == plan.VerifyNone {
		x.line(diskUnchecked)
	}
}

func pronoun(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

func (x *planText) notPlannedCount() int64 {
	var n int64
	for _, m := range x.h.Mirrors {
		if !m.Planned() {
			n++
		}
	}
	return n
}

// nothing says that there is nothing to do, in words that are true of what was
// looked at. Only a complete plan against fresh data begins like Terraform's
// sentence (UX 3.5).
func (x *planText) nothing() ([]string, bool) {
	if x.h.Totals.Changes() > 0 || x.t.total.of(plan.Blocked) > 0 || x.notPlannedCount() > 0 || x.h.Errored {
		return nil, false
	}
	compared := count(x.h.Totals.Compared, "item") + " in " + count(int64(len(x.h.Mirrors)), "mirror") + " compared"
	if at := x.readAt(); !at.IsZero() {
		compared += "; source read " + stamp(at)
	}
	if x.h.Options.Verify == plan.VerifyNone {
		compared += ", the disk was not checked (-verify=none)"
	}
	second := compared + "."
	if n := x.kept(); n > 0 {
		second += "\n" + count(n, "file") + " changed on disk and kept so (lifecycle.on_local_change)."
	}
	lines := []string{x.out.paint(bold|green, "No changes. Your mirrors match the configuration."), second}
	switch {
	case x.recorded():
		lines = []string{"No changes against recorded data. " + upperFirst(x.sourceAge()) + "; changes since then are unknown."}
		if x.h.Options.Verify == plan.VerifyNone {
			lines = append(lines, diskUnchecked)
		}
	case x.h.Options.Narrowed():
		lines[0] = "No changes in what " + scopeText(x.h.Options) + " selects; the rest was not planned."
	case x.h.Mode == plan.ModeRefreshOnly:
		lines[0] = "Nothing is planned: -refresh-only reads the source and the disk and proposes no transfer."
	case x.h.Blocked:
		lines[0] = "No changes, but the plan is blocked."
	}
	return append(lines, x.blockedLines()...), true
}

const diskUnchecked = "The disk was not checked (-verify=none); changes there are unknown."

// kept counts files that differ from the source because somebody changed them and
// the configuration lets them.
func (x *planText) kept() (n int64) {
	for _, m := range x.h.Mirrors {
		n += m.Skipped[plan.SkipKept]
	}
	return n
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// PlanLine is the summary that scripts know from Terraform, byte for byte where
// the counts are the same, with OpenTofu's form of forgotten items.
func PlanLine(t plan.Totals) string {
	var b strings.Builder
	b.WriteString("Plan: ")
	if n := t.Count(plan.Adopt); n > 0 {
		fmt.Fprintf(&b, "%d to import, ", n)
	}
	fmt.Fprintf(&b, "%d to add, %d to change, %d to destroy", t.Count(plan.Add), t.Changed(), t.Count(plan.Delete))
	if n := t.Count(plan.Forget); n > 0 {
		fmt.Fprintf(&b, ", %d to forget", n)
	}
	b.WriteString(".")
	return b.String()
}

func transferLine(t plan.Totals, items *tally) string {
	line := "Transfer: nothing to download"
	if t.DownloadFiles > 0 {
		line = "Transfer: " + size(t.DownloadBytes) + " to download in " + plainCount(t.DownloadFiles, "file")
	}
	if t.VersionFiles > 0 {
		line += ", and earlier versions of " + plainCount(t.VersionFiles, "file") + ", of unknown size"
	}
	var parts []string
	add := func(n int64, noun string) {
		if n > 0 {
			parts = append(parts, plainCount(n, noun))
		}
	}
	c := &items.total
	add(c.of(plan.Move), "move")
	add(c.of(plan.Metadata), "metadata change")
	if n := c.of(plan.Delete) - c.forGood; n > 0 {
		parts = append(parts, plainCount(n, "delete")+" to trash")
	}
	if c.forGood > 0 {
		parts = append(parts, strings.ToUpper(plainCount(c.forGood, "delete"))+" FOR GOOD")
	}
	add(c.of(plan.Adopt), "adoption")
	add(c.of(plan.Forget), "forget")
	if len(parts) > 0 {
		line += "; " + strings.Join(parts, ", ")
	}
	return line + "."
}

// causeLine sums to the changes of the plan; blocked items are not changes.
func causeLine(items *tally) string {
	var parts []string
	for _, by := range plan.Causes {
		if n := items.total.cause(by); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, by))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Cause: " + strings.Join(parts, ", ") + "."
}

func (x *planText) estimateLine() string {
	t := x.h.Totals
	return "Estimate: " + plainCount(t.Requests, "request") + ", " + plainCount(t.ResourceUnits, "resource unit") + "."
}

// blockedLines say what is held back: single items, and the plan as a whole.
func (x *planText) blockedLines() []string {
	var lines []string
	if n := x.t.total.of(plan.Blocked); n > 0 {
		sums := map[plan.Reason]int64{}
		var order []plan.Reason
		for _, m := range x.h.Mirrors {
			for _, r := range reasonsOf(m, plan.Blocked) {
				if sums[r] == 0 {
					order = append(order, r)
				}
				sums[r] += m.Reasons[plan.Blocked][r]
			}
		}
		var parts []string
		for _, r := range order {
			parts = append(parts, fmt.Sprintf("%d %s", sums[r], Name(string(r))))
		}
		lines = append(lines, "Blocked: "+plainCount(n, "item")+" held back ("+strings.Join(parts, ", ")+").")
	}
	for _, g := range x.h.Guards {
		if g.Blocks() {
			lines = append(lines, "Blocked: the whole plan, by guard."+x.out.GuardText(g)+".")
		}
	}
	for _, c := range x.h.Checks {
		if c.Blocks() {
			lines = append(lines, "Blocked: the whole plan, by check."+Name(c.Name)+".")
		}
	}
	return lines
}

func whereText(where string) string {
	if where == "" {
		return ""
	}
	return " (" + Name(where) + ")"
}

// SavedPlan writes what comes after a plan for people: where it was saved and how
// to apply it, or that it was not saved. An automation does not get it.
func (o Output) SavedPlan(h *plan.Header, file string) error {
	if o.Automation || h.Totals.Changes() == 0 && file == "" {
		return nil
	}
	p := newPage(o.Out)
	p.line()
	p.line(strings.Repeat("-", min(o.width(), 95)))
	if file == "" {
		p.line("Note: this plan was not saved (-out=FILE), so apply will plan again and may do something else.")
		return p.close()
	}
	until := ""
	if !h.Expires.IsZero() {
		until = ", valid until " + stamp(h.Expires)
	}
	p.line("Saved the plan to: ", Name(file), "   (plan ", Name(h.PlanID), until, ")")
	switch {
	case h.Totals.Changes() == 0:
		p.line("It has nothing to apply.")
	case h.Blocked:
		p.line("It is blocked and cannot be applied as it is.")
		if guards := h.Overrides(); len(guards) > 0 {
			p.line("If it is right nevertheless, run:")
			p.line("    spmirror apply ", OverrideFlags(guards), " ", commandFile(file))
		}
	case !h.Applyable:
		p.line("It is for reading only and cannot be applied.")
	default:
		p.line("To perform exactly these actions, run:")
		p.line("    spmirror apply ", commandFile(file))
	}
	return p.close()
}

// commandFile quotes a file for a command, with double quotes where that is safe.
func commandFile(file string) string {
	if word := shellWord(file); word == file {
		return `"` + file + `"`
	} else {
		return word
	}
}
