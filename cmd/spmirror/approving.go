package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

// checkOverrides refuses an override without a reason, a reason without an
// override, and a guard that does not exist.
func checkOverrides(c *cli.Command) error {
	overrides, reason := c.StringSlice("dangerous-override-guard"), strings.TrimSpace(c.String("reason"))
	if len(overrides) > 0 && reason == "" {
		return &problem{code: "SPM0302", summary: "-dangerous-override-guard needs -reason", detail: "The reason goes into the run's record. Nothing was done."}
	}
	if len(overrides) == 0 && reason != "" {
		return &problem{code: "SPM0302", summary: "-reason goes with -dangerous-override-guard", detail: "Nothing was done."}
	}
	for _, name := range overrides {
		if !slices.Contains(plan.OverridableGuards[:], name) && !slices.Contains(plan.IdentityGuards[:], name) {
			return &problem{code: "SPM0302", summary: fmt.Sprintf("No guard is called %q", name),
				detail: "These can be: " + strings.Join(plan.OverridableGuards[:], ", ") + ".\nNothing was done."}
		}
	}
	return nil
}

// allow checks guards and approval rules. An override is named and reasoned.
func (s *session) allow(c *cli.Command, h *plan.Header) error {
	overrides, reason := c.StringSlice("dangerous-override-guard"), strings.TrimSpace(c.String("reason"))
	var blocking []string
	for i := range h.Guards {
		g := &h.Guards[i]
		if g.Blocks() && slices.Contains(overrides, g.Name) && g.Overridable() {
			g.Status, g.Reason = plan.GuardOverridden, reason
		}
		if g.Blocks() {
			blocking = append(blocking, s.out.GuardText(*g))
		}
	}
	for _, check := range h.Checks {
		if check.Blocks() {
			blocking = append(blocking, view.Message(fmt.Sprintf("check %s: %s", check.Name, strings.Join(check.Messages, "; "))))
		}
	}
	if len(blocking) > 0 {
		return &problem{
			code: "SPM0301", summary: "Plan blocked", exit: exitBlocked,
			detail: strings.Join(blocking, "\n") + "\n\nNothing was changed. " + wayOut(h),
		}
	}
	return s.approvalRule(c, h)
}

// wayOut says what helps against what blocks a plan. An override is offered only where
// it would be enough.
func wayOut(h *plan.Header) string {
	switch overrides := h.Overrides(); {
	case len(overrides) > 0:
		return "If this is intended, raise the limit in the configuration, or apply with\n" + view.OverrideFlags(overrides) + "."
	case slices.ContainsFunc(h.Guards, func(g plan.GuardResult) bool { return g.Blocks() && !g.Overridable() }):
		return "A guard about the identity or completeness of a mirror cannot be overridden; remove its cause."
	}
	return "A mandatory check cannot be overridden; change what it judges, or the check."
}

// approvalRule applies the `approval` setting and the grades of -auto-approve.
func (s *session) approvalRule(c *cli.Command, h *plan.Header) error {
	deletes := h.Totals.Count(plan.Delete)
	overridden := slices.ContainsFunc(h.Guards, func(g plan.GuardResult) bool { return g.Status == plan.GuardOverridden })
	saved := reviewedBefore(c)
	grade := c.String("auto-approve")
	refuse := func(why string) error {
		return &problem{code: "SPM0303", summary: "A reviewed plan is needed", exit: exitBlocked,
			detail: why + "\nNothing was changed. Save a plan with -out, have it reviewed, and apply the file."}
	}
	switch {
	case saved || !approves(grade):
		return nil
	case s.cfg.Approval == "always":
		return refuse(`approval = "always" does not take -auto-approve.`)
	case s.cfg.Approval == "on_delete" && deletes > 0:
		return refuse(fmt.Sprintf(`The plan deletes %s, and approval is "on_delete".`, plural(deletes, "item")))
	case overridden && s.cfg.Approval != "never":
		return refuse(fmt.Sprintf("A guard is overridden, and approval is %q.", s.cfg.Approval))
	case grade == "no-delete" && deletes > 0:
		return refuse(fmt.Sprintf("The plan deletes %s, and -auto-approve=no-delete was given.", plural(deletes, "item")))
	case grade == "add-only" && h.Totals.Changes() != h.Totals.Count(plan.Add)+h.Totals.Count(plan.Adopt):
		return refuse("The plan does more than add, and -auto-approve=add-only was given.")
	}
	return nil
}
