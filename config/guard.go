package config

import (
	"maps"
	"math"

	"github.com/hashicorp/hcl/v2"
)

// guardBase is what a mirror's guard starts from: the defaults, then the root guard.
type guardBase struct {
	guard  Guard
	ranges map[string]hcl.Range
}

// defaultGuard are limits that ordinary days stay below and accidents do not
// (INVARIANTS 7.3).
func defaultGuard() Guard {
	return Guard{
		MaxDeleteCount: ptr[int64](1000), MaxDeletePercent: ptr[float64](10), MaxDeleteBytes: ptr[int64](10 << 30),
		MaxFolderDeletePercent: ptr[float64](25), MaxChangePercent: ptr[float64](50), MinFreeSpace: ptr[int64](1 << 30),
		RequireNonemptySource: true, RequireCompleteListing: true, RequireSameSource: true, RequireMarker: true,
	}
}

func ptr[T any](v T) *T { return &v }

// rootGuard reads the guard block at the top level. A module without one has the
// guard of the root module.
func (sc *scope) rootGuard(blocks hcl.Blocks) guardBase {
	base := guardBase{guard: defaultGuard(), ranges: map[string]hcl.Range{}}
	if sc.depth > 0 {
		base = sc.session.baseGuard
	}
	for i, b := range blocks {
		if i > 0 {
			sc.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "A guard block may appear once at the top level; the first is at %s.", place(blocks[0].DefRange))
			continue
		}
		r := env{scope: sc}.open(b.Body, guardSpec, b.DefRange)
		base.guard, base.ranges = r.guard(base)
	}
	if sc.depth == 0 {
		sc.session.baseGuard = base
	}
	return base
}

// guard reads a guard block over a base. An argument set to null lifts the limit that
// the base has; one that is not written keeps it.
func (r *reader) guard(base guardBase) (Guard, map[string]hcl.Range) {
	g, ranges := base.guard, maps.Clone(base.ranges)
	limit(r, &g.MaxDeleteCount, ranges, "max_delete_count", r.count)
	limit(r, &g.MaxFiles, ranges, "max_files", r.count)
	limit(r, &g.MaxDeletePercent, ranges, "max_delete_percent", r.percent)
	limit(r, &g.MaxFolderDeletePercent, ranges, "max_folder_delete_percent", r.percent)
	limit(r, &g.MaxChangePercent, ranges, "max_change_percent", r.percent)
	limit(r, &g.MaxDeleteBytes, ranges, "max_delete_bytes", r.size)
	limit(r, &g.MaxDownloadBytes, ranges, "max_download_bytes", r.size)
	limit(r, &g.MinFreeSpace, ranges, "min_free_space", r.size)
	for _, p := range []struct {
		name string
		flag *bool
	}{
		{"require_nonempty_source", &g.RequireNonemptySource}, {"require_complete_listing", &g.RequireCompleteListing},
		{"require_same_source", &g.RequireSameSource}, {"require_marker", &g.RequireMarker},
	} {
		if !r.has(p.name) {
			continue
		}
		*p.flag = r.boolean(p.name, *p.flag)
		ranges[p.name] = r.at(p.name)
		if !*p.flag {
			r.advise(p.name, CodeWithoutProtector, "Protection turned off", "%s = false turns a guard off that keeps an empty or incomplete answer, another source or another disk from deleting files.", p.name)
		}
	}
	return g, ranges
}

// limit replaces one limit when the block writes it.
func limit[T any](r *reader, field **T, ranges map[string]hcl.Range, name string, read func(string) *T) {
	if !r.has(name) {
		return
	}
	if !r.written(name) {
		*field = nil
		ranges[name] = r.at(name)
		return
	}
	if v := read(name); v != nil {
		*field = v
		ranges[name] = r.at(name)
	}
}

// count reads a whole number of things; zero means none at all are allowed.
func (r *reader) count(name string) *int64 { return r.whole(name, 0, math.MaxInt64) }
