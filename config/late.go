package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Check is a declared check. Its conditions are evaluated when a plan exists.
type Check struct {
	Name        string
	Enforcement string // advisory, mandatory
	Range       hcl.Range

	scope   *scope
	asserts []assertion
}

type assertion struct {
	condition, message hcl.Expression
	rng                hcl.Range
}

// CheckResult is what a check says about one plan.
type CheckResult struct {
	Name        string
	Enforcement string         // advisory, mandatory
	Status      string         // pass, fail, error
	Asserts     []AssertResult // in order of declaration
}

// AssertResult is one assertion of a check.
type AssertResult struct {
	Passed  bool
	Message string // error_message when it did not pass
	Range   hcl.Range
}

// Passed reports whether every assertion held.
func (r CheckResult) Passed() bool { return r.Status == "pass" }

// Evaluate computes the check over a plan. planValue is what plan.* means: plain Go
// data, as the JSON model of plans has it. A condition that cannot be computed makes
// the status "error", which counts as failed: a check that says nothing protects nothing.
func (c Check) Evaluate(planValue map[string]any) (CheckResult, hcl.Diagnostics) {
	result := CheckResult{Name: c.Name, Enforcement: c.Enforcement, Status: "pass"}
	plan, err := fromGo(planValue)
	if err != nil {
		return CheckResult{Name: c.Name, Enforcement: c.Enforcement, Status: "error"},
			hcl.Diagnostics{problem(hcl.DiagError, CodeCheck, c.Range, "Check cannot be evaluated", "The plan cannot be looked at: %s.", err)}
	}
	s := c.scope.session.resume()
	e := c.scope.lateEnv(map[string]cty.Value{"plan": plan})
	for _, a := range c.asserts {
		passed, ok := e.condition(a.condition)
		one := AssertResult{Passed: passed, Range: a.rng}
		switch {
		case !ok:
			result.Status = "error"
			one.Message = "The condition cannot be computed."
		case !passed:
			one.Message = e.sentence(a.message)
			if result.Status == "pass" {
				result.Status = "fail"
			}
			s.report(c.failed(a, one.Message))
		}
		result.Asserts = append(result.Asserts, one)
	}
	return result, s.pause()
}

func (c Check) failed(a assertion, message string) *hcl.Diagnostic {
	severity := hcl.DiagWarning
	if c.Enforcement == "mandatory" {
		severity = hcl.DiagError
	}
	return problem(severity, CodeCheck, a.condition.Range(), "Check failed", "check.%s: %s", c.Name, message)
}

// condition evaluates to true or false; the second result is false when it has no value.
func (e env) condition(expr hcl.Expression) (bool, bool) {
	v, _, ok := e.value(expr)
	if !ok {
		return false, false
	}
	v, err := convert.Convert(withoutMarks(v), cty.Bool)
	if err != nil || v.IsNull() || !v.IsKnown() {
		e.session.fail(CodeType, expr.Range(), "Wrong type", "A condition must be true or false.")
		return false, false
	}
	return v.True(), true
}

// sentence evaluates a message.
func (e env) sentence(expr hcl.Expression) string {
	v, _, ok := e.value(expr)
	if ok && isSensitive(v) {
		return "The message contains a sensitive value and is not shown."
	}
	if ok {
		if s, err := convert.Convert(v, cty.String); err == nil && s.IsKnown() && !s.IsNull() {
			return visible(strings.TrimSpace(s.AsString()))
		}
	}
	return "The assertion does not hold."
}

// lateEnv is the scope with the names that exist after planning.
func (sc *scope) lateEnv(extra map[string]cty.Value) env {
	late := map[string]cty.Value{"mirror": cty.ObjectVal(sc.mirrors)}
	for name, v := range extra {
		late[name] = v
	}
	return env{scope: sc, late: late}
}

// resume begins a new list of diagnostics for an evaluation after Load.
func (s *session) resume() *session {
	s.diags, s.seen = nil, nil
	return s
}

// pause hands out the diagnostics of an evaluation after Load.
func (s *session) pause() hcl.Diagnostics {
	s.closing()
	diags := s.diags
	s.diags = nil
	return diags
}

func (sc *scope) buildChecks(p *parts, blocks hcl.Blocks) {
	for _, b := range blocks {
		r := env{scope: sc}.open(b.Body, checkSpec, b.DefRange)
		c := Check{Name: sc.prefix + b.Labels[0], Enforcement: r.oneOf("enforcement", "advisory", "advisory", "mandatory"), Range: b.DefRange, scope: sc}
		for _, ab := range r.all("assert") {
			in := r.open(ab.Body, assertSpec, ab.DefRange)
			if !in.require("condition", "condition = plan.totals.delete_files == 0") || !in.require("error_message", `error_message = "This plan deletes files."`) {
				continue
			}
			c.asserts = append(c.asserts, assertion{in.content.Attributes["condition"].Expr, in.content.Attributes["error_message"].Expr, ab.DefRange})
		}
		if len(r.all("assert")) == 0 {
			sc.session.fail(CodeMissingArgument, b.DefRange, "Check without assertion", "The check %q has no assert block, so it checks nothing.", b.Labels[0])
		}
		p.checks = append(p.checks, c)
	}
}

