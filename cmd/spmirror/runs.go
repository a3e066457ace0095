package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

func runsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:     "runs",
		Usage:    "look at the history of runs",
		Commands: []*cli.Command{runsListCommand(env), runsShowCommand(env), runsDiffCommand(env)},
	}
}

func runsListCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list runs, newest first",
		Description: "Lists saved plans, applies, and edits of the state, with how they ended. A plan that was not saved\n" +
			"is not recorded: nothing can refer to it.",
		Flags: readFlags(&cli.IntFlag{Name: "limit", Value: 50, Usage: "list at most `N` runs; 0 lists all"}),
		Action: looking(env, takes{}, func(ctx context.Context, s *session, c *cli.Command) error {
			runs, err := s.store.Runs(ctx, int(c.Int("limit")))
			if err != nil {
				return err
			}
			if c.Bool("json") {
				list := make([]runRecord, 0, len(runs))
				for _, r := range runs {
					list = append(list, recordOfRun(r))
				}
				return writeJSON(env.stdout, map[string]any{"format_version": "1.0", "runs": list})
			}
			for _, r := range runs {
				_, err := fmt.Fprintf(env.stdout, "%4d  %-13s  %s  %-11s  %s\n", r.ID, view.Message(r.Kind), timeText(r.Started), view.Message(orText(r.Result, "unfinished")), view.Message(summaryText(r)))
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// runRecord is a run as JSON.
type runRecord struct {
	Run        int64           `json:"run"`
	Kind       string          `json:"kind"`
	Started    time.Time       `json:"started"`
	Ended      time.Time       `json:"ended,omitzero"`
	Result     string          `json:"result,omitempty"`
	ExitCode   int             `json:"exit_code"`
	PlanDigest string          `json:"plan_digest,omitempty"`
	Commit     string          `json:"commit,omitempty"`
	Actor      string          `json:"actor,omitempty"`
	Host       string          `json:"host,omitempty"`
	Version    string          `json:"version"`
	Overrides  json.RawMessage `json:"overrides,omitempty"`
	Summary    json.RawMessage `json:"summary,omitempty"`
}

func recordOfRun(r state.Run) runRecord {
	rec := runRecord{
		Run: int64(r.ID), Kind: r.Kind, Started: r.Started.UTC(), Result: r.Result, ExitCode: r.ExitCode, PlanDigest: r.PlanDigest,
		Commit: r.Commit, Actor: r.Actor, Host: r.Host, Version: r.Version,
	}
	if !r.Ended.IsZero() {
		rec.Ended = r.Ended.UTC()
	}
	if json.Valid([]byte(r.Overrides)) {
		rec.Overrides = json.RawMessage(r.Overrides)
	}
	if json.Valid([]byte(r.Summary)) {
		rec.Summary = json.RawMessage(r.Summary)
	}
	return rec
}

// summaryOf is what an apply did as a whole; ok is false for runs of another kind.
func summaryOf(r state.Run) (sum runSummary, ok bool) {
	return sum, r.Kind == kindApply && json.Unmarshal([]byte(r.Summary), &sum) == nil
}

// summaryText says in one line what a run did.
func summaryText(r state.Run) string {
	if sum, ok := summaryOf(r); ok {
		if r.Ended.IsZero() {
			return ""
		}
		return countsText(fmt.Sprintf("%d added, %d changed, %d destroyed", sum.Added, sum.Changed, sum.Destroyed), []wordCount{
			{sum.Forgotten, "forgotten"}, {sum.Adopted, "imported"}, {sum.Failed, "failed"}, {sum.Superseded, "superseded"}, {sum.Postponed, "postponed"},
		})
	}
	var p planSummary
	if r.Kind != kindPlan || json.Unmarshal([]byte(r.Summary), &p) != nil {
		return editText(r.Summary)
	}
	return countsText(fmt.Sprintf("%d to add, %d to change, %d to destroy", p.Add, p.Change, p.Destroy), []wordCount{
		{p.Forget, "to forget"}, {p.Adopt, "to import"}, {p.Blocked, "blocked"},
	})
}

// editText says what an edit of the state was about: its short values by name, and of a list its
// length. A summary of another form is shown as it is.
func editText(summary string) string {
	var values map[string]any
	if json.Unmarshal([]byte(summary), &values) != nil {
		return summary
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch v := values[name].(type) {
		case []any:
			words = append(words, fmt.Sprintf("%s %d", name, len(v)))
		case string:
			if v != "" && name != "type" && name != "format_version" {
				words = append(words, name+" "+v)
			}
		case float64, bool:
			words = append(words, fmt.Sprintf("%s %v", name, v))
		}
	}
	return strings.Join(words, ", ")
}

type wordCount struct {
	n    int64
	word string
}

// countsText adds the counts that are not zero.
func countsText(text string, more []wordCount) string {
	for _, m := range more {
		if m.n > 0 {
			text += fmt.Sprintf(", %d %s", m.n, m.word)
		}
	}
	return text
}

func (s *session) run(ctx context.Context, text string) (state.Run, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return state.Run{}, &problem{code: "SPM0002", summary: fmt.Sprintf("%q is not the number of a run", text)}
	}
	run, ok, err := s.store.RunByID(ctx, state.RunID(id))
	if err == nil && !ok {
		err = &problem{code: "SPM0709", summary: fmt.Sprintf("There is no run %d", id), detail: "`spmirror runs list` shows all runs."}
	}
	return run, err
}

// doing is a run that did something. A saved plan is a run that did nothing, to which everything would be a difference.
func (s *session) doing(ctx context.Context, text string) (state.Run, error) {
	run, err := s.run(ctx, text)
	if err == nil && run.Kind == kindPlan {
		err = &problem{code: "SPM0002", summary: fmt.Sprintf("Run %d saved a plan and did nothing", run.ID), detail: "runs diff compares what was done; `spmirror show FILE` shows what was planned."}
	}
	return run, err
}

func runsShowCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show a run with the result of every item",
		ArgsUsage: "ID",
		Description: "Shows what a run did to each item, with codes, verdicts and hashes. -csv writes an audit\n" +
			"list: for each item from where it came, which version, its hashes, verdict and time, plan and commit.",
		Flags: readFlags(&cli.BoolFlag{Name: "csv", Usage: "print the items as CSV"}),
		Action: looking(env, takes{1, 1, "runs show takes the number of one run"}, func(ctx context.Context, s *session, c *cli.Command) error {
			if err := oneOf(c, "json", "csv"); err != nil {
				return err
			}
			run, err := s.run(ctx, c.Args().First())
			switch {
			case err != nil:
				return err
			case c.Bool("csv"):
				return s.runReport(ctx, run, view.ReportCSV)
			case c.Bool("json"):
				return s.runReport(ctx, run, view.ReportJSON)
			}
			return s.runText(ctx, run)
		}),
	}
}

