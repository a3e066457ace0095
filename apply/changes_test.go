package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spmirror/spmirror/plan"
)

// lines is a plan that counts how many of its lines were read.
type lines struct {
	list []string
	read int
	err  error // after the last line
}

func (l *lines) ChangeLines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, line := range l.list {
			l.read++
			if !yield([]byte(line+"\n"), nil) {
				return
			}
		}
		if l.err != nil {
			yield(nil, l.err)
		}
	}
}

func (l *lines) add(mirror string, action plan.Action, path string) {
	line, _ := json.Marshal(plan.Change{Mirror: mirror, Path: plan.RelPath(path), ItemID: plan.ItemID(path), Actions: []plan.Action{action}})
	l.list = append(l.list, string(line))
}

func TestAPlanOfAThousandMirrorsIsReadOnce(t *testing.T) {
	var p lines
	const mirrors, each = 1000, 3
	for m := range mirrors {
		for _, action := range []plan.Action{plan.Add, plan.Delete, plan.Update} {
			for i := range each {
				p.add(fmt.Sprintf("mirror.m%04d", m), action, fmt.Sprintf("%s/%d <é>", action, i))
			}
		}
	}
	var first []plan.RelPath
	s, err := readAll(&p, func(c plan.Change) error { first = append(first, c.Path); return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var again []plan.RelPath
	for m := range mirrors {
		for _, action := range plan.Actions {
			before := len(again)
			for c, err := range s.of(fmt.Sprintf("mirror.m%04d", m), action) {
				if err != nil || c.Action() != action {
					t.Fatal(c, err)
				}
				again = append(again, c.Path)
			}
			if got := s.count(fmt.Sprintf("mirror.m%04d", m), action); got != int64(len(again)-before) {
				t.Fatalf("%d %s are counted, %d were read", got, action, len(again)-before)
			}
		}
	}
	if !slices.Equal(first, again) {
		t.Errorf("the sections hold %d changes, the plan %d", len(again), len(first))
	}
	if p.read != len(p.list) {
		t.Errorf("%d lines were read from a plan of %d", p.read, len(p.list))
	}
}

func TestSectionsHoldWhatThePlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p lines
		want := map[sectionKey][]string{}
		for _, m := range rapid.SliceOfNDistinct(rapid.StringN(1, 8, 20), 0, 4, rapid.ID).Draw(t, "mirrors") {
			m = strings.ToValidUTF8(m, "?")
			for _, a := range plan.Actions {
				if len(want[sectionKey{m, a}]) > 0 {
					continue
				}
				for range rapid.IntRange(0, 3).Draw(t, "changes") {
					path := strings.ToValidUTF8(rapid.String().Draw(t, "path"), "?")
					p.add(m, a, path)
					want[sectionKey{m, a}] = append(want[sectionKey{m, a}], path)
				}
			}
		}
		s, err := readAll(&p, func(plan.Change) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		for key, paths := range want {
			var got []string
			for c, err := range s.of(key.mirror, key.action) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(c.Path))
			}
			if !slices.Equal(got, paths) {
				t.Fatalf("%v: %q, want %q", key, got, paths)
			}
		}
	})
}

func TestWhatIsNoSortedPlanIsRefused(t *testing.T) {
	broken := errors.New("broken")
	for name, p := range map[string]*lines{
		"out of order": func() *lines {
			var l lines
			l.add("m", plan.Add, "a")
			l.add("m", plan.Delete, "b")
			l.add("m", plan.Add, "c")
			return &l
		}(),
		"no action": {list: []string{`{"mirror":"m","path":"a","actions":[]}`}},
		"no JSON":   {list: []string{`{`}},
		"an error":  {err: broken},
	} {
		if _, err := readAll(p, func(plan.Change) error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		} else if p.err != nil && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
