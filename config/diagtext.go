package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// TextOptions say how diagnostics are written for people.
type TextOptions struct {
	// Color turns on colours, the rule at the left and the underlined token.
	Color bool
	// Width wraps the advice; 0 means 100 columns.
	Width int
}

// WriteDiagnostics writes diagnostics as text, errors first:
//
//	Error: Library not found [SPM0204]
//
//	  on main.hcl line 58, in mirror "library":
//	  58:     drive = each.value.library
//	    |
//	    | each.value.library is "Documents"
//
//	  The site has 3 libraries: ...
//
// sources are the parsed files by name ([Config.Sources]). Nothing in a file or value
// can act on the terminal.
func WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, sources map[string]*hcl.File, opts TextOptions) error {
	if opts.Width <= 0 {
		opts.Width = 100
	}
	out := bufio.NewWriter(w)
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			writeDiagnostic(out, d, snippetOf(d, sources), opts)
		}
	}
	writeWarnings(out, diags, sources, opts)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

// maxAlike is how many warnings of one kind are written: what is odd about one mirror is often odd about all, and
// every command says so.
const maxAlike = 5

// writeWarnings writes the warnings, and counts those that are like others.
func writeWarnings(w *bufio.Writer, diags hcl.Diagnostics, sources map[string]*hcl.File, opts TextOptions) {
	alike := map[string]int{}
	var kinds []string
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			continue
		}
		kind := "Warning: " + visible(d.Summary) + codeLabel(d)
		if alike[kind]++; alike[kind] == 1 {
			kinds = append(kinds, kind)
		}
		if alike[kind] <= maxAlike {
			writeDiagnostic(w, d, snippetOf(d, sources), opts)
		}
	}
	for _, kind := range kinds {
		if more := alike[kind] - maxAlike; more > 0 {
			fmt.Fprintf(w, "%s: %d more like these\n\n", kind, more)
		}
	}
}

// palette holds the escape sequences; all empty without colour.
type palette struct{ red, yellow, bold, underline, reset string }

func paletteOf(color bool) palette {
	if !color {
		return palette{}
	}
	return palette{red: "\x1b[31m", yellow: "\x1b[33m", bold: "\x1b[1m", underline: "\x1b[4m", reset: "\x1b[0m"}
}

func writeDiagnostic(out *bufio.Writer, d *hcl.Diagnostic, sn *snippet, opts TextOptions) {
	p := paletteOf(opts.Color)
	word, tint := "Error", p.red
	if d.Severity == hcl.DiagWarning {
		word, tint = "Warning", p.yellow
	}
	lines := []string{tint + p.bold + word + ": " + p.reset + p.bold + visible(d.Summary) + p.reset + codeLabel(d)}
	if d.Subject != nil {
		lines = append(lines, "")
		lines = append(lines, snippetLines(d, sn, p)...)
	}
	if d.Detail != "" {
		lines = append(lines, "")
		lines = append(lines, wrap(d.Detail, opts.Width-4)...)
	}
	if !opts.Color {
		for _, l := range lines {
			out.WriteString(strings.TrimRight(l, " ") + "\n")
		}
		out.WriteString("\n")
		return
	}
	out.WriteString(tint + "╷" + p.reset + "\n")
	for _, l := range lines {
		out.WriteString(tint + "│" + p.reset + " " + strings.TrimRight(l, " ") + "\n")
	}
	out.WriteString(tint + "╵" + p.reset + "\n")
}

func codeLabel(d *hcl.Diagnostic) string {
	if code := CodeOf(d); code != "" {
		return " [" + string(code) + "]"
	}
	return ""
}

// snippetLines prints where, the source, and the values of references.
func snippetLines(d *hcl.Diagnostic, sn *snippet, p palette) []string {
	where := fmt.Sprintf("  on %s line %d", visible(d.Subject.Filename), d.Subject.Start.Line)
	if sn.context != "" {
		where += ", in " + visible(sn.context)
	}
	if sn.code == "" {
		return []string{where}
	}
	lines := []string{where + ":"}
	offset, number := 0, sn.line
	width := 0
	for _, raw := range strings.Split(sn.code, "\n") {
		label := fmt.Sprintf("  %d: ", number)
		width = len(label)
		lines = append(lines, label+markLine(raw, sn.start-offset, sn.end-offset, p))
		offset += len(raw) + 1
		number++
	}
	if len(sn.values) > 0 {
		bar := strings.Repeat(" ", width-2) + "|"
		lines = append(lines, bar)
		for _, v := range sn.values {
			lines = append(lines, bar+" "+v.traversal+" "+v.statement)
		}
	}
	return lines
}

// markLine underlines the bytes from start to end of a line, as far as they are in it.
func markLine(line string, start, end int, p palette) string {
	start, end = max(0, min(start, len(line))), max(0, min(end, len(line)))
	if p.underline == "" || start >= end {
		return cleanLine(line)
	}
	return cleanLine(line[:start]) + p.underline + cleanLine(line[start:end]) + p.reset + cleanLine(line[end:])
}

// cleanLine keeps tabs as spaces and shows everything else that could act on a terminal.
func cleanLine(line string) string {
	return visible(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
}

// wrap breaks text at a width and indents it by two; lines that begin with a space are
// left as they are.
func wrap(text string, width int) []string {
	if width < 20 {
		width = 20
	}
	var out []string
	for _, paragraph := range strings.Split(text, "\n") {
		clean := visible(paragraph)
		if !strings.HasPrefix(clean, " ") {
			clean = wordwrap.WrapString(clean, uint(width))
		}
		for _, l := range strings.Split(clean, "\n") {
			out = append(out, "  "+l)
		}
	}
	return out
}