// runReport writes a recorded run in the form of -report.
func (s *session) runReport(ctx context.Context, run state.Run, format string) error {
	sum, _ := summaryOf(run)
	r := &apply.Report{
		PlanID: planID(run.PlanDigest), Run: int64(run.ID), Started: run.Started, Counts: sum.Counts, Traffic: sum.Traffic,
		Commit: run.Commit, Origins: sum.Origins, Interrupted: run.Result == "interrupted",
	}
	if !run.Ended.IsZero() {
		r.Duration = run.Ended.Sub(run.Started)
	}
	return view.WriteReport(s.env.stdout, format, r, s.results(ctx, run.ID), s.cfg.Names)
}

// planID is the short name of a plan with this digest.
func planID(digest string) string {
	_, hash, _ := strings.Cut(digest, ":")
	return hash[:min(len(hash), 8)]
}

// overridesIn says in lines which guards a run went ahead against, and why.
func overridesIn(text string, out view.Output) []string {
	var list []override
	if text == "" {
		return nil
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return []string{text}
	}
	var lines []string
	for _, o := range list {
		guard := plan.GuardResult{Name: o.Guard, Mirror: o.Mirror, Value: o.Value, Limit: o.Limit, Detail: o.Detail}
		lines = append(lines, out.GuardText(guard)+": "+o.Reason)
	}
	return lines
}

// below is a path as people see it: from the target, or of a target that was moved itself.
func below(path string) string { return "/" + strings.TrimPrefix(path, "/") }

