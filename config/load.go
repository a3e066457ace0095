package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// defaultBackend is where the state lies when nothing is said.
const defaultBackend = "spmirror.db"

// Load reads the configuration of a directory. The Config is never nil: with errors
// it holds what could be understood, and always the sources that printing the
// diagnostics needs. All mistakes are in the diagnostics, not the first only.
func Load(opts Options) (*Config, hcl.Diagnostics) {
	s := newSession(opts)
	cfg := &Config{Dir: s.dir, Sources: s.sources, Approval: "on_guard", PlanMaxAge: 72 * time.Hour, Names: "full"}
	cfg.Backend.Path = filepath.Join(s.dir, defaultBackend)
	bodies := s.bodies(".")
	cfg.Files = s.files
	if s.diags.HasErrors() || !s.checkVersion(bodies, opts.ToolVersion) {
		s.closing()
		return cfg, s.diags
	}
	root := newScope(s, nil, ".", "")
	cfg.root, s.rootScope = root, root
	blocks := root.collect(bodies)
	root.declareVariables(blocks["variable"])
	values := s.gather(opts.Vars, root.declared("var"))
	root.assign(values)
	cfg.Missing = root.missing(values)
	root.declare(blocks)
	root.validate()

	root.settings(cfg, blocks["spmirror"])
	parts := root.build(blocks)
	for _, m := range s.modules {
		parts.add(m)
	}
	cfg.Tenants, cfg.Mirrors, cfg.Deferred = parts.tenants, parts.mirrors, append(parts.deferred, s.deferred...)
	cfg.Checks, cfg.Outputs = parts.checks, parts.outputs
	cfg.Imports, cfg.Moved, cfg.Removed = parts.imports, parts.moved, parts.removed
	cfg.Gaps = s.gaps
	sortParts(cfg)
	cfg.crossCheck(s)
	s.inspectExpressions(cfg)
	cfg.Files = s.files
	cfg.Variables = root.publicVariables()
	cfg.Digest = s.digest(cfg)
	s.closing()
	return cfg, s.diags
}

func newSession(opts Options) *session {
	dir := opts.Dir
	if dir == "" {
		dir = "."
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	s := &session{dir: dir, file: opts.File, offline: opts.Data == nil, data: opts.Data,
		env: map[string]string{}, sources: map[string]*hcl.File{}, read: map[string]string{}, parsed: map[string][]hcl.Body{}, baseGuard: guardBase{guard: defaultGuard()}}
	for _, entry := range opts.Env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			s.env[name] = value
		}
	}
	return s
}

func newScope(s *session, parent *scope, dir, prefix string) *scope {
	sc := &scope{session: s, dir: dir, prefix: prefix, vars: map[string]*variable{}, nodes: map[string]*node{},
		tenants: map[string][]Tenant{}, mirrors: map[string]cty.Value{}}
	if parent != nil {
		sc.depth = parent.depth + 1
	}
	sc.funcs = functions(sc)
	return sc
}

// checkVersion looks at required_version alone, before anything else is understood:
// a newer language must lead to "install a newer version", not to a list of unknown words.
func (s *session) checkVersion(bodies []hcl.Body, tool string) bool {
	have, err := version.NewVersion(strings.TrimPrefix(tool, "v"))
	if err != nil {
		have = nil // a development build without version satisfies everything
	}
	ok := true
	for _, body := range bodies {
		content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "spmirror"}}})
		for _, b := range content.Blocks {
			inner, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}})
			if attr := inner.Attributes["required_version"]; attr != nil {
				ok = s.checkConstraint(attr, have, tool) && ok
			}
		}
	}
	return ok
}

func (s *session) checkConstraint(attr *hcl.Attribute, have *version.Version, tool string) bool {
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		s.fail(CodeVersion, attr.Expr.Range(), "Invalid version constraint", "required_version is a constant string such as \">= 0.1, < 2.0\".")
		return true // it says nothing of the version, and hides no other mistake
	}
	constraints, err := version.NewConstraint(v.AsString())
	if err != nil {
		s.fail(CodeVersion, attr.Expr.Range(), "Invalid version constraint", "%q is not a list of version constraints such as \">= 0.1, < 2.0\".", visible(v.AsString()))
		return true
	}
	if have == nil || constraints.Check(have.Core()) {
		return true
	}
	s.fail(CodeVersion, attr.Expr.Range(), "Version not supported", "This configuration requires spmirror %s, and this is version %s. Install a version that fits. Nothing else was looked at.", v.AsString(), tool)
	return false
}

// collect sorts the top-level blocks of all files by type.
func (sc *scope) collect(bodies []hcl.Body) map[string]hcl.Blocks {
	out := map[string]hcl.Blocks{}
	for _, body := range bodies {
		content, diags := body.Content(rootSpec.schema())
		sc.session.report(diags...)
		for _, b := range content.Blocks {
			out[b.Type] = append(out[b.Type], b)
		}
	}
	return out
}

// declare makes nodes of everything that is computed on demand.
func (sc *scope) declare(blocks map[string]hcl.Blocks) {
	sc.blocks = blocks
	sc.session.scopes = append(sc.session.scopes, sc)
	sc.declareLocals(blocks["locals"])
	sc.declareTenants(blocks["tenant"])
	sc.declareData(blocks["data"])
	sc.declareModules(blocks["module"])
	sc.checkLabels(blocks["mirror"], "mirror")
	sc.checkLabels(blocks["check"], "check")
	sc.checkLabels(blocks["output"], "output")
	for _, b := range blocks["mirror"] {
		sc.labels = append(sc.labels, b.Labels[0])
	}
}

