package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// buildRefactors decodes import, moved and removed blocks.
func (sc *scope) buildRefactors(p *parts, blocks map[string]hcl.Blocks) {
	for _, b := range blocks["import"] {
		for _, inst := range sc.expand(b, "import") {
			r := inst.open(b.Body, importSpec, b.DefRange)
			im := Import{To: r.address("to"), Path: sc.session.absolute(r.text("path")), Verify: r.oneOf("verify", "quickxor", "quickxor", "size_time"), Range: b.DefRange}
			if im.To != "" && !inst.unknown {
				p.imports = append(p.imports, im)
			}
		}
	}
	for _, b := range blocks["moved"] {
		r := env{scope: sc}.open(b.Body, movedSpec, b.DefRange)
		m := Moved{From: r.address("from"), To: r.address("to"), Range: b.DefRange}
		if m.From != "" && m.To != "" {
			p.moved = append(p.moved, m)
		}
	}
	for _, b := range blocks["removed"] {
		r := env{scope: sc}.open(b.Body, removedSpec, b.DefRange)
		life := r.nested("lifecycle")
		m := Removed{From: r.address("from"), Destroy: life.boolean("destroy", false), Range: b.DefRange}
		if m.From != "" {
			p.removed = append(p.removed, m)
		}
	}
}

// address reads a reference to a mirror as text. The reference is not evaluated: what
// it names may be gone.
func (r *reader) address(name string) string {
	if !r.require(name, name+` = mirror.handbook`) {
		return ""
	}
	text, ok := r.addressOf(r.content.Attributes[name].Expr)
	if !ok {
		r.reject(name, CodeAddress, "Invalid address", "The argument %s is the address of a mirror without quotes: mirror.NAME or mirror.NAME[\"key\"].", name)
		return ""
	}
	return r.prefix + text
}

func (r *reader) addressOf(expr hcl.Expression) (string, bool) {
	if index, ok := hcl.UnwrapExpression(expr).(*hclsyntax.IndexExpr); ok { // mirror.name[each.key]
		base, ok := r.addressOf(index.Collection)
		key, _, known := r.value(index.Key)
		if !ok || !known || isSensitive(key) || key.IsNull() || !key.IsKnown() || key.Type() != cty.String || strings.HasSuffix(base, "]") {
			return "", false
		}
		return base + "[" + quoteKey(key.AsString()) + "]", true
	}
	ref, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		return "", false
	}
	return traversalAddress(ref)
}

// traversalAddress prints mirror.name, mirror.name["key"], and the same behind any
// number of module.name or module.name["key"].
func traversalAddress(ref hcl.Traversal) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(ref); {
		kind, ok := stepName(ref[i])
		if !ok || i+1 >= len(ref) || kind != "mirror" && kind != "module" {
			return "", false
		}
		label, ok := stepName(ref[i+1])
		if !ok {
			return "", false
		}
		out.WriteString(kind + "." + label)
		i += 2
		if i < len(ref) {
			if index, ok := ref[i].(hcl.TraverseIndex); ok && index.Key.Type() == cty.String {
				out.WriteString("[" + quoteKey(index.Key.AsString()) + "]")
				i++
			}
		}
		if kind == "mirror" {
			return out.String(), i == len(ref)
		}
		out.WriteString(".")
	}
	return "", false
}

func stepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseRoot:
		return step.Name, true
	case hcl.TraverseAttr:
		return step.Name, true
	}
	return "", false
}

// checkRefactors compares import, moved and removed with what is declared.
func (c *Config) checkRefactors(s *session) {
	declared := map[string]bool{}
	for _, m := range c.Mirrors {
		declared[m.Address] = true
	}
	if len(c.Deferred) > 0 {
		return // offline, not all addresses are known
	}
	known := sortedKeys(declared)
	imported := map[string]bool{}
	for _, im := range c.Imports {
		switch {
		case !declared[im.To]:
			s.fail(CodeRefactor, im.Range, "Import into nothing", "%s is not declared, so nothing can be imported into it.%s", visible(im.To), didYouMean(im.To, known))
		case imported[im.To]:
			s.fail(CodeRefactor, im.Range, "Imported twice", "Two import blocks name %s.", visible(im.To))
		}
		imported[im.To] = true
	}
	c.checkMoved(s, declared)
	for _, r := range c.Removed {
		if declared[r.From] {
			s.fail(CodeRefactor, r.Range, "Removed and declared", "%s is still declared. Delete its block, or the removed block.", visible(r.From))
		}
	}
}

func (c *Config) checkMoved(s *session, declared map[string]bool) {
	next := map[string]string{}
	for _, m := range c.Moved {
		switch {
		case m.From == m.To:
			s.fail(CodeRefactor, m.Range, "Moved to itself", "from and to are both %s.", visible(m.From))
		case next[m.From] != "":
			s.fail(CodeRefactor, m.Range, "Moved twice", "%s is moved by two blocks.", visible(m.From))
		case declared[m.From]:
			s.fail(CodeRefactor, m.Range, "Moved and declared", "%s is still declared, so it cannot have become %s.", visible(m.From), visible(m.To))
		default:
			next[m.From] = m.To
		}
	}
	for _, m := range c.Moved {
		end, steps := m.To, 0
		for next[end] != "" && steps <= len(c.Moved) {
			end, steps = next[end], steps+1
		}
		if steps > len(c.Moved) {
			s.fail(CodeRefactor, m.Range, "Moved in a circle", "The moved blocks lead from %s back to itself.", visible(m.From))
			return
		}
		if !declared[end] && m.From != m.To {
			s.fail(CodeRefactor, m.Range, "Moved to nothing", "%s is not declared.%s", visible(end), didYouMean(end, sortedKeys(declared)))
		}
	}
}
