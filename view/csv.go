package view

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// WriteCSV writes one row for each change of a plan: the audit list of what an
// apply would do. keep chooses changes; nil keeps all. An apostrophe before
// = + - @ is ours: it keeps spreadsheets from calculating.
func WriteCSV(w io.Writer, h *plan.Header, p Plan, names string, keep func(*plan.Change) bool) error {
	out := newCSV(w)
	out.row("mirror", "action", "path", "previous_path", "kind", "bytes", "cause", "reason", "wanted", "detail", "disposal",
		"item_id", "replaces", "remote_size", "remote_modified", "remote_by", "remote_quickxorhash", "remote_etag", "remote_ctag",
		"local_size", "local_mtime", "local_sha256", "target", "plan_id", "planned", "commit", "site", "drive", "drive_id", "source_folder")
	mirrors := make(map[string]*plan.Mirror, len(h.Mirrors))
	for _, m := range h.Mirrors {
		mirrors[m.Address] = m
	}
	n := naming(names)
	for c, err := range p.Changes() {
		if err != nil {
			return fmt.Errorf("write plan as CSV: %w", err)
		}
		if keep != nil && !keep(&c) {
			continue
		}
		c = n.change(c)
		row := []string{csvCell(c.Mirror), csvCell(actionsText(c.Actions)), csvPlace(&c, c.Path), csvPlace(&c, c.PreviousPath), kindText(c.Folder),
			number(c.Bytes()), csvCell(string(c.Cause)), csvCell(string(c.Reason)), csvCell(string(c.Wanted)), csvCell(c.Detail),
			csvCell(c.Disposal), csvCell(string(c.ItemID)), csvCell(string(c.Replaces))}
		row = append(row, remoteCells(c.Remote)...)
		row = append(row, localCells(c.Local)...)
		var from apply.Origin
		if m := mirrors[c.Mirror]; m != nil {
			from = apply.Origin{Source: m.Source, Target: m.Target.Path}
		}
		row = append(row, csvCell(from.Target), csvCell(h.PlanID), timeCell(h.Created), csvCell(h.Configuration.Commit))
		out.row(append(row, sourceCells(from)...)...)
	}
	return out.close()
}

func actionsText(list []plan.Action) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = string(a)
	}
	return strings.Join(words, " ")
}

// csvPath shows a path below the target; it begins with a slash, never with a
// character of a formula.
func csvPath(p plan.RelPath) string {
	if p == "" {
		return ""
	}
	return csvCell(pathText(p, false))
}

// csvPlace is where a change is, or was.
func csvPlace(c *plan.Change, p plan.RelPath) string {
	if c.Reason == plan.TargetMoved {
		return csvCell(string(p))
	}
	return csvPath(p)
}

func kindText(folder bool) string {
	if folder {
		return "folder"
	}
	return "file"
}

// number writes a count; an unknown one is an empty cell.
func number(n int64) string {
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func remoteCells(r *plan.Remote) []string {
	if r == nil {
		return make([]string, 6)
	}
	return []string{number(r.Size), timeCell(r.Modified), csvCell(r.By), csvCell(r.Hash), csvCell(r.ETag), csvCell(r.CTag)}
}

func localCells(l *plan.Local) []string {
	if l == nil {
		return make([]string, 3)
	}
	return []string{number(l.Size), timeCell(l.MTime), csvCell(l.SHA256)}
}

// sourceCells say where a file comes from.
func sourceCells(o apply.Origin) []string {
	return []string{csvCell(o.Source.Site), csvCell(o.Source.Drive), csvCell(string(o.Source.DriveID)), csvCell(o.Source.Folder)}
}

// writeReportCSV writes one row for each result of an apply.
func writeReportCSV(w io.Writer, r *apply.Report, names naming, results iter.Seq2[apply.Result, error]) error {
	out := newCSV(w)
	out.row("mirror", "action", "path", "kind", "outcome", "code", "message", "verdict", "bytes", "quickxorhash", "sha256", "etag",
		"item_id", "request_id", "seconds", "at", "plan_id", "run", "commit", "target", "site", "drive", "drive_id", "source_folder")
	for res, err := range results {
		if err != nil {
			return err
		}
		res = names.result(res)
		from := r.Origins[res.Mirror]
		row := []string{csvCell(res.Mirror), csvCell(string(res.Action)), csvPath(res.Path), kindText(res.Folder), csvCell(string(res.Outcome)),
			csvCell(res.Code), csvCell(res.Message), csvCell(res.Verdict), number(res.Bytes), csvCell(res.Hash), csvCell(res.SHA256),
			csvCell(res.ETag), csvCell(string(res.ItemID)), csvCell(res.RequestID),
			strconv.FormatFloat(res.Duration.Seconds(), 'f', 3, 64), timeCell(res.At), csvCell(r.PlanID), number(r.Run),
			csvCell(r.Commit), csvCell(from.Target)}
		out.row(append(row, sourceCells(from)...)...)
	}
	return out.close()
}
