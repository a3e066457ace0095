package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

// judge evaluates the check blocks of the configuration on a finished plan.
func (s *session) judge(p *plan.Plan) {
	if len(s.cfg.Checks) == 0 {
		return
	}
	facts := planFacts(p.Header)
	results := make([]plan.CheckResult, 0, len(s.cfg.Checks))
	for _, check := range s.cfg.Checks {
		result, diags := check.Evaluate(facts)
		out := plan.CheckResult{Name: result.Name, Enforcement: result.Enforcement, Status: result.Status}
		for _, a := range result.Asserts {
			if !a.Passed {
				out.Messages = append(out.Messages, a.Message)
			}
		}
		if result.Status == "error" {
			for _, d := range diags {
				out.Messages = append(out.Messages, fmt.Sprintf("%s: %s [%s]", d.Summary, d.Detail, config.CodeOf(d)))
			}
			p.Diagnostics = append(p.Diagnostics, fromHCL(diags, "check."+result.Name)...)
		}
		results = append(results, out)
	}
	p.Judge(results)
}

// fromHCL turns diagnostics of an evaluation into those of a plan. Their words hold no
// sensitive value: config writes them without.
func fromHCL(diags hcl.Diagnostics, address string) []plan.Diagnostic {
	var out []plan.Diagnostic
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		out = append(out, plan.Diagnostic{Severity: severity, Code: string(config.CodeOf(d)), Summary: d.Summary, Detail: d.Detail, Address: address})
	}
	return out
}

// planFacts is what plan means in a check: plan.totals and, by address, plan.mirror.
func planFacts(h *plan.Header) map[string]any {
	mirrors := make(map[string]any, len(h.Mirrors))
	for _, m := range h.Mirrors {
		facts := actionFacts(m.Summary)
		facts["planned"] = m.Planned()
		facts["tracked_files"], facts["tracked_bytes"] = m.Tracked.Files, m.Tracked.Bytes
		mirrors[m.Address] = facts
	}
	totals := actionFacts(h.Totals.Actions)
	totals["observed"], totals["compared"] = h.Totals.Observed, h.Totals.Compared
	totals["requests"], totals["resource_units"] = h.Totals.Requests, h.Totals.ResourceUnits
	return map[string]any{"mode": h.Mode, "complete": h.Complete, "totals": totals, "mirror": mirrors}
}

// factNames are the names of the actions in checks.
var factNames = map[plan.Action]string{
	plan.Add: "add", plan.Update: "update", plan.Move: "move", plan.Metadata: "metadata", plan.Delete: "delete",
	plan.Forget: "forget", plan.Adopt: "adopt", plan.Blocked: "blocked",
}

// actionFacts counts what a plan does: for each action the items, the files, the folders and the
// bytes, and what is downloaded.
func actionFacts(sums map[plan.Action]plan.Sum) map[string]any {
	facts := make(map[string]any)
	var changes, files, bytes int64
	for action, name := range factNames {
		s := sums[action]
		facts[name] = s.Items
		facts[name+"_files"], facts[name+"_folders"], facts[name+"_bytes"] = s.Files, s.Folders, s.Bytes
		if action != plan.Blocked {
			changes += s.Items
		}
		if action == plan.Add || action == plan.Update {
			files, bytes = files+s.Files, bytes+s.Bytes
		}
	}
	facts["changes"], facts["download_files"], facts["download_bytes"] = changes, files, bytes
	facts["download_human"] = view.Size(bytes)
	return facts
}
