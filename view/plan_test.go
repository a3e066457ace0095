package view

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spmirror/spmirror/plan"
)

var update = flag.Bool("update", false, "write the golden files")

var planned = time.Date(2026, 11, 22, 6, 0, 12, 0, time.UTC)

// testPlan builds a plan the way the planner does, through a draft.
type testPlan struct {
	t     *testing.T
	h     *plan.Header
	draft *plan.Draft
}

func newTestPlan(t *testing.T) *testPlan {
	t.Helper()
	h := &plan.Header{
		SpmirrorVersion: "0.4.0", Mode: plan.ModeNormal,
		Configuration: plan.Configuration{Digest: "sha256:00", Commit: "4be91c2", Branch: "filter-2024"},
		State:         plan.StateRef{Path: "/srv/prod.db", Lineage: "6f1c9a42-1111", Serial: 481, LastRun: planned.Add(-24 * time.Hour)},
		Tenants:       []plan.TenantRef{{Name: "contoso", TenantID: "contoso.onmicrosoft.com", Environment: "global"}},
	}
	d, err := plan.NewDraft(h, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &testPlan{t: t, h: h, draft: d}
}

func (p *testPlan) mirror(name string) *plan.Mirror {
	m := &plan.Mirror{
		Address: name,
		Source: plan.SourceRef{Tenant: "contoso", Site: "https://contoso.sharepoint.com/sites/finance",
			Drive: "Documents", DriveID: plan.DriveID("b!" + name), Folder: "/Reports"},
		Target:     plan.TargetRef{Path: "/srv/mirror/reports"},
		Generation: plan.GenerationRef{Base: 481, Observed: 902},
		Listing:    plan.Listing{Mode: "delta", Complete: true, Pages: 38, AsOf: planned.Add(-12 * time.Second)},
		Tracked:    plan.Sum{Items: 3600, Files: 3600},
		Observed:   3700, Compared: 3600,
	}
	p.draft.Mirror(m)
	return m
}

func (p *testPlan) add(c plan.Change) {
	p.t.Helper()
	if c.ItemID == "" {
		c.ItemID = plan.ItemID("id-" + string(c.Path))
	}
	if err := p.draft.Add(c); err != nil {
		p.t.Fatal(err)
	}
}

func (p *testPlan) finish(guards []plan.GuardResult, checks []plan.CheckResult) *plan.Plan {
	p.t.Helper()
	done := p.draft.Finish(planned, guards, checks)
	p.t.Cleanup(func() { done.Close() })
	if err := done.Write(io.Discard); err != nil {
		p.t.Fatal(err)
	}
	return done
}

func file(mirror string, a plan.Action, path string, bytes int64, by plan.Cause, r plan.Reason) plan.Change {
	c := plan.Change{
		Mirror: mirror, Path: plan.RelPath(path), Actions: []plan.Action{a}, Cause: by, Reason: r,
		Remote: &plan.Remote{Size: bytes, ETag: `"{1},1"`, CTag: `"c:{1},1"`, Hash: "AAAA", Modified: planned.Add(-time.Hour)},
	}
	if a == plan.Delete {
		c.Remote, c.Local, c.Disposal = nil, &plan.Local{Size: bytes}, plan.DisposeTrash
	}
	return c
}

const (
	reports = `mirror.library["reports"]`
	cad     = `mirror.library["cad"]`
	deeds   = `mirror.library["deeds"]`
)

func noChanges(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	p.mirror(deeds)
	return p.finish(nil, nil)
}

func addsOnly(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports).Generation.Base = 0
	dir := file(reports, plan.Add, "2025", 0, plan.ByConfig, plan.MirrorAdded)
	dir.Folder = true
	p.add(dir)
	for i := range 5 {
		p.add(file(reports, plan.Add, fmt.Sprintf("2025/file-%d.docx", i), int64(1000*i), plan.ByConfig, plan.MirrorAdded))
	}
	return p.finish(nil, nil)
}

