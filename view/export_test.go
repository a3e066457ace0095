package view

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

func TestPlanJSONIsCompleteAndDecodes(t *testing.T) {
	for name, build := range plans {
		p := build(t)
		var b bytes.Buffer
		if err := WritePlanJSON(&b, p.Header, p, NamesFull); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), `{"format_version":"1.0",`) {
			t.Errorf("%s begins %.40s", name, b.String())
		}
		if !allowed(strings.ReplaceAll(b.String(), "\n", "")) {
			t.Errorf("%s: JSON holds a character that a terminal must not get", name)
		}
		var doc struct {
			plan.Header
			Changes []plan.Change `json:"item_changes"`
			Drift   []plan.Drift  `json:"item_drift"`
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if n := doc.Totals.Changes() + doc.Totals.Count(plan.Blocked); int64(len(doc.Changes)) != n {
			t.Errorf("%s: %d item_changes, totals say %d", name, len(doc.Changes), n)
		}
		i := 0
		for c := range p.Changes() {
			if doc.Changes[i].Path != c.Path || doc.Changes[i].Action() != c.Action() {
				t.Fatalf("%s: item %d is %q, want %q", name, i, doc.Changes[i].Path, c.Path)
			}
			i++
		}
	}
	if p := mixed(t); true {
		var b bytes.Buffer
		if err := WritePlanJSON(&b, p.Header, p, ""); err != nil || strings.Count(b.String(), `"kind":"changed"`) != 1 {
			t.Errorf("item_drift: %v\n%s", err, b.String())
		}
	}
}

func TestJSONLinesAreOneAChange(t *testing.T) {
	p := mixed(t)
	var all, deletes bytes.Buffer
	if err := WriteJSONL(&all, p, "", nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(all.String(), "\n"); n != 74 {
		t.Errorf("%d lines", n)
	}
	if err := WriteJSONL(&deletes, p, "", func(c *plan.Change) bool { return c.Action() == plan.Delete }); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(deletes.String(), `"actions":["delete"]`); n != 5 || strings.Count(deletes.String(), "\n") != 5 {
		t.Errorf("deletes:\n%s", deletes.String())
	}
}

func TestCSVHasARowForEachChangeAndNoFormula(t *testing.T) {
	p := hostile(t)
	var b bytes.Buffer
	if err := WriteCSV(&b, p.Header, p, "", nil); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(hostileNames)+1 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if formula.MatchString(cell) || !allowed(cell) {
				t.Errorf("%s is %+q", rows[0][i], cell)
			}
		}
	}
}

