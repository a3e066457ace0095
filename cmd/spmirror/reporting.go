package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// stopped is an error in the middle of a run: what other commands say of it, that
// nothing was changed, need not be true.
func stopped(err error, r *apply.Report) error {
	p := *explained(err)
	if slices.Contains([]string{codeUnexpected, codeRefusedByGraph, codeTarget}, p.code) { // apply knows more of it
		p.summary, p.err = "The apply was stopped by an error", err
		for _, m := range r.Mirrors {
			p.code = cmp.Or(m.Code, p.code)
		}
	}
	p.detail = "What was done until then is recorded. Run the same command again to go on."
	return &p
}

func resultOf(r *apply.Report) string {
	switch {
	case r.Interrupted:
		return "interrupted"
	case r.Incomplete():
		return "incomplete"
	}
	return resultComplete
}

// resultComplete is the result of a run that has left nothing over.
const resultComplete = "complete"

func reportStatus(r *apply.Report, h *plan.Header) int {
	code := exitOK
	if r.Incomplete() {
		code = exitIncomplete
	}
	for _, m := range h.Mirrors {
		if !m.Planned() {
			code = worse(code, exitIncomplete)
		}
	}
	if lacksData(h) {
		code = worse(code, exitIncomplete)
	}
	if r.Interrupted {
		code = exitInterrupted
	}
	return code
}

// report says what was done, on the terminal and into the report file.
func (s *session) report(ctx context.Context, c *cli.Command, r *apply.Report, file string) error {
	err := s.tell(ctx, r, file)
	if path := c.String("report"); path != "" {
		if err := s.writeReport(ctx, path, r); err != nil {
			return &problem{code: "SPM0009", summary: fmt.Sprintf("The report %q was not written", path), err: err,
				detail: fmt.Sprintf("The run is over and recorded: `spmirror runs show %d` has its results.", r.Run)}
		}
	}
	return err
}

// tell says what was done on stdout, as text or as events.
func (s *session) tell(ctx context.Context, r *apply.Report, file string) error {
	for _, e := range s.streams {
		e.Report(r)
	}
	if s.events != nil {
		return s.events.Error()
	}
	if err := s.out.ApplyReport(r, view.ReportOptions{PlanFile: file}); err != nil {
		return err
	}
	return s.showOutputs(ctx)
}

// checkReport refuses before any work a report of a form that there is not.
func checkReport(c *cli.Command) error {
	name := c.String("report")
	if name == "" || slices.Contains([]string{view.ReportJSON, view.ReportCSV, view.ReportMarkdown}, reportFormat(name)) {
		return nil
	}
	return &problem{code: "SPM0002", summary: "Invalid -report=" + name, detail: "The name of a report ends in .json, .csv or .md. Nothing was done."}
}

func reportFormat(name string) string { return strings.TrimPrefix(filepath.Ext(name), ".") }

func (s *session) writeReport(ctx context.Context, path string, r *apply.Report) error {
	return writeWhole(path, func(w io.Writer) error {
		return view.WriteReport(w, reportFormat(path), r, s.results(ctx, state.RunID(r.Run)), s.cfg.Names)
	})
}

// results yields what a run recorded of each item.
func (s *session) results(ctx context.Context, run state.RunID) iter.Seq2[apply.Result, error] {
	return func(yield func(apply.Result, error) bool) {
		for item, err := range s.store.RunItems(ctx, run) {
			if !yield(resultFrom(item), err) || err != nil {
				return
			}
		}
	}
}

func resultFrom(i state.RunItem) apply.Result {
	return apply.Result{
		Mirror: i.Mirror, Path: plan.RelPath(i.Path), ItemID: plan.ItemID(i.Item), Action: plan.Action(i.Action),
		Outcome: apply.Outcome(i.Outcome), Code: i.Code, Message: i.Message, RequestID: i.RequestID, Verdict: string(i.Verdict),
		Bytes: i.Bytes, Hash: i.Hash, SHA256: i.SHA256, ETag: i.ETag, Duration: i.Duration, At: i.At,
	}
}
