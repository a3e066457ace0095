package plan

import (
	"context"
	"fmt"
)

// Layout tells where the folders of a target are once a plan of it is carried out.
type Layout struct {
	applied Applied
	placed  map[ItemID]folderPlace
	made    map[ItemID]bool
	gone    map[ItemID]bool
}

type folderPlace struct {
	parent ItemID
	name   string
}

// NewLayout is the layout as it was applied, before any change.
func NewLayout(applied Applied) *Layout {
	return &Layout{applied: applied, placed: make(map[ItemID]folderPlace), made: make(map[ItemID]bool), gone: make(map[ItemID]bool)}
}

// See takes a change of the plan.
func (l *Layout) See(c *Change) {
	if !c.Folder || c.OfMirror() {
		return
	}
	switch c.Action() {
	case Add, Adopt, Move:
		l.placed[c.ItemID] = folderPlace{c.Parent, c.Name}
		l.made[c.ItemID] = c.Action() == Add
	case Delete, Forget:
		l.gone[c.ItemID] = true
	}
}

// Path returns the path of a folder; ok is false if there will be none.
func (l *Layout) Path(ctx context.Context, id ItemID) (path RelPath, ok bool, err error) {
	seen := make(map[ItemID]bool)
	for at := id; at != ""; {
		if seen[at] || l.gone[at] || at == ParkedParent {
			return "", false, nil
		}
		seen[at] = true
		place, moves := l.placed[at]
		if !moves {
			e, there, err := l.applied.Entry(ctx, at)
			if err != nil {
				return "", false, fmt.Errorf("read entry %s: %w", at, err)
			}
			if !there || !e.Folder {
				return "", false, nil
			}
			place = folderPlace{e.Parent, e.Name}
		}
		if path == "" {
			path = RelPath(place.name)
		} else {
			path = joinLocal(RelPath(place.name), string(path))
		}
		at = place.parent
	}
	return path, path != "", nil
}

// Makes reports whether the plan makes the folder, in a place where nothing of it is yet.
func (l *Layout) Makes(id ItemID) bool { return l.made[id] }
