package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Recover resolves what a killed run left open in one mirror, by looking at the
// disk: rows catch up with effects that happened, and intents of effects that did
// not happen are dropped. Local bytes that were displaced go to the trash.
//
// The intents stay open until all of it is written: a recovery that is killed is
// repeated from its beginning, and looking twice finds the same.
func Recover(ctx context.Context, store *state.Store, key state.MirrorKey, dir *target.Dir) error {
	r := &recovery{store: store, key: key, dir: dir, items: make(map[target.RelPath]state.ItemID)}
	var open []state.Intent
	for in, err := range store.Intents(ctx, key) {
		if err != nil {
			return fmt.Errorf("recover: %w", err)
		}
		open = append(open, in)
	}
	if len(open) == 0 {
		return nil
	}
	// The killed run may not have flushed what it did, and no row claims what a power cut
	// may still undo (I-03).
	if err := dir.SyncAll(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	for _, in := range open {
		if err := r.resolve(ctx, in); err != nil {
			return fmt.Errorf("recover %s of %q: %w", in.Kind, in.To+in.From, err)
		}
	}
	if err := r.close(ctx, open); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	return nil
}

// close forgets the intents, in one transaction with the rows of the trash that
// their effects may have filled.
func (r *recovery) close(ctx context.Context, open []state.Intent) error {
	var found []state.Trashed
	var gone []string
	if len(r.items) > 0 {
		var err error
		if found, gone, err = r.trashRows(ctx); err != nil {
			return err
		}
	}
	ids := make([]state.ItemID, len(open))
	for i := range open {
		ids[i] = open[i].Item
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error {
		return errors.Join(tx.PutTrash(r.key, found), tx.DeleteTrash(r.key, gone), tx.ClearIntents(r.key, ids))
	})
}

type recovery struct {
	store *state.Store
	key   state.MirrorKey
	dir   *target.Dir
	items map[target.RelPath]state.ItemID // paths that may have gone to the trash without a row
}

// resolve decides one intent. What it writes is what the killed run would have.
func (r *recovery) resolve(ctx context.Context, in state.Intent) error {
	var e state.Entry
	if err := json.Unmarshal(in.Entry, &e); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	from, to := target.RelPath(in.From), target.RelPath(in.To)
	switch in.Kind {
	case intentPublish:
		return r.publish(ctx, in, e)
	case intentMove:
		happened, err := r.moved(from, to, &e)
		return r.settle(ctx, e, happened, err)
	case intentMkdir:
		fp, err := r.dir.Stat(to)
		return r.settle(ctx, e, err == nil && fp.Kind == target.KindDir, ignoreAbsent(err))
	case intentTrash:
		r.items[to] = in.Item
		found, err := r.find(from, 0)
		return r.removed(ctx, in, !found, err)
	case intentRmdir:
		found, err := r.find(from, 0)
		return r.removed(ctx, in, !found, err)
	case intentDelete:
		return r.deleted(ctx, in, &e)
	}
	return fmt.Errorf("journal: unknown intent %q", in.Kind)
}

// publish asks the target how far the publication got, and takes displaced files
// out of the way until there are no more.
func (r *recovery) publish(ctx context.Context, in state.Intent, e state.Entry) error {
	want := target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime, Inode: e.Inode}
	to := target.RelPath(in.To)
	r.items[to] = in.Item
	for {
		got, displaced, err := r.dir.Recover(in.From, to, want)
		if err != nil {
			return err
		}
		if displaced.Path == "" {
			return r.published(ctx, in, e, got)
		}
		if got != target.PublishDone && r.dir.Move(displaced.Path, to, nil) == nil {
			continue // its name was free, because the disk cannot exchange names
		}
		_, err = r.dir.TrashAs(displaced.Path, to, nil, target.Stamp(e.At, ""))
		if errors.Is(err, target.ErrNotRegular) { // a folder that took the file's place in the last instant stays there
			return r.published(ctx, in, e, got)
		}
		if err != nil {
			return err
		}
	}
}

