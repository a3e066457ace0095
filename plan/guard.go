package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Limits are the guards of one mirror; nil means no limit.
type Limits struct {
	MaxDeleteCount         *int64
	MaxDeletePercent       *float64
	MaxDeleteBytes         *int64
	MaxFolderDeletePercent *float64
	MaxChangePercent       *float64
	MaxDownloadBytes       *int64
	MaxFiles               *int64
	RequireNonemptySource  bool
}

// GuardResult is the outcome of one guard on one mirror.
type GuardResult struct {
	Name   string `json:"name"`
	Mirror string `json:"mirror"`
	Status string `json:"status"` // pass, blocked, overridden
	Value  string `json:"value"`
	Limit  string `json:"limit"`
	Detail string `json:"detail,omitempty"`
	// Range is where the limit is configured: "main.hcl:44".
	Range string `json:"range,omitempty"`
	// Reason is why it was overridden, in the words of who did it.
	Reason string `json:"reason,omitempty"`
}

// Blocks reports whether the guard holds the plan back.
func (g GuardResult) Blocks() bool { return g.Status == GuardBlocked }

// Overridable reports whether a person may overrule the guard.
func (g GuardResult) Overridable() bool { return slices.Contains(OverridableGuards[:], g.Name) }

// Overrides names the guards that a person has to overrule for a blocked plan to be carried
// out: none where that is not enough.
func (h *Header) Overrides() []string {
	var names []string
	for _, g := range h.Guards {
		switch {
		case g.Status == GuardPass || slices.Contains(names, g.Name):
		case !g.Overridable():
			return nil
		default:
			names = append(names, g.Name)
		}
	}
	if slices.ContainsFunc(h.Checks, CheckResult.Blocks) {
		return nil
	}
	return names
}

// Statuses of a guard.
const (
	GuardPass       = "pass"
	GuardBlocked    = "blocked"
	GuardOverridden = "overridden"
)

// minFolderFiles is the size from which a top folder is guarded by percentage;
// below it a few deletes are most of it (UX 2.3).
const minFolderFiles = 20

// TopFolder is what a plan does to the files of one folder directly below the
// target.
type TopFolder struct {
	Tracked, Deleted int64
}

// OverridableGuards are the guards about amounts, which a person may overrule with
// a reason. The others are about identity, where going ahead cannot be right.
var OverridableGuards = [...]string{
	"max_change_percent", "max_delete_bytes", "max_delete_count", "max_delete_percent", "max_download_bytes",
	"max_files", "max_folder_delete_percent", guardFreeSpace, "require_nonempty_source",
}

// IdentityGuards are the guards that nobody can overrule.
var IdentityGuards = [...]string{"require_complete_listing", "require_marker", "require_same_source"}

// guardFreeSpace is the one guard whose value other programs change.
const guardFreeSpace = "min_free_space"

// Guard evaluates the limits of one mirror on its finished counts, all but that of its
// disk, which GuardSpace judges for all mirrors together. It is pure: nothing has run yet,
// and a plan that is blocked is still shown (UX 0.8).
func (l Limits) Guard(m *Mirror, tops map[string]TopFolder) []GuardResult {
	g := guarding{mirror: m.Address}
	deletes := m.Summary[Delete]
	tracked := m.Tracked.Files
	changed := deletes.Files + m.Summary[Update].Files
	if l.MaxDeleteCount != nil && deletes.Items > 0 {
		g.check("max_delete_count", deletes.Items > *l.MaxDeleteCount,
			fmt.Sprint(deletes.Items), fmt.Sprint(*l.MaxDeleteCount), "")
	}
	if l.MaxDeletePercent != nil && deletes.Files > 0 {
		g.percent("max_delete_percent", deletes.Files, tracked, *l.MaxDeletePercent)
	}
	if l.MaxDeleteBytes != nil && deletes.Bytes > 0 {
		g.check("max_delete_bytes", deletes.Bytes > *l.MaxDeleteBytes,
			fmt.Sprint(deletes.Bytes), fmt.Sprint(*l.MaxDeleteBytes), "bytes")
	}
	if l.MaxFolderDeletePercent != nil {
		g.tops(tops, *l.MaxFolderDeletePercent)
	}
	if l.MaxChangePercent != nil && changed > 0 {
		g.percent("max_change_percent", changed, tracked, *l.MaxChangePercent)
	}
	download := m.Summary[Add].Bytes + m.Summary[Update].Bytes
	if l.MaxDownloadBytes != nil {
		g.check("max_download_bytes", download > *l.MaxDownloadBytes,
			fmt.Sprint(download), fmt.Sprint(*l.MaxDownloadBytes), "bytes")
	}
	added := m.Summary[Add].Files - m.restored + m.Summary[Adopt].Files
	files := tracked + added - deletes.Files - m.Summary[Forget].Files
	if l.MaxFiles != nil && added > 0 { // a mirror above its limit may still shrink
		g.check("max_files", files > *l.MaxFiles, fmt.Sprint(files), fmt.Sprint(*l.MaxFiles), "files")
	}
	if l.RequireNonemptySource && deletes.Files > 0 && files <= 0 {
		g.check("require_nonempty_source", true, "0 files left", "at least 1", "the source looks empty")
	}
	return g.results
}

// guarding collects results.
type guarding struct {
	mirror  string
	results []GuardResult
}

func (g *guarding) check(name string, over bool, value, limit, detail string) {
	status := GuardPass
	if over {
		status = GuardBlocked
	}
	g.results = append(g.results, GuardResult{
		Name: name, Mirror: g.mirror, Status: status, Value: value, Limit: limit, Detail: detail,
	})
}

func (g *guarding) percent(name string, part, whole int64, limit float64) {
	p := 100.0
	if whole > 0 {
		p = 100 * float64(part) / float64(whole)
	}
	g.check(name, p > limit, fmt.Sprintf("%.1f %%", p), fmt.Sprintf("%g %%", limit),
		fmt.Sprintf("%d of %d tracked files", part, whole))
}

// tops guards each folder directly below the target, so that many deletes in one
// folder do not hide in a large mirror (I-24).
func (g *guarding) tops(tops map[string]TopFolder, limit float64) {
	var names []string
	for name, t := range tops {
		if t.Tracked > minFolderFiles && 100*float64(t.Deleted)/float64(t.Tracked) > limit {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		t := tops[name]
		p := 100 * float64(t.Deleted) / float64(t.Tracked)
		g.check("max_folder_delete_percent", true, fmt.Sprintf("%.1f %%", p), fmt.Sprintf("%g %%", limit),
			fmt.Sprintf("%d of %d tracked files in /%s/", t.Deleted, t.Tracked, name))
	}
}
