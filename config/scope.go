package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// scope is the namespace of one module: everything an expression in it can refer to.
// Values are computed when they are first needed, so the order of blocks and files
// never matters and only real circles are errors.
type scope struct {
	session *session
	dir     string // slash path below the configuration directory, "." for the root
	prefix  string // "module.name." in front of addresses, "" for the root
	depth   int    // modules above this one

	vars    map[string]*variable
	nodes   map[string]*node // by "local.x", "data.kind.name", "tenant.x", "module.x"
	path    []string         // names of nodes being computed, outermost first
	funcs   map[string]function.Function
	tenants map[string][]Tenant // by label, filled when a tenant node is computed
	mirrors map[string]cty.Value
	labels  []string // labels of mirror blocks
	blocks  map[string]hcl.Blocks
}

// node is one value that is computed on demand.
type node struct {
	rng     hcl.Range
	compute func() cty.Value
	state   nodeState
	value   cty.Value
	expr    hcl.Expression // of a local; nil otherwise
}

type nodeState uint8

const (
	nodeNew nodeState = iota
	nodeBusy
	nodeDone
)

// resolve computes a node once. A circle is reported at the node that closes it.
func (sc *scope) resolve(name string) cty.Value {
	n := sc.nodes[name]
	switch n.state {
	case nodeDone:
		return n.value
	case nodeBusy:
		from := slices.Index(sc.path, name)
		circle := append(slices.Clone(sc.path[from:]), name)
		sc.session.fail(CodeCycle, n.rng, "Circular reference", "These values refer to each other, so none can be computed first: %s.", strings.Join(circle, " → "))
		n.state, n.value = nodeDone, cty.DynamicVal
		return n.value
	}
	n.state = nodeBusy
	sc.path = append(sc.path, name)
	v := n.compute()
	sc.path = sc.path[:len(sc.path)-1]
	if n.state != nodeDone { // else: a circle was reported below
		n.state, n.value = nodeDone, v
	}
	return n.value
}

// each is what each.key and each.value mean.
type each struct {
	key   string
	value cty.Value
	expr  hcl.Expression // the for_each it comes from
}

func (e *each) object() cty.Value {
	key := cty.StringVal(e.key)
	if e.value == cty.DynamicVal { // for_each not known: offline
		key = cty.UnknownVal(cty.String)
	}
	return cty.ObjectVal(map[string]cty.Value{"key": key, "value": e.value})
}

// env is a scope seen from one place: inside a block with for_each, inside a check.
type env struct {
	*scope
	each *each
	late map[string]cty.Value // names that exist after planning only: mirror, plan
}

// value evaluates an expression. The second result is false when an error was
// reported; a value that is not known is no error.
func (e env) value(expr hcl.Expression) (cty.Value, *hcl.EvalContext, bool) {
	ctx, ok := e.context(expr.Variables())
	if !ok {
		return cty.DynamicVal, ctx, false
	}
	v, diags := expr.Value(ctx)
	e.session.report(diags...)
	if diags.HasErrors() {
		return cty.DynamicVal, ctx, false
	}
	if !withinLimits(v) {
		e.session.fail(CodeExpansion, expr.Range(), "Value too large", "The value has more than %d elements or %d MiB of text.", maxElements, maxValueText>>20)
		return cty.DynamicVal, ctx, false
	}
	return v, ctx, true
}

// context builds the smallest evaluation context for the given references.
func (e env) context(refs []hcl.Traversal) (*hcl.EvalContext, bool) {
	ok := true
	tree := map[string]map[string]cty.Value{}
	data := map[string]map[string]cty.Value{}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: e.funcs}
	for _, ref := range refs {
		root := ref.RootName()
		switch root {
		case "each":
			if e.each == nil {
				ok = e.refuse(ref, "each.key and each.value exist only inside a block that has for_each.")
				continue
			}
			ctx.Variables["each"] = e.each.object()
		case "path":
			ctx.Variables["path"] = e.pathObject()
		case "data":
			ok = e.resolveData(ref, data) && ok
		case "var", "local", "tenant", "module":
			ok = e.resolveNamed(root, ref, tree) && ok
		default:
			v, found := e.late[root]
			if !found {
				ok = e.refuse(ref, e.unknownRoot(root))
				continue
			}
			ctx.Variables[root] = v
		}
	}
	for root, members := range tree {
		ctx.Variables[root] = cty.ObjectVal(members)
	}
	if len(data) > 0 {
		kinds := map[string]cty.Value{}
		for kind, members := range data {
			kinds[kind] = cty.ObjectVal(members)
		}
		ctx.Variables["data"] = cty.ObjectVal(kinds)
	}
	return ctx, ok
}

