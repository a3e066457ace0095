package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spmirror/spmirror/state"
)

// openOld opens the state that is there, or notes why it cannot be used. Only what is lost
// beyond repair is replaced: a newer state, or one that another program holds, is an error.
func (r *rebuild) openOld(ctx context.Context) error {
	path := r.cfg.Backend.Path
	store, err := state.Open(ctx, path, state.Options{Now: r.env.now})
	if err == nil {
		r.store = store
		if err = r.notInventory(ctx); err != nil {
			return err
		}
		if err = store.Check(ctx, true); err == nil {
			return r.follow(ctx)
		}
	}
	for _, lost := range []error{state.ErrMissing, state.ErrEmpty, state.ErrNotState, state.ErrDamaged} {
		if !errors.Is(err, lost) {
			continue
		}
		r.lost = err
		if store != nil {
			r.store = nil
			return store.Close()
		}
		return nil
	}
	return noAccess(err)
}

// secure keeps what there is of the old state and opens the one to write to. It returns where the
// old one is, "" if there was none.
func (r *rebuild) secure(ctx context.Context) (kept string, err error) {
	path := r.cfg.Backend.Path
	if r.lost == nil {
		kept, err = r.store.Backup(ctx, stateBackups)
	} else {
		kept, err = r.setAside(path)
	}
	if err != nil {
		return "", &problem{code: "SPM0705", summary: "The old state could not be kept", err: err, detail: "Nothing was done."}
	}
	if r.lost != nil {
		if r.store, err = state.Create(ctx, path, state.Options{Now: r.env.now}); err != nil {
			return "", noAccess(err)
		}
	}
	return kept, nil
}

// setAside renames a state that cannot be used, with its journals: together they may be of use to
// somebody yet. The file is never opened for that, which would drop locks on it (I-39).
func (r *rebuild) setAside(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", r.strayJournals(path)
	}
	aside := path + ".damaged-" + r.env.now().UTC().Format("20060102T150405.000000000Z")
	if _, err := os.Lstat(aside); err == nil {
		return "", fmt.Errorf("%s: %w", aside, fs.ErrExist)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} { // the file itself last: before that nothing looks finished
		if err := os.Rename(path+suffix, aside+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
	}
	return aside, nil
}

// strayJournals refuses journals without their state: SQLite would take them for those of the new one.
func (r *rebuild) strayJournals(path string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if fi, err := os.Lstat(path + suffix); err == nil && fi.Size() > 0 {
			return fmt.Errorf("%s is there without its state; restore the state beside it, or move it away", path+suffix)
		}
	}
	return nil
}
