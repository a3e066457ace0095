package apply

import (
	"context"
	"encoding"
	"errors"
	"fmt"

	"github.com/spmirror/spmirror/state"
)

// checkpointEvery is the most that is fetched twice after a kill (I-08).
const checkpointEvery = 16 << 20

// Checkpoints are made while the download goes on: flushing what has come and
// recording it takes as long as the disk takes, and streams must not wait for it.
// One begins when half an interval has come since the last, and streams wait only
// when a whole interval would be at stake.

// admit lets a stream add up to n bytes, as soon as a kill would cost no more than
// one interval with them.
func (f *fetch) admit(n int64) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	for f.saveErr == nil && f.count-f.durable+f.admitted+n > f.Job.checkpoint {
		switch {
		case f.saving: // it makes room
		case f.count > f.durable:
			f.save()
		case f.admitted > 0: // so does what other streams are about to add
		default:
			f.admitted += n // a buffer larger than the interval
			return nil
		}
		f.turn.Wait()
	}
	if f.saveErr != nil {
		return f.failedSave()
	}
	f.admitted += n
	return nil
}

// failedSave hands the failure of a checkpoint out, once: who gets it decides whether
// the download goes on. The lock is held.
func (f *fetch) failedSave() error {
	err := f.saveErr
	f.saveErr = nil
	return err
}

// added takes the n bytes into account that a stream has added of those it was
// admitted with. note says where, under the lock.
func (f *fetch) added(admitted, n int64, note func()) {
	f.lock.Lock()
	note()
	f.admitted -= admitted
	f.count += n
	if open := f.count - f.durable; !f.saving && f.saveErr == nil && open >= f.Job.checkpoint/2 && f.worthSaving() {
		f.save()
	}
	f.turn.Broadcast()
	f.lock.Unlock()
	f.moved(n)
}

// worthSaving is false when the file will be complete before an interval is at
// stake. The lock is held.
func (f *fetch) worthSaving() bool {
	return f.total < 0 || f.total-f.durable > f.Job.checkpoint
}

// save begins a checkpoint. The lock is held.
func (f *fetch) save() {
	f.saving = true
	f.saves.Go(func() {
		err := f.checkpoint()
		f.lock.Lock()
		f.saving = false
		if err != nil {
			f.saveErr = err
		}
		f.turn.Broadcast()
		f.lock.Unlock()
	})
}

// checkpoint makes what is on disk durable and commits it with the state of the
// hashes, so that nothing of it is fetched again (I-08). What comes meanwhile is not
// part of it.
func (f *fetch) checkpoint() error {
	p, count, err := f.snapshot()
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := f.staged.Sync(); err != nil {
		return err
	}
	err = f.Store.Tx(context.WithoutCancel(f.ctx), func(tx *state.Tx) error { return tx.PutPartial(f.Key, p) })
	if err != nil {
		return unrecorded("checkpoint", err)
	}
	f.lock.Lock()
	f.saved, f.durable = true, count
	f.lock.Unlock()
	return nil
}

// snapshot is what has come so far, and how many bytes that are.
func (f *fetch) snapshot() (state.Partial, int64, error) {
	f.hashing.Lock()
	defer f.hashing.Unlock()
	quick, err1 := f.quick.(encoding.BinaryMarshaler).MarshalBinary()
	sha, err2 := f.sha.(encoding.BinaryMarshaler).MarshalBinary()
	f.lock.Lock()
	defer f.lock.Unlock()
	return state.Partial{
		Item: state.ItemID(f.change.ItemID), Staging: f.staged.Name(), Offset: f.offset, QuickXor: quick, SHA256: sha, Ahead: f.spans(),
		ETag: f.item.ETag, CTag: f.item.CTag, Hash: f.item.QuickXorHash, Size: f.item.Size, At: f.Now(),
	}, f.count, errors.Join(err1, err2)
}

// awaitSave waits for a checkpoint that is under way.
func (f *fetch) awaitSave() error {
	f.saves.Wait()
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.failedSave()
}
