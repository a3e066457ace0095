package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Kinds of intents. An intent is committed before its effect on disk and cleared
// in the transaction that records the effect.
const (
	intentPublish = "publish" // From: staging name, To: final path, Entry: as it will be
	intentMove    = "move"    // From, To: paths, Entry: as it will be
	intentMkdir   = "mkdir"   // To: path, Entry: as it will be
	intentTrash   = "trash"   // From: path, Entry: as it was
	intentRmdir   = "rmdir"   // From: path
)

func intent(kind string, id state.ItemID, from, to string, e state.Entry) state.Intent {
	// Entry has only fields that JSON can hold.
	data, _ := json.Marshal(e)
	return state.Intent{Item: id, Kind: kind, From: from, To: to, Inode: e.Inode, Entry: data}
}

// intend commits intents, with the results that wait.
func (m *mirrorRun) intend(list []state.Intent) error {
	return m.commit(nil, func(tx *state.Tx) error { return tx.PutIntents(m.Key, list) })
}

// Recover resolves what a killed run left open in one mirror, by looking at the
// disk: rows catch up with effects that happened, and intents of effects that did
// not happen are dropped. It changes no file but the staged ones.
func Recover(ctx context.Context, store *state.Store, key state.MirrorKey, dir *target.Dir) error {
	r := recovery{store: store, key: key, dir: dir}
	var open []state.Intent
	for in, err := range store.Intents(ctx, key) {
		if err != nil {
			return fmt.Errorf("recover: %w", err)
		}
		open = append(open, in)
	}
	for _, in := range open {
		if err := r.resolve(ctx, in); err != nil {
			return fmt.Errorf("recover %s of %q: %w", in.Kind, in.To+in.From, err)
		}
	}
	return nil
}

func (m *mirrorRun) recoverIntents(ctx context.Context) error {
	return Recover(ctx, m.Store, m.Key, m.Dir)
}

type recovery struct {
	store *state.Store
	key   state.MirrorKey
	dir   *target.Dir
}

// resolve decides one intent. What it writes is what the killed run would have.
func (r recovery) resolve(ctx context.Context, in state.Intent) error {
	var e state.Entry
	if err := json.Unmarshal(in.Entry, &e); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	switch in.Kind {
	case intentPublish:
		return r.publish(ctx, in, e)
	case intentMove:
		happened, err := r.moved(in, e)
		return r.settle(ctx, in, e, happened, err)
	case intentMkdir:
		fp, err := r.dir.Stat(target.RelPath(in.To))
		happened := err == nil && fp.Kind == target.KindDir
		return r.settle(ctx, in, e, happened, ignoreMissing(err))
	case intentTrash, intentRmdir:
		_, err := r.dir.Stat(target.RelPath(in.From))
		return r.removed(ctx, in, errors.Is(err, fs.ErrNotExist), ignoreMissing(err))
	}
	return fmt.Errorf("journal: unknown intent %q", in.Kind)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// publish asks the target how far the publication got.
func (r recovery) publish(ctx context.Context, in state.Intent, e state.Entry) error {
	want := target.Fingerprint{Kind: target.KindFile, Size: e.Size, MTime: e.MTime, Inode: e.Inode}
	got, displaced, err := r.dir.Recover(in.From, target.RelPath(in.To), want)
	if err != nil {
		return err
	}
	if displaced.Path != "" {
		if _, err := r.dir.TrashAs(displaced.Path, target.RelPath(in.To), nil, target.Stamp(e.At, "")); err != nil {
			return err
		}
	}
	if got == target.PublishStaged {
		if err := r.dir.DiscardStaged(in.From); err != nil {
			return err
		}
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
		if err := tx.DeletePartials(r.key, []state.ItemID{in.Item}); err != nil {
			return err
		}
		return tx.ClearIntents(r.key, []state.ItemID{in.Item})
	})
}

// moved reports whether a rename happened: the new name holds the thing and the
// old one does not.
func (r recovery) moved(in state.Intent, e state.Entry) (bool, error) {
	if fp, err := r.dir.Stat(target.RelPath(in.From)); err == nil && (e.Inode == 0 || fp.Inode == e.Inode) {
		// A rename in which only case changes finds one thing under both names.
		return in.From != in.To && r.sameThing(in, fp), nil
	} else if ignoreMissing(err) != nil {
		return false, err
	}
	fp, err := r.dir.Stat(target.RelPath(in.To))
	if err != nil {
		return false, ignoreMissing(err)
	}
	return e.Inode == 0 || fp.Inode == e.Inode, nil
}

func (r recovery) sameThing(in state.Intent, old target.Fingerprint) bool {
	fp, err := r.dir.Stat(target.RelPath(in.To))
	return err == nil && fp.Inode == old.Inode && fp.Inode != 0
}

func (r recovery) settle(ctx context.Context, in state.Intent, e state.Entry, happened bool, err error) error {
	if err != nil {
		return err
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error {
		if happened {
			if err := tx.PutEntries(r.key, []state.Entry{e}); err != nil {
				return err
			}
		}
		return tx.ClearIntents(r.key, []state.ItemID{in.Item})
	})
}

func (r recovery) removed(ctx context.Context, in state.Intent, happened bool, err error) error {
	if err != nil {
		return err
	}
	return r.store.Tx(ctx, func(tx *state.Tx) error {
		if happened {
			if err := tx.DeleteEntries(r.key, []state.ItemID{in.Item}); err != nil {
				return err
			}
		}
		return tx.ClearIntents(r.key, []state.ItemID{in.Item})
	})
}
