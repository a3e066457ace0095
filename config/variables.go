package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// envPrefix begins the names of environment entries that set variables.
const envPrefix = "SPMIRROR_VAR_"

// variable is a declared variable and its value.
type variable struct {
	name, description string
	rng               hcl.Range
	typ               cty.Type
	defaults          *typeexpr.Defaults
	fallback          *cty.Value // default, converted
	sensitive         bool
	nullable          bool
	rules             []*hcl.Block

	value  cty.Value
	origin string
	given  bool // by a module block
}

// given is a value from outside the configuration. Text is read as the declared type
// asks; expr comes from a file of values.
type given struct {
	text   string
	expr   hcl.Expression
	origin string
	rng    hcl.Range
}

// declareVariables reads variable blocks. Their arguments are constant: nothing is
// in scope yet.
func (sc *scope) declareVariables(blocks hcl.Blocks) {
	for _, b := range blocks {
		name := b.Labels[0]
		sc.checkName(b.LabelRanges[0], name, "variable")
		if old := sc.vars[name]; old != nil {
			sc.session.fail(CodeDuplicateBlock, b.DefRange, "Variable declared twice", "The variable %q is already declared at %s.", name, place(old.rng))
			continue
		}
		sc.vars[name] = sc.declareVariable(name, b)
	}
}

func (sc *scope) declareVariable(name string, b *hcl.Block) *variable {
	content, diags := b.Body.Content(variableSpec.schema())
	sc.session.report(diags...)
	v := &variable{name: name, rng: b.DefRange, typ: cty.DynamicPseudoType, nullable: true, value: cty.DynamicVal, rules: content.Blocks}
	if attr := content.Attributes["type"]; attr != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		for _, d := range diags {
			sc.session.report(WithCode(d, CodeVariableDeclared))
		}
		if !diags.HasErrors() {
			v.typ, v.defaults = typ, defaults
		}
	}
	v.description = sc.constant(content, "description", cty.StringVal("")).AsString()
	v.sensitive = sc.constant(content, "sensitive", cty.False).True()
	v.nullable = sc.constant(content, "nullable", cty.True).True()
	if attr := content.Attributes["default"]; attr != nil {
		val, diags := attr.Expr.Value(nil)
		sc.session.report(diags...)
		if !diags.HasErrors() {
			sc.setDefault(v, val, attr)
		}
	}
	return v
}

func (sc *scope) setDefault(v *variable, val cty.Value, attr *hcl.Attribute) {
	converted, err := v.convert(val)
	if err == nil && converted.IsNull() && !v.nullable {
		err = errors.New("the variable is not nullable")
	}
	if err != nil {
		sc.session.fail(CodeVariableDeclared, attr.Expr.Range(), "Invalid default", "The default of variable %q does not fit its type: %s.", v.name, err)
		return
	}
	v.fallback = &converted
}

// constant reads an argument that may not refer to anything.
func (sc *scope) constant(content *hcl.BodyContent, name string, fallback cty.Value) cty.Value {
	attr := content.Attributes[name]
	if attr == nil {
		return fallback
	}
	v, diags := attr.Expr.Value(nil)
	sc.session.report(diags...)
	if diags.HasErrors() {
		return fallback
	}
	v, err := convert.Convert(v, fallback.Type())
	if err != nil || v.IsNull() || !v.IsKnown() {
		sc.session.fail(CodeType, attr.Expr.Range(), "Wrong type", "The argument %s needs %s.", name, typeWord(fallback.Type()))
		return fallback
	}
	return v
}

func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	return convert.Convert(val, v.typ)
}

// assign gives every variable its value: the last source that names it, else the default.
func (sc *scope) assign(values map[string]given) {
	for _, name := range sc.declared("var") {
		v := sc.vars[name]
		g, ok := values[name]
		switch {
		case ok:
			sc.set(v, g)
		case v.fallback != nil:
			v.value, v.origin = *v.fallback, "default"
		case sc.session.offline:
			v.value = cty.UnknownVal(v.typ)
		default:
			sc.session.fail(CodeVariableMissing, v.rng, "Variable without value", "The variable %q has no default and no value. Give one with -var '%s=...', in a file of values (spmirror.vars.hcl), or with %s%s.", name, name, envPrefix, name)
		}
		if v.sensitive {
			v.value = v.value.Mark(sensitive)
			sc.session.hide(v.value)
		}
	}
}

func (sc *scope) set(v *variable, g given) {
	val, err := v.read(g)
	if err == nil && val.IsNull() && !v.nullable {
		if v.fallback != nil { // as in Terraform: null means the default then
			v.value, v.origin = *v.fallback, "default"
			return
		}
		err = errors.New("null is not allowed")
	}
	if err == nil && !withinLimits(val) {
		err = errors.New("the value is too large")
	}
	v.origin = g.origin
	if err != nil {
		rng := g.rng
		if rng.Filename == "" {
			rng = v.rng
		}
		sc.session.fail(CodeVariableValue, rng, "Unsuitable value", "Unsuitable value for var.%s set using %s: %s.", v.name, g.origin, err)
		return
	}
	v.value = val
}

// read turns what was given into a value of the declared type. Text for a variable
// of primitive or any type is taken literally; text for a collection is an expression.
func (v *variable) read(g given) (cty.Value, error) {
	if g.expr != nil {
		val, diags := g.expr.Value(nil)
		if diags.HasErrors() {
			return cty.NilVal, errors.New(strings.TrimSuffix(diags[0].Detail, "."))
		}
		return v.convert(val)
	}
	if v.typ.IsPrimitiveType() || v.typ == cty.DynamicPseudoType {
		return v.convert(cty.StringVal(g.text))
	}
	if diags := nestingProblems("value", []byte(g.text)); diags.HasErrors() {
		return cty.NilVal, errors.New("the value is nested too deep")
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, errors.New("the value is not a valid expression for this type")
	}
	val, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, errors.New("the value may not refer to anything or call functions")
	}
	return v.convert(val)
}

