package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// ReportOptions say what the end of an apply may name.
type ReportOptions struct {
	// PlanFile is the saved plan that was applied, empty if there was none.
	PlanFile string
}

// ApplyLine is the first line of the end of an apply, with Terraform's bytes
// where everything worked.
func ApplyLine(r *apply.Report) string {
	word := "Apply complete!"
	switch {
	case r.Interrupted:
		word = "Apply interrupted."
	case r.Incomplete():
		word = "Apply incomplete."
	}
	c := r.Counts
	var b strings.Builder
	b.WriteString(word + " Resources: ")
	if c.Adopted > 0 {
		fmt.Fprintf(&b, "%d imported, ", c.Adopted)
	}
	fmt.Fprintf(&b, "%d added, %d changed, %d destroyed", c.Added, c.Changed, c.Destroyed)
	if c.Forgotten > 0 {
		fmt.Fprintf(&b, ", %d forgotten", c.Forgotten)
	}
	b.WriteString(".")
	return b.String()
}

// ApplyReport writes the end of an apply (UX 3.9): what was done, what was not
// and why, and what to run next.
func (o Output) ApplyReport(r *apply.Report, opt ReportOptions) error {
	p := newPage(o.Out)
	if r.AlreadyApplied != 0 {
		p.line(o.paint(bold|green, fmt.Sprintf("Plan %s was already applied by run %d. Nothing to do.", Name(r.PlanID), r.AlreadyApplied)))
		return p.close()
	}
	colour := green
	if r.Incomplete() || r.Interrupted {
		colour = yellow
	}
	p.line(o.paint(bold|colour, ApplyLine(r)))
	p.line(doneLine(r))
	for _, m := range r.Mirrors {
		if m.Problem != "" {
			p.line("  ", o.paint(red, stoppedText(m)), "  ", Name(m.Address), "  ", Message(m.Code), " ", Message(m.Problem))
		}
	}
	o.problems(p, r)
	for _, m := range r.Messages {
		p.line(Message(m))
	}
	if r.Incomplete() || r.Interrupted {
		p.line(nextStep(r, opt))
	}
	return p.close()
}

// stoppedText says how far a mirror came that was not carried out to its end.
func stoppedText(m apply.MirrorReport) string {
	if m.Left == 0 {
		return "not applied"
	}
	return "not finished, " + plainCount(m.Left, "change") + " left"
}

func doneLine(r *apply.Report) string {
	c := r.Counts
	line := "Transfer: nothing downloaded"
	if c.DownloadFiles > 0 {
		line = "Transfer: " + size(c.DownloadBytes) + " in " + plainCount(c.DownloadFiles, "file")
	}
	if r.Duration >= time.Second {
		line += " in " + span(r.Duration)
		if c.DownloadBytes > 0 {
			line += " (" + size(int64(float64(c.DownloadBytes)/r.Duration.Seconds())) + "/s)"
		}
	}
	var parts []string
	add := func(n int64, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	if c.Versions > 0 {
		parts = append(parts, plainCount(c.Versions, "earlier version")+", "+size(c.VersionBytes))
	}
	add(c.Served, "kept as the service rewrites them")
	add(c.Failed, "failed")
	add(c.Superseded, "changed since the plan")
	add(c.Postponed, "postponed")
	add(c.Blocked, "blocked in the plan")
	parts = append(parts, WaitedText(r.Traffic)...)
	if len(parts) > 0 {
		line += "; " + strings.Join(parts, ", ")
	}
	return line + "."
}

// problems lists what failed, then what was overtaken or waits. The report holds
// the first ones only, so the rest is counted.
func (o Output) problems(p *page, r *apply.Report) {
	for _, kind := range []struct {
		outcome apply.Outcome
		total   int64
		advice  string
	}{
		{apply.Failed, r.Counts.Failed, ""},
		{apply.Superseded, r.Counts.Superseded, "the next plan has them"},
		{apply.Postponed, r.Counts.Postponed, "deletes wait until nothing else of their mirror is left over"},
		{apply.Held, r.Counts.Blocked, "they were blocked in the plan"},
	} {
		var listed int64
		for i := range r.Problems {
			if r.Problems[i].Outcome == kind.outcome {
				p.line(o.problemLine(o.names().result(r.Problems[i])))
				listed++
			}
		}
		if rest := kind.total - listed; rest > 0 {
			more := ""
			if listed > 0 {
				more = "more "
			}
			line := "  " + left(string(kind.outcome), 11) + " " + commas(rest) + " " + more + plural(rest, "item")
			if kind.advice != "" {
				line += ": " + kind.advice
			}
			if r.Run != 0 {
				line += fmt.Sprintf(" (spmirror runs show %d)", r.Run)
			}
			p.line(line)
		}
	}
}

func (o Output) problemLine(r apply.Result) string {
	colour := yellow
	if r.Outcome == apply.Failed {
		colour = red
	}
	w := max(30, o.width()-56)
	line := "  " + o.paint(colour, left(string(r.Outcome), 11)) + " " + left(fit(itemPath(r.Path, r.Folder), w), w) + "  " +
		strings.TrimSpace(Message(r.Code)+" "+Message(r.Message))
	if r.RequestID != "" && !strings.Contains(r.Message, r.RequestID) { // errors of the service bring it
		line += " (request id " + Message(r.RequestID) + ")"
	}
	return line
}

func nextStep(r *apply.Report, opt ReportOptions) string {
	again := "Run `spmirror apply` again"
	if opt.PlanFile != "" {
		again = "Run `spmirror apply " + commandFile(opt.PlanFile) + "` again"
	}
	switch {
	case r.Interrupted:
		return again + " to go on; what is done is recorded."
	case r.Counts.Failed+r.Counts.Postponed > 0, r.Stopped():
		return again + " to retry, or `spmirror plan` for a new plan."
	}
	return "Run `spmirror plan` for a new plan."
}

// ApplyStart writes what is about to be applied.
func (o Output) ApplyStart(h *plan.Header) error {
	name := "plan"
	if h.PlanID != "" {
		name = "plan " + Name(h.PlanID)
	}
	p := newPage(o.Err)
	p.line("Applying ", name, ": ", commas(h.Totals.Changes()), " ", plural(h.Totals.Changes(), "change"), ", ", size(h.Totals.DownloadBytes))
	return p.close()
}
