package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
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
			return &problem{code: "SPM0012", summary: "No mirror has the address " + pattern + didYouMeanAddress(pattern, "mirror", names), detail: among("Declared", names)}
		}
	}
	return nil
}

// selected are the mirrors that -target and -exclude leave.
func (s *session) selected(o planOptions) []*wanted {
	var list []*wanted
	for i := range s.cfg.Mirrors {
		m := &s.cfg.Mirrors[i]
		sc := s.shortcut(m.Address)
		if !m.Lifecycle.Enabled || !s.named(m.Address, o.Targets, true) || s.named(m.Address, o.Excludes, false) {
			continue
		}
		w := &wanted{cfg: m, header: mirrorHeader(m), shortcut: sc}
		if sc != nil && len(m.Select.Include)+len(m.Select.Exclude) > 0 {
			w.header.Select.Below = sc.path
		}
		w.err = s.imported(w)
		list = append(list, w)
	}
	return list
}

// named is addressed for mirrors that may follow shortcuts: what names the mirror that has the
// shortcut means them as well.
func (s *session) named(address string, patterns []string, otherwise bool) bool {
	of, _, nested := s.nested(address)
	return addressed(address, patterns, otherwise) || nested && addressed(of, patterns, otherwise)
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
func (s *session) replacePaths(list []string, address string) []string {
	if s.named(address, addresses(list), false) {
		return []string{"**"}
	}
	return globsOf(list)
}

// globsOf are those of -replace that are no addresses.
func globsOf(replace []string) []string {
	named := addresses(replace)
	return slices.DeleteFunc(slices.Clone(replace), func(r string) bool { return slices.Contains(named, r) })
}

// pathGlobs are the globs of -target-path and -replace.
func pathGlobs(o planOptions) (*plan.Patterns, error) {
	globs, err := plan.NewPatterns(slices.Concat(o.TargetPaths, globsOf(o.Replace))...)
	if err != nil {
		return nil, &problem{code: "SPM0002", summary: "Invalid -target-path or -replace: " + err.Error()}
	}
	return globs, nil
}

// seen notes which globs name the changes that are emitted.
func seen(globs *plan.Patterns, base plan.RelPath, emit func(plan.Change) error) func(plan.Change) error {
	return func(c plan.Change) error {
		globs.See(base, &c)
		return emit(c)
	}
}

// warnUnnamed says which flags name nothing at all: a plan without what they were
// meant for must not look as if it were done.
func warnUnnamed(ctx context.Context, h *plan.Header, o planOptions, mirrors []*wanted, globs *plan.Patterns) error {
	warn := func(summary, detail string) {
		h.Diagnostics = append(h.Diagnostics, plan.Diagnostic{Severity: "warning", Code: "SPM0040", Summary: summary, Detail: detail})
	}
	if len(mirrors) == 0 && o.Narrowed() {
		warn("No mirror is left to plan", "-exclude leaves out all that -target names, or what is left is disabled (lifecycle.enabled).")
		return nil
	}
	var looks []*plan.Request
	for _, w := range mirrors {
		if w.look != nil {
			looks = append(looks, w.look)
		}
	}
	for _, r := range looks {
		if err := r.Glance(ctx, globs); err != nil {
			return err
		}
	}
	for _, r := range looks {
		if err := r.Look(ctx, globs); err != nil {
			return err
		}
	}
	unplanned := len(looks) < len(mirrors)
	for _, glob := range globs.Unnamed() {
		flag := "-replace"
		if slices.Contains(o.TargetPaths, glob) {
			flag = "-target-path"
		}
		detail := "Nothing that a planned mirror selects or has on disk is called that, or lies in such a folder. Globs are relative to the target."
		if unplanned {
			detail += "\nMirrors that could not be planned were not looked through."
		}
		warn(fmt.Sprintf("%s=%s names nothing", flag, glob), detail)
	}
	return nil
}
