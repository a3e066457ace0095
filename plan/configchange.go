package plan

import (
	"slices"
	"time"
)

// ConfigChange is one setting of a mirror that is configured otherwise than when
// the mirror was last applied. Nil means that it is not set.
type ConfigChange struct {
	Path   string `json:"path"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Changes lists the settings in which a later selection differs, in a fixed order.
func (s Select) Changes(now Select) []ConfigChange {
	var list []ConfigChange
	add := func(path string, differ bool, before, after any) {
		if differ {
			list = append(list, ConfigChange{Path: "select." + path, Before: before, After: after})
		}
	}
	for _, l := range []struct {
		path          string
		before, after []string
	}{
		{"include", s.Include, now.Include}, {"exclude", s.Exclude, now.Exclude},
		{"extensions", s.Extensions, now.Extensions}, {"exclude_extensions", s.ExcludeExtensions, now.ExcludeExtensions},
	} {
		add(l.path, !slices.Equal(l.before, l.after), listOrNil(l.before), listOrNil(l.after))
	}
	add("min_size", !equalPtr(s.MinSize, now.MinSize, func(x, y int64) bool { return x == y }), orNil(s.MinSize), orNil(now.MinSize))
	add("max_size", !equalPtr(s.MaxSize, now.MaxSize, func(x, y int64) bool { return x == y }), orNil(s.MaxSize), orNil(now.MaxSize))
	add("modified_after", !equalPtr(s.ModifiedAfter, now.ModifiedAfter, time.Time.Equal), orNil(s.ModifiedAfter), orNil(now.ModifiedAfter))
	add("modified_before", !equalPtr(s.ModifiedBefore, now.ModifiedBefore, time.Time.Equal), orNil(s.ModifiedBefore), orNil(now.ModifiedBefore))
	return list
}

// listOrNil keeps an empty list from looking like one that was written.
func listOrNil(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// orNil is the value behind a pointer, as it looks in JSON.
func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
