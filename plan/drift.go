package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// driftFact is what the disk shows of an applied item that is not as it was left.
type driftFact struct {
	kind      DriftKind
	found     *Local
	sameBytes bool // only its times are others
}

// changed reports whether somebody has written other bytes to a file.
func (d driftFact) changed() bool { return d.kind == DriftChanged && !d.sameBytes }

// walkers read directories at the same time: the walk is bound by system calls,
// and four saturate a local disk (DEPS B5).
const walkers = 4

// reservedDir is spmirror's own directory in a target.
const reservedDir = ".spmirror"

// dirCheck is one applied folder and what was applied in it.
type dirCheck struct {
	path    RelPath
	entries []Entry
}

// checkDisk compares the target with what was applied to it, folder by folder,
// in one pass over the entries and one over the directories.
func (p *planner) checkDisk(ctx context.Context) error {
	if p.req.Drifted != nil {
		return p.recallDrift()
	}
	if p.req.Verify == VerifyNone || p.req.Disk == nil || p.req.Mirror.Tracked.Items == 0 {
		return nil
	}
	if err := p.applied.preload(ctx); err != nil {
		return err
	}
	work := make(chan dirCheck, 2*walkers)
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		return p.dirChecks(gctx, func(d dirCheck) error {
			select {
			case work <- d:
				return nil
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	})
	for range walkers {
		g.Go(func() error {
			for d := range work {
				found, err := p.compareDir(gctx, d)
				if err != nil {
					return err
				}
				mu.Lock()
				err = p.takeDrift(found)
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("check disk: %w", err)
	}
	return nil
}

// finding is one difference between a directory and what was applied in it.
type finding struct {
	Drift
	sameBytes bool
}

// takeDrift remembers what is found of applied items and hands all of it on.
func (p *planner) takeDrift(found []finding) error {
	for _, f := range found {
		if f.ItemID != "" {
			// The id would keep all that was read of its entry.
			p.drift[ItemID(strings.Clone(string(f.ItemID)))] = driftFact{kind: f.Kind, found: f.Found, sameBytes: f.sameBytes}
		}
		f.Mirror = p.req.Mirror.Address
		if err := p.req.Drift(f.Drift); err != nil {
			return err
		}
	}
	return nil
}

// recallDrift takes what an earlier check of the disk has found.
func (p *planner) recallDrift() error {
	for d, err := range p.req.Drifted {
		if err != nil {
			return fmt.Errorf("read drift: %w", err)
		}
		if d.Mirror != p.req.Mirror.Address || !d.OfApplied() {
			continue
		}
		same := d.Applied != nil && d.Found != nil && d.Applied.SHA256 != "" && d.Applied.SHA256 == d.Found.SHA256
		p.drift[d.ItemID] = driftFact{kind: d.Kind, found: d.Found, sameBytes: same}
	}
	return nil
}

// dirChecks yields every applied folder once, also those that hold no entry, but for
// the directories of shortcuts: another mirror looks into them.
func (p *planner) dirChecks(ctx context.Context, yield func(dirCheck) error) error {
	seen := make(map[ItemID]bool)
	var group []Entry
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		parent := group[0].Parent
		seen[parent] = true
		path, err := p.applied.dir(ctx, parent)
		if parent == ParkedParent {
			path = parkedDir
		}
		if err != nil {
			return err
		}
		d := dirCheck{path: path, entries: group}
		group = make([]Entry, 0, len(group))
		return yield(d)
	}
	for e, err := range p.req.Store.Applied.ByParent(ctx) {
		if err != nil {
			return fmt.Errorf("read entries: %w", err)
		}
		if len(group) > 0 && group[0].Parent != e.Parent {
			if err := flush(); err != nil {
				return err
			}
		}
		group = append(group, e)
	}
	if err := flush(); err != nil {
		return err
	}
	for id, e := range p.applied.folders {
		if e == nil || seen[id] || e.Parent == ParkedParent || p.req.Shortcuts.has(id) {
			continue
		}
		path, err := p.applied.dir(ctx, id)
		if err != nil {
			return err
		}
		if err := yield(dirCheck{path: path}); err != nil {
			return err
		}
	}
	return nil
}

// compareDir compares one directory with its entries. An error other than "does
// not exist" is never taken for a missing file (F05).
func (p *planner) compareDir(ctx context.Context, d dirCheck) ([]finding, error) {
	found, err := p.req.Disk.ReadDir(ctx, d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read directory %q: %w", d.path, err)
	}
	var list []finding
	byName := make(map[string]*Found, len(found))
	for i := range found {
		byName[found[i].Name] = &found[i]
	}
	for i := range d.entries {
		e := &d.entries[i]
		name := e.Name
		if e.Parent == ParkedParent { // its name is its whole path
			name = strings.TrimPrefix(name, parkedPrefix)
		}
		f := byName[name]
		delete(byName, name)
		path := joinLocal(d.path, name)
		fact, drifted, err := p.compareFile(ctx, path, e, f)
		if err != nil {
			return nil, err
		}
		if drifted {
			list = append(list, finding{driftOf(path, e, fact), fact.sameBytes})
		}
	}
	for name, f := range byName {
		if d.path == parkedDir || d.path == "" && name == reservedDir {
			continue
		}
		list = append(list, finding{Drift: Drift{
			Path: joinLocal(d.path, name), Kind: DriftUntracked,
			Found: &Local{Size: f.Size, MTime: f.MTime, Inode: f.Inode},
		}})
	}
	return list, nil
}

// driftOf tells of an entry that is not as it was left. What was adopted without being read
// is known by its bytes once they were compared.
func driftOf(path RelPath, e *Entry, fact driftFact) Drift {
	applied := e.local()
	if fact.sameBytes {
		applied.SHA256 = fact.found.SHA256
	}
	return Drift{Path: path, ItemID: e.Item, Kind: fact.kind, Applied: applied, Found: fact.found}
}

// compareFile compares one entry with what was found at its path.
func (p *planner) compareFile(ctx context.Context, path RelPath, e *Entry, f *Found) (driftFact, bool, error) {
	switch {
	case f == nil:
		return driftFact{kind: DriftMissing}, true, nil
	case e.Folder != (f.Kind == FoundDir) || f.Kind == FoundOther:
		return driftFact{kind: DriftReplaced, found: &Local{Size: f.Size, MTime: f.MTime, Inode: f.Inode}}, true, nil
	case e.Folder:
		return driftFact{}, false, nil
	}
	statSame := f.Size == e.Size && f.MTime.Equal(e.MTime)
	if statSame && p.req.Verify != VerifyHash {
		return driftFact{}, false, nil
	}
	now := &Local{Size: f.Size, MTime: f.MTime, Inode: f.Inode}
	if f.Size != e.Size {
		return driftFact{kind: DriftChanged, found: now}, true, nil
	}
	// Equal size and another time: the bytes tell whether anything is lost.
	_, quickXor, sha, err := p.req.Disk.Hash(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return driftFact{}, false, fmt.Errorf("hash %q: %w", path, err)
	}
	now.SHA256 = sha
	same, known := e.sameBytes(quickXor, sha)
	if statSame && (same || !known) {
		return driftFact{}, false, nil
	}
	return driftFact{kind: DriftChanged, found: now, sameBytes: same}, true, nil
}

// sameBytes compares hashes of a local file with what is known of the applied one. A
// file that was adopted by size and time was never read: then the hash of the source
// decides, and known is false where there is none.
func (e *Entry) sameBytes(quickXor, sha string) (same, known bool) {
	switch {
	case e.SHA256 != "":
		return sha == e.SHA256, true
	case e.RemoteHash != "":
		return quickXor == e.RemoteHash, true
	}
	return false, false
}
