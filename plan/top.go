package plan

import (
	"context"
	"fmt"
)

// TopFolders counts the tracked files of those top folders whose deletes could be
// too many. It stops counting a folder once its deletes cannot be, so that the
// cost follows the deletes and not the size of the mirror.
func (l Limits) TopFolders(ctx context.Context, deletes map[string]int64, applied Applied, names Namer) (map[string]TopFolder, error) {
	if l.MaxFolderDeletePercent == nil {
		return nil, nil
	}
	tops := make(map[string]TopFolder)
	for name, deleted := range deletes {
		enough := minFolderFiles + 1
		if limit := *l.MaxFolderDeletePercent; limit > 0 {
			enough = max(enough, int(100*float64(deleted)/limit)+1)
		}
		e, ok, err := applied.EntryAt(ctx, "", names.Fold(name))
		if err != nil {
			return nil, fmt.Errorf("count files of %q: %w", name, err)
		}
		if !ok {
			continue
		}
		n, err := countFiles(ctx, applied, e.Item, enough)
		if err != nil {
			return nil, fmt.Errorf("count files of %q: %w", name, err)
		}
		tops[name] = TopFolder{Tracked: n, Deleted: deleted}
	}
	return tops, nil
}

// countFiles counts the files below an applied folder, up to a number.
func countFiles(ctx context.Context, applied Applied, folder ItemID, enough int) (n int64, err error) {
	queue := []ItemID{folder}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for e, err := range applied.Children(ctx, id) {
			if err != nil {
				return n, err
			}
			if e.Folder {
				queue = append(queue, e.Item)
				continue
			}
			n++
			if n >= int64(enough) {
				return n, nil
			}
		}
	}
	return n, nil
}
