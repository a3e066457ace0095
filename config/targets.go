package config

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Directories that no mirror may have as target: systemTrees with everything in
// them, sharedDirs only themselves, because a mirror of its own below them is usual.
var (
	systemTrees = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/System", "/Library", `C:\Windows`, `C:\Program Files`, `C:\Program Files (x86)`}
	sharedDirs  = []string{"/", "/home", "/root", "/var", "/var/lib", "/var/log", "/run", "/opt", "/srv", "/mnt", "/media", "/tmp", "/Users", "/Volumes", "/Applications", "/private", `C:\Users`}
	// usrLocal is the part of a system tree that belongs to the administrator.
	usrLocal = "/usr/local/share"
)

// protected says what a path is that no mirror may write into, or "". Only the text
// of the path counts; links are looked at when the target is opened.
func (s *session) protected(p string) string {
	switch {
	case filepath.Dir(p) == p:
		return "the root of a file system"
	case slices.ContainsFunc(sharedDirs, func(d string) bool { return samePath(p, d) }):
		return "a directory of the system"
	case slices.ContainsFunc(systemTrees, func(d string) bool { return samePath(p, d) || within(p, d) }) && !within(p, usrLocal):
		return "a directory of the system or lies in one"
	case samePath(p, s.dir):
		return "the configuration directory"
	case within(s.dir, p):
		return "a directory that contains the configuration"
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := s.env[name]; filepath.IsAbs(home) && (samePath(p, filepath.Clean(home)) || within(filepath.Clean(home), p)) {
			return "the home directory or contains it"
		}
	}
	return ""
}

// shown is a path as messages have it: relative when it belongs to the configuration.
func (s *session) shown(p string) string {
	if p == s.dir || within(p, s.dir) || within(s.dir, p) {
		rel, err := filepath.Rel(s.dir, p)
		rel = filepath.ToSlash(rel)
		// A climb of several steps says less than the path itself.
		if err == nil && !strings.HasPrefix(rel, "../..") {
			if rel != "." && rel != ".." {
				rel = "./" + rel
			}
			return visible(rel)
		}
	}
	return visible(p)
}

// samePath compares as the strictest of our platforms would: Linux tells case apart,
// the others do not.
func samePath(a, b string) bool {
	if runtime.GOOS == "linux" {
		return a == b
	}
	return foldText(a) == foldText(b)
}

// within reports whether p lies strictly below dir.
func within(p, dir string) bool {
	if runtime.GOOS != "linux" {
		p, dir = foldText(p), foldText(dir)
	}
	return strings.HasPrefix(p, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator)) && p != dir
}

// crossCheck looks at what concerns several blocks at once.
func (c *Config) crossCheck(s *session) {
	c.checkOverlaps(s)
	c.checkStatePath(s)
	c.checkSourcesTwice(s)
	c.checkTenants(s)
	c.checkRefactors(s)
	if !s.offline {
		s.report(c.Credentials()...)
	}
}

// checkOverlaps reports equal and nested targets. Paths are compared folded on every
// system, because a target may lie on a file system that folds case (H-88).
func (c *Config) checkOverlaps(s *session) {
	owners := map[string]*Mirror{}
	for i := range c.Mirrors {
		m := &c.Mirrors[i]
		if m.Target == "" {
			continue
		}
		key := foldText(m.Target)
		if old := owners[key]; old != nil {
			how := "the same target"
			if old.Target != m.Target {
				how = "targets that differ only in upper and lower case"
			}
			s.fail(CodeTargetOverlap, m.targetRange, "Targets overlap", "%s and %s have %s: %s.", old.Address, m.Address, how, s.shown(m.Target))
			continue
		}
		owners[key] = m
	}
	for i := range c.Mirrors {
		m := &c.Mirrors[i]
		if m.Target == "" {
			continue
		}
		for dir := filepath.Dir(foldText(m.Target)); ; dir = filepath.Dir(dir) {
			if outer := owners[dir]; outer != nil && outer != m {
				s.fail(CodeTargetOverlap, m.targetRange, "Targets overlap", "The target of %s (%s) lies inside the target of %s (%s). Each would take the other's files for foreign ones.", m.Address, s.shown(m.Target), outer.Address, s.shown(outer.Target))
				break
			}
			if filepath.Dir(dir) == dir {
				break
			}
		}
	}
}

func (c *Config) checkStatePath(s *session) {
	state := c.Backend.Path
	for _, m := range c.Mirrors {
		switch {
		case m.Target == "":
		case samePath(m.Target, state) || within(m.Target, state):
			s.fail(CodeTargetState, m.targetRange, "Target and state overlap", "The target of %s lies in the path of the state file %s.", m.Address, s.shown(state))
		case within(state, m.Target):
			s.fail(CodeTargetState, m.targetRange, "Target and state overlap", "The state file %s lies inside the target of %s. Put the state beside the targets.", s.shown(state), m.Address)
		}
	}
}

func (c *Config) checkSourcesTwice(s *session) {
	type key struct{ tenant, source, drive, folder string }
	seen := map[key]*Mirror{}
	for i := range c.Mirrors {
		m := &c.Mirrors[i]
		src := m.Source
		k := key{m.Tenant, foldText(src.Site + "|" + src.SiteID + "|" + src.User + "|" + src.Group + "|" + src.DriveID + "|" + src.ShareURL), foldText(src.Drive), foldText(src.Folder)}
		if strings.Trim(k.source, "|") == "" {
			continue
		}
		if old := seen[k]; old != nil && old.Target != m.Target {
			s.warn(CodeSourceTwice, m.Range, "Source mirrored twice", "%s and %s read the same folder %s into different targets.", old.Address, m.Address, visible(src.Folder))
			continue
		}
		seen[k] = m
	}
}

// checkTenants reports references to tenants that no instance has.
func (c *Config) checkTenants(s *session) {
	known := map[string]bool{}
	for _, t := range c.Tenants {
		known[t.Address] = true
	}
	for _, m := range c.Mirrors {
		if m.Tenant != "" && !known[m.Tenant] {
			s.fail(CodeTenantMissing, m.Range, "No tenant", "%s refers to %s, which is not declared.", m.Address, visible(m.Tenant))
		}
	}
}

// noRange is the place of things that have none.
var noRange = hcl.Range{}
