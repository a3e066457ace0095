package config

import (
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// declareModules makes a node of every module block. A module is a directory below
// the configuration directory; its mirrors have addresses that begin with
// module.NAME, its outputs are the attributes of module.NAME.
func (sc *scope) declareModules(blocks hcl.Blocks) {
	sc.checkLabels(blocks, "module")
	for _, b := range blocks {
		key := "module." + b.Labels[0]
		if sc.nodes[key] == nil {
			sc.nodes[key] = &node{rng: b.DefRange, compute: func() cty.Value { return sc.computeModule(b) }}
		}
	}
}

func (sc *scope) computeModule(b *hcl.Block) cty.Value {
	values := map[string]cty.Value{}
	for _, inst := range sc.expand(b, "module."+b.Labels[0]) {
		v := inst.module()
		if inst.unknown {
			return cty.DynamicVal
		}
		if !inst.keyed {
			return v
		}
		values[inst.key] = v
	}
	return cty.ObjectVal(values)
}

// module loads the directory and builds it with the arguments of the block as
// variables. Only the root module may configure the program and declare tenants.
func (inst instance) module() cty.Value {
	s := inst.session
	attrs, diags := inst.block.Body.JustAttributes()
	s.report(diags...)
	dir, ok := inst.moduleDir(attrs)
	if !ok {
		return cty.DynamicVal
	}
	bodies := s.moduleBodies(dir)
	if len(bodies) == 0 {
		return cty.DynamicVal
	}
	child := newScope(s, inst.scope, dir, inst.address+".")
	blocks := child.collect(bodies)
	for _, kind := range []string{"spmirror", "tenant"} {
		for _, b := range blocks[kind] {
			s.fail(CodeModule, b.DefRange, "Block not allowed in a module", "A %s block belongs into the root module; pass a tenant to a module as a variable.", kind)
		}
		delete(blocks, kind)
	}
	child.declareVariables(blocks["variable"])
	inst.arguments(child, attrs)
	child.declare(blocks)
	child.validate()
	p := child.build(blocks)
	s.modules = append(s.modules, p)
	return child.moduleOutputs(p)
}

func (inst instance) moduleDir(attrs hcl.Attributes) (string, bool) {
	attr := attrs["source"]
	if attr == nil {
		inst.session.fail(CodeModule, inst.block.DefRange, "Invalid module", "The argument source is required, for example source = \"./modules/library\".")
		return "", false
	}
	v, diags := attr.Expr.Value(nil)
	inst.session.report(diags...)
	if diags.HasErrors() {
		return "", false
	}
	fail := func(why string) (string, bool) {
		inst.session.fail(CodeModule, attr.Expr.Range(), "Invalid module", "%s", why)
		return "", false
	}
	if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return fail("The source of a module is a constant string.")
	}
	src := v.AsString()
	if !strings.HasPrefix(src, "./") && !strings.HasPrefix(src, "../") {
		return fail("The source of a module is a local directory that starts with ./ or ../. Remote sources do not exist.")
	}
	dir := path.Join(inst.dir, src)
	switch {
	case dir == ".." || strings.HasPrefix(dir, "../"):
		return fail("The source of a module lies outside the configuration directory.")
	case dir == "." || dir == inst.dir || inst.depth+1 > maxModuleDepth:
		return fail("A module may not contain itself, and modules may nest " + itoa(maxModuleDepth) + " deep.")
	}
	return dir, true
}

// moduleBodies parses a directory once, however many instances it has. A directory with
// mistakes has none.
func (s *session) moduleBodies(dir string) []hcl.Body {
	if bodies, done := s.parsed[dir]; done {
		return bodies
	}
	before := len(s.diags)
	bodies := s.bodies(dir)
	if len(s.diags) > before {
		bodies = nil // half a module would lead to mistakes that are none
	}
	s.parsed[dir] = bodies
	return bodies
}

// arguments evaluates the arguments of a module block and gives them to its variables.
func (inst instance) arguments(child *scope, attrs hcl.Attributes) {
	for _, name := range sortedKeys(attrs) {
		if name == "source" || name == "for_each" {
			continue
		}
		attr := attrs[name]
		v := child.vars[name]
		if v == nil {
			inst.session.fail(CodeUnknownArgument, attr.NameRange, "Unknown argument", "The module declares no variable %q.%s", name, didYouMean(name, child.declared("var")))
			continue
		}
		value, _, ok := inst.value(attr.Expr)
		if !ok {
			continue
		}
		plain, marks := value.UnmarkDeep()
		converted, err := v.convert(plain)
		switch {
		case err != nil:
			inst.session.fail(CodeVariableValue, attr.Expr.Range(), "Unsuitable value", "The variable %q of the module does not take this value: %s.", name, err)
			continue
		case converted.IsNull() && !v.nullable && v.fallback != nil:
			converted = *v.fallback
		}
		if len(marks) > 0 { // one sensitive part makes the whole argument sensitive
			converted = converted.Mark(sensitive)
		}
		v.value, v.origin = converted, "the module block at "+place(inst.block.DefRange)
		if inst.literal(attr.Expr, nil) {
			v.origin = "default" // text of the configuration, as a default is
		}
		v.given = true
	}
	for _, name := range child.declared("var") {
		v := child.vars[name]
		switch {
		case v.given:
		case v.fallback != nil:
			v.value, v.origin = *v.fallback, "default"
		default:
			inst.session.fail(CodeVariableMissing, inst.block.DefRange, "Missing argument", "The module needs the argument %q.", name)
		}
		if v.sensitive {
			v.value = v.value.Mark(sensitive)
		}
	}
}

// moduleOutputs is the object of a module's outputs. They may not use facts that exist
// after planning only.
func (sc *scope) moduleOutputs(p *parts) cty.Value {
	out := map[string]cty.Value{}
	for _, o := range p.outputs {
		name := strings.TrimPrefix(o.Name, sc.prefix)
		v, _, ok := sc.lateEnv(nil).value(o.expr)
		if !ok {
			v = cty.DynamicVal
		}
		if o.Sensitive {
			v = v.Mark(sensitive)
		}
		out[name] = v
	}
	p.outputs = nil
	return cty.ObjectVal(out)
}
