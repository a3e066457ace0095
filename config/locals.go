package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// declareLocals makes a node of every local value.
func (sc *scope) declareLocals(blocks hcl.Blocks) {
	for _, b := range blocks {
		attrs, diags := b.Body.JustAttributes()
		sc.session.report(diags...)
		for _, name := range sortedKeys(attrs) {
			attr := attrs[name]
			if old := sc.nodes["local."+name]; old != nil {
				sc.session.fail(CodeDuplicateBlock, attr.NameRange, "Local value declared twice", "The local value %q is already declared at %s.", name, place(old.rng))
				continue
			}
			sc.nodes["local."+name] = &node{rng: attr.Range, expr: attr.Expr, compute: func() cty.Value {
				v, _, _ := env{scope: sc}.value(attr.Expr)
				return v
			}}
		}
	}
}

// checkName reports a label that is no identifier.
func (sc *scope) checkName(rng hcl.Range, name, what string) bool {
	if hclsyntax.ValidIdentifier(name) && len(name) <= maxName {
		return true
	}
	sc.session.fail(CodeName, rng, "Invalid name", "%q is not a name for a %s. Names start with a letter or underscore, go on with letters, digits, underscores and dashes, and have at most %d bytes.", visible(name), what, maxName)
	return false
}

// place prints where something is: "main.hcl line 12".
func place(rng hcl.Range) string {
	return rng.Filename + " line " + itoa(rng.Start.Line)
}
