package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Now returns the address that a mirror of the state has in this configuration: the
// one it was recorded under, or where the moved blocks lead from there. An address that
// is declared is never moved away.
func (c *Config) Now(address string) string {
	at := address
	for range len(c.Moved) + 1 {
		next, ok := c.step(at)
		if !ok || c.declared[at] {
			return at
		}
		at = next
	}
	return address // in a circle, which checkMoved refuses where it can see it
}

// step follows one moved block from an address.
func (c *Config) step(address string) (string, bool) {
	for _, m := range c.Moved {
		if next, ok := m.translate(address); ok && next != address {
			return next, true
		}
	}
	return "", false
}

// translate gives an address the name that the block says. A block without keys means
// all instances of a mirror or of a module, one with a key only that instance.
func (m Moved) translate(address string) (string, bool) {
	rest, ok := strings.CutPrefix(address, m.From)
	switch {
	case !ok:
		return "", false
	case rest == "", rest[0] == '.':
		return m.To + rest, true
	case rest[0] == '[' && !strings.HasSuffix(m.From, "]") && !strings.HasSuffix(m.To, "]"):
		return m.To + rest, true
	}
	return "", false
}

// covers reports whether a removed block means an address: that very one, an instance
// of it, or one in the module that it names.
func (r Removed) covers(address string) bool {
	rest, ok := strings.CutPrefix(address, r.From)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Ending returns the removed block that deletes the files of a mirror which the
// configuration does not declare any more, as the mirror that those deletes are planned
// and judged for: it has no source, and its target is that of the state.
func (c *Config) Ending(address string) (Mirror, bool) {
	for _, r := range c.Removed {
		if r.Destroy && r.covers(address) {
			m := Mirror{
				Address: address, TargetNames: "native", Trash: r.Trash, Guard: r.Guard, GuardRanges: r.guardRanges, Range: r.Range,
				Lifecycle: Lifecycle{OnRemoteDelete: "trash", OnDeselect: "trash", OnLocalChange: "restore", OnUntracked: "block", OnSuperseded: "skip"},
			}
			return m, true
		}
	}
	return Mirror{}, false
}

// Ends reports whether a removed block says that a mirror was taken out on purpose.
func (c *Config) Ends(address string) bool {
	for _, r := range c.Removed {
		if r.covers(address) {
			return true
		}
	}
	return false
}

// removed decodes one removed block.
func (sc *scope) removed(b *hcl.Block, base guardBase) Removed {
	r := env{scope: sc}.open(b.Body, removedSpec, b.DefRange)
	from, _ := r.place("from")
	rm := Removed{From: from, Destroy: r.nested("lifecycle").boolean("destroy", false), Range: b.DefRange}
	rm.Trash = r.nested("trash").trash()
	rm.Guard, rm.guardRanges = r.nested("guard").guard(base)
	return rm
}
