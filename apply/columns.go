package apply

import (
	"context"
	"sync"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// maxListed bounds the items whose columns are held until it is their turn. A list of more has been seen to fail (Q29).
const maxListed = 100_000

// columnReader reads the columns of items: those of a whole folder with few requests where many of its items are wanted,
// else one by one. What a list leaves out is read by itself (Q28, Q29).
type columnReader struct {
	*besideRun
	mu     sync.Mutex
	wanted map[plan.ItemID]int64 // of a folder, how many items have not been read
	lists  map[plan.ItemID]*columnList
	held   int
}

// columnList is what the list of a folder told.
type columnList struct {
	read   sync.Once
	fields map[graph.ItemID]graph.Fields
}

// newColumnReader counts what is wanted of each folder.
func newColumnReader(r *besideRun) (*columnReader, error) {
	c := &columnReader{besideRun: r, wanted: make(map[plan.ItemID]int64), lists: make(map[plan.ItemID]*columnList)}
	if len(r.Plan.Policy.Columns) == 0 {
		return c, nil
	}
	for _, action := range besideActions {
		for change, err := range r.of(action) {
			if err != nil {
				return nil, err
			}
			if change.NeedsColumns() {
				c.wanted[c.folderOf(&change)]++
			}
		}
	}
	return c, nil
}

// folderOf is the folder at the source that an item is in.
func (r *columnReader) folderOf(c *plan.Change) plan.ItemID {
	if c.Parent == "" {
		return r.Plan.Source.FolderID
	}
	return c.Parent
}

// of reads the columns of one item.
func (r *columnReader) of(ctx context.Context, c *plan.Change) (graph.Fields, error) {
	folder := r.folderOf(c)
	list, err := r.list(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.done(folder)
	if list != nil {
		if fields := list.fields[graph.ItemID(c.ItemID)]; fields != nil {
			return fields, nil
		}
	}
	return r.Beside.Columns(ctx, graph.DriveID(r.Plan.Source.DriveID), graph.ItemID(c.ItemID), r.Plan.Policy.Columns...)
}

// done drops the list of a folder when nothing more of it is wanted.
func (r *columnReader) done(folder plan.ItemID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wanted[folder]--; r.wanted[folder] > 0 {
		return
	}
	if list := r.lists[folder]; list != nil {
		r.held -= len(list.fields)
	}
	delete(r.lists, folder)
}

// list is that of a folder, nil if its items are better read one by one. It is read once, by who asks first.
func (r *columnReader) list(ctx context.Context, folder plan.ItemID) (*columnList, error) {
	r.mu.Lock()
	list, known := r.lists[folder]
	if !known {
		worth, err := r.worth(folder)
		if err != nil {
			r.mu.Unlock()
			return nil, err
		}
		if worth {
			list = &columnList{}
		}
		r.lists[folder] = list
	}
	r.mu.Unlock()
	if list == nil {
		return nil, nil
	}
	list.read.Do(func() { r.fill(ctx, folder, list) })
	return list, ctx.Err()
}

// worth reports whether a list of a folder costs less than what is wanted of it, one by one.
func (r *columnReader) worth(folder plan.ItemID) (bool, error) {
	wanted, children := r.wanted[folder], int64(0)
	if r.held > maxListed || !plan.ListsColumns(wanted, wanted) {
		return false, nil
	}
	for _, err := range r.Store.Children(context.WithoutCancel(r.ctx), r.mirror.Drive, state.ItemID(folder)) {
		if err != nil {
			return false, err
		}
		if children++; children > maxListed || !plan.ListsColumns(wanted, children) {
			return false, nil
		}
	}
	return true, nil
}

// fill reads a list. One that breaks off is as good as far as it came: what it lacks is read by itself.
func (r *columnReader) fill(ctx context.Context, folder plan.ItemID, list *columnList) {
	list.fields = make(map[graph.ItemID]graph.Fields)
	for item, err := range r.Beside.FolderColumns(ctx, graph.DriveID(r.Plan.Source.DriveID), graph.ItemID(folder), plan.ColumnsPage, r.Plan.Policy.Columns...) {
		if err != nil {
			break
		}
		if item.Fields != nil {
			list.fields[item.ID] = item.Fields
		}
	}
	r.mu.Lock()
	r.held += len(list.fields)
	r.mu.Unlock()
}
