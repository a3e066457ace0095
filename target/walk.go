package target

import (
	"context"
	"iter"
)

// Listing is one directory of a walk.
type Listing struct {
	Path    RelPath
	Entries []Found // valid until the next step of the walk
	// Err says that the directory could not be read completely; Entries is then empty. It must never be taken
	// for an empty directory.
	Err error
}

// Walk lists a directory and each that is below it, once. Links, mount points and other special entries are reported
// and not entered. In memory are one directory and the names of those still to do.
func (d *Dir) Walk(ctx context.Context, from RelPath) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		var entries []Found
		todo, buf := []RelPath{from}, make([]byte, listBuffer)
		for len(todo) > 0 {
			if err := ctx.Err(); err != nil {
				yield(Listing{}, err)
				return
			}
			at := Listing{Path: todo[len(todo)-1]} // from the top, so that the list stays as short as the tree allows
			todo = todo[:len(todo)-1]
			clear(entries)
			entries, at.Err = d.readDir(at.Path, entries[:0], buf)
			if at.Err == nil {
				at.Entries = entries
			}
			for i := range at.Entries {
				if at.Entries[i].Kind == KindDir {
					todo = append(todo, at.Path.Join(at.Entries[i].Name))
				}
			}
			if !yield(at, nil) {
				return
			}
		}
	}
}
