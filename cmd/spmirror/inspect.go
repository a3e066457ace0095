package main

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// difference is how a tracked file or folder on disk differs from what the state says of it.
type difference struct {
	Mirror string `json:"mirror"`
	Path   string `json:"path"`
	Kind   string `json:"kind"` // missing, changed, unreadable
	Detail string `json:"detail,omitempty"`
	Folder bool   `json:"folder,omitempty"`
}

// inspection compares what a mirror has on disk with the state. It holds one folder at a time.
type inspection struct {
	dir       *target.Dir
	mirror    string
	differ    func(difference) error
	untracked func(name string) // called for each file that is not tracked
	intact    func(placed) error
}

// run walks the applied side folder by folder and lists each directory once.
func (i *inspection) run(ctx context.Context, s *session, row state.Mirror) error {
	var group []placed
	at, first := "", true
	seen := map[string]bool{}
	nested := s.nestedIn[row.Address]
	flush := func() error {
		if first {
			return nil
		}
		seen[at] = true
		return i.folder(ctx, at, group)
	}
	var folders []string
	for e, err := range s.entriesOf(ctx, row) {
		if err != nil {
			return err
		}
		if e.Folder && !nested[e.Item] {
			folders = append(folders, e.path)
		}
		if dir := parentOf(e.path); first || dir != at {
			if err := flush(); err != nil {
				return err
			}
			group, at, first = group[:0], dir, false
		}
		group = append(group, e)
	}
	if err := flush(); err != nil {
		return err
	}
	for _, dir := range append(folders, "") { // those without tracked children may hold others
		if !seen[dir] {
			if err := i.folder(ctx, dir, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// parkingDir is spmirror's own: what it does not know there is nobody's file.
const parkingDir = ".spmirror/park"

func parentOf(p string) string {
	if dir := path.Dir(p); dir != "." {
		return dir
	}
	return ""
}

// folder compares one directory with the entries that belong there.
func (i *inspection) folder(ctx context.Context, at string, group []placed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	listed, err := i.dir.ReadDir(target.RelPath(at))
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, target.ErrNotPlain)
	if err != nil && !missing {
		return i.differ(difference{i.mirror, at, "unreadable", err.Error(), true})
	}
	found := make(map[string]target.Found, len(listed))
	for _, f := range listed {
		found[string(f.Name)] = f
	}
	for _, e := range group {
		name := path.Base(e.path)
		f, there := found[name]
		delete(found, name)
		if err := i.compare(e, f, there); err != nil {
			return err
		}
	}
	for name, f := range found {
		if at == "" && name == ".spmirror" || at == parkingDir || i.untracked == nil {
			continue
		}
		if err := i.count(ctx, path.Join(at, name), f.Kind); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) compare(e placed, f target.Found, there bool) error {
	switch {
	case !there:
		return i.differ(difference{i.mirror, e.path, "missing", "", e.Folder})
	case e.Folder != (f.Kind == target.KindDir) || !e.Folder && f.Kind != target.KindFile:
		return i.differ(difference{i.mirror, e.path, "changed", "it is a " + f.Kind.String() + " now", e.Folder})
	case e.Folder:
		return nil
	case f.Size != e.Size:
		return i.differ(difference{i.mirror, e.path, "changed", "its size is " + sizeText(f.Size) + ", was " + sizeText(e.Size), false})
	case i.intact != nil:
		return i.intact(e)
	case !f.MTime.Equal(e.MTime):
		return i.differ(difference{i.mirror, e.path, "changed", "it was modified " + timeText(f.MTime), false})
	}
	return nil
}

// count tells of files that are not tracked, one by one, also those in folders that are not.
func (i *inspection) count(ctx context.Context, at string, kind target.Kind) error {
	if kind != target.KindDir {
		i.untracked(at)
		return nil
	}
	for listing, err := range i.dir.Walk(ctx, target.RelPath(at)) {
		if err := errors.Join(err, listing.Err); err != nil {
			return err
		}
		for _, e := range listing.Entries {
			if e.Kind != target.KindDir {
				i.untracked(path.Join(string(listing.Path), string(e.Name)))
			}
		}
	}
	return nil
}

// hashing re-reads files, several at a time, and compares their bytes with the state.
type hashing struct {
	inspection
	ctx    context.Context
	group  *errgroup.Group
	mu     sync.Mutex
	report func(difference) error
	files  int64
	bytes  int64
}

func newHashing(ctx context.Context, dir *target.Dir, mirror string, report func(difference) error) *hashing {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	h := &hashing{inspection: inspection{dir: dir, mirror: mirror}, ctx: ctx, group: group, report: report}
	h.differ = func(d difference) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.report(d)
	}
	h.intact = func(e placed) error {
		group.Go(func() error { return h.hash(e) })
		return ctx.Err()
	}
	return h
}

func (h *hashing) hash(e placed) error {
	fp, err := h.dir.Hash(h.ctx, target.RelPath(e.path))
	switch {
	case h.ctx.Err() != nil:
		return h.ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return h.differ(difference{h.mirror, e.path, "missing", "", false})
	case err != nil:
		return h.differ(difference{h.mirror, e.path, "unreadable", err.Error(), false})
	case e.SHA256 != "" && fp.SHA256 != e.SHA256, e.SHA256 == "" && e.Hash != "" && fp.QuickXor != e.Hash:
		return h.differ(difference{h.mirror, e.path, "changed", "its content is not what was downloaded", false})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files++
	h.bytes += fp.Size
	return nil
}