func markdownOf(t *testing.T, p *plan.Plan, opt MarkdownOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteMarkdown(&b, p.Header, p, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdownIsAsAgreed(t *testing.T) {
	opt := MarkdownOptions{Marker: "env=prod dir=mirrors/prod", PlanFile: "pr-42.spplan"}
	for name, build := range plans {
		golden(t, name+".md", markdownOf(t, build(t), opt))
	}
}

func TestMarkdownStaysBelowItsBudgetAndKeepsDeletes(t *testing.T) {
	for name, build := range plans {
		if name == "large" {
			continue // its text is short at any budget
		}
		p := build(t)
		for _, limit := range []int{1500, 2000, 3000, 5000, 8000, 15000, 60000, 1 << 20} {
			out := markdownOf(t, p, MarkdownOptions{MaxBytes: limit, PlanFile: "x.spplan"})
			if len(out) > limit {
				t.Errorf("%s: %d bytes of %d", name, len(out), limit)
			}
			if !strings.HasPrefix(out, "<!-- spmirror:plan -->\n### spmirror plan: ") {
				t.Errorf("%s begins %.60q", name, out)
			}
			if n := p.Totals.Count(plan.Delete); n > 0 && !strings.Contains(out, "**"+commas(n)+" to delete**") {
				t.Errorf("%s at %d does not say its deletes:\n%s", name, limit, out)
			}
			if strings.Count(out, "<details") != strings.Count(out, "</details>") {
				t.Errorf("%s at %d is cut inside a block", name, limit)
			}
		}
	}
	p := mixed(t)
	if err := WriteMarkdown(&bytes.Buffer{}, p.Header, p, MarkdownOptions{MaxBytes: 50}); !errors.Is(err, ErrTooSmall) {
		t.Errorf("a budget of 50 bytes gives %v", err)
	}
}

func TestTheNumbersOfMarkdownAddUp(t *testing.T) {
	p := scattered(t)
	for _, limit := range []int{2000, 3000, 5000, 60000} {
		out := markdownOf(t, p, MarkdownOptions{MaxBytes: limit})
		title := regexp.MustCompile(`Delete \(([\d,]+) files, [^)]*\)</summary>`).FindStringSubmatchIndex(out)
		if title == nil {
			t.Fatalf("no deletes at %d:\n%s", limit, out)
		}
		table, _, _ := strings.Cut(out[title[1]:], "</details>")
		var sum int64
		for _, m := range regexp.MustCompile(`(?m) ([\d,]+) \| [\d.]+ [KMGT]?i?B \|$`).FindAllStringSubmatch(table, -1) {
			sum += num(t, m[1])
		}
		if want := p.Totals.Count(plan.Delete); sum != want || num(t, out[title[2]:title[3]]) != want {
			t.Errorf("at %d the rows sum to %d, want %d:\n%s", limit, sum, want, table)
		}
	}
	rows := mergeRows(mixed(t).Mirrors[2].Folders, 2)
	if len(rows) != 2 || rows[0].Counts[plan.Add]+rows[1].Counts[plan.Add] != 30 || rows[1].Counts[plan.Update] != 30 {
		t.Errorf("merged rows: %+v", rows)
	}
}

func TestMarkdownShowsHostileNamesAsTextOnly(t *testing.T) {
	out := markdownOf(t, hostile(t), MarkdownOptions{Marker: "--> <script>", PlanFile: "`x`|@team.spplan"})
	for l := range strings.Lines(out) {
		bare := outsideCode(l)
		for _, bad := range []string{"@team", "http", "<img", "<script", "#1", "]("} {
			if strings.Contains(bare, bad) {
				t.Errorf("%q is outside of code: %s", bad, bare)
			}
		}
	}
}

func TestTheDifferenceOfTheConfigurationSurvivesASavedPlan(t *testing.T) {
	p := mixed(t)
	want := configDiff(p.Header)
	data, err := json.Marshal(p.Header)
	if err != nil {
		t.Fatal(err)
	}
	var saved plan.Header
	if err := json.Unmarshal(data, &saved); err != nil {
		t.Fatal(err)
	}
	if got := configDiff(&saved); len(want) != 6 || !slices.Equal(got, want) {
		t.Errorf("read again: %q, want %q", got, want)
	}
}

func TestNoPatternEndsTheBlockOfTheConfiguration(t *testing.T) {
	p := onePlan(t, "x")
	p.Mirrors[0].ConfigChanges = []plan.ConfigChange{{Path: "select.include", Before: "```", After: []any{"a````\n```\n# title", "\u202e"}}}
	out := markdownOf(t, p, MarkdownOptions{})
	_, block, _ := strings.Cut(out, "`````diff\n")
	block, _, ok := strings.Cut(block, "\n`````\n")
	if !ok || strings.Count(block, "\n") != 4 || strings.Contains(block, "\u202e") {
		t.Errorf("the block is %q in\n%s", block, out)
	}
}

func sampleReport() (*apply.Report, []apply.Result) {
	results := []apply.Result{
		{Mirror: reports, Path: "a.docx", Action: plan.Add, Outcome: apply.Done, Bytes: 1 << 20, Verdict: "verified", At: planned},
		{Mirror: reports, Path: "2024/ledger.csv", Action: plan.Add, Outcome: apply.Failed, Code: "SPM0502",
			Message: "content does not match its hash", RequestID: "11-22", At: planned},
		{Mirror: reports, Path: "=x@team.docx", Action: plan.Update, Outcome: apply.Superseded, Code: "SPM0520", Message: "changed since the plan", At: planned},
		{Mirror: reports, Path: "old.docx", Action: plan.Delete, Outcome: apply.Postponed, Code: "SPM0530", At: planned},
	}
	r := &apply.Report{
		Commit:  "4be91c2",
		Origins: map[string]apply.Origin{reports: {Source: plan.SourceRef{Site: "https://contoso.sharepoint.com/sites/finance", Drive: "=Documents", DriveID: "-b!1", Folder: "/Reports"}, Target: "/srv/reports"}},
		PlanID:  "7f3c9e12", Run: 482, Started: planned, Duration: 90 * time.Second,
		Counts: apply.Counts{Added: 1, Failed: 1, Superseded: 1, Postponed: 72, DownloadFiles: 1, DownloadBytes: 1 << 20},
		Mirrors: []apply.MirrorReport{{Address: reports, Counts: apply.Counts{Added: 1, Failed: 1, Superseded: 1, Postponed: 72}},
			{Address: cad, Code: "SPM0601", Problem: "the target has no marker"},
			{Address: `mirror.library["plans"]`, Code: "SPM0509", Problem: "graph.microsoft.com refuses connections, for 15m0s", Left: 412}},
		Problems: results[1:3], Traffic: apply.Traffic{Requests: 210, ResourceUnits: 230, Retries: 3, Pauses: 2, PausedFor: 41 * time.Second, Outages: 1, LostFor: 4 * time.Minute},
		Messages: []string{"3 files were left in the staging directory"},
	}
	return r, results
}

func all(results []apply.Result) iter.Seq2[apply.Result, error] {
	return func(yield func(apply.Result, error) bool) {
		for _, r := range results {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestARequestIDIsSaidOnce(t *testing.T) {
	r := apply.Result{Mirror: reports, Path: "a", Outcome: apply.Failed, Code: "SPM0516", RequestID: "11-22"}
	for _, message := range []string{"locked", "get item: 423 resourceLocked (request-id 11-22)"} {
		r.Message = message
		if line := (Output{}).problemLine(r); strings.Count(line, "11-22") != 1 {
			t.Errorf("the line is %q", line)
		}
	}
}

func TestTheEndOfAnApplyIsAsAgreed(t *testing.T) {
	var b bytes.Buffer
	o := Output{Out: &b}
	r, _ := sampleReport()
	complete := &apply.Report{Counts: apply.Counts{Added: 48910, Changed: 1146, Destroyed: 72, Forgotten: 12}}
	for _, r := range []*apply.Report{r, complete, {PlanID: "4be91c2a", AlreadyApplied: 481}, {Interrupted: true}} {
		if err := o.ApplyReport(r, ReportOptions{PlanFile: "pr-42.spplan"}); err != nil {
			t.Fatal(err)
		}
		b.WriteString("====\n")
	}
	golden(t, "apply.txt", b.String())
	if !strings.Contains(b.String(), "Apply complete! Resources: 48910 added, 1146 changed, 72 destroyed, 12 forgotten.\n") {
		t.Error("the complete line has not Terraform's bytes")
	}
}

func TestReportFilesHoldEveryResult(t *testing.T) {
	r, results := sampleReport()
	for _, format := range []string{ReportJSON, ReportCSV, ReportMarkdown} {
		var b bytes.Buffer
		if err := WriteReport(&b, format, r, all(results), ""); err != nil {
			t.Fatal(err)
		}
		golden(t, "report."+format, b.String())
	}
	var b bytes.Buffer
	if err := WriteReport(&b, ReportJSON, r, all(results), ""); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Results []apply.Result `json:"results"`
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil || !slices.Equal(doc.Results, results) {
		t.Errorf("%v: %+v", err, doc.Results)
	}
	if err := WriteReport(&b, "xlsx", r, all(results), ""); !errors.Is(err, ErrReportFormat) {
		t.Errorf("an unknown format gives %v", err)
	}
}
