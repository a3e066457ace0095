package view

import (
	"fmt"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// Uncovered lists what of a fresh plan the reviewed one does not cover, the worst
// first.
func (o Output) Uncovered(reviewed *plan.Header, c *plan.Coverage) error {
	p := newPage(o.Out)
	p.line(o.paint(bold|red, "Not covered by the reviewed plan "+Name(reviewed.PlanID)+":"))
	for _, u := range c.Uncovered {
		if u.Change == nil {
			p.line("  ! ", Name(u.Mirror), ": ", Message(u.Why))
			continue
		}
		change := o.names().change(*u.Change)
		p.line("  ", symbol(change.Action()), " ", string(change.Action()), "  ", Name(change.Mirror), "  ",
			Name(pathText(change.Path, change.Folder)), ": ", Message(u.Why))
	}
	if left := c.Count - int64(len(c.Uncovered)); left > 0 {
		p.line("  # ", commas(left), " more")
	}
	if c.Items.Exceeded {
		p.line("  # ", count(c.Items.Now, "item"), " to add, update or move; reviewed were ", commas(c.Items.Reviewed))
	}
	if c.Bytes.Exceeded {
		p.line("  # ", size(c.Bytes.Now), " to download; reviewed were ", size(c.Bytes.Reviewed))
	}
	p.line()
	return p.close()
}

// UncoveredSummary says in one sentence what was not reviewed.
func UncoveredSummary(reviewed *plan.Header, c *plan.Coverage) string {
	var parts []string
	if c.Count > 0 {
		parts = append(parts, plainCount(c.Count, "thing")+" not in it")
	}
	if c.Items.Exceeded {
		parts = append(parts, fmt.Sprintf("%s to transfer instead of %d", plainCount(c.Items.Now, "item"), c.Items.Reviewed))
	}
	if c.Bytes.Exceeded {
		parts = append(parts, size(c.Bytes.Now)+" to download instead of "+size(c.Bytes.Reviewed))
	}
	return "Reviewed was plan " + Name(reviewed.PlanID) + ": " + strings.Join(parts, ", ") + "."
}
