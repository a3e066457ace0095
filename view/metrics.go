package view

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Metrics are samples in the text format of Prometheus. The file that they are written to is their memory: a run reads it
// first, so that counters go on where the last run left them.
type Metrics struct {
	samples map[string]map[string]float64 // by metric, by labels in their text form
}

// Metric names one of the metrics that are written.
type Metric string

// The metrics. Those that end in _total are counters, over all runs that wrote to the file.
const (
	MetricRuns            Metric = "spmirror_runs_total"
	MetricLastRun         Metric = "spmirror_last_run_timestamp_seconds"
	MetricLastSuccess     Metric = "spmirror_last_success_timestamp_seconds"
	MetricLastDuration    Metric = "spmirror_last_run_duration_seconds"
	MetricLastExit        Metric = "spmirror_last_run_exit_code"
	MetricRunning         Metric = "spmirror_running"
	MetricItems           Metric = "spmirror_items_total"
	MetricFailures        Metric = "spmirror_failures_total"
	MetricDownloadedFiles Metric = "spmirror_downloaded_files_total"
	MetricDownloadedBytes Metric = "spmirror_downloaded_bytes_total"
	MetricReceivedBytes   Metric = "spmirror_received_bytes_total"
	MetricRequests        Metric = "spmirror_requests_total"
	MetricUnits           Metric = "spmirror_resource_units_total"
	MetricRetries         Metric = "spmirror_retries_total"
	MetricHeals           Metric = "spmirror_heals_total"
	MetricPauses          Metric = "spmirror_pauses_total"
	MetricPauseSeconds    Metric = "spmirror_pause_seconds_total"
)

type metricText struct {
	name Metric
	help string
}

// metricHelp says what each metric is, in the order in which they are written.
func metricHelp() []metricText {
	return []metricText{
		{MetricRuns, "Runs of a command, by how they ended."},
		{MetricLastRun, "When the last run of a command began."},
		{MetricLastSuccess, "When a run of a command last ended with nothing left over."},
		{MetricLastDuration, "How long the last run of a command took."},
		{MetricLastExit, "Exit code of the last run of a command."},
		{MetricRunning, "Whether a command is running now."},
		{MetricItems, "Changes of a mirror, by what became of them."},
		{MetricFailures, "Changes that failed, by code."},
		{MetricDownloadedFiles, "Files downloaded, verified and published."},
		{MetricDownloadedBytes, "Bytes of those files."},
		{MetricReceivedBytes, "Bytes received in answers, listings and repetitions included."},
		{MetricRequests, "Requests to a tenant, by the class of their status; none is without an answer."},
		{MetricUnits, "Resource units that these requests cost."},
		{MetricRetries, "Requests that were repeated."},
		{MetricHeals, "Tokens and download addresses that were renewed because they were refused."},
		{MetricPauses, "Pauses of all work of a tenant: asked for by the service, or without a network."},
		{MetricPauseSeconds, "Time spent in them."},
	}
}

// NewMetrics has no samples.
func NewMetrics() *Metrics { return &Metrics{samples: make(map[string]map[string]float64)} }

// Add adds to a sample. Labels are names and values in turn.
func (m *Metrics) Add(name Metric, value float64, labels ...string) {
	if value == 0 && m.family(name)[labelText(labels)] == 0 {
		return // what never happened is not there
	}
	m.family(name)[labelText(labels)] += value
}

// Set replaces a sample.
func (m *Metrics) Set(name Metric, value float64, labels ...string) {
	m.family(name)[labelText(labels)] = value
}

// Clone returns a copy that can be changed on its own.
func (m *Metrics) Clone() *Metrics {
	c := NewMetrics()
	for name, family := range m.samples {
		c.samples[name] = maps.Clone(family)
	}
	return c
}

func (m *Metrics) family(name Metric) map[string]float64 {
	family := m.samples[string(name)]
	if family == nil {
		family = make(map[string]float64)
		m.samples[string(name)] = family
	}
	return family
}

// labelText is the text form of labels, with the escapes of the format.
func labelText(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(labels[i] + `="` + escape.Replace(strings.ToValidUTF8(labels[i+1], "�")) + `"`)
	}
	return b.String() + "}"
}

// WriteTo writes all samples, in a fixed order.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, one := range metricHelp() {
		family := m.samples[string(one.name)]
		if len(family) == 0 {
			continue
		}
		kind := "gauge"
		if strings.HasSuffix(string(one.name), "_total") {
			kind = "counter"
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", one.name, one.help, one.name, kind)
		for _, labels := range slices.Sorted(maps.Keys(family)) {
			b.WriteString(string(one.name) + labels + " " + strconv.FormatFloat(family[labels], 'f', -1, 64) + "\n")
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// maxMetricLine bounds a line that is read back: an address with its keys is far shorter.
const maxMetricLine = 64 << 10

// ReadMetrics reads what WriteTo wrote. A line that is none of its own is passed over.
func ReadMetrics(r io.Reader) (*Metrics, error) {
	m := NewMetrics()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMetricLine)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 {
			continue
		}
		sample, text := lines.Text()[:at], lines.Text()[at+1:]
		name, labels, labelled := strings.Cut(sample, "{")
		if labelled {
			labels = "{" + labels
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) || math.IsInf(value, 0) || !ownMetric(name) || labelled != strings.HasSuffix(sample, "}") {
			continue
		}
		m.family(Metric(name))[labels] = value
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return m, nil
}

func ownMetric(name string) bool {
	for _, one := range metricHelp() {
		if string(one.name) == name {
			return true
		}
	}
	return false
}
