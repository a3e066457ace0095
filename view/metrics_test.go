package view

import (
	"bytes"
	"os"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"
)

// parsed reads metrics with the parser of Prometheus itself.
func parsed(t testing.TB, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

func written(t testing.TB, m *Metrics) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryMetricIsReadByPrometheusAndDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	for i, one := range metricHelp() {
		m.Set(one.name, float64(i+1)/4, "mirror", `mirror.m["a b"]`)
		if !strings.Contains(string(page), "`"+string(one.name)+"`") {
			t.Errorf("docs/metrics.md does not name %s", one.name)
		}
	}
	families := parsed(t, written(t, m))
	if len(families) != len(metricHelp()) {
		t.Errorf("%d families, want %d", len(families), len(metricHelp()))
	}
	for i, one := range metricHelp() {
		f := families[string(one.name)]
		want := dto.MetricType_GAUGE
		if strings.HasSuffix(string(one.name), "_total") {
			want = dto.MetricType_COUNTER
		}
		if f.GetType() != want || f.GetHelp() != one.help || len(f.GetMetric()) != 1 {
			t.Errorf("%s: %v", one.name, f)
			continue
		}
		sample := f.GetMetric()[0]
		if got := sample.GetGauge().GetValue() + sample.GetCounter().GetValue(); got != float64(i+1)/4 || sample.GetLabel()[0].GetValue() != `mirror.m["a b"]` {
			t.Errorf("%s: %v", one.name, sample)
		}
	}
}

func TestAnyLabelSurvivesBothReaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.String().Draw(t, "label")
		value := float64(rapid.Int64Range(0, 1<<50).Draw(t, "value"))
		m := NewMetrics()
		m.Set(MetricItems, value, "mirror", label, "result", "added")
		var first bytes.Buffer
		if _, err := m.WriteTo(&first); err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, first.String())
		}
		sample := families[string(MetricItems)].GetMetric()[0]
		if got := sample.GetLabel()[0].GetValue(); got != strings.ToValidUTF8(label, "�") || sample.GetCounter().GetValue() != value {
			t.Fatalf("Prometheus reads %q %v", got, sample)
		}
		again, err := ReadMetrics(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var second bytes.Buffer
		if _, err := again.WriteTo(&second); err != nil || second.String() != first.String() {
			t.Fatalf("read back it is\n%s\nwas\n%s", second.String(), first.String())
		}
	})
}

func TestCountersGoOnAndForeignLinesAreDropped(t *testing.T) {
	m, err := ReadMetrics(strings.NewReader(`# HELP spmirror_runs_total Runs
# TYPE spmirror_runs_total counter
spmirror_runs_total{command="plan",result="ok"} 41
spmirror_running{command="plan"} NaN
other_total 7
spmirror_runs_total{command="apply" 3
spmirror_retries_total 12 1700000000
nonsense
`))
	if err != nil {
		t.Fatal(err)
	}
	base := m.Clone()
	m.Add(MetricRuns, 1, "command", "plan", "result", "ok")
	m.Add(MetricFailures, 0, "mirror", "mirror.m", "code", "SPM0501")
	want := "# HELP spmirror_runs_total Runs of a command, by how they ended.\n# TYPE spmirror_runs_total counter\nspmirror_runs_total{command=\"plan\",result=\"ok\"} 42\n"
	if got := string(written(t, m)); got != want {
		t.Errorf("%s", got)
	}
	if got := string(written(t, base)); !strings.Contains(got, " 41\n") {
		t.Errorf("the copy changed as well:\n%s", got)
	}
}
