package main

import (
	"context"
	"errors"
	"os"

	"github.com/spmirror/spmirror/state"
)

// state looks at the state and who holds it.
func (d *doctor) state(ctx context.Context) {
	path := d.cfg.Backend.Path
	shown := relative(d.cfg.Dir, path)
	d.stateLock(shown, path)
	check := looked("state", shown, "readable")
	store, err := state.Open(ctx, path, state.Options{Now: d.env.now, ReadOnly: true})
	switch {
	case errors.Is(err, state.ErrMissing):
		d.missingState(shown)
		return
	case errors.Is(err, state.ErrOlder):
		d.warn(check, "The next plan migrates it, after a backup.", "it has an older format")
		return
	case err != nil:
		d.fail(check, err, "")
		return
	}
	d.store = store
	check.Check = "integrity"
	if err := store.Check(ctx, true); err != nil {
		d.fail(check, err, "")
		return
	}
	serial, err := store.Serial(ctx)
	if err != nil {
		d.fail(check, err, "")
		return
	}
	d.ok(check, "read in full; lineage %s, serial %d", store.Lineage(), serial)
	if err := d.notInventory(ctx); err != nil {
		check.Check = "kind"
		d.fail(check, err, "")
	}
	check.Check = "mode"
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.warn(check, "chmod 600 "+shown, "others may read the names of files in it (mode %04o)", info.Mode().Perm())
	}
}

// missingState is a mistake only where targets belong to a state.
func (d *doctor) missingState(shown string) {
	check := looked("state", shown, "readable")
	if err := d.stateMayBeMade(); err != nil {
		d.fail(check, err, "")
		return
	}
	d.ok(check, "not made yet; the first plan makes it")
}

// stateLock says who holds the lock, or left a text about it.
func (d *doctor) stateLock(shown, path string) {
	check := looked("state", shown, "lock")
	who, alive := state.LockHolder(path)
	switch {
	case who == (state.Owner{}):
		d.ok(check, "not locked")
	case alive:
		d.warn(check, "Wait for it, or use -lock-timeout.", "held by %s, process %d on %s since %s", who.Operation, who.PID, who.Host, timeText(who.Since))
	default:
		d.warn(check, "The kernel has released the lock already; `spmirror force-unlock` clears the text.",
			"a text names %s, process %d on %s, which is gone", who.Operation, who.PID, who.Host)
	}
}
