package apply

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

// Columns cost a request for each item (T10), or two units for each page of a folder: whatever is less. What a list of a folder
// leaves out, or does not come to, is read by itself (Q28, Q29), so that the result is the same.
func TestColumnsOfManyItemsOfAFolderComeWithFewRequests(t *testing.T) {
	var n atomic.Int64
	skips := func(item graph.ItemFields) (graph.ItemFields, error) {
		if n.Add(1)%100 == 0 {
			return graph.ItemFields{}, nil
		}
		return item, nil
	}
	mute := func(item graph.ItemFields) (graph.ItemFields, error) {
		return graph.ItemFields{ID: item.ID}, nil
	}
	breaksOff := func(item graph.ItemFields) (graph.ItemFields, error) {
		if n.Add(1) > 290 {
			return item, &graph.Error{Op: "list columns", Status: 500}
		}
		return item, nil
	}
	for name, test := range map[string]struct {
		onFolder      func(graph.ItemFields) (graph.ItemFields, error)
		first, second int // items of the first run, and of one after edits
	}{
		"as it should be": {nil, 0, 2},
		"skips some":      {skips, 3, 2},
		"without columns": {mute, 306, 5},
		"breaks off":      {breaksOff, 16, 5},
	} {
		t.Run(name, func(t *testing.T) {
			n.Store(0)
			w := newWorld(t)
			w.policy.Columns = []string{"Change"}
			for i := range 300 {
				w.tenant.put(fmt.Sprintf("large/%d", i), "text")
			}
			for i := range 3 {
				w.tenant.put(fmt.Sprintf("small/%d", i), "text")
			}
			w.tenant.put("alone", "text")
			w.tenant.onFolder = test.onFolder
			w.sync()
			if r, p := w.tenant.columnsRead, w.tenant.columnPages; r != test.first || p != 4 { // of 300 children, and twice of 3
				t.Errorf("%d items and %d pages of folders were asked for, want %d and 4", r, p, test.first)
			}
			w.listed()
			for _, path := range []string{"large/7", "large/8", "small/0", "small/1", "small/2"} {
				w.tenant.put(path, "other text")
			}
			w.tenant.columnsRead, w.tenant.columnPages = 0, 0
			w.sync()
			if r, p := w.tenant.columnsRead, w.tenant.columnPages; r != test.second || p != 1 { // of two in 300, and three in 3
				t.Errorf("then %d items and %d pages of folders were asked for, want %d and 1", r, p, test.second)
			}
			w.listed()
		})
	}
}
