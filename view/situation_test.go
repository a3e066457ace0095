package view

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

// forms are a plan as text, Markdown and page.
func forms(t *testing.T, p *plan.Plan) map[string]string {
	t.Helper()
	var md, html bytes.Buffer
	if err := WriteMarkdown(&md, p.Header, p, MarkdownOptions{PlanFile: "p.spplan"}); err != nil {
		t.Fatal(err)
	}
	if err := WriteHTML(&html, p.Header, p, ""); err != nil {
		t.Fatal(err)
	}
	page, _, _ := strings.Cut(strings.Replace(html.String(), pageCSS, "", 1), "<script")
	return map[string]string{"text": text(t, p, Output{}, TextOptions{}), "Markdown": md.String(), "page": page}
}

func blockedBy(name, detail string) []plan.GuardResult {
	return []plan.GuardResult{{Name: name, Mirror: reports, Status: plan.GuardBlocked, Value: "-5000886", Limit: "1073741824", Detail: detail}}
}

func TestABlockedPlanWithoutChangesIsNotCalledAMatch(t *testing.T) {
	p := newTestPlan(t)
	p.mirror(reports)
	done := p.finish(blockedBy("require_same_source", ""), nil)
	for form, out := range forms(t, done) {
		if strings.Contains(out, "match the configuration") || !strings.Contains(strings.ToLower(out), "no changes, but the plan is blocked") {
			t.Errorf("the %s says\n%s", form, out)
		}
	}
	done.Options.NoRefresh = true
	if out := text(t, done, Output{}, TextOptions{}); !strings.Contains(out, "Blocked: the whole plan, by guard.require_same_source") {
		t.Errorf("of recorded data the text says\n%s", out)
	}
}

func TestWhatWasNotReadIsNotCounted(t *testing.T) {
	p := newTestPlan(t)
	m := p.mirror(reports)
	m.Listing, m.Observed, m.Problem = plan.Listing{}, 0, &plan.Diagnostic{Severity: "error", Code: "SPM0204", Summary: "Library not found"}
	out := text(t, p.finish(nil, nil), Output{}, TextOptions{})
	if !strings.Contains(out, "\nSource  1 mirror, listing NOT complete\n") {
		t.Errorf("it says\n%s", out)
	}
}

func TestWarningsAreInEveryForm(t *testing.T) {
	p := newTestPlan(t)
	p.mirror(reports)
	p.h.Diagnostics = []plan.Diagnostic{
		{Severity: "warning", Code: "SPM0617", Summary: "The service gave no usable description of 1 item", Address: reports},
		{Severity: "warning", Code: "SPM0040", Summary: "-target-path=x names nothing"},
	}
	done := p.finish(nil, nil)
	for form, out := range forms(t, done) {
		for _, want := range []string{"SPM0617", "no usable description of 1 item", "SPM0040", "names nothing"} {
			if !strings.Contains(out, want) {
				t.Errorf("the %s has no %q:\n%s", form, want, out)
			}
		}
	}
	for range 400 {
		done.Diagnostics = append(done.Diagnostics, done.Diagnostics[0])
	}
	var md bytes.Buffer
	if err := WriteMarkdown(&md, done.Header, done, MarkdownOptions{MaxBytes: 2000}); err != nil || !strings.Contains(md.String(), "\n- and ") {
		t.Errorf("%v\n%s", err, md.String())
	}
}

func TestABlockedPlanSaysHowItIsAppliedNevertheless(t *testing.T) {
	const flags = "-dangerous-override-guard=min_free_space -reason=TEXT"
	for name, offered := range map[string]bool{"min_free_space": true, "require_same_source": false} {
		p := newTestPlan(t)
		p.mirror(reports)
		p.add(file(reports, plan.Add, "new.docx", 31, plan.BySource, plan.NewAtSource))
		done := p.finish(blockedBy(name, "bytes free after"), nil)
		list := forms(t, done)
		delete(list, "page") // which names no file
		delete(list, "text") // the commands come after it
		var after bytes.Buffer
		if err := (Output{Out: &after}).SavedPlan(done.Header, "p.spplan"); err != nil {
			t.Fatal(err)
		}
		list["end of the text"] = after.String()
		for form, out := range list {
			if strings.Contains(out, "spmirror apply "+flags) != offered {
				t.Errorf("%s: the %s says\n%s", name, form, out)
			}
		}
		if out := text(t, done, Output{}, TextOptions{}); !strings.Contains(out, "minus 4.8 MiB free after, limit 1.0 GiB") {
			t.Errorf("the text says\n%s", out)
		}
	}
}

func TestAGuardNamesNoFolderWhereNamesAreHashed(t *testing.T) {
	g := plan.GuardResult{Name: "max_folder_delete_percent", Mirror: reports, Value: "50.0 %", Limit: "25 %", Detail: "11 of 22 tracked files in /Layoffs/"}
	if out := (Output{Names: NamesHashed}).GuardText(g); strings.Contains(out, "Layoffs") || !strings.Contains(out, "11 of 22 tracked files") {
		t.Errorf("it says %s", out)
	}
}

func TestOneItemThatIsNotCoveredIsOne(t *testing.T) {
	var out bytes.Buffer
	c := &plan.Coverage{Items: plan.Amount{Now: 1, Exceeded: true}}
	if err := (Output{Out: &out}).Uncovered(&plan.Header{PlanID: "1"}, c); err != nil || !strings.Contains(out.String(), "# 1 item to add, update or move") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
