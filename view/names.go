package view

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// The values of the setting "names": what plans and reports show of files.
const (
	NamesFull    = "full"
	NamesFolders = "folders" // folders only; a file is "*"
	NamesHashed  = "hashed"  // each name is a stable short hash
)

// naming applies the setting "names" to paths and to what quotes them. The empty
// value shows everything.
type naming string

// hidden stands for a file's name. SharePoint allows no asterisk in a name, so it
// is never taken for one.
const hidden = "*"

func (n naming) hides() bool { return n == NamesFolders || n == NamesHashed }

// path returns what is shown of an item's path.
func (n naming) path(p plan.RelPath, folder bool) plan.RelPath {
	switch {
	case p == "":
		return p
	case n == NamesFolders && !folder:
		return plan.RelPath(path.Join(path.Dir(string(p)), hidden))
	case n == NamesHashed:
		parts := strings.Split(string(p), "/")
		for i, part := range parts {
			parts[i] = hashedName(part)
		}
		return plan.RelPath(strings.Join(parts, "/"))
	}
	return p
}

// hashedName is a stable pseudonym: equal names stay equal, and the kind of file
// stays visible. It hides names from a reader, not from someone who can guess them.
func hashedName(name string) string {
	if name == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(name))
	short := hex.EncodeToString(sum[:5])
	if ext := path.Ext(name); plainExtension(ext) && len(ext) < len(name) {
		return short + ext
	}
	return short
}

// plainExtension keeps what tells a kind of file and nothing else.
func plainExtension(ext string) bool {
	return len(ext) >= 2 && len(ext) <= 6 && !strings.ContainsFunc(ext[1:], func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// change returns a change as it may be shown. Details are sentences that may
// quote names, so they go as well.
func (n naming) change(c plan.Change) plan.Change {
	if !n.hides() {
		return c
	}
	c.Path, c.PreviousPath = n.path(c.Path, c.Folder), n.path(c.PreviousPath, c.Folder)
	c.Detail = ""
	if !c.Folder || n == NamesHashed {
		name := path.Base(string(c.Path))
		c.Name, c.Fold = name, name
	}
	if c.Remote != nil && c.Remote.By != "" && n == NamesHashed {
		r := *c.Remote
		r.By = hashedName(r.By)
		c.Remote = &r
	}
	return c
}

func (n naming) drift(d plan.Drift) plan.Drift {
	d.Path = n.path(d.Path, false)
	return d
}

func (n naming) result(r apply.Result) apply.Result {
	if n.hides() {
		r.Path = n.path(r.Path, r.Folder)
		r.Message = ""
	}
	return r
}

// folder returns what is shown of a row of the folder table ("/2025/Q3/").
func (n naming) folder(row string) string {
	if n != NamesHashed || len(row) < 2 {
		return row
	}
	return "/" + string(n.path(plan.RelPath(strings.Trim(row, "/")), true)) + "/"
}

// header returns a header as it may be shown; the original is left alone.
func (n naming) header(h *plan.Header) *plan.Header {
	if !n.hides() {
		return h
	}
	out := *h
	out.Mirrors = make([]*plan.Mirror, len(h.Mirrors))
	for i, m := range h.Mirrors {
		shown := *m
		shown.Folders = make([]plan.FolderRow, len(m.Folders))
		for j, row := range m.Folders {
			row.Path = n.folder(row.Path)
			shown.Folders[j] = row
		}
		shown.Samples = make(map[plan.Action][]plan.Change, len(m.Samples))
		for a, list := range m.Samples {
			for _, c := range list {
				shown.Samples[a] = append(shown.Samples[a], n.change(c))
			}
		}
		shown.Select.Include, shown.Select.Exclude = n.patterns(m.Select.Include), n.patterns(m.Select.Exclude)
		shown.ConfigChanges = n.configChanges(m.ConfigChanges)
		out.Mirrors[i] = &shown
	}
	out.Guards = make([]plan.GuardResult, len(h.Guards))
	for i, g := range h.Guards {
		out.Guards[i] = n.guard(g)
	}
	return &out
}

// patterns hides the patterns of a selection: they may be names.
func (n naming) patterns(list []string) []string {
	if !n.hides() || len(list) == 0 {
		return list
	}
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = hashedName(p)
	}
	return out
}

func (n naming) configChanges(list []plan.ConfigChange) []plan.ConfigChange {
	out := make([]plan.ConfigChange, len(list))
	for i, c := range list {
		out[i] = plan.ConfigChange{Path: c.Path, Before: n.setting(c.Before), After: n.setting(c.After)}
	}
	return out
}

// setting hides the texts of a value. Numbers stay.
func (n naming) setting(v any) any {
	switch v := v.(type) {
	case string:
		return hashedName(v)
	case []string:
		return n.patterns(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = n.setting(e)
		}
		return out
	}
	return v
}

// guard leaves out the folder that a guard names.
func (n naming) guard(g plan.GuardResult) plan.GuardResult {
	if n == NamesHashed {
		g.Detail, _, _ = strings.Cut(g.Detail, " in /")
	}
	return g
}

// ShownPath is a path as text shows it: escaped for a terminal, and with the names that
// the setting allows. A slash at its beginning and end stays.
func (o Output) ShownPath(path string, folder bool) string {
	trimmed := strings.Trim(path, "/")
	if !o.names().hides() || trimmed == "" {
		return Name(path)
	}
	before, after, _ := strings.Cut(path, trimmed)
	return Name(before + string(o.names().path(plan.RelPath(trimmed), folder)) + after)
}
