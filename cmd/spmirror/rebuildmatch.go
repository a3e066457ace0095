package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

// matched counts what a comparison of a target with its source found.
type matched struct {
	Files    int64 `json:"files"`
	Folders  int64 `json:"folders"`
	Bytes    int64 `json:"bytes"`
	SizeOnly int64 `json:"size_only"` // of the files: without a hash, by size and time
	Differ   int64 `json:"differ"`
	Missing  int64 `json:"missing"`
	Blocked  int64 `json:"blocked"`
}

// match makes the records of one mirror: an ordinary plan of a mirror without records says which of
// the files on disk are those of the source. Each step leaves a state that a plan can stand on: a
// mirror without all its records finds its files by comparing them, and one whose marker is not
// taken over yet, or names a run that the state does not know, is refused.
func (r *rebuild) match(ctx context.Context, m *rebuilding) error {
	if m.err != nil {
		return m.err
	}
	if err := r.describe(ctx, m.wanted); err != nil {
		return err
	}
	if m.marker.DriveID != "" && m.marker.DriveID != string(m.drive.ID) {
		return &problem{code: "SPM0802", summary: "The target belongs to another library",
			detail: fmt.Sprintf("Its marker names drive %s, the source is drive %s (%s). Nothing of it was changed.", m.marker.DriveID, m.drive.ID, m.drive.Name)}
	}
	dir, err := target.Open(m.path, m.marker, target.WithReadOnly(), target.WithQuickXor(newQuickXor), target.WithTrash(target.RelPath(trashPath(m.cfg))))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := r.clear(ctx, m); err != nil {
		return err
	}
	if !r.json {
		fmt.Fprintf(r.env.stderr, "%s: reading %s...\n", view.Name(m.cfg.Address), view.Name(relative(r.cfg.Dir, m.path)))
	}
	req := r.request(m.wanted, planOptions{Options: plan.Options{Full: true, Verify: plan.VerifyStat}}, dir)
	rec := &recorder{rebuild: r, ctx: ctx, rebuilding: m, dir: dir, names: req.Names}
	policy := m.header.Policy
	m.header.Policy.OnUntracked, m.header.Policy.AdoptBy = "adopt", ""
	req.Emit, req.Drift = rec.change, func(plan.Drift) error { return nil }
	err = req.Run(ctx)
	m.header.Policy = policy
	if err != nil {
		return err
	}
	if err := rec.flush(); err != nil {
		return err
	}
	err = r.store.Tx(ctx, func(tx *state.Tx) error {
		return apply.Settle(ctx, r.store, tx, m.row.Key, m.header, rec.left)
	})
	if err != nil {
		return err
	}
	next := m.marker
	next.Lineage, next.Mirror, next.DriveID = r.store.Lineage(), m.cfg.Address, string(m.drive.ID)
	if err := dir.Adopt(next); err != nil {
		return err
	}
	return dir.ForgetRun()
}

// clear gives the mirror a row without records. Its generation moves on, so that no plan made before fits any more.
func (r *rebuild) clear(ctx context.Context, m *rebuilding) error {
	row := state.Mirror{
		Address: m.cfg.Address, Drive: m.drive.Key, Folder: state.ItemID(m.header.Source.FolderID), FolderPath: m.header.Source.Folder,
		Target: m.path, Marker: m.marker.UUID, Created: r.env.now(),
	}
	err := r.store.Tx(ctx, func(tx *state.Tx) error {
		key, err := tx.PutMirror(row)
		if err != nil {
			return err
		}
		if err := tx.ClearMirror(key); err != nil {
			return err
		}
		return tx.AdvanceMirror(key)
	})
	if err != nil {
		return err
	}
	m.row, _, err = r.store.MirrorByAddress(ctx, m.cfg.Address)
	m.header.Tracked = plan.Sum{}
	return err
}

// recordBatch is how many records share one commit.
const recordBatch = 1000

// recorder turns the changes that a plan would make into records of what is there already.
type recorder struct {
	*rebuild
	*rebuilding
	ctx     context.Context
	dir     *target.Dir
	names   plan.Namer
	entries []state.Entry
	left    []state.Pending
}