// source says where the value came from, within a sentence.
func (v *variable) source() string {
	if v.origin == "default" {
		return "its default"
	}
	return v.origin
}

// validate evaluates the rules of all variables, after all have values.
func (sc *scope) validate() {
	for _, name := range sc.declared("var") {
		v := sc.vars[name]
		for _, b := range v.rules {
			r := env{scope: sc}.open(b.Body, validationSpec, b.DefRange)
			told := r.require("error_message", `error_message = "The size must be positive."`)
			if r.holds("condition") || !told {
				continue
			}
			r.reject("condition", CodeVariableRule, "Variable refused", "%s\n\nThe value of var.%s came from %s.", r.message("error_message"), name, v.source())
		}
	}
}

// holds evaluates a condition; what is not known or was reported counts as true.
func (r *reader) holds(name string) bool {
	if !r.require(name, name+` = var.size > 0`) {
		return true
	}
	v, ok := r.convert(name, cty.Bool)
	if !ok {
		return true
	}
	v = withoutMarks(v)
	return !v.IsKnown() || v.True()
}

// message evaluates a text that people will read.
func (r *reader) message(name string) string {
	v, ok := r.convert(name, cty.String)
	switch {
	case !ok || !v.IsKnown():
		return "The rule does not hold."
	case isSensitive(v):
		return "The rule does not hold; its message contains a sensitive value and is not shown."
	}
	return visible(strings.TrimSpace(v.AsString()))
}

// publicVariables lists the variables of the root module. A secret keeps its name only.
func (sc *scope) publicVariables() []Variable {
	var out []Variable
	for _, name := range sc.declared("var") {
		v := sc.vars[name]
		value := json.RawMessage("null")
		if !v.sensitive {
			value = toJSON(v.value)
		}
		out = append(out, Variable{Name: name, Description: v.description, Value: value, Sensitive: v.sensitive, Origin: v.origin})
	}
	return out
}

// gather collects values in the order of precedence: environment, spmirror.vars.hcl,
// *.auto.vars.hcl by name, then -var and -var-file as given.
func (s *session) gather(args []VarArg, declared []string) map[string]given {
	values := map[string]given{}
	for name, text := range s.env {
		if v, ok := strings.CutPrefix(name, envPrefix); ok {
			values[v] = given{text: text, origin: name}
		}
	}
	for _, name := range s.valueFiles() {
		src, err := s.readConfined(name)
		if err != nil {
			s.readFailed(name, err)
			continue
		}
		s.valuesOf(name, src, values, declared)
	}
	for _, arg := range args {
		switch {
		case arg.File != "":
			s.varFile(arg.File, values, declared)
		default:
			s.varAssign(arg.Assign, values, declared)
		}
	}
	for name := range values {
		if !slices.Contains(declared, name) { // environment: silent, as in Terraform
			delete(values, name)
		}
	}
	return values
}

// valueFiles lists the files of values that are loaded by themselves.
func (s *session) valueFiles() []string {
	first := []string{"spmirror.vars.hcl", "spmirror.vars.hcl.json"}
	names, err := s.listDir(".", func(name string) bool {
		return slices.Contains(first, name) || !strings.HasPrefix(name, ".") &&
			(strings.HasSuffix(name, ".auto.vars.hcl") || strings.HasSuffix(name, ".auto.vars.hcl.json"))
	})
	if err != nil {
		return nil // reported when the configuration files were listed
	}
	slices.SortStableFunc(names, func(a, b string) int {
		if x, y := slices.Contains(first, a), slices.Contains(first, b); x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// varFile reads a file named on the command line, which may lie anywhere.
func (s *session) varFile(name string, values map[string]given, declared []string) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		s.readFailed(name, err)
		return
	}
	defer f.Close()
	src, err := s.readAll(f)
	if err != nil {
		s.readFailed(name, err)
		return
	}
	s.valuesOf(filepath.ToSlash(name), src, values, declared)
}

func (s *session) valuesOf(name string, src []byte, values map[string]given, declared []string) {
	body := s.parse(name, src)
	if body == nil {
		return
	}
	attrs, diags := body.JustAttributes()
	s.report(diags...)
	for _, key := range sortedKeys(attrs) {
		attr := attrs[key]
		if !slices.Contains(declared, key) {
			s.fail(CodeVariableUnknown, attr.NameRange, "Undeclared variable", "No variable block declares %q.%s", visible(key), didYouMean(key, declared))
			continue
		}
		values[key] = given{expr: attr.Expr, origin: "the file " + name, rng: attr.Expr.Range()}
	}
}

func (s *session) varAssign(assign string, values map[string]given, declared []string) {
	name, text, ok := strings.Cut(assign, "=")
	name = strings.TrimSpace(name)
	if missing := "the equals sign"; !ok || name == "" {
		if ok {
			missing = "the name"
		}
		s.fail(CodeVariableUnknown, hcl.Range{}, "Invalid -var", "Write -var 'name=value'; %s is missing in the argument given.", missing)
		return
	}
	if !slices.Contains(declared, name) {
		s.fail(CodeVariableUnknown, hcl.Range{}, "Undeclared variable", "No variable block declares %q, which -var sets.%s", visible(name), didYouMean(name, declared))
		return
	}
	values[name] = given{text: text, origin: `-var="` + name + `=..."`}
}
