package view

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// compiled is a schema ready to check documents; strict ones refuse members that
// the schema does not name.
func compiled(t testing.TB, name string, strict bool) func(document []byte) error {
	t.Helper()
	data, err := schemaOf(name, strict)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name+".json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return func(document []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestEveryPlanAsJSONHoldsToItsSchema(t *testing.T) {
	for _, strict := range []bool{false, true} {
		check := compiled(t, SchemaPlan, strict)
		for name, build := range plans {
			if name == "large" {
				continue // as adds, only longer
			}
			for _, names := range []string{NamesFull, NamesFolders, NamesHashed} {
				p := build(t)
				var b bytes.Buffer
				if err := WritePlanJSON(&b, p.Header, p, names); err != nil {
					t.Fatal(err)
				}
				if err := check(b.Bytes()); err != nil {
					t.Errorf("%s, names %s, strict %v: %v", name, names, strict, err)
				}
			}
		}
	}
}

func TestEveryEventHoldsToItsSchema(t *testing.T) {
	var b bytes.Buffer
	e := NewEvents(&b, func() time.Time { return planned })
	e.Version("0.4.0")
	e.CrawlStarted(Crawl{Mirror: reports, Mode: "delta"})
	e.CrawlDone(Crawl{Mirror: reports, Mode: "delta", Items: 1, Pages: 1, Complete: true})
	e.CrawlDone(Crawl{Mirror: cad, Problem: "no access"})
	for _, p := range []*plan.Plan{mixed(t), guarded(t), notPlanned(t)} {
		if err := e.Plan(p.Header, p); err != nil {
			t.Fatal(err)
		}
	}
	r, results := sampleReport()
	for _, done := range []bool{false, true} {
		e.Progress(apply.Progress{Mirror: reports, Started: planned, Finished: done})
	}
	e.Progress(apply.Progress{Mirror: cad, Started: planned, Finished: true, Counts: r.Counts})
	for _, res := range results {
		e.Item(res)
	}
	e.Paused(Pause{"contoso", PauseAsked, planned.Add(time.Minute), "429", 1})
	e.Resumed(Pause{Tenant: "contoso", Kind: PauseAsked})
	e.Paused(Pause{"contoso", PauseNetwork, planned.Add(time.Minute), "no route", 1})
	e.Resumed(Pause{Tenant: "contoso", Kind: PauseNetwork})
	e.Report(r)
	e.RunReport("apply", 4, r)
	e.RunReport("plan", 0, nil)
	e.Watch(WatchNote{State: WatchStarted}, "Watching 1 mirror")
	e.Watch(WatchNote{State: WatchLooked, Reasons: []string{"poll"}, Mirrors: []string{reports}, Result: "blocked", PlanFile: "p.spplan"}, "Look: blocked")
	e.Watch(WatchNote{State: WatchStopped, Notifications: map[string]int64{"forged": 3}}, "Stopped watching.")
	loose, strict := compiled(t, SchemaEvents, false), compiled(t, SchemaEvents, true)
	seen := make(map[string]bool)
	for line := range bytes.Lines(b.Bytes()) {
		if err := errors.Join(loose(line), strict(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for name := range eventShapes() {
			if bytes.Contains(line, []byte(`"type":"`+name+`"`)) {
				seen[name] = true
			}
		}
	}
	delete(seen, "apply_progress")
	if len(seen) != len(eventShapes())-1 {
		t.Errorf("only %v were tried", sortedKeys(seen))
	}
}

func TestEveryReportHoldsToItsSchema(t *testing.T) {
	r, results := sampleReport()
	var b bytes.Buffer
	if err := WriteReport(&b, ReportJSON, r, all(results), ""); err != nil {
		t.Fatal(err)
	}
	for _, strict := range []bool{false, true} {
		if err := compiled(t, SchemaReport, strict)(b.Bytes()); err != nil {
			t.Error(err)
		}
	}
}

func TestASchemaRefusesWhatIsNoSuchDocument(t *testing.T) {
	p := adds(t)
	for _, test := range []struct{ schema, document, why string }{
		{SchemaPlan, `{}`, "missing"},
		{SchemaPlan, strings.Replace(p, `"actions":["add"]`, `"actions":["explode"]`, 1), "must be one of"},
		{SchemaPlan, strings.Replace(p, `"applyable":true`, `"applyable":"yes"`, 1), "applyable"},
		{SchemaEvents, `{"@level":"info","@message":"","@module":"","@timestamp":"2026-11-22T06:00:12Z","type":"diagnostic"}`, "diagnostic"},
		{SchemaReport, `{"format_version":"1.0"}`, "missing"},
	} {
		if err := compiled(t, test.schema, false)([]byte(test.document)); err == nil || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s of %.80s gives %v, want %q", test.schema, test.document, err, test.why)
		}
	}
	if err := compiled(t, SchemaPlan, false)([]byte(strings.Replace(p, `{"format_version"`, `{"new":1,"format_version"`, 1))); err != nil {
		t.Errorf("a member of a later version is refused: %v", err)
	}
	if _, err := Schema("xml"); !errors.Is(err, ErrSchema) {
		t.Errorf("an unknown schema gives %v", err)
	}
}

func adds(t *testing.T) string {
	p := addsOnly(t)
	var b bytes.Buffer
	if err := WritePlanJSON(&b, p.Header, p, ""); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