func (s *session) runText(ctx context.Context, run state.Run) error {
	rows := [][2]string{
		{"Run", fmt.Sprintf("%d, %s", run.ID, run.Kind)}, {"Started", timeText(run.Started)}, {"Ended", timeText(run.Ended)},
		{"Result", fmt.Sprintf("%s, exit code %d", orText(run.Result, "unfinished"), run.ExitCode)}, {"Plan", orDash(run.PlanDigest)},
		{"Commit", orDash(run.Commit)}, {"By", orDash(strings.TrimSpace(run.Actor + " " + run.Host))}, {"Summary", summaryText(run)},
	}
	if sum, _ := summaryOf(run); sum.Reviewed != "" {
		rows = append(rows, [2]string{"Within", sum.Reviewed})
	}
	if sum, ok := summaryOf(run); ok {
		rows = append(rows, [2]string{"Requests", fmt.Sprintf("%d, %s", sum.Traffic.Requests, plural(sum.Traffic.ResourceUnits, "resource unit"))})
		if waited := view.WaitedText(sum.Traffic); len(waited) > 0 {
			rows = append(rows, [2]string{"Waited", strings.Join(waited, ", ")})
		}
	}
	for _, o := range overridesIn(run.Overrides, s.out) {
		rows = append(rows, [2]string{"Override", o})
	}
	if err := s.showRows(rows); err != nil {
		return err
	}
	for i, err := range s.store.RunItems(ctx, run.ID) {
		if err != nil {
			return err
		}
		more := strings.TrimSpace(i.Code + " " + s.quoting(i.Message))
		if more == "" {
			more = string(i.Verdict)
		}
		line := fmt.Sprintf("  %-9s %-10s %s  %s  %s", view.Message(i.Action), view.Message(i.Outcome), view.Name(i.Mirror), s.shown(below(i.Path), false), view.Message(more))
		_, err = fmt.Fprintln(s.env.stdout, strings.TrimRight(line, " "))
		if err != nil {
			return err
		}
	}
	return nil
}

func runsDiffCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare what two runs did",
		ArgsUsage: "A B",
		Description: "Lists the items to which the second run did something else than the first: - only in A, + only\n" +
			"in B, ~ with another outcome.",
		Flags: readFlags(),
		Action: looking(env, takes{2, 2, "runs diff takes the numbers of two runs"}, func(ctx context.Context, s *session, c *cli.Command) error {
			a, errA := s.doing(ctx, c.Args().Get(0))
			b, errB := s.doing(ctx, c.Args().Get(1))
			if err := cmp.Or(errA, errB); err != nil {
				return err
			}
			list, err := s.diffRuns(ctx, a.ID, b.ID)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return writeJSON(env.stdout, map[string]any{"format_version": "1.0", "a": int64(a.ID), "b": int64(b.ID), "items": list})
			}
			for _, d := range list {
				sign := "~"
				switch {
				case d.A == "":
					sign = "+"
				case d.B == "":
					sign = "-"
				}
				_, err := fmt.Fprintf(env.stdout, "%s %s  %s  %s\n", sign, view.Name(d.Mirror), s.shown(below(d.Path), false), view.Message(orDash(d.A)+" -> "+orDash(d.B)))
				if err != nil {
					return err
				}
			}
			if len(list) == 0 {
				_, err = fmt.Fprintln(env.stdout, "No differences.")
			}
			return err
		}),
	}
}

// runDifference is one item that two runs did not treat alike.
type runDifference struct {
	Mirror string `json:"mirror"`
	ItemID string `json:"item_id"`
	Path   string `json:"path"`
	A      string `json:"a,omitempty"`
	B      string `json:"b,omitempty"`
}

func (s *session) diffRuns(ctx context.Context, a, b state.RunID) ([]runDifference, error) {
	type key struct {
		mirror string
		item   state.ItemID
	}
	all := map[key]*runDifference{}
	for side, id := range []state.RunID{a, b} {
		for i, err := range s.store.RunItems(ctx, id) {
			if err != nil {
				return nil, err
			}
			k := key{i.Mirror, i.Item}
			d := all[k]
			if d == nil {
				d = &runDifference{Mirror: i.Mirror, ItemID: string(i.Item)}
				all[k] = d
			}
			d.Path = i.Path
			text := strings.TrimSpace(i.Action + " " + i.Outcome + " " + i.Code)
			if side == 0 {
				d.A = text
			} else {
				d.B = text
			}
		}
	}
	list := []runDifference{}
	for d := range maps.Values(all) {
		if d.A != d.B {
			list = append(list, *d)
		}
	}
	slices.SortFunc(list, func(a, b runDifference) int {
		return strings.Compare(a.Mirror+"\x00"+a.Path+"\x00"+a.ItemID, b.Mirror+"\x00"+b.Path+"\x00"+b.ItemID)
	})
	return list, nil
}
