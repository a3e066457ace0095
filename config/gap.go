package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Gap is an entry that a source has and that could not be read, while others could.
type Gap struct {
	Entry string // what people call it
	Err   error
}

// Gaps is an error about single entries of a data block: they are missing in what was read, and all else is in it.
type Gaps []Gap

// Error names the entries.
func (g Gaps) Error() string {
	list := make([]string, len(g))
	for i := range g {
		list[i] = g[i].text()
	}
	return strings.Join(list, "; ")
}

// Unwrap returns the errors of the entries.
func (g Gaps) Unwrap() []error {
	list := make([]error, len(g))
	for i := range g {
		list[i] = g[i].Err
	}
	return list
}

func (g Gap) text() string { return visible(g.Entry) + ": " + visible(g.Err.Error()) }

// lacks reports entries that could not be read, and whether the rest of the answer may be used without them: in a
// list, or among other instances, unless the block is strict.
func (q *question) lacks() bool {
	var gaps Gaps
	if !errors.As(q.err, &gaps) || q.strict || q.result == nil && !q.keyed {
		return false
	}
	for _, g := range gaps {
		q.session.warn(CodeDataGap, q.rng, "Data is incomplete", "%s lacks %s.", q.request.Address, g.text())
	}
	q.session.gaps = append(q.session.gaps, q.request.Address)
	return true
}

// Withheld reports whether a mirror that is not declared may be missing for the only reason that an entry of a data
// block could not be read: instances are declared for entries, and nobody knows which.
func (c *Config) Withheld(address string) bool {
	block, _, keyed := strings.Cut(address, "[")
	if len(c.Gaps) == 0 || !keyed || c.root == nil {
		return false
	}
	kind, rest, _ := strings.Cut(block, ".")
	name, _, _ := strings.Cut(rest, ".")
	return slices.ContainsFunc(c.root.blocks[kind], func(b *hcl.Block) bool { return len(b.Labels) > 0 && b.Labels[0] == name })
}

// takeAnswers puts what was read under its keys. What could not be read among others is left out.
func takeAnswers(questions []*question, values map[string]cty.Value) {
	for _, q := range questions {
		if q.lacks() {
			if q.err = nil; q.result == nil {
				delete(values, q.key)
				continue
			}
		}
		values[q.key] = q.answer()
	}
}