// mixed has every action, drift, guards and checks.
func mixed(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports).ConfigChanges = []plan.ConfigChange{
		{Path: "select.include", Before: []string{"2025/**", "Board/**"}, After: []string{"2024/**", "2025/**"}},
		{Path: "select.max_size", After: int64(1 << 30)},
	}
	p.mirror(cad)
	p.mirror(deeds)
	for i := range 30 {
		p.add(file(reports, plan.Add, fmt.Sprintf("2024/close/ledger-%02d.csv", i), int64(i)<<20, plan.ByConfig, plan.SelectedByInclude))
		p.add(file(reports, plan.Update, fmt.Sprintf("2025/Q3/sheet-%02d.xlsx", i), int64(i)<<18, plan.BySource, plan.ContentChanged))
	}
	for i := range 4 {
		c := file(reports, plan.Move, fmt.Sprintf("2025/Q4/new-%d.docx", i), 5000, plan.BySource, plan.Renamed)
		c.PreviousPath = plan.RelPath(fmt.Sprintf("2025/Q4/old-%d.docx", i))
		p.add(c)
		p.add(file(reports, plan.Delete, fmt.Sprintf("Board/2019/minutes-%02d.docx", i), 1<<20, plan.BySource, plan.Removed))
	}
	gone := file(reports, plan.Delete, "Board/for good.docx", 1<<10, plan.ByConfig, plan.Deselected)
	gone.Disposal = plan.DisposeDelete
	p.add(gone)
	p.add(file(reports, plan.Forget, "old/a.docx", 2000, plan.ByConfig, plan.Deselected))
	p.add(file(reports, plan.Adopt, "have/b.docx", 2000, plan.BySource, plan.EqualOnDisk))
	p.add(file(reports, plan.Metadata, "have/c.docx", 2000, plan.BySource, plan.MetadataChanged))
	bad := file(reports, plan.Blocked, "virus.exe", 666, plan.BySource, plan.BlockedMalware)
	bad.Wanted, bad.Detail = plan.Add, "the service refuses the content of infected files"
	p.add(bad)
	drifted := file(cad, plan.Update, "P-1180/frame.step", 1<<20, plan.ByDrift, plan.ChangedOnDisk)
	drifted.Disposal = plan.DisposeTrash
	p.add(drifted)
	err := p.draft.AddDrift(plan.Drift{Mirror: cad, Path: "P-1180/frame.step", Kind: plan.DriftChanged,
		Applied: &plan.Local{Size: 10, SHA256: "77aa000000"}, Found: &plan.Local{Size: 10, SHA256: "b2c0000000"}})
	if err != nil {
		t.Fatal(err)
	}
	return p.finish([]plan.GuardResult{
		{Name: "max_delete_percent", Mirror: reports, Status: plan.GuardPass, Value: "0.1 %", Limit: "10 %", Detail: "5 of 3600 tracked files"},
		{Name: "max_delete_bytes", Mirror: reports, Status: plan.GuardPass, Value: "4195328", Limit: "10737418240", Detail: "bytes"},
	}, []plan.CheckResult{
		{Name: "nightly_size", Enforcement: "advisory", Status: "fail", Messages: []string{"This run would download 500 MiB."}},
	})
}

func guarded(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	for y, n := range map[string]int{"2022": 108, "2023": 204} {
		dir := file(reports, plan.Delete, y, 0, plan.BySource, plan.Removed)
		dir.Folder = true
		p.add(dir)
		for i := range n {
			p.add(file(reports, plan.Delete, fmt.Sprintf("%s/f-%03d.docx", y, i), 3<<20, plan.BySource, plan.Removed))
		}
	}
	for i := range 150 {
		p.add(file(reports, plan.Delete, fmt.Sprintf("Loose/%d/f-%03d.docx", i%3, i), 3<<20, plan.BySource, plan.Removed))
	}
	p.add(file(reports, plan.Add, "new.docx", 31, plan.BySource, plan.NewAtSource))
	return p.finish([]plan.GuardResult{{Name: "max_delete_percent", Mirror: reports, Status: plan.GuardBlocked,
		Value: "12.8 %", Limit: "5 %", Detail: "462 of 3600 tracked files", Range: "main.hcl:44"}}, nil)
}

