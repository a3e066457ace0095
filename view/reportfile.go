package view

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spmirror/spmirror/apply"
)

// Formats of report files, by the extension of -report=FILE.
const (
	ReportJSON     = "json"
	ReportCSV      = "csv"
	ReportMarkdown = "md"
)

// ErrReportFormat says that there is no such form of a report.
var ErrReportFormat = errors.New("a report is written as .json, .csv or .md")

// ReportVersion is the version of the JSON form of a report.
const ReportVersion = "1.0"

// WriteReport writes what a run of apply did: its counts, and the result of each
// change. format is the extension of the file's name.
func WriteReport(w io.Writer, format string, r *apply.Report, results iter.Seq2[apply.Result, error], names string) error {
	var err error
	switch format {
	case ReportJSON:
		err = writeReportJSON(w, r, naming(names), results)
	case ReportCSV:
		err = writeReportCSV(w, r, naming(names), results)
	case ReportMarkdown:
		err = writeReportMarkdown(w, r, naming(names), results)
	default:
		err = ErrReportFormat
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type jsonReport struct {
	FormatVersion  string         `json:"format_version"`
	PlanID         string         `json:"plan_id,omitempty"`
	Run            int64          `json:"run"`
	Started        time.Time      `json:"started"`
	Seconds        float64        `json:"seconds"`
	Complete       bool           `json:"complete"`
	Interrupted    bool           `json:"interrupted"`
	AlreadyApplied int64          `json:"already_applied,omitempty"`
	Counts         eventCounts    `json:"counts"`
	Traffic        *traffic       `json:"traffic"`
	Mirrors        []mirrorReport `json:"mirrors"`
	Messages       []string       `json:"messages"`
}

type mirrorReport struct {
	Address string      `json:"address"`
	Counts  eventCounts `json:"counts"`
	Code    string      `json:"code,omitempty"`
	Problem string      `json:"problem,omitempty"`
	Left    int64       `json:"left,omitempty"`
}

func writeReportJSON(w io.Writer, r *apply.Report, names naming, results iter.Seq2[apply.Result, error]) error {
	head := jsonReport{
		FormatVersion: ReportVersion, PlanID: r.PlanID, Run: r.Run, Started: r.Started.UTC(), Seconds: r.Duration.Seconds(),
		Complete: !r.Incomplete() && !r.Interrupted, Interrupted: r.Interrupted, AlreadyApplied: r.AlreadyApplied,
		Counts: countsOf(r.Counts), Traffic: trafficOf(r.Traffic),
		Mirrors: []mirrorReport{}, Messages: append([]string{}, r.Messages...),
	}
	for _, m := range r.Mirrors {
		head.Mirrors = append(head.Mirrors, mirrorReport{m.Address, countsOf(m.Counts), m.Code, m.Problem, m.Left})
	}
	data, err := marshal(head)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	out.Write(bytes.TrimSuffix(data, []byte("}")))
	if err := writeArray(out, "results", reencode(results, names.result)); err != nil {
		return err
	}
	out.WriteString("}\n")
	return out.Flush()
}

// maxReportRows bounds the results that a Markdown report names.
const maxReportRows = 200

// writeReportMarkdown writes counts, and the results that are not done.
func writeReportMarkdown(w io.Writer, r *apply.Report, names naming, results iter.Seq2[apply.Result, error]) error {
	out := bufio.NewWriter(w)
	line := func(parts ...string) {
		for _, p := range parts {
			out.WriteString(p)
		}
		out.WriteByte('\n')
	}
	line("### ", ApplyLine(r))
	line()
	line(doneLine(r))
	line()
	line("| Mirror | added | changed | destroyed | forgotten | failed | superseded | postponed | blocked |")
	line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, m := range r.Mirrors {
		c := m.Counts
		line("| ", code(m.Address), " |", cellsOf(c.Added, c.Changed, c.Destroyed, c.Forgotten, c.Failed, c.Superseded, c.Postponed, c.Blocked))
	}
	for _, m := range r.Mirrors {
		if m.Problem != "" {
			line()
			line(code(m.Address), ": ", stoppedText(m), ": ", sentence(m.Code), " ", sentence(m.Problem))
		}
	}
	var n int64
	for res, err := range results {
		if err != nil {
			return err
		}
		if res.Outcome == apply.Done {
			continue
		}
		if n++; n > maxReportRows {
			continue
		}
		if n == 1 {
			line()
			line("| Outcome | Mirror | Path | Code | Message | Request id |")
			line("| --- | --- | --- | --- | --- | --- |")
		}
		res = names.result(res)
		line("| ", code(string(res.Outcome)), " | ", code(res.Mirror), " | ", code(pathText(res.Path, res.Folder)), " | ", code(res.Code),
			" | ", sentence(res.Message), " | ", code(res.RequestID), " |")
	}
	if n > maxReportRows {
		line()
		line(commas(n-maxReportRows), " more are not shown here; the JSON and CSV reports have all of them.")
	}
	for _, m := range r.Messages {
		line()
		line(sentence(m))
	}
	return out.Flush()
}

func cellsOf(list ...int64) string {
	text := ""
	for _, n := range list {
		text += " " + commas(n) + " |"
	}
	return text
}
