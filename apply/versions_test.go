package apply

import (
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// The present version is none of the earlier ones, in whatever order the service lists them; the newest of the others are kept.
func TestEarlierVersionsAreTheNewestButThePresentOne(t *testing.T) {
	at := func(id string, hour int) graph.Version {
		return graph.Version{ID: id, Modified: time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)}
	}
	newestFirst := []graph.Version{at("10.0", 4), at("9.0", 3), at("2.0", 2), at("1.0", 1)}
	oldestFirst := []graph.Version{at("1.0", 1), at("2.0", 2), at("9.0", 3), at("10.0", 4)}
	oneMoment := []graph.Version{at("2.0", 1), at("9.0", 1), at("10.0", 1), at("1.0", 1)}
	for _, test := range []struct {
		list   []graph.Version
		wanted string
		want   string
	}{
		{newestFirst, "all", "9.0 2.0 1.0"},
		{oldestFirst, "all", "9.0 2.0 1.0"},
		{oneMoment, "all", "9.0 2.0 1.0"},
		{newestFirst, "2", "9.0 2.0"},
		{newestFirst, "50", "9.0 2.0 1.0"},
		{newestFirst[:1], "all", ""},
		{nil, "5", ""},
	} {
		var got []string
		for _, v := range earlier(test.list, test.wanted) {
			got = append(got, v.ID)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("of %v, %s are kept: %q, want %q", test.list, test.wanted, text, test.want)
		}
	}
}
