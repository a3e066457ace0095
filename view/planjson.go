package view

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"

	"github.com/spmirror/spmirror/plan"
)

// WritePlanJSON writes a plan as one complete JSON document, the form of
// show -json: the header's fields, then item_changes and item_drift, copied line
// by line. Memory does not grow with the plan.
func WritePlanJSON(w io.Writer, h *plan.Header, p Plan, names string) error {
	n := naming(names)
	header, err := marshal(withLists(n.header(h)))
	if err != nil {
		return fmt.Errorf("write plan as JSON: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<18)
	out.Write(bytes.TrimSuffix(header, []byte("}")))
	err = writeArray(out, "item_changes", n.changeLines(p))
	if err == nil {
		err = writeArray(out, "item_drift", n.driftLines(p))
	}
	if err != nil {
		return fmt.Errorf("write plan as JSON: %w", err)
	}
	out.WriteString("}\n")
	return out.Flush()
}

// withLists lets lists without elements be [] and not null, so that a policy can
// count them.
func withLists(h *plan.Header) *plan.Header {
	out := *h
	out.Tenants = append([]plan.TenantRef{}, h.Tenants...)
	out.Mirrors = append([]*plan.Mirror{}, h.Mirrors...)
	out.Guards = append([]plan.GuardResult{}, h.Guards...)
	out.Checks = append([]plan.CheckResult{}, h.Checks...)
	out.Diagnostics = append([]plan.Diagnostic{}, h.Diagnostics...)
	return &out
}

// writeArray writes the member name of an object, one element a line.
func writeArray(out *bufio.Writer, name string, lines iter.Seq2[[]byte, error]) error {
	fmt.Fprintf(out, ",\n%q:[", name)
	first := true
	for line, err := range lines {
		if err != nil {
			return err
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.WriteByte('\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	_, err := out.WriteString("]")
	return err
}

// WriteJSONL writes the changes of a plan as JSON lines, the form of show -jsonl.
// keep chooses changes; nil keeps all.
func WriteJSONL(w io.Writer, p Plan, names string, keep func(*plan.Change) bool) error {
	out := bufio.NewWriterSize(w, 1<<18)
	if keep == nil {
		for line, err := range naming(names).changeLines(p) {
			if err != nil {
				return fmt.Errorf("write plan as JSON lines: %w", err)
			}
			out.Write(line)
			out.WriteByte('\n')
		}
		return out.Flush()
	}
	for c, err := range p.Changes() {
		if err == nil && keep(&c) {
			err = writeJSONLine(out, naming(names).change(c))
		}
		if err != nil {
			return fmt.Errorf("write plan as JSON lines: %w", err)
		}
	}
	return out.Flush()
}

// changeLines yields the changes as JSON without newline: copied where names are
// shown as they are. A line that is not as spmirror writes it is refused, because
// readers would not agree on what it says.
func (n naming) changeLines(p Plan) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if n.hides() {
			reencode(p.Changes(), n.change)(yield)
			return
		}
		for line, err := range p.ChangeLines() {
			if err == nil {
				_, err = readLine(line)
			}
			if !yield(jsonSafe(bytes.TrimRight(line, "\r\n")), err) || err != nil {
				return
			}
		}
	}
}

func (n naming) driftLines(p Plan) iter.Seq2[[]byte, error] {
	return reencode(p.Drifts(), n.drift)
}

func reencode[T any](values iter.Seq2[T, error], show func(T) T) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for v, err := range values {
			var line []byte
			if err == nil {
				line, err = marshal(show(v))
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
