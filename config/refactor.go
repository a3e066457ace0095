package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// buildRefactors decodes import, moved and removed blocks.
func (sc *scope) buildRefactors(p *parts, blocks map[string]hcl.Blocks, base guardBase) {
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
		from, what := r.place("from")
		to, kind := r.place("to")
		switch {
		case from == "" || to == "":
		case what != kind:
			r.reject("to", CodeRefactor, "Moved to another kind", "%s is a %s and %s a %s.", visible(from), what, visible(to), kind)
		default:
			p.moved = append(p.moved, Moved{From: from, To: to, Range: b.DefRange})
		}
	}
	for _, b := range blocks["removed"] {
		if r := sc.removed(b, base); r.From != "" {
			p.removed = append(p.removed, r)
		}
	}
}

// address reads a reference to a mirror as text. The reference is not evaluated: what
// it names may be gone.
func (r *reader) address(name string) string {
	if !r.require(name, name+` = mirror.handbook`) {
		return ""
	}
	text, kind := r.addressOf(r.content.Attributes[name].Expr)
	if kind != "mirror" {
		r.reject(name, CodeAddress, "Invalid address", "The argument %s is the address of a mirror without quotes: mirror.NAME or mirror.NAME[\"key\"].", name)
		return ""
	}
	return r.prefix + text
}

// place reads the address of a mirror or of a module, and says which of them it is.
func (r *reader) place(name string) (address, kind string) {
	if !r.require(name, name+` = mirror.handbook`) {
		return "", ""
	}
	text, kind := r.addressOf(r.content.Attributes[name].Expr)
	if kind == "" {
		r.reject(name, CodeAddress, "Invalid address", "The argument %s is an address without quotes: mirror.NAME, mirror.NAME[\"key\"] or module.NAME.", name)
		return "", ""
	}
	return r.prefix + text, kind
}

// addressOf prints the address that an expression is and says what it names; kind is
// empty for anything that is no address.
func (r *reader) addressOf(expr hcl.Expression) (text, kind string) {
	if index, ok := hcl.UnwrapExpression(expr).(*hclsyntax.IndexExpr); ok { // mirror.name[each.key]
		base, kind := r.addressOf(index.Collection)
		key, _, known := r.value(index.Key)
		if !known || isSensitive(key) || key.IsNull() || !key.IsKnown() || key.Type() != cty.String || strings.HasSuffix(base, "]") {
			return "", ""
		}
		return base + "[" + quoteKey(key.AsString()) + "]", kind
	}
	ref, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		return "", ""
	}
	return traversalAddress(ref)
}

// traversalAddress prints mirror.name, mirror.name["key"], module.name and
// module.name["key"], each behind any number of modules.
func traversalAddress(ref hcl.Traversal) (text, kind string) {
	var out strings.Builder
	for i := 0; i < len(ref); {
		step, ok := stepName(ref[i])
		if !ok || i+1 >= len(ref) || step != "mirror" && step != "module" {
			return "", ""
		}
		label, ok := stepName(ref[i+1])
		if !ok {
			return "", ""
		}
		out.WriteString(step + "." + label)
		i += 2
		if i < len(ref) {
			if index, ok := ref[i].(hcl.TraverseIndex); ok && index.Key.Type() == cty.String {
				out.WriteString("[" + quoteKey(index.Key.AsString()) + "]")
				i++
			}
		}
		switch {
		case i == len(ref):
			return out.String(), step
		case step == "mirror":
			return "", ""
		}
		out.WriteString(".")
	}
	return "", ""
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
	c.declared = make(map[string]bool, len(c.Mirrors))
	for _, m := range c.Mirrors {
		c.declared[m.Address] = true
	}
	declared := c.declared
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
	c.checkMoved(s, known)
	for _, r := range c.Removed {
		for _, address := range known {
			if r.covers(address) {
				s.fail(CodeRefactor, r.Range, "Removed and declared", "%s is still declared. Delete its block, or the removed block.", visible(address))
				break
			}
		}
	}
}

func (c *Config) checkMoved(s *session, known []string) {
	next, into := map[string]string{}, map[string]bool{}
	for _, m := range c.Moved {
		still := slices.IndexFunc(known, func(address string) bool { _, ok := m.translate(address); return ok })
		switch {
		case m.From == m.To:
			s.fail(CodeRefactor, m.Range, "Moved to itself", "from and to are both %s.", visible(m.From))
		case next[m.From] != "":
			s.fail(CodeRefactor, m.Range, "Moved twice", "%s is moved by two blocks.", visible(m.From))
		case into[m.To]:
			s.fail(CodeRefactor, m.Range, "Moved into one", "Two moved blocks lead to %s.", visible(m.To))
		case still >= 0:
			s.fail(CodeRefactor, m.Range, "Moved and declared", "%s is still declared, so it cannot have become %s.", visible(known[still]), visible(m.To))
		default:
			next[m.From], into[m.To] = m.To, true
		}
	}
	for _, m := range c.Moved {
		end, steps := m.To, 0
		for steps <= len(c.Moved) {
			to, ok := c.step(end)
			if !ok || slices.Contains(known, end) {
				break
			}
			end, steps = to, steps+1
		}
		if steps > len(c.Moved) {
			s.fail(CodeRefactor, m.Range, "Moved in a circle", "The moved blocks lead from %s back to itself.", visible(m.From))
			return
		}
		if m.From != m.To && !slices.ContainsFunc(known, Removed{From: end}.covers) && !c.Ends(end) {
			s.fail(CodeRefactor, m.Range, "Moved to nothing", "%s is not declared.%s", visible(end), didYouMean(end, known))
		}
	}
}
