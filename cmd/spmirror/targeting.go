package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/config"
)

// knownAddresses refuses a -target, -exclude or -replace that names no mirror: a plan of
// nothing would look like success.
func (s *session) knownAddresses(o planOptions) error {
	for _, pattern := range slices.Concat(o.Targets, o.Excludes, addresses(o.Replace)) {
		if !slices.ContainsFunc(s.cfg.Mirrors, func(m config.Mirror) bool { return addressed(m.Address, []string{pattern}, false) }) {
			var names []string
			for _, m := range s.cfg.Mirrors {
				names = append(names, m.Address)
			}
			return &problem{code: "SPM0012", summary: fmt.Sprintf("No mirror has the address %s.%s", pattern, didYouMean(pattern, "", names))}
		}
	}
	return nil
}

// selected are the mirrors that -target and -exclude leave.
func (s *session) selected(o planOptions) []*wanted {
	var list []*wanted
	for i := range s.cfg.Mirrors {
		m := &s.cfg.Mirrors[i]
		if !m.Lifecycle.Enabled || !addressed(m.Address, o.Targets, true) || addressed(m.Address, o.Excludes, false) {
			continue
		}
		w := &wanted{cfg: m, header: mirrorHeader(m)}
		w.err = s.imported(w)
		list = append(list, w)
	}
	return list
}

// addressed reports whether one of the patterns names an address; otherwise is the
// answer when there are none.
func addressed(address string, patterns []string, otherwise bool) bool {
	if len(patterns) == 0 {
		return otherwise
	}
	for _, p := range patterns {
		if wildcard(p, address) || strings.HasPrefix(address, p+"[") {
			return true
		}
	}
	return false
}

// wildcard matches text against a pattern in which * stands for anything.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// addresses are those of -replace that name mirrors; the others are path globs. A
// glob is never taken for an address, whatever it would match there.
func addresses(replace []string) []string {
	return slices.DeleteFunc(slices.Clone(replace), func(r string) bool {
		return !strings.HasPrefix(r, "mirror.") && !strings.HasPrefix(r, "module.")
	})
}

// replacePaths turns -replace=ADDR and -replace=GLOB into path globs of a mirror.
func replacePaths(list []string, address string) []string {
	named := addresses(list)
	if addressed(address, named, false) {
		return []string{"**"}
	}
	return slices.DeleteFunc(slices.Clone(list), func(r string) bool { return slices.Contains(named, r) })
}