func (r *recorder) change(c plan.Change) error {
	e := state.Entry{
		Item: state.ItemID(c.ItemID), Parent: state.ItemID(c.Parent), Name: c.Name, Fold: c.Fold, Folder: c.Folder, At: r.env.now(),
	}
	if c.Remote != nil {
		e.RemoteHash, e.RemoteSize, e.Modified, e.ETag, e.CTag = c.Remote.Hash, c.Remote.Size, c.Remote.Modified, c.Remote.ETag, c.Remote.CTag
	}
	switch {
	case c.Action() == plan.Adopt && c.Folder:
		r.tally.Folders++
	case c.Action() == plan.Adopt:
		e.Size, e.MTime, e.Inode = c.Local.Size, c.Local.MTime, c.Local.Inode
		e.Hash, e.SHA256, e.Verdict = c.Remote.Hash, c.Local.SHA256, state.Verified
		r.tally.Files++
		r.tally.Bytes += e.Size
	case c.Action() == plan.Add:
		if !c.Folder {
			wantedOnDisk(&e, time.Time{})
		}
		r.tally.Missing++
		if err := r.tell(c, "missing", ""); err != nil {
			return err
		}
	case c.Reason == plan.BlockedUntracked && c.Wanted == plan.Add && c.Local != nil && !c.Folder:
		if known, err := r.differing(c, &e); !known || err != nil {
			return err
		}
	default:
		return r.hold(c)
	}
	r.entries = append(r.entries, e)
	if len(r.entries) < recordBatch {
		return nil
	}
	return r.flush()
}

// wantedOnDisk fills a record with what should be on disk: whatever is there instead shows as drift, also
// a file of the same size and time, for which the time is moved by as little as can be.
func wantedOnDisk(e *state.Entry, found time.Time) {
	e.Size, e.Hash, e.MTime = max(0, e.RemoteSize), e.RemoteHash, target.ClampTime(e.Modified)
	if e.MTime.Equal(found) {
		e.MTime = e.MTime.Add(time.Nanosecond)
	}
}

// differing records a file that is not known to be the source's. Without a hash at the source, size
// and time decide. What cannot be read is held back instead.
func (r *recorder) differing(c plan.Change, e *state.Entry) (known bool, err error) {
	if err := r.place(c, e); err != nil {
		return false, err
	}
	fp, err := r.dir.Hash(r.ctx, target.RelPath(c.Path))
	switch {
	case r.ctx.Err() != nil:
		return false, r.ctx.Err()
	case err != nil:
		c.Detail = "cannot be read: " + err.Error()
		return false, r.hold(c)
	case e.RemoteHash == "" && fp.Size == e.RemoteSize && fp.MTime.Unix() == target.ClampTime(e.Modified).Unix():
		e.Size, e.MTime, e.Inode, e.Hash, e.SHA256, e.Verdict = fp.Size, fp.MTime, fp.Inode, fp.QuickXor, fp.SHA256, state.SizeOnly
		r.tally.Files++
		r.tally.SizeOnly++
		r.tally.Bytes += fp.Size
		return true, nil
	}
	wantedOnDisk(e, fp.MTime)
	r.tally.Differ++
	return true, r.tell(c, "differs", "its content is not what the source names")
}

// place fills in where the item of a blocked change belongs: such a change names only its path.
func (r *recorder) place(c plan.Change, e *state.Entry) error {
	it, ok, err := r.store.Item(r.ctx, r.drive.Key, e.Item)
	if err != nil || !ok {
		if err == nil {
			err = fs.ErrNotExist
		}
		return fmt.Errorf("item of %q: %w", c.Path, err)
	}
	e.Name = path.Base(string(c.Path))
	e.Fold = r.names.Fold(e.Name)
	if it.Parent != r.row.Folder {
		e.Parent = it.Parent
	}
	return nil
}

// hold leaves an item to the next plan, which says why it is held back.
func (r *recorder) hold(c plan.Change) error {
	r.tally.Blocked++
	r.left = append(r.left, state.Pending{
		Item: state.ItemID(c.ItemID), Action: string(plan.Blocked), Code: "SPM0514", Reason: string(c.Reason), Path: string(c.Path), Last: r.env.now(),
	})
	return nil
}

// tell names a file that the next plan will want to restore.
func (r *recorder) tell(c plan.Change, kind, detail string) error {
	d := difference{Mirror: c.Mirror, Path: string(c.Path), Kind: kind, Detail: detail, Folder: c.Folder}
	if !r.json {
		_, err := fmt.Fprintf(r.env.stdout, "%-10s  %s  %s\n", d.Kind, view.Name(d.Mirror), r.shown("/"+d.Path, d.Folder))
		return err
	}
	enc := json.NewEncoder(r.env.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Type string `json:"type"`
		difference
	}{"difference", d})
}

func (r *recorder) flush() error {
	entries := r.entries
	r.entries = r.entries[:0]
	return r.store.Tx(r.ctx, func(tx *state.Tx) error { return tx.PutEntries(r.row.Key, entries) })
}
