package config

import "github.com/hashicorp/hcl/v2"

// ValidateJSON is the answer of `validate -json`, in Terraform's shape.
type ValidateJSON struct {
	FormatVersion string           `json:"format_version"`
	Valid         bool             `json:"valid"`
	ErrorCount    int              `json:"error_count"`
	WarningCount  int              `json:"warning_count"`
	Diagnostics   []DiagnosticJSON `json:"diagnostics"`
}

// DiagnosticJSON is one diagnostic as data. Code is ours; everything else is Terraform's.
type DiagnosticJSON struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Code     Code         `json:"code,omitempty"`
	Range    *RangeJSON   `json:"range,omitempty"`
	Snippet  *SnippetJSON `json:"snippet,omitempty"`
}

// RangeJSON is a place in a file. Lines and columns count from 1, bytes from 0.
type RangeJSON struct {
	Filename string  `json:"filename"`
	Start    PosJSON `json:"start"`
	End      PosJSON `json:"end"`
}

// PosJSON is a position in a file.
type PosJSON struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// SnippetJSON is the source around a diagnostic.
type SnippetJSON struct {
	Context              *string     `json:"context"`
	Code                 string      `json:"code"`
	StartLine            int         `json:"start_line"`
	HighlightStartOffset int         `json:"highlight_start_offset"`
	HighlightEndOffset   int         `json:"highlight_end_offset"`
	Values               []ValueJSON `json:"values"`
}

// ValueJSON says what a reference in the snippet was.
type ValueJSON struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// DiagnosticsJSON turns diagnostics into the answer of `validate -json`.
func DiagnosticsJSON(diags hcl.Diagnostics, sources map[string]*hcl.File) ValidateJSON {
	out := ValidateJSON{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []DiagnosticJSON{}}
	for _, d := range diags {
		j := DiagnosticJSON{Severity: "error", Summary: d.Summary, Detail: d.Detail, Code: CodeOf(d)}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
			out.WarningCount++
		} else {
			out.ErrorCount++
		}
		if d.Subject != nil {
			j.Range = &RangeJSON{Filename: d.Subject.Filename, Start: posJSON(d.Subject.Start), End: posJSON(d.Subject.End)}
			j.Snippet = snippetJSON(snippetOf(d, sources))
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	return out
}

func posJSON(p hcl.Pos) PosJSON { return PosJSON{Line: p.Line, Column: p.Column, Byte: p.Byte} }

func snippetJSON(sn *snippet) *SnippetJSON {
	if sn.code == "" {
		return nil
	}
	out := &SnippetJSON{Code: sn.code, StartLine: sn.line, HighlightStartOffset: sn.start, HighlightEndOffset: sn.end, Values: []ValueJSON{}}
	if sn.context != "" {
		out.Context = &sn.context
	}
	for _, v := range sn.values {
		out.Values = append(out.Values, ValueJSON{v.traversal, v.statement})
	}
	return out
}
