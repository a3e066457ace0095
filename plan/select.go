package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/text/unicode/norm"
)

// Select is the selection of a mirror as configured. The zero value selects
// everything.
type Select struct {
	Include           []string   `json:"include,omitempty"`
	Exclude           []string   `json:"exclude,omitempty"`
	MinSize           *int64     `json:"min_size,omitempty"`
	MaxSize           *int64     `json:"max_size,omitempty"`
	ModifiedAfter     *time.Time `json:"modified_after,omitempty"`
	ModifiedBefore    *time.Time `json:"modified_before,omitempty"`
	Extensions        []string   `json:"extensions,omitempty"`
	ExcludeExtensions []string   `json:"exclude_extensions,omitempty"`
	// Below is where the mirror's folder lies for the patterns: the path of the shortcut that it follows. The
	// patterns of the mirror that has the shortcut reach through it.
	Below RemotePath `json:"below,omitempty"`
}

// Selector is a compiled Select. It is pure and safe for concurrent use.
type Selector struct {
	include, exclude []glob
	spec             Select
	extensions       map[string]bool
	noExtensions     map[string]bool
}

// glob is one pattern, folded. A pattern without an inner slash is matched on the
// name at any depth, one with a slash on the path below the mirror's folder.
type glob struct {
	text        string // as configured, for explanations
	pattern     string
	filePattern string // the same for files: what ends in /** names what lies below, never a file of that name itself
	anyDepth    bool
	folderOnly  bool
}

// folded makes equal what is compared as one: SharePoint does not tell case apart
// (N7), and HCL composes every pattern while names come as somebody made them (N8).
func folded(text string) string { return strings.ToLower(norm.NFC.String(text)) }

// Compile checks the patterns of a selection and makes it ready to match.
func (s Select) Compile() (*Selector, error) {
	include, err := compileGlobs(s.Include)
	if err != nil {
		return nil, fmt.Errorf("select.include: %w", err)
	}
	exclude, err := compileGlobs(s.Exclude)
	if err != nil {
		return nil, fmt.Errorf("select.exclude: %w", err)
	}
	return &Selector{
		include:      include,
		exclude:      exclude,
		spec:         s,
		extensions:   extensionSet(s.Extensions),
		noExtensions: extensionSet(s.ExcludeExtensions),
	}, nil
}

func compileGlobs(patterns []string) ([]glob, error) {
	globs := make([]glob, 0, len(patterns))
	for _, text := range patterns {
		pattern := folded(strings.TrimPrefix(text, "/"))
		folderOnly := strings.HasSuffix(pattern, "/")
		pattern = strings.TrimSuffix(pattern, "/")
		if pattern == "" || !doublestar.ValidatePattern(pattern) {
			return nil, fmt.Errorf("bad pattern %q", text)
		}
		g := glob{
			text:        text,
			pattern:     pattern,
			filePattern: pattern,
			anyDepth:    !strings.Contains(pattern, "/") && !strings.HasPrefix(text, "/"),
			folderOnly:  folderOnly,
		}
		if strings.HasSuffix(pattern, "/**") {
			g.filePattern = pattern + "/*"
		}
		globs = append(globs, g)
	}
	return globs, nil
}

func extensionSet(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, e := range list {
		set[folded(strings.TrimPrefix(e, "."))] = true
	}
	return set
}

// match reports whether the pattern names this path. A pattern that names a
// folder names all that is below it as well; callers ask for each ancestor.
func (g glob) match(at string, folder bool) bool {
	if g.folderOnly && !folder {
		return false
	}
	if g.anyDepth {
		at = path.Base(at)
	}
	pattern := g.pattern
	if !folder {
		pattern = g.filePattern
	}
	ok, _ := doublestar.Match(pattern, at)
	return ok
}

func matchAny(globs []glob, at string, folder bool) (string, bool) {
	for _, g := range globs {
		if g.match(at, folder) {
			return g.text, true
		}
	}
	return "", false
}

// Verdict of a selection on one item: whether it is selected, and the rule that
// decided, in the words of the configuration.
type Verdict struct {
	Selected bool
	Rule     string
}

// everything reports whether the selector cannot leave anything out.
func (s *Selector) everything() bool {
	return len(s.include)+len(s.exclude) == 0 && !s.narrowsFiles()
}

// byPath reports whether a change of path alone can change a verdict.
func (s *Selector) byPath() bool {
	return len(s.include)+len(s.exclude)+len(s.extensions)+len(s.noExtensions) > 0
}

// narrowsFiles reports whether files are judged by more than their path.
func (s *Selector) narrowsFiles() bool {
	return s.spec.MinSize != nil || s.spec.MaxSize != nil ||
		s.spec.ModifiedAfter != nil || s.spec.ModifiedBefore != nil ||
		len(s.extensions)+len(s.noExtensions) > 0
}

// explicitFolder reports whether a folder is wanted for its own sake, even when
// it is empty. Other folders exist only as parents of selected files.
func (s *Selector) explicitFolder(remote RemotePath, parentIncluded bool) bool {
	if s.narrowsFiles() {
		return false
	}
	return len(s.include) == 0 || parentIncluded || s.includes(remote, true)
}

