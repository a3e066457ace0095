package apply

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spmirror/spmirror/plan"
)

// Changes is a plan's list of changes as JSON lines, sorted by mirror, action and
// path, and readable any number of times, by several readers at once. A line is
// valid until the next one.
type Changes interface {
	ChangeLines() iter.Seq2[[]byte, error]
}

// sections knows which lines of a plan belong to which mirror and action, so that a
// phase decodes its own changes and no others, and stops after the last of them.
type sections struct {
	changes Changes
	at      map[sectionKey]section
}

type sectionKey struct {
	mirror string
	action plan.Action
}

type section struct{ first, count int64 }

// readAll decodes the whole plan once and notes where its sections are.
func readAll(changes Changes, each func(plan.Change) error) (*sections, error) {
	s := &sections{changes: changes, at: make(map[sectionKey]section)}
	var n int64
	for line, err := range changes.ChangeLines() {
		if err != nil {
			return nil, err
		}
		c, err := decodeChange(line)
		if err != nil {
			return nil, err
		}
		key := sectionKey{c.Mirror, c.Action()}
		at, known := s.at[key]
		switch {
		case !known:
			at.first = n
		case at.first+at.count != n:
			return nil, fmt.Errorf("read plan: line %d is not in order", n+1)
		}
		at.count++
		s.at[key] = at
		n++
		if err := each(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func decodeChange(line []byte) (plan.Change, error) {
	var c plan.Change
	if err := json.Unmarshal(line, &c); err != nil {
		return c, fmt.Errorf("read plan: %w", err)
	}
	if len(c.Actions) == 0 {
		return c, fmt.Errorf("read plan: the change of %q has no action", c.Path)
	}
	return c, nil
}

// of yields the changes of one mirror with one action.
func (s *sections) of(mirror string, action plan.Action) iter.Seq2[plan.Change, error] {
	return func(yield func(plan.Change, error) bool) {
		at := s.at[sectionKey{mirror, action}]
		if at.count == 0 {
			return
		}
		n := int64(-1)
		for line, err := range s.changes.ChangeLines() {
			if n++; err == nil && n < at.first {
				continue
			}
			var c plan.Change
			if err == nil {
				c, err = decodeChange(line)
			}
			if !yield(c, err) || err != nil || n == at.first+at.count-1 {
				return
			}
		}
	}
}

// count is how many changes a section has.
func (s *sections) count(mirror string, action plan.Action) int64 {
	return s.at[sectionKey{mirror, action}].count
}