// scattered deletes files in more folders than any list names.
func scattered(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	for i := range 1000 {
		p.add(file(reports, plan.Delete, fmt.Sprintf("dir-%03d/f-%d.docx", i%150, i), 1<<20, plan.BySource, plan.Removed))
	}
	return p.finish(nil, nil)
}

func notPlanned(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports).Problem = &plan.Diagnostic{Severity: "error", Code: "SPM0204", Summary: "Library not found",
		Detail: "The site has 3 libraries.", RequestID: "0000-1111"}
	p.mirror(cad)
	return p.finish(nil, nil)
}

func large(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	for i := range 50000 {
		p.add(file(reports, plan.Add, fmt.Sprintf("%d/%d/%d/file-%05d.docx", 2000+i%7, i%13, i%101, i), int64(i)*1000, plan.ByConfig, plan.SelectedByInclude))
	}
	return p.finish(nil, nil)
}

// hostileNames are those of INVARIANTS section 5.1 that concern what is shown.
var hostileNames = []string{
	"a\nb\r\tc", "\x1b[2J\x1b]8;;http://trap\x07link", "c1\u009b31m", "\u202efdp.exe", "\u2066x\u2069\u200e\u200f\u061c\ufeff\u200b",
	"tag\U000e0041\U000e007f", "=cmd|'/c calc'!A1", "+1", "-1", "@SUM(1)", "\t=1", "＝1", "![x](http://trap/i.png)", "@team", "#1",
	"<img src=x onerror=1>", "```", "a|b", "bad\xff\xfeutf8", "family👨\u200d👩\u200d👧.png", "שלום.docx", "हिन्दी", "z̸̡̢̧̨̛̖̗̘̙a", `x\x1b`, "a;=1",
	"space ", "two  spaces", "\u2028\u2029", "\x7f", "ﷺ", "میخواهم\u200c.docx",
}

func hostile(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	for i, name := range hostileNames {
		a := []plan.Action{plan.Delete, plan.Add, plan.Blocked}[i%3]
		c := file(reports, a, "in/"+name, 10, plan.BySource, plan.Removed)
		if a == plan.Blocked {
			c.Detail = name
		}
		if c.Remote != nil {
			c.Remote.By = name
		}
		p.add(c)
	}
	return p.finish(nil, []plan.CheckResult{{Name: "x", Enforcement: "advisory", Status: "fail", Messages: hostileNames}})
}

var plans = map[string]func(*testing.T) *plan.Plan{
	"nochanges": noChanges, "adds": addsOnly, "mixed": mixed, "guarded": guarded, "notplanned": notPlanned,
	"large": large, "hostile": hostile, "scattered": scattered,
}

func text(t *testing.T, p *plan.Plan, o Output, opt TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	o.Out = &b
	if err := o.PlanText(p.Header, p, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew); got:\n%s", file, got)
	}
}

func TestPlanTextIsAsAgreed(t *testing.T) {
	for name, build := range plans {
		t.Run(name, func(t *testing.T) {
			p := build(t)
			golden(t, name+".txt", text(t, p, Output{}, TextOptions{PlanFile: "pr-42.spplan"}))
		})
	}
	p := mixed(t)
	golden(t, "mixed-compact.txt", text(t, p, Output{}, TextOptions{Compact: true}))
	golden(t, "mixed-verbose.txt", text(t, p, Output{}, TextOptions{Verbose: true}))
	golden(t, "mixed-list.txt", text(t, p, Output{}, TextOptions{Actions: []plan.Action{plan.Delete, plan.Blocked}}))
	golden(t, "mixed-folders.txt", text(t, p, Output{Names: NamesFolders}, TextOptions{}))
	golden(t, "mixed-hashed.txt", text(t, p, Output{Names: NamesHashed}, TextOptions{}))
	golden(t, "nochanges-recorded.txt", text(t, noChanges(t), Output{}, TextOptions{Recorded: true}))
}
