package view

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"runtime"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

// endless is a plan whose lines are made while they are read, and which looks at how much
// memory its reader holds.
type endless struct {
	t     *testing.T
	lines int
	grown int64 // the most that was held more near the end of a reading than near its begin
}

func (p *endless) change(i int) plan.Change {
	name := fmt.Sprintf("a document with a name of some length %07d.docx", i)
	return plan.Change{
		Mirror: reports, Path: plan.RelPath(fmt.Sprintf("folder %05d/%s", i/50_000, name)), ItemID: plan.ItemID(fmt.Sprintf("01ABCDEFGHIJKLMNOP%016d", i)),
		Actions: []plan.Action{plan.Add}, Cause: plan.ByConfig, Reason: plan.MirrorAdded, Name: name, Fold: name,
		Remote: &plan.Remote{ETag: fmt.Sprint(i), Size: 1000, Modified: planned},
	}
}

func (p *endless) ChangeLines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var begin int64
		for i := range p.lines {
			switch i {
			case p.lines / 10:
				begin = held()
			case p.lines * 9 / 10:
				p.grown = max(p.grown, held()-begin)
			}
			line, err := json.Marshal(p.change(i))
			if !yield(append(line, '\n'), err) {
				return
			}
		}
	}
}

func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (p *endless) Changes() iter.Seq2[plan.Change, error] {
	return func(yield func(plan.Change, error) bool) {
		for line, err := range p.ChangeLines() {
			var c plan.Change
			if err == nil {
				err = json.Unmarshal(line, &c)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

func (*endless) Drifts() iter.Seq2[plan.Drift, error] { return func(func(plan.Drift, error) bool) {} }
func (*endless) DriftLines() iter.Seq2[[]byte, error] { return func(func([]byte, error) bool) {} }

func TestFormsOfAPlanHoldNoneOfItsItems(t *testing.T) {
	const lines = 10_000
	draft := newTestPlan(t)
	m := draft.mirror(reports)
	p := &endless{t: t, lines: lines}
	for i := range 3 { // for the tables of the header
		draft.add(p.change(i))
	}
	h := draft.finish(nil, nil).Header
	sum := plan.Sum{Items: lines, Files: lines, Bytes: 1000 * lines}
	m.Summary[plan.Add], m.Causes[plan.ByConfig], h.Totals.Actions[plan.Add], h.Totals.DownloadFiles = sum, lines, sum, lines
	out := Output{Out: io.Discard}
	for name, write := range map[string]func() error{
		"json":     func() error { return WritePlanJSON(io.Discard, h, p, "") },
		"jsonl":    func() error { return WriteJSONL(io.Discard, p, "", nil) },
		"chosen":   func() error { return WriteJSONL(io.Discard, p, "", func(*plan.Change) bool { return true }) },
		"hashed":   func() error { return WritePlanJSON(io.Discard, h, p, NamesHashed) },
		"csv":      func() error { return WriteCSV(io.Discard, h, p, "", nil) },
		"markdown": func() error { return WriteMarkdown(io.Discard, h, p, MarkdownOptions{}) },
		"html":     func() error { return WriteHTML(io.Discard, h, p, "") },
		"text":     func() error { return out.PlanText(h, p, TextOptions{}) },
		"verbose":  func() error { return out.PlanText(h, p, TextOptions{Verbose: true}) },
	} {
		p.grown = 0
		if err := write(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// To keep the path of every item would take 700 KiB more.
		if p.grown > 300<<10 {
			t.Errorf("%s holds %d bytes more after %d items", name, p.grown, lines*8/10)
		}
	}
}
