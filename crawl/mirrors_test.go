package crawl

import (
	"context"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

// mirrored is one mirror of the drive of a world: its rows are written as an apply
// without failures would write them, without a disk.
type mirrored struct {
	address string
	folder  state.ItemID
	sel     plan.Select
	// selects and structural are the same selection once more, in the words of the
	// reference: files it wants, and whether folders are there only for such files.
	selects    func(path string, folder bool) bool
	structural bool
}

// mirrors of the drive: all but a folder and a kind of files, one folder, and one kind of
// files of another. Items move between them, and in and out of folders and filters.
func (w *world) mirrors() []mirrored {
	ids := map[string]state.ItemID{}
	for _, it := range w.drive.Tree() {
		ids[it.Path] = state.ItemID(it.ID)
	}
	all := func(string, bool) bool { return true }
	return []mirrored{
		{address: w.name + ".all", folder: ids["/"], sel: plan.Select{Exclude: []string{"*.docx", "/b/"}}, selects: func(path string, folder bool) bool {
			parts := strings.Split(strings.ToLower(path), "/")
			isDocx := func(name string) bool { return strings.HasSuffix(name, ".docx") }
			return !slices.ContainsFunc(parts, isDocx) && (parts[0] != "b" || len(parts) == 1 && !folder)
		}},
		{address: w.name + ".a", folder: ids["/a"], selects: all},
		{address: w.name + ".b", folder: ids["/b"], sel: plan.Select{Extensions: []string{"txt"}}, structural: true, selects: func(path string, folder bool) bool {
			return !folder && strings.HasSuffix(strings.ToLower(path), ".txt")
		}},
	}
}

// reference is what a mirror ought to hold: ids and hashes by path. It walks the tenant's
// own tree and knows nothing of rounds and plans. ok is false if the mirror's folder is gone.
func (m mirrored) reference(tree []sandbox.Truth) (want map[string]string, ok bool) {
	base := ""
	packages := []string{}
	for _, it := range tree {
		if state.ItemID(it.ID) == m.folder {
			base, ok = strings.TrimSuffix(it.Path, "/"), true
		}
		if it.Package != "" {
			packages = append(packages, it.Path+"/")
		}
	}
	want = map[string]string{}
	folders := map[string]string{}
	for _, it := range tree {
		rel, below := strings.CutPrefix(it.Path, base+"/")
		inPackage := func(p string) bool { return strings.HasPrefix(p, base+"/") && strings.HasPrefix(it.Path+"/", p) }
		switch {
		case !below || rel == "" || slices.ContainsFunc(packages, inPackage):
		case it.Folder && m.structural:
			folders[rel] = string(it.ID)
		case m.selects(rel, it.Folder):
			want[rel] = strings.TrimSpace(string(it.ID) + " " + it.QuickXorHash)
		}
	}
	for path := range maps.Clone(want) {
		for i := strings.LastIndexByte(path, '/'); m.structural && i > 0; i = strings.LastIndexByte(path[:i], '/') {
			want[path[:i]] = folders[path[:i]]
		}
	}
	return want, ok
}

// apply plans a mirror from what is observed, in full or from what changed, and writes
// the rows. It returns how many changes were not blocked; gone says that the mirror's
// folder is not observed, so that nothing can be planned.
func (w *world) apply(m mirrored, full bool) (changed int, gone bool) {
	ctx, s := context.Background(), *w.store
	d := w.row()
	if _, ok, err := s.Item(ctx, d.Key, m.folder); err != nil || !ok {
		w.must(err)
		return 0, true
	}
	row, known, err := s.MirrorByAddress(ctx, m.address)
	w.must(err)
	if !known {
		row = state.Mirror{Address: m.address, Drive: d.Key, Folder: m.folder, Target: "/srv/" + m.address}
		w.must(s.Tx(ctx, func(tx *state.Tx) (err error) {
			row.Key, err = tx.PutMirror(row)
			return err
		}))
	}
	files, folders, bytes, err := s.EntryCount(ctx, row.Key)
	w.must(err)
	header := &plan.Mirror{
		Address: m.address, Source: plan.SourceRef{FolderID: plan.ItemID(m.folder)}, Select: m.sel,
		Policy:  plan.Policy{OnRemoteDelete: "trash", OnDeselect: "trash", TrashEnabled: true},
		Tracked: plan.Sum{Items: files + folders, Files: files, Folders: folders, Bytes: bytes},
	}
	var changes []plan.Change
	req := plan.Request{
		Mirror: header, Since: plan.Generation(row.Settled), Full: full || row.Settled < d.LogFloor,
		Store: recorded.Store(s, row), Names: verbatim{}, Verify: plan.VerifyNone,
		Emit:  func(c plan.Change) error { changes = append(changes, c); return nil },
		Drift: func(plan.Drift) error { return nil },
	}
	if known {
		req.Previous, req.PreviousFolder = &m.sel, plan.ItemID(m.folder)
	}
	w.must(req.Run(ctx))
	sum := header.Unchanged + int64(len(changes))
	for _, n := range header.Skipped {
		sum += n
	}
	if sum != header.Compared {
		w.t.Fatalf("%s: %d items were compared, %d are in a class; full %v, unchanged %d, skipped %v, changes %+v\nobserved %v\nheld %v", m.address, header.Compared, sum, req.Full,
			header.Unchanged, header.Skipped, changes, w.observed(), w.held(m))
	}
	return w.write(row, m, d.Generation, changes), false
}

// write brings the rows of a mirror to what a plan says.
func (w *world) write(row state.Mirror, m mirrored, settled state.Generation, changes []plan.Change) (changed int) {
	ctx, s := context.Background(), *w.store
	var pending []state.Pending
	var over, ids []state.ItemID
	var entries []state.Entry
	for p, err := range s.PendingItems(ctx, row.Key) {
		w.must(err)
		over = append(over, p.Item)
	}
	w.renameTurned(row.Key, changes)
	for _, c := range changes {
		id := state.ItemID(c.ItemID)
		if c.Action() == plan.Blocked {
			pending = append(pending, state.Pending{Item: id, Action: string(plan.Blocked), Reason: string(c.Reason)})
			continue
		}
		changed++
		ids = append(ids, id)
		if c.Action() == plan.Delete || c.Action() == plan.Forget {
			continue
		}
		it, ok, err := s.Item(ctx, row.Drive, id)
		w.must(err)
		if !ok {
			w.t.Fatalf("%s: %s of %s, which nobody has observed", m.address, c.Action(), c.Path)
		}
		e, _, err := s.Entry(ctx, row.Key, id)
		w.must(err)
		if e.Folder != c.Folder {
			e = state.Entry{}
		}
		e.Item, e.Parent, e.Name, e.Fold, e.Folder = id, state.ItemID(c.Parent), c.Name, c.Fold, c.Folder
		if !c.Folder && c.Action() != plan.Move {
			e.Size, e.RemoteSize, e.RemoteHash, e.ETag, e.CTag = max(0, it.Size), it.Size, it.Hash, it.ETag, it.CTag
		}
		entries = append(entries, e)
	}
	w.must(s.Tx(ctx, func(tx *state.Tx) error {
		for _, step := range []error{
			tx.ClearPending(row.Key, over), tx.PutPending(row.Key, pending), tx.DeleteEntries(row.Key, ids),
			tx.PutEntries(row.Key, entries), tx.Settle(row.Key, settled, "settled"),
		} {
			if step != nil {
				return step
			}
		}
		return nil
	}))
	return changed
}

// renameTurned gives the entries of items that turned from files into folders, or back, the ids that the plan has for them.
func (w *world) renameTurned(key state.MirrorKey, changes []plan.Change) {
	ctx, s := context.Background(), *w.store
	for _, c := range changes {
		item, folder, ok := c.ItemID.Was()
		if !ok {
			continue
		}
		e, there, err := s.Entry(ctx, key, state.ItemID(item))
		w.must(err)
		_, done, err := s.Entry(ctx, key, state.ItemID(c.ItemID))
		w.must(err)
		if there && !done && e.Folder == folder {
			w.must(s.Tx(ctx, func(tx *state.Tx) error { return tx.RenameEntry(key, e.Item, state.ItemID(c.ItemID)) }))
		}
	}
}

// held are the entries of a mirror in the form of its reference.
func (w *world) held(m mirrored) map[string]string {
	ctx, s := context.Background(), *w.store
	row, _, err := s.MirrorByAddress(ctx, m.address)
	w.must(err)
	got := map[string]string{}
	for e, err := range s.EntriesByParent(ctx, row.Key) {
		w.must(err)
		path, err := s.EntryPath(ctx, row.Key, e.Item)
		w.must(err)
		got[path] = strings.TrimSpace(string(e.Item) + " " + e.RemoteHash)
	}
	return got
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// applySome applies some of the mirrors from whatever is observed now.
func (w *world) applySome() {
	for _, m := range w.planned {
		if rapid.Bool().Draw(w.t, "apply "+m.address[strings.LastIndexByte(m.address, '.'):]) {
			w.apply(m, rapid.Bool().Draw(w.t, "in full"))
		}
	}
}

// checkMirrors applies every mirror until nothing is left to do, and compares it with the
// reference. What waits for another's place comes with the next plan.
func (w *world) checkMirrors() {
	truth := w.drive.Tree()
	for _, m := range w.planned {
		want, ok := m.reference(truth)
		for round := 0; ; round++ {
			changed, gone := w.apply(m, rapid.IntRange(0, 3).Draw(w.t, "in full") == 0)
			if gone != !ok {
				w.t.Fatalf("%s: the folder is there %v, observed %v", m.address, ok, !gone)
			}
			if changed == 0 {
				break
			}
			if round == 5 {
				w.t.Fatalf("%s does not settle", m.address)
			}
		}
		if !ok {
			continue
		}
		if got := w.held(m); !maps.Equal(got, want) {
			w.t.Fatalf("%s differs from the reference:\n%s", m.address, difference(want, got))
		}
	}
}