func (e env) refuse(ref hcl.Traversal, detail string) bool {
	e.session.fail(CodeReference, ref.SourceRange(), "Unknown reference", "%s", detail)
	return false
}

func (e env) unknownRoot(root string) string {
	switch root {
	case "mirror":
		return "mirror.* is known after all mirrors are; it can be used in output, check, import, moved and removed blocks."
	case "plan":
		return "plan.* is known after planning; it can be used in check blocks."
	case "count", "self", "terraform", "env":
		return "There is no " + root + " here: use for_each with each.key, and variables for values from outside (SPMIRROR_VAR_name sets one from the environment)."
	}
	known := []string{"var", "local", "data", "each", "path", "tenant", "module", "mirror", "plan"}
	return `There is nothing named "` + visible(root) + `".` + didYouMean(root, known) + " References begin with var, local, data, each, path, tenant or module; a word that is meant as text needs quotes."
}

func (e env) pathObject() cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"module": cty.StringVal(e.dir),
		"root":   cty.StringVal("."),
		"cwd":    cty.StringVal(e.session.dir),
	})
}

// memberName is the name in root.name, also when written root["name"].
func memberName(ref hcl.Traversal, i int) (string, bool) {
	if len(ref) <= i {
		return "", false
	}
	switch step := ref[i].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

func (e env) resolveNamed(root string, ref hcl.Traversal, tree map[string]map[string]cty.Value) bool {
	word := map[string]string{"var": "variable", "local": "local value", "tenant": "tenant", "module": "module"}[root]
	name, ok := memberName(ref, 1)
	if !ok {
		return e.refuse(ref, "Write "+root+".NAME, with the name of one "+word+".")
	}
	v, ok := e.named(root, name)
	if !ok {
		return e.refuse(ref, "There is no "+word+` named "`+visible(name)+`".`+didYouMean(name, e.declared(root)))
	}
	if tree[root] == nil {
		tree[root] = map[string]cty.Value{}
	}
	tree[root][name] = v
	return true
}

func (e env) named(root, name string) (cty.Value, bool) {
	if root == "var" {
		v, ok := e.vars[name]
		if !ok {
			return cty.NilVal, false
		}
		return v.value, true
	}
	key := root + "." + name
	if _, ok := e.nodes[key]; !ok {
		return cty.NilVal, false
	}
	return e.resolve(key), true
}

// declared lists the names below a root, for "did you mean".
func (sc *scope) declared(root string) []string {
	if root == "var" {
		return slices.Sorted(maps.Keys(sc.vars))
	}
	var names []string
	for key := range sc.nodes {
		if name, ok := strings.CutPrefix(key, root+"."); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (e env) resolveData(ref hcl.Traversal, data map[string]map[string]cty.Value) bool {
	kind, ok := memberName(ref, 1)
	if !ok {
		return e.refuse(ref, "Write data.KIND.NAME, as in data.sites.all.")
	}
	if _, known := dataKinds[kind]; !known {
		return e.refuse(ref, `There is no kind of data named "`+visible(kind)+`".`+didYouMean(kind, sortedKeys(dataKinds))+" Kinds are "+wordList(sortedKeys(dataKinds), "and")+".")
	}
	name, ok := memberName(ref, 2)
	if !ok {
		return e.refuse(ref, "Write data."+kind+".NAME.")
	}
	key := "data." + kind + "." + name
	if _, declared := e.nodes[key]; !declared {
		return e.refuse(ref, `There is no data "`+kind+`" "`+visible(name)+`".`+didYouMean(name, e.declared("data."+kind)))
	}
	if data[kind] == nil {
		data[kind] = map[string]cty.Value{}
	}
	data[kind][name] = e.resolve(key)
	return true
}
