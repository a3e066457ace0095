package config

import (
	"io/fs"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// reader decodes the content of one block. Its methods return the zero value when
// the argument is not set, not known, or wrong; what is wrong has been reported.
type reader struct {
	env
	spec    *spec
	content *hcl.BodyContent
	rng     hcl.Range
	ctx     map[string]*hcl.EvalContext // in which each argument was evaluated
}

// open reads a body by its spec, expanding dynamic blocks.
func (e env) open(body hcl.Body, sp *spec, rng hcl.Range) *reader {
	refs := dynamicRefs(dynblock.WalkExpandVariables(body), sp)
	ctx, _ := e.context(refs)
	content, diags := dynblock.Expand(body, ctx).Content(sp.schema())
	e.session.report(diags...)
	return e.reader(content, sp, rng)
}

func (e env) reader(content *hcl.BodyContent, sp *spec, rng hcl.Range) *reader {
	if content == nil {
		content = &hcl.BodyContent{}
	}
	return &reader{env: e, spec: sp, content: content, rng: rng, ctx: map[string]*hcl.EvalContext{}}
}

// dynamicRefs collects what the for_each of dynamic blocks refer to.
func dynamicRefs(n dynblock.WalkVariablesNode, sp *spec) []hcl.Traversal {
	refs, children := n.Visit(sp.schema())
	for _, child := range children {
		if inner := sp.child(child.BlockTypeName); inner != nil {
			refs = append(refs, dynamicRefs(child.Node, inner)...)
		}
	}
	return refs
}

// has reports whether the argument is written, whatever its value.
func (r *reader) has(name string) bool { return r.content.Attributes[name] != nil }

// at is the place of an argument, or of the block when it is not written.
func (r *reader) at(name string) hcl.Range {
	if attr := r.content.Attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	return r.rng
}

// reject reports an error about an argument, with the values its expression used.
func (r *reader) reject(name string, code Code, summary, detail string, args ...any) {
	r.session.report(r.about(name, problem(hcl.DiagError, code, r.at(name), summary, detail, args...)))
}

// rejectElement reports an error about one element of a list, at that element when the
// list is written out.
func (r *reader) rejectElement(name string, i int, code Code, summary, detail string, args ...any) {
	d := r.about(name, problem(hcl.DiagError, code, r.at(name), summary, detail, args...))
	if attr := r.content.Attributes[name]; attr != nil {
		if elements, diags := hcl.ExprList(attr.Expr); !diags.HasErrors() && i < len(elements) {
			rng := elements[i].Range()
			d.Subject, d.Expression = &rng, elements[i]
		}
	}
	r.session.report(d)
}

// advise reports a warning about an argument.
func (r *reader) advise(name string, code Code, summary, detail string, args ...any) {
	r.session.report(r.about(name, problem(hcl.DiagWarning, code, r.at(name), summary, detail, args...)))
}

func (r *reader) about(name string, d *hcl.Diagnostic) *hcl.Diagnostic {
	if attr := r.content.Attributes[name]; attr != nil {
		d.Expression, d.EvalContext = attr.Expr, r.ctx[name]
	}
	return d
}

// raw evaluates an argument. False: not written, null, wrong or not known.
func (r *reader) raw(name string) (cty.Value, bool) {
	attr := r.content.Attributes[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, ctx, ok := r.value(attr.Expr)
	r.ctx[name] = ctx
	if !ok || v.IsNull() {
		return cty.NilVal, false
	}
	return v, true
}

// get evaluates an argument as a type; marks are refused.
func (r *reader) get(name string, want cty.Type) (cty.Value, bool) {
	v, ok := r.convert(name, want)
	if !ok {
		return cty.NilVal, false
	}
	if isSensitive(v) {
		r.reject(name, CodeSecretExposed, "Sensitive value in a shown argument", "The argument %s appears in plans, reports and logs, and its value comes from a sensitive variable. The value is not shown here.", name)
		return cty.NilVal, false
	}
	return v, v.IsWhollyKnown()
}

func (r *reader) convert(name string, want cty.Type) (cty.Value, bool) {
	v, ok := r.raw(name)
	if !ok {
		return cty.NilVal, false
	}
	v, err := convert.Convert(v, want)
	if err != nil {
		r.reject(name, CodeType, "Wrong type", "The argument %s needs %s: %s.", name, typeWord(want), err)
		return cty.NilVal, false
	}
	if v.IsNull() {
		return cty.NilVal, false
	}
	return v, true
}

func typeWord(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsListType():
		return "a list of strings"
	}
	return t.FriendlyName()
}

// text reads a string argument. Hidden characters, also when written as escapes, are
// refused: these strings become paths, addresses and messages.
func (r *reader) text(name string) string {
	v, ok := r.get(name, cty.String)
	if !ok {
		return ""
	}
	s := v.AsString()
	r.cleanText(name, s)
	return s
}

func (r *reader) cleanText(name, s string) bool {
	for _, c := range s {
		if isHidden(c) || c == '\n' || c == '\r' || c == '\t' {
			r.reject(name, CodeHiddenCharacter, "Hidden character", "The value of %s contains the character U+%04X, which is invisible or acts on the terminal.", name, c)
			return false
		}
	}
	return true
}

// texts reads a list of strings; a set or tuple will do.
func (r *reader) texts(name string) []string {
	v, ok := r.get(name, cty.List(cty.String))
	if !ok {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		if element.IsNull() {
			r.reject(name, CodeType, "Null in a list", "The argument %s is a list of strings; one of its elements is null.", name)
			return nil
		}
		s := element.AsString()
		if !r.cleanText(name, s) {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// boolean reads true or false.
func (r *reader) boolean(name string, fallback bool) bool {
	v, ok := r.get(name, cty.Bool)
	if !ok {
		return fallback
	}
	return v.True()
}

// secret reads a credential. It is the only method that takes sensitive values.
func (r *reader) secret(name string) Secret {
	v, ok := r.convert(name, cty.String)
	if !ok {
		return Secret{}
	}
	if v = withoutMarks(v); !v.IsKnown() {
		return Secret{}
	}
	return NewSecret(v.AsString())
}

// identity reads a string that is no secret, though people mark it sensitive: ids of
// tenants and applications.
func (r *reader) identity(name string) string {
	s := r.secret(name).Reveal()
	if s != "" && !r.cleanText(name, s) {
		return ""
	}
	return s
}

// oneOf reads a word out of a list.
func (r *reader) oneOf(name, fallback string, allowed ...string) string {
	s := r.text(name)
	if s == "" {
		if v, ok := r.get(name, cty.String); ok && v.AsString() == "" {
			r.reject(name, CodeEnum, "Value not allowed", "The argument %s is empty. Allowed are %s.", name, wordList(allowed, "and"))
		}
		return fallback
	}
	if !slices.Contains(allowed, s) {
		r.reject(name, CodeEnum, "Value not allowed", "The argument %s cannot be %q.%s Allowed are %s.", name, visible(s), didYouMean(s, allowed), wordList(allowed, "and"))
		return fallback
	}
	return s
}

// permissions reads an octal mode as text, so that a zero in front means nothing. It has at least those of least, which is the default, and at
// most those of most.
func (r *reader) permissions(name string, least, most fs.FileMode) fs.FileMode {
	v, ok := r.get(name, cty.String)
	if !ok {
		return least
	}
	n, err := strconv.ParseUint(v.AsString(), 8, 16)
	mode := fs.FileMode(n)
	if err != nil || mode&least != least || mode&^most != 0 {
		r.reject(name, CodeRange, "Out of range", "The argument %s is an octal mode in quotes between \"%04o\" and \"%04o\": the owner has what is needed, and only the owner and the group write.", name, least, most)
		return least
	}
	return mode
}

// size reads a number of bytes.
func (r *reader) size(name string) *int64 {
	v, ok := r.get(name, cty.String)
	if !ok {
		return nil
	}
	n, err := ParseSize(v.AsString())
	if err != nil {
		r.reject(name, CodeSize, "Invalid size", "The argument %s: %s.", name, err)
		return nil
	}
	return &n
}

// duration reads a span of time.
func (r *reader) duration(name string, fallback time.Duration) time.Duration {
	v, ok := r.get(name, cty.String)
	if !ok {
		return fallback
	}
	d, err := ParseDuration(v.AsString())
	if err != nil {
		r.reject(name, CodeDuration, "Invalid duration", "The argument %s: %s.", name, err)
		return fallback
	}
	return d
}

// moment reads a date or time.
func (r *reader) moment(name string) *time.Time {
	v, ok := r.get(name, cty.String)
	if !ok {
		return nil
	}
	t, err := parseTime(v.AsString())
	if err != nil {
		r.reject(name, CodeTime, "Invalid time", "The argument %s: %s.", name, err)
		return nil
	}
	return &t
}

// whole reads an integer within bounds.
func (r *reader) whole(name string, low, high int64) *int64 {
	v, ok := r.get(name, cty.Number)
	if !ok {
		return nil
	}
	n, accuracy := v.AsBigFloat().Int64()
	if bad := accuracy != big.Exact || n < low || n > high; bad && low == 0 && high == math.MaxInt64 {
		r.reject(name, CodeRange, "Out of range", "The argument %s must be a whole number, zero or more.", name)
		return nil
	} else if bad {
		r.reject(name, CodeRange, "Out of range", "The argument %s must be a whole number between %d and %d.", name, low, high)
		return nil
	}
	return &n
}

// percent reads a number from 0 to 100.
func (r *reader) percent(name string) *float64 {
	v, ok := r.get(name, cty.Number)
	if !ok {
		return nil
	}
	n, _ := v.AsBigFloat().Float64()
	if n < 0 || n > 100 {
		r.reject(name, CodeRange, "Out of range", "The argument %s is a percentage between 0 and 100.", name)
		return nil
	}
	return &n
}

// require reports a missing argument.
func (r *reader) require(name, example string) bool {
	attr := r.content.Attributes[name]
	if attr != nil {
		return true
	}
	r.session.fail(CodeMissingArgument, r.rng, "Missing argument", "The argument %s is required, for example %s.", name, example)
	return false
}

// one returns the only nested block of a kind, or nil.
func (r *reader) one(kind string) *hcl.Block {
	var first *hcl.Block
	for _, b := range r.content.Blocks {
		switch {
		case b.Type != kind:
		case first == nil:
			first = b
		default:
			r.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "A %s block may appear once here; the first is at %s.", kind, place(first.DefRange))
		}
	}
	return first
}

// nested opens the only nested block of a kind; without one, a reader that finds
// nothing set, so that defaults are written once.
func (r *reader) nested(kind string) *reader {
	sp := r.spec.child(kind)
	if b := r.one(kind); b != nil {
		return r.open(b.Body, sp, b.DefRange)
	}
	return r.env.reader(nil, sp, r.rng)
}

// all opens every nested block of a kind, in order.
func (r *reader) all(kind string) []*hcl.Block {
	var out []*hcl.Block
	for _, b := range r.content.Blocks {
		if b.Type == kind {
			out = append(out, b)
		}
	}
	return out
}
