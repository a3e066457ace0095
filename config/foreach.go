package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// instance is one block after for_each: the block itself, or one of its copies.
type instance struct {
	env
	key     string
	keyed   bool   // written as address["key"]
	unknown bool   // for_each is not known: one stand-in with unknown each
	address string // with the prefix of the module
	block   *hcl.Block
}

// expand evaluates for_each of a block. A block without one is its only instance.
func (sc *scope) expand(b *hcl.Block, address string) []instance {
	address = sc.prefix + address
	schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}}}
	content, _, _ := b.Body.PartialContent(schema)
	attr := content.Attributes["for_each"]
	if attr == nil {
		return []instance{{env: env{scope: sc}, address: address, block: b}}
	}
	v, ctx, ok := env{scope: sc}.value(attr.Expr)
	if !ok {
		return nil
	}
	bad := func(code Code, detail string, args ...any) []instance {
		d := problem(hcl.DiagError, code, attr.Expr.Range(), "Invalid for_each", detail, args...)
		d.Expression, d.EvalContext = attr.Expr, ctx
		sc.session.report(d)
		return nil
	}
	if v.IsMarked() || isSensitive(v) && !v.Type().IsMapType() && !v.Type().IsObjectType() {
		return bad(CodeSensitive, "for_each may not use a sensitive value: its keys become addresses, which are shown.")
	}
	t := v.Type()
	if !v.IsKnown() || !v.IsNull() && t.IsSetType() && !v.IsWhollyKnown() {
		return []instance{{env: env{scope: sc, each: &each{value: cty.DynamicVal, expr: attr.Expr}}, unknown: true, address: address, block: b}}
	}
	switch {
	case v.IsNull():
		return bad(CodeForEach, "for_each is null; use an empty map {} for no instances.")
	case t.IsListType(), t.IsTupleType():
		return bad(CodeForEach, "for_each takes a map or a set of strings, and this is a list. Use toset(...), so that instances are known by name and not by position.")
	case t.IsSetType() && !(t.ElementType() == cty.String || t.ElementType() == cty.DynamicPseudoType && v.LengthInt() == 0):
		return bad(CodeForEach, "A set in for_each holds strings; this one holds %s.", t.ElementType().FriendlyName())
	case !t.IsSetType() && !t.IsMapType() && !t.IsObjectType():
		return bad(CodeForEach, "for_each takes a map or a set of strings, not %s.", t.FriendlyName())
	case v.LengthInt() > maxInstances:
		return bad(CodeExpansion, "for_each has %d elements; one block may have %d instances.", v.LengthInt(), maxInstances)
	}
	return sc.instances(b, v, attr, address)
}

func (sc *scope) instances(b *hcl.Block, v cty.Value, attr *hcl.Attribute, address string) []instance {
	var out []instance
	folded := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		k, element := it.Element()
		if k.IsNull() || !k.IsKnown() {
			sc.session.fail(CodeForEach, attr.Expr.Range(), "Invalid for_each", "A key of for_each is null or not known.")
			continue
		}
		key := k.AsString()
		if !sc.checkKey(key, attr) {
			continue
		}
		if old, twice := folded[foldText(key)]; twice {
			sc.session.fail(CodeNameCase, attr.Expr.Range(), "Keys differ only in case", "The keys %q and %q of for_each differ only in upper and lower case. Rename one.", visible(old), visible(key))
		}
		folded[foldText(key)] = key
		out = append(out, instance{env: env{scope: sc, each: &each{key: key, value: element, expr: attr.Expr}},
			key: key, keyed: true, address: address + "[" + quoteKey(key) + "]", block: b})
	}
	return out
}

func (sc *scope) checkKey(key string, attr *hcl.Attribute) bool {
	switch {
	case key == "", len(key) > maxKey:
		sc.session.fail(CodeForEach, attr.Expr.Range(), "Invalid for_each", "A key of for_each is empty or longer than %d bytes.", maxKey)
		return false
	case visible(key) != key:
		sc.session.fail(CodeHiddenCharacter, attr.Expr.Range(), "Hidden character", "The key %q of for_each contains a character that cannot be shown.", visible(key))
		return false
	}
	return true
}

// quoteKey writes a key as HCL would: in quotes, with escapes, templates defused.
func quoteKey(key string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(key) + `"`
}
