package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// literal reports whether a secret's text stands in the configuration itself: in the
// expression, in a local value, in the default of a variable or in for_each. What
// comes from outside (a variable that was given, a file, data) is no literal (T-11).
func (e env) literal(expr hcl.Expression, seen map[string]bool) bool {
	if seen == nil {
		seen = map[string]bool{}
	}
	if e.session.readsFile(expr) {
		return false
	}
	for _, ref := range expr.Variables() {
		name, _ := memberName(ref, 1)
		switch ref.RootName() {
		case "var":
			if v := e.vars[name]; v != nil && v.origin != "default" {
				return false
			}
		case "data", "module":
			return false
		case "each":
			if e.each != nil && !seen["each"] {
				seen["each"] = true
				if !(env{scope: e.scope}).literal(e.each.expr, seen) {
					return false
				}
			}
		case "local":
			if n := e.nodes["local."+name]; n != nil && n.expr != nil && !seen[name] {
				seen[name] = true
				if !(env{scope: e.scope}).literal(n.expr, seen) {
					return false
				}
			}
		}
	}
	return true
}

// readsFile reports whether the expression calls a function that reads a file.
func (s *session) readsFile(expr hcl.Expression) bool {
	node, ok := hcl.UnwrapExpression(expr).(hclsyntax.Node)
	if !ok { // JSON: the library does not show the calls, the text does
		rng := expr.Range()
		file := s.sources[rng.Filename]
		return file != nil && rng.CanSliceBytes(file.Bytes) && strings.Contains(string(rng.SliceBytes(file.Bytes)), "${file")
	}
	found := false
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && strings.HasPrefix(call.Name, "file") || ok && call.Name == "templatefile" {
			found = true
		}
		return nil
	})
	return found
}

// coverVariables treats variables that feed a credential as sensitive even when they
// are not declared so, and says that they should be.
func (r *reader) coverVariables(expr hcl.Expression) {
	for _, ref := range expr.Variables() {
		if ref.RootName() != "var" {
			continue
		}
		name, _ := memberName(ref, 1)
		v := r.vars[name]
		if v == nil || v.sensitive || v.typ != cty.String && v.typ != cty.DynamicPseudoType {
			continue
		}
		v.sensitive = true
		r.session.hide(v.value)
		r.session.warn(CodeLiteralSecret, v.rng, "Secret in a variable that is not sensitive", "var.%s feeds a credential. It is treated as sensitive here; declare it with sensitive = true so that every use of it is.", name)
	}
}

// hide remembers the texts of a sensitive value, so that no message shows them.
func (s *session) hide(v cty.Value) {
	_ = cty.Walk(withoutMarks(v), func(_ cty.Path, part cty.Value) (bool, error) {
		if part.IsKnown() && !part.IsNull() && part.Type() == cty.String {
			s.hideText(part.AsString())
		}
		return true, nil
	})
}

// hideText remembers one text. Very short ones would blank out ordinary words.
func (s *session) hideText(text string) {
	if len(text) >= 4 {
		s.hidden = append(s.hidden, text)
	}
}

// scrub removes remembered texts from what people will read.
func (s *session) scrub(text string) string {
	for _, secret := range s.hidden {
		text = strings.ReplaceAll(text, secret, "(sensitive value)")
	}
	return text
}
