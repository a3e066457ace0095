package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Declared is one block of a configuration and the blocks that it refers to, as the files say it: a
// block with for_each is one, whatever its instances are.
type Declared struct {
	Address string
	Kind    string   // tenant, data, mirror, module, check, output
	Module  string   // address of the module it is in, "" for the root
	Needs   []string // addresses, sorted; through locals and variables as well
}

// declaredKinds are the kinds of blocks that a graph shows.
var declaredKinds = [...]string{"tenant", "data", "mirror", "module", "check", "output"}

// Graph lists the blocks of the configuration and its modules by address. It may be called once the
// configuration was loaded without errors.
func (c *Config) Graph() []Declared {
	found := map[string]Declared{}
	if c.root == nil {
		return nil
	}
	for _, sc := range c.root.session.scopes {
		for _, kind := range declaredKinds {
			for _, b := range sc.blocks[kind] {
				d := Declared{Kind: kind, Module: strings.TrimSuffix(withoutKeys(sc.prefix), "."), Address: withoutKeys(sc.prefix) + kind + "." + strings.Join(b.Labels, ".")}
				d.Needs = sc.needs(b)
				found[d.Address] = d
			}
		}
	}
	list := make([]Declared, 0, len(found))
	for _, address := range sortedKeys(found) {
		list = append(list, found[address])
	}
	return list
}

// withoutKeys removes the keys of instances from the prefix of a module.
func withoutKeys(prefix string) string {
	var out strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(prefix); i++ {
		c := prefix[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// needs are the addresses that a block refers to.
func (sc *scope) needs(b *hcl.Block) []string {
	found := map[string]bool{}
	refs := references(b.Body)
	sc.follow(refs, found, map[string]bool{})
	if (b.Type == "mirror" || b.Type == "data") && !slices.ContainsFunc(refs, func(r hcl.Traversal) bool { return r.RootName() == "tenant" }) {
		// Without the argument it is the only tenant there is (tenantRef).
		if names := sc.session.rootScope.declared("tenant"); len(names) == 1 {
			found["tenant."+names[0]] = true
		}
	}
	return sortedKeys(found)
}

// follow resolves references to blocks, through locals and, in a module, through its arguments.
func (sc *scope) follow(refs []hcl.Traversal, found, seen map[string]bool) {
	prefix := withoutKeys(sc.prefix)
	for _, ref := range refs {
		root := ref.RootName()
		name, _ := memberName(ref, 1)
		switch root {
		case "tenant", "module", "mirror":
			if name != "" {
				found[prefix+root+"."+name] = true
			}
		case "data":
			if second, ok := memberName(ref, 2); ok {
				found[prefix+"data."+name+"."+second] = true
			}
		case "local":
			if n := sc.nodes["local."+name]; n != nil && n.expr != nil && !seen[name] {
				seen[name] = true
				sc.follow(n.expr.Variables(), found, seen)
			}
		case "var":
			if prefix != "" {
				found[strings.TrimSuffix(prefix, ".")] = true // its arguments are what the module block refers to
			}
		}
	}
}

// references are all references of a body, in native syntax or JSON.
func references(body hcl.Body) []hcl.Traversal {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, _ := body.JustAttributes() // in JSON nested blocks are values like others
		var list []hcl.Traversal
		for _, name := range sortedKeys(attrs) {
			list = append(list, attrs[name].Expr.Variables()...)
		}
		return list
	}
	var list []hcl.Traversal
	for _, name := range sortedKeys(native.Attributes) {
		list = append(list, native.Attributes[name].Expr.Variables()...)
	}
	for _, b := range native.Blocks {
		list = append(list, references(b.Body)...)
	}
	return list
}
