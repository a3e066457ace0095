package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/spmirror/spmirror/sandbox"
)

// samples reads a metrics file with the parser of Prometheus: values by name and labels.
func (w *world) samples(file string) map[string]float64 {
	w.t.Helper()
	data, err := os.ReadFile(w.path(file))
	if err != nil {
		w.t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		w.t.Fatalf("%v in\n%s", err, data)
	}
	found := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.GetMetric() {
			key := strings.TrimSuffix(strings.TrimPrefix(name, "spmirror_"), "_total")
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			if found[key] = m.GetCounter().GetValue(); f.GetType() == dto.MetricType_GAUGE {
				found[key] = m.GetGauge().GetValue()
			}
		}
	}
	return found
}

func TestMetricsAddUpOverRuns(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 30, Size: 1000}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Times: 1, Skip: 5, Status: 429, Header: map[string]string{"Retry-After": "1"}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Times: 1, Skip: 9, Action: sandbox.ActionExpireURL})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindItem, sandbox.KindDeltaFull}, Times: 1, Action: sandbox.ActionRevoke})
	w.run(exitOK, "plan", "-out=saved.spplan", "-metrics-file=m.prom")
	w.run(exitOK, "apply", "-metrics-file=m.prom", "saved.spplan")
	got := w.samples("m.prom")
	for key, want := range map[string]float64{
		"runs plan ok": 1, "runs apply ok": 1, "running apply": 0, "running plan": 0, "last_run_exit_code apply": 0,
		"items mirror.docs added": 30 + float64(foldersOf(t, w.path("mirror"))), "downloaded_files mirror.docs": 30,
		"pauses emulated throttle": 1, "heals emulated address": 1, "heals emulated token": 1, "requests emulated 4xx": 3,
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", key, value, ok, want)
		}
	}
	for _, key := range []string{"last_success_timestamp_seconds plan", "last_success_timestamp_seconds apply", "last_run_timestamp_seconds apply",
		"last_run_duration_seconds apply", "resource_units emulated", "requests emulated 2xx", "received_bytes emulated",
		"downloaded_bytes mirror.docs", "pause_seconds emulated throttle", "retries emulated"} {
		if got[key] <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	if asked := w.tenant.Stats().Units; got["resource_units emulated"] != float64(asked) {
		t.Errorf("%v resource units are measured, the service counts %d", got["resource_units emulated"], asked)
	}

	text := "x"
	if _, err := w.tenant.Apply(sandbox.Edit{Op: sandbox.OpPut, Drive: "people/Documents", Path: "/new.txt", Text: &text}); err != nil {
		t.Fatal(err)
	}
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Status: 423})
	w.run(exitIncomplete, "apply", "-auto-approve", "-metrics-file=m.prom")
	after := w.samples("m.prom")
	for key, want := range map[string]float64{
		"runs plan ok": 1, "runs apply ok": 1, "runs apply incomplete": 1, "last_run_exit_code apply": 4, "items mirror.docs failed": 1,
		"failures mirror.docs SPM0516": 1, "downloaded_files mirror.docs": 30,
		"last_success_timestamp_seconds apply": got["last_success_timestamp_seconds apply"],
	} {
		if value, ok := after[key]; !ok || value != want {
			t.Errorf("after a run with a failure %s is %v (there: %v), want %v", key, value, ok, want)
		}
	}
	if after["resource_units emulated"] <= got["resource_units emulated"] {
		t.Errorf("the units do not go on: %v, then %v", got["resource_units emulated"], after["resource_units emulated"])
	}
	info, err := os.Stat(w.path("m.prom"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(w.path(".spmirror-*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

func foldersOf(t *testing.T, dir string) int {
	t.Helper()
	have, err := kinds(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, kind := range have {
		if kind == "folder" {
			n++
		}
	}
	return n
}

func TestAMetricsFileThatCannotBeWrittenIsSaidBeforeAnyWork(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "x"}}})
	w.run(exitError, "plan", "-metrics-file="+filepath.Join("missing", "m.prom"))
	if w.tenant.Stats().Units != 0 {
		t.Error("the tenant was asked")
	}
}