// published writes what became of a publication. A file that is still in staging
// goes on from its checkpoint, if it has one.
func (r *recovery) published(ctx context.Context, in state.Intent, e state.Entry, got target.PublishState) error {
	_, partial, err := r.store.Partial(ctx, r.key, in.Item)
	if err != nil {
		return err
	}
	if got == target.PublishStaged && !partial {
		if err := r.dir.DiscardStaged(in.From); err != nil {
			return err
		}
	}
	if err := r.dir.SyncDirs(); err != nil {
		return err
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error {
		if got == target.PublishDone {
			if in.Displaced != "" {
				if err := tx.DeleteEntries(r.key, []state.ItemID{in.Displaced}); err != nil {
					return err
				}
			}
			if err := tx.PutEntries(r.key, []state.Entry{e}); err != nil {
				return err
			}
		}
		if got == target.PublishStaged {
			return nil
		}
		return tx.DeletePartials(r.key, []state.ItemID{in.Item})
	})
}

// find reports whether a thing with an inode is at a path; zero stands for any.
func (r *recovery) find(path target.RelPath, inode uint64) (bool, error) {
	fp, err := r.dir.Stat(path)
	if err != nil {
		return false, ignoreAbsent(err)
	}
	return inode == 0 || fp.Inode == 0 || fp.Inode == inode, nil
}

// moved reports whether a rename happened. Where only the spelling changes, one
// thing may be found under both names, or under neither while it is half done.
func (r *recovery) moved(from, to target.RelPath, e *state.Entry) (bool, error) {
	atOld, err := r.find(from, e.Inode)
	if err != nil {
		return false, err
	}
	atNew, err := r.find(to, e.Inode)
	switch {
	case err != nil || atOld != atNew:
		return atNew, err
	case atOld:
		if ended, err := r.dir.RecoverMove(from, to); ended || err != nil {
			return ended, err
		}
		return r.respelled(from, to)
	}
	between := target.ParkName("respell " + string(from))
	if half, err := r.find(between, e.Inode); !half || err != nil {
		return false, err
	}
	return true, r.dir.Move(between, to, nil)
}

// respelled looks up which of two spellings the directory has.
func (r *recovery) respelled(from, to target.RelPath) (bool, error) {
	if from.Dir() != to.Dir() {
		return false, nil
	}
	found, err := r.dir.ReadDir(to.Dir())
	if err != nil {
		return false, err
	}
	var hasOld, hasNew bool
	for _, f := range found {
		hasOld = hasOld || f.Name == from.Base()
		hasNew = hasNew || f.Name == to.Base()
	}
	return hasNew && !hasOld, nil
}

// deleted ends a delete for good.
func (r *recovery) deleted(ctx context.Context, in state.Intent, e *state.Entry) error {
	from := target.RelPath(in.From)
	r.items[target.RelPath(in.To)] = in.Item
	gone, displaced, err := r.dir.RecoverRemove(from, target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime})
	if err == nil && displaced.Path != "" {
		_, err = r.dir.TrashAs(displaced.Path, target.RelPath(in.To), nil, target.Stamp(e.At, ""))
	}
	return r.removed(ctx, in, gone, err)
}

func (r *recovery) settle(ctx context.Context, e state.Entry, happened bool, err error) error {
	if err != nil {
		return err
	}
	if err := r.dir.SyncDirs(); err != nil {
		return err
	}
	if !happened {
		return nil
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error { return tx.PutEntries(r.key, []state.Entry{e}) })
}

func (r *recovery) removed(ctx context.Context, in state.Intent, happened bool, err error) error {
	if err != nil {
		return err
	}
	if err := r.dir.SyncDirs(); err != nil || !happened {
		return err
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error { return tx.DeleteEntries(r.key, []state.ItemID{in.Item}) })
}

// trashRows compares the rows of the trash with what is in it: found has no row yet,
// gone are rows without a file.
func (r *recovery) trashRows(ctx context.Context) (found []state.Trashed, gone []string, err error) {
	rows := make(map[string]bool)
	for t, err := range r.store.Trash(ctx, r.key) {
		if err != nil {
			return nil, nil, fmt.Errorf("read trash: %w", err)
		}
		rows[t.Path] = true
	}
	for t, err := range r.dir.TrashDir().List(ctx) {
		if err != nil {
			return nil, nil, fmt.Errorf("list trash: %w", err)
		}
		if t.Kind != target.KindFile || t.At.IsZero() {
			continue
		}
		if rows[string(t.Path)] {
			delete(rows, string(t.Path))
			continue
		}
		found = append(found, state.Trashed{
			Path: string(t.Path), Original: string(t.Original), Item: r.items[t.Original], Size: t.Size, At: t.At, Reason: "recovered",
		})
	}
	return found, slices.Sorted(maps.Keys(rows)), nil
}
