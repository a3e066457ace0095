package plan

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestChangesOfASelectionNameWhatDiffers(t *testing.T) {
	size, day := int64(10), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name          string
		before, after Select
		want          []ConfigChange
	}{
		{"nothing", Select{Include: []string{"a"}}, Select{Include: []string{"a"}}, nil},
		{"a list that came", Select{}, Select{Include: []string{"a"}}, []ConfigChange{{"select.include", nil, []string{"a"}}}},
		{"a list that went", Select{Exclude: []string{"a"}}, Select{}, []ConfigChange{{"select.exclude", []string{"a"}, nil}}},
		{"a limit", Select{MinSize: &size}, Select{ModifiedAfter: &day}, []ConfigChange{{"select.min_size", size, nil}, {"select.modified_after", nil, day}}},
	} {
		if got := test.before.Changes(test.after); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestSelectionsHaveNoChangesJustWhenTheyAreEqual(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) Select {
			words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 2)
			s := Select{Include: words.Draw(r, name), Exclude: words.Draw(r, name), Extensions: words.Draw(r, name), ExcludeExtensions: words.Draw(r, name)}
			for _, p := range []**int64{&s.MinSize, &s.MaxSize} {
				if rapid.Bool().Draw(r, name) {
					n := rapid.Int64Range(0, 1).Draw(r, name)
					*p = &n
				}
			}
			return s
		}
		a, b := draw("before"), draw("after")
		if got := a.Changes(b); (len(got) == 0) != a.Equal(b) {
			t.Fatalf("%+v and %+v: %+v", a, b, got)
		}
	})
}