// includes reports whether an include pattern names the path itself.
func (s *Selector) includes(remote RemotePath, folder bool) bool {
	_, ok := matchAny(s.include, s.lower(remote), folder)
	return ok
}

// lower is a path as the patterns match it.
func (s *Selector) lower(remote RemotePath) string {
	return folded(string(joinRemote(s.spec.Below, string(remote))))
}

// includesRoot reports whether an include pattern names the mirror's folder or one above it.
func (s *Selector) includesRoot() bool {
	return s.spec.Below != "" && coveredBy(s.include, string(s.spec.Below), true)
}

// Reaches reports whether the selection leaves anything of a folder, as far as paths tell: none of its
// patterns excludes it, and one may include what is in it.
func (s *Selector) Reaches(folder RemotePath) bool {
	lower := s.lower(folder)
	if coveredBy(s.exclude, lower, true) {
		return false
	}
	return len(s.include) == 0 || coveredBy(s.include, lower, true) ||
		slices.ContainsFunc(s.include, func(g glob) bool { return g.reachesBelow(lower) })
}

// reachesBelow reports whether the pattern may name something below a folder: it does not if their paths
// part before the folder ends.
func (g glob) reachesBelow(lower string) bool {
	if g.anyDepth || strings.Contains(g.pattern, "{") { // alternatives may hold slashes
		return true
	}
	pattern := strings.Split(g.pattern, "/")
	for i, name := range strings.Split(lower, "/") {
		if i == len(pattern) {
			return false
		}
		if pattern[i] == "**" {
			return true
		}
		if ok, _ := doublestar.Match(pattern[i], name); !ok {
			return false
		}
	}
	return true
}

// excludes reports whether an exclude pattern names the path itself.
func (s *Selector) excludes(remote RemotePath, folder bool) (string, bool) {
	return matchAny(s.exclude, s.lower(remote), folder)
}

// File judges a file by its path, size and time. parentIncluded says that an
// include pattern names a folder above it; a folder above it that is excluded
// is the caller's to know.
func (s *Selector) File(remote RemotePath, size int64, modified time.Time, parentIncluded bool) Verdict {
	lower := s.lower(remote)
	if rule, ok := matchAny(s.exclude, lower, false); ok {
		return Verdict{Rule: fmt.Sprintf("select.exclude %q", rule)}
	}
	rule := "no include list: everything is selected"
	if len(s.include) > 0 {
		text, ok := matchAny(s.include, lower, false)
		if !ok && !parentIncluded {
			return Verdict{Rule: "select.include matches nothing here"}
		}
		rule = fmt.Sprintf("select.include %q", text)
		if !ok {
			rule = "select.include names a folder above it"
		}
	}
	if reason, ok := s.fileLimits(lower, size, modified); !ok {
		return Verdict{Rule: reason}
	}
	return Verdict{Selected: true, Rule: rule}
}

func (s *Selector) fileLimits(lower string, size int64, modified time.Time) (string, bool) {
	ext := strings.TrimPrefix(path.Ext(lower), ".")
	switch spec := s.spec; {
	case len(s.extensions) > 0 && !s.extensions[ext]:
		return "select.extensions", false
	case s.noExtensions[ext] && ext != "":
		return "select.exclude_extensions", false
	case spec.MinSize != nil && size >= 0 && size < *spec.MinSize:
		return "select.min_size", false
	case spec.MaxSize != nil && size > *spec.MaxSize:
		return "select.max_size", false
	case spec.ModifiedAfter != nil && !modified.IsZero() && !modified.After(*spec.ModifiedAfter):
		return "select.modified_after", false
	case spec.ModifiedBefore != nil && !modified.IsZero() && !modified.Before(*spec.ModifiedBefore):
		return "select.modified_before", false
	}
	return "", true
}

// Equal reports whether two selections decide alike because they are written alike.
func (s Select) Equal(o Select) bool {
	return s.Below == o.Below && slices.Equal(s.Include, o.Include) && slices.Equal(s.Exclude, o.Exclude) &&
		slices.Equal(s.Extensions, o.Extensions) && slices.Equal(s.ExcludeExtensions, o.ExcludeExtensions) &&
		equalPtr(s.MinSize, o.MinSize, func(a, b int64) bool { return a == b }) &&
		equalPtr(s.MaxSize, o.MaxSize, func(a, b int64) bool { return a == b }) &&
		equalPtr(s.ModifiedAfter, o.ModifiedAfter, time.Time.Equal) &&
		equalPtr(s.ModifiedBefore, o.ModifiedBefore, time.Time.Equal)
}

func equalPtr[T any](a, b *T, eq func(T, T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return eq(*a, *b)
}

// PathMatcher returns a function that reports whether a glob of the configuration
// language names a path or a folder above it.
func PathMatcher(pattern string) (func(path string, folder bool) bool, error) {
	globs, err := compileGlobs([]string{pattern})
	if err != nil {
		return nil, err
	}
	return func(path string, folder bool) bool { return coveredBy(globs, path, folder) }, nil
}

// Selects judges a plain name or path, as if it were a file of unknown size or something that holds others.
func (s *Selector) Selects(path RemotePath, folder bool) bool {
	if coveredBy(s.exclude, string(path), folder) {
		return false
	}
	return len(s.include) == 0 || coveredBy(s.include, string(path), folder)
}