// checkLabels reports labels that are no names, appear twice, or differ in case only.
func (sc *scope) checkLabels(blocks hcl.Blocks, what string) {
	seen := map[string]*hcl.Block{}
	for _, b := range blocks {
		name := b.Labels[0]
		if !sc.checkName(b.LabelRanges[0], name, what) {
			continue
		}
		key := foldText(name)
		old := seen[key]
		switch {
		case old == nil:
			seen[key] = b
		case old.Labels[0] == name:
			sc.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "The %s %q is already declared at %s.", what, name, place(old.DefRange))
		default:
			sc.session.fail(CodeNameCase, b.DefRange, "Names differ only in case", "The %s %q and the %s %q at %s differ only in upper and lower case. Rename one.", what, name, what, old.Labels[0], place(old.DefRange))
		}
	}
}

// parts is what one module contributes.
type parts struct {
	tenants  []Tenant
	mirrors  []Mirror
	deferred []string
	checks   []Check
	outputs  []Output
	imports  []Import
	moved    []Moved
	removed  []Removed
}

// add takes over what a module contributes.
func (p *parts) add(m *parts) {
	p.mirrors = append(p.mirrors, m.mirrors...)
	p.deferred = append(p.deferred, m.deferred...)
	p.checks = append(p.checks, m.checks...)
	p.imports = append(p.imports, m.imports...)
	p.moved = append(p.moved, m.moved...)
	p.removed = append(p.removed, m.removed...)
}

// build computes everything a module declares. Each node is resolved, so that a
// mistake in a value nobody uses is reported as well.
func (sc *scope) build(blocks map[string]hcl.Blocks) *parts {
	p := &parts{}
	base := sc.rootGuard(blocks["guard"])
	for _, name := range sortedKeys(sc.nodes) {
		sc.resolve(name)
	}
	for _, name := range sortedKeys(sc.tenants) {
		p.tenants = append(p.tenants, sc.tenants[name]...)
	}
	sc.buildMirrors(p, blocks["mirror"], base)
	sc.buildRefactors(p, blocks, base)
	sc.buildChecks(p, blocks["check"])
	sc.buildOutputs(p, blocks["output"])
	return p
}

func (sc *scope) settings(cfg *Config, blocks hcl.Blocks) {
	for i, b := range blocks {
		if i > 0 {
			sc.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "A spmirror block may appear once; the first is at %s.", place(blocks[0].DefRange))
			continue
		}
		r := env{scope: sc}.open(b.Body, settingsSpec, b.DefRange)
		cfg.Approval = r.oneOf("approval", cfg.Approval, "always", "on_delete", "on_guard", "never")
		cfg.Names = r.oneOf("names", cfg.Names, "full", "folders", "hashed")
		cfg.PlanMaxAge = r.duration("plan_max_age", cfg.PlanMaxAge)
		if cfg.PlanMaxAge < time.Minute {
			r.reject("plan_max_age", CodeRange, "Out of range", "plan_max_age is at least one minute: a shorter age would refuse every plan.")
		}
		if cfg.Approval == "never" {
			r.advise("approval", CodeWithoutProtector, "Protection turned off", "approval = \"never\" lets -auto-approve apply every change, deletions beyond the guards excepted, without a reviewed plan.")
		}
		sc.backend(cfg, r)
	}
}

func (sc *scope) backend(cfg *Config, r *reader) {
	b := r.one("backend")
	if b == nil {
		return
	}
	if b.Labels[0] != "sqlite" {
		sc.session.fail(CodeBackend, b.LabelRanges[0], "Unknown backend", "There is no backend %q. The state is a SQLite file: backend \"sqlite\" { path = \"spmirror.db\" }.", visible(b.Labels[0]))
		return
	}
	inner := r.open(b.Body, backendSpec, b.DefRange)
	p := inner.text("path")
	if inner.has("path") && p == "" {
		if v, ok := inner.get("path", cty.String); ok && v.AsString() == "" {
			inner.reject("path", CodeBackend, "Invalid backend", "The path of the state is empty. Leave it out to use %q.", defaultBackend)
		}
		return
	}
	if strings.HasSuffix(p, "/") || strings.Contains(p, "://") || strings.HasPrefix(p, "file:") {
		inner.reject("path", CodeBackend, "Invalid backend", "The path of the state names a file of the local file system, not a directory or URL.")
		return
	}
	if p != "" {
		cfg.Backend.Path = sc.session.absolute(p)
	}
}

// absolute resolves a path of the configuration against its directory.
func (s *session) absolute(p string) string {
	if p == "" {
		return ""
	}
	p = filepath.FromSlash(p)
	if !filepath.IsAbs(p) {
		p = filepath.Join(s.dir, p)
	}
	return filepath.Clean(p)
}

func sortParts(cfg *Config) {
	slices.SortFunc(cfg.Tenants, func(a, b Tenant) int { return strings.Compare(a.Address, b.Address) })
	slices.SortFunc(cfg.Mirrors, func(a, b Mirror) int { return strings.Compare(a.Address, b.Address) })
	slices.SortFunc(cfg.Checks, func(a, b Check) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(cfg.Outputs, func(a, b Output) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(cfg.Deferred)
}

func (sc *scope) missing(values map[string]given) []string {
	var out []string
	for _, name := range sc.declared("var") {
		if _, ok := values[name]; !ok && sc.vars[name].fallback == nil {
			out = append(out, name)
		}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
