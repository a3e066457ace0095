package config

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/zclconf/go-cty/cty"
)

// maxReports is how often one code is reported for one place with different words, as
// happens when all instances of a block are wrong in the same way.
const maxReports = 9

// fresh reports whether a diagnostic says something new.
func (s *session) fresh(d *hcl.Diagnostic) bool {
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	where := ""
	if d.Subject != nil {
		where = d.Subject.String()
	}
	same := strings.Join([]string{string(CodeOf(d)), where, d.Summary, d.Detail}, "\x00")
	if s.seen[same]++; s.seen[same] > 1 {
		return false
	}
	if where == "" {
		return true
	}
	spot := string(CodeOf(d)) + "\x00" + where
	s.seen[spot]++
	if s.seen[spot] == maxReports+1 {
		d.Detail += " More of the same kind follow for this place and are not listed."
	}
	return s.seen[spot] <= maxReports+1
}

// closing fixes the printed form of all diagnostics: the snippet, the values of
// references, and no text of a sensitive value anywhere (H-89).
func (s *session) closing() {
	slices.SortStableFunc(s.diags, byPlace)
	for _, d := range s.diags {
		d.Summary, d.Detail = s.scrub(d.Summary), s.scrub(d.Detail)
		extra, ok := d.Extra.(coded)
		if !ok || extra.snippet != nil {
			continue
		}
		extra.snippet = newSnippet(d, s.sources)
		if extra.code == CodeLiteralSecret && d.Severity == hcl.DiagError {
			extra.snippet.blank()
		}
		extra.snippet.code = s.scrub(extra.snippet.code)
		for i, v := range extra.snippet.values {
			extra.snippet.values[i].statement = s.scrub(v.statement)
		}
		d.Extra = extra
		d.Expression, d.EvalContext = nil, nil // they hold the values
	}
}

// byPlace orders diagnostics as the files have them; those without a place come first.
func byPlace(a, b *hcl.Diagnostic) int {
	var x, y hcl.Range
	if a.Subject != nil {
		x = *a.Subject
	}
	if b.Subject != nil {
		y = *b.Subject
	}
	return cmp.Or(strings.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
}

// snippet is the piece of source a diagnostic is about.
type snippet struct {
	context string // mirror "library"
	code    string // whole lines
	line    int    // of the first one
	start   int    // of the marked part, in bytes of code
	end     int
	values  []refValue
}

// blank hides the marked part, for an expression that is itself a secret.
func (sn *snippet) blank() {
	const cover = "(sensitive value)"
	sn.code = sn.code[:sn.start] + cover + sn.code[sn.end:]
	sn.end = sn.start + len(cover)
}

// refValue says what a reference in the snippet was.
type refValue struct{ traversal, statement string }

// newSnippet cuts the lines of the subject out of the sources; without source it is empty.
func newSnippet(d *hcl.Diagnostic, sources map[string]*hcl.File) *snippet {
	sn := &snippet{values: refValues(d)}
	if d.Subject == nil {
		return sn
	}
	file := sources[d.Subject.Filename]
	rng := *d.Subject
	if file == nil || rng.Start.Byte > rng.End.Byte || rng.End.Byte > len(file.Bytes) || rng.Start.Byte < 0 {
		return sn
	}
	sn.context = hcled.ContextString(file, rng.Start.Byte)
	src := file.Bytes
	from := bytes.LastIndexByte(src[:rng.Start.Byte], '\n') + 1
	to := rng.End.Byte
	if i := bytes.IndexByte(src[to:], '\n'); i >= 0 && (to == rng.Start.Byte || src[to-1] != '\n') {
		to += i
	} else if i < 0 {
		to = len(src)
	}
	lines := bytes.SplitAfterN(src[from:to], []byte("\n"), maxSnippetLines+1)
	if len(lines) > maxSnippetLines {
		lines = lines[:maxSnippetLines]
	}
	code := bytes.TrimRight(bytes.Join(lines, nil), "\r\n")
	if len(code) > maxSnippetBytes {
		code = code[:maxSnippetBytes]
	}
	sn.code, sn.line = strings.ToValidUTF8(string(code), "\ufffd"), rng.Start.Line
	sn.start = min(rng.Start.Byte-from, len(sn.code))
	sn.end = max(sn.start, min(rng.End.Byte-from, len(sn.code)))
	return sn
}

const (
	maxSnippetLines = 4
	maxSnippetBytes = 1000
)

// refValues says what the references of the diagnostic's expression are. Sensitive
// values are named, not shown.
func refValues(d *hcl.Diagnostic) []refValue {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	var out []refValue
	seen := map[string]bool{}
	for _, ref := range d.Expression.Variables() {
		name := refText(ref)
		if seen[name] || len(out) == 8 {
			continue
		}
		seen[name] = true
		v, diags := ref.TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			continue // what is wrong with it is what the diagnostic says
		}
		out = append(out, refValue{name, describe(v)})
	}
	return out
}

func refText(ref hcl.Traversal) string {
	var out strings.Builder
	for _, step := range ref {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			out.WriteString(step.Name)
		case hcl.TraverseAttr:
			out.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				out.WriteString("[" + quoteKey(step.Key.AsString()) + "]")
			} else {
				out.WriteString("[" + describe(step.Key) + "]")
			}
		}
	}
	return visible(out.String())
}

// describe says in a few words what a value is: is "x", is list of string with 3 elements.
func describe(v cty.Value) string {
	switch {
	case isSensitive(v):
		return "has a sensitive value"
	case !v.IsKnown():
		return "is not known yet"
	case v.IsNull():
		return "is null"
	}
	switch t := v.Type(); {
	case t == cty.String:
		s := v.AsString()
		if len(s) > 120 {
			return fmt.Sprintf("is a string of %d bytes", len(s))
		}
		return "is " + quoteKey(visible(s))
	case t == cty.Bool, t == cty.Number:
		return "is " + string(toJSON(v))
	case t.IsObjectType():
		return fmt.Sprintf("is object with %s", count(len(t.AttributeTypes()), "attribute"))
	case t.IsTupleType():
		return fmt.Sprintf("is tuple with %s", count(len(t.TupleElementTypes()), "element"))
	case t.IsCollectionType():
		return fmt.Sprintf("is %s with %s", t.FriendlyName(), count(v.LengthInt(), "element"))
	default:
		return "is " + t.FriendlyName()
	}
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return itoa(n) + " " + word + "s"
}

// snippetOf returns the fixed snippet of a diagnostic of ours, or makes one.
func snippetOf(d *hcl.Diagnostic, sources map[string]*hcl.File) *snippet {
	if c, ok := hcl.DiagnosticExtra[coded](d); ok && c.snippet != nil {
		return c.snippet
	}
	return newSnippet(d, sources)
}