// Output is a declared output. Its value may use facts about mirrors that only a
// state has.
type Output struct {
	Name        string
	Description string
	Sensitive   bool
	Range       hcl.Range

	scope *scope
	expr  hcl.Expression
}

// Evaluate computes the output. facts holds further attributes of mirrors by address,
// such as tracked_files. A sensitive output has the value "***".
func (o Output) Evaluate(facts map[string]map[string]any) (any, hcl.Diagnostics) {
	s := o.scope.session.resume()
	mirrors, err := o.scope.mirrorsWith(facts)
	if err != nil {
		return nil, hcl.Diagnostics{problem(hcl.DiagError, CodeOutput, o.Range, "Output failed", "The facts about mirrors cannot be used: %s.", err)}
	}
	v, ctx, ok := o.scope.lateEnv(map[string]cty.Value{"mirror": mirrors}).value(o.expr)
	if !ok {
		return nil, s.pause()
	}
	switch {
	case o.Sensitive:
		return redacted, s.pause()
	case isSensitive(v):
		d := problem(hcl.DiagError, CodeOutput, o.expr.Range(), "Sensitive output", "The output %q contains a sensitive value. Set sensitive = true in it, or leave the value out.", o.Name)
		d.Expression, d.EvalContext = o.expr, ctx
		s.report(d)
		return nil, s.pause()
	}
	return toJSON(v), s.pause()
}

// isInstance tells the object of one mirror from the object of all instances by key,
// where even a key "address" holds an object.
func isInstance(v cty.Value) bool {
	t := v.Type()
	return t.IsObjectType() && t.HasAttribute("address") && t.AttributeType("address") == cty.String
}

// mirrorsWith is the mirror object with facts added to each instance.
func (sc *scope) mirrorsWith(facts map[string]map[string]any) (cty.Value, error) {
	extend := func(v cty.Value) (cty.Value, error) {
		if !v.IsKnown() || !isInstance(v) {
			return v, nil
		}
		members := v.AsValueMap()
		for name, fact := range facts[members["address"].AsString()] {
			value, err := fromGo(fact)
			if err != nil {
				return v, err
			}
			members[name] = value
		}
		return cty.ObjectVal(members), nil
	}
	out := map[string]cty.Value{}
	for label, v := range sc.mirrors {
		if v.IsKnown() && !isInstance(v) {
			instances := map[string]cty.Value{}
			for key, one := range v.AsValueMap() {
				value, err := extend(one)
				if err != nil {
					return cty.NilVal, err
				}
				instances[key] = value
			}
			out[label] = cty.ObjectVal(instances)
			continue
		}
		value, err := extend(v)
		if err != nil {
			return cty.NilVal, err
		}
		out[label] = value
	}
	return cty.ObjectVal(out), nil
}

func (sc *scope) buildOutputs(p *parts, blocks hcl.Blocks) {
	for _, b := range blocks {
		r := env{scope: sc}.open(b.Body, outputSpec, b.DefRange)
		o := Output{Name: b.Labels[0], Description: r.text("description"), Sensitive: r.boolean("sensitive", false), Range: b.DefRange, scope: sc}
		if r.require("value", "value = mirror.handbook.tracked_files") {
			o.expr = r.content.Attributes["value"].Expr
			p.outputs = append(p.outputs, o)
		}
	}
}

// inspectExpressions looks at the references of expressions that are evaluated later,
// so that validate finds a misspelt name before a plan is made.
func (s *session) inspectExpressions(cfg *Config) {
	for _, c := range cfg.Checks {
		e := c.scope.lateEnv(map[string]cty.Value{"plan": cty.DynamicVal})
		for _, a := range c.asserts {
			e.inspect(a.condition)
			e.inspect(a.message)
		}
	}
	for _, o := range cfg.Outputs {
		o.scope.lateEnv(nil).inspect(o.expr)
	}
}

// inspect resolves what an expression refers to without computing it.
func (e env) inspect(expr hcl.Expression) {
	for _, ref := range expr.Variables() {
		if ref.RootName() != "mirror" {
			_, _ = e.context([]hcl.Traversal{ref})
			continue
		}
		name, ok := memberName(ref, 1)
		if _, known := e.mirrors[name]; !ok || !known {
			e.refuse(ref, `There is no mirror named "`+visible(name)+`".`+didYouMean(name, e.labels))
		}
	}
}
