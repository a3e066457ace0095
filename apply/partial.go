package apply

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// checkpointEvery is the most that is fetched twice after a kill (I-08).
const checkpointEvery = 16 << 20

// resume continues a partial download of the same version, or starts a new one
// (I-07).
func (f *fetch) resume() error {
	if !f.saved {
		return f.restart()
	}
	p, ok, err := f.Store.Partial(context.WithoutCancel(f.ctx), f.Key, state.ItemID(f.change.ItemID))
	if err != nil {
		return fmt.Errorf("read partial: %w", err)
	}
	f.quick, f.sha = quickxor.New(), sha256.New()
	same := ok && p.ETag == f.item.ETag && p.CTag == f.item.CTag && p.Hash == f.item.QuickXorHash && p.Size == f.item.Size
	if same && restore(f.quick, p.QuickXor) && restore(f.sha, p.SHA256) {
		if f.staged, err = f.Dir.Stage(p.Staging, target.StageOptions{Offset: p.Offset}); err == nil {
			f.offset, f.atSave = p.Offset, p.Offset
			f.moved(p.Offset)
			return nil
		}
	}
	return f.restart()
}

func restore(h hash.Hash, state []byte) bool {
	u, ok := h.(encoding.BinaryUnmarshaler)
	return ok && u.UnmarshalBinary(state) == nil
}

// restart begins the file from its first byte. The checkpoint of what was there is
// forgotten first: it would speak of bytes that are overwritten.
func (f *fetch) restart() error {
	f.closeStaged()
	if err := f.forgetPartial(); err != nil {
		return err
	}
	f.moved(-f.offset)
	f.offset, f.total, f.etag, f.ended = 0, -1, "", false
	f.atBreak, f.atRenewal = 0, 0
	f.quick, f.sha = quickxor.New(), sha256.New()
	var err error
	// The same name for every attempt at an item, so that a later run finds the file.
	f.staged, err = f.Dir.Stage(target.StageName(string(f.change.ItemID)), target.StageOptions{Size: max(0, f.item.Size)})
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}

func (f *fetch) closeStaged() {
	if f.staged != nil {
		f.staged.Close()
		f.staged = nil
	}
}

func (f *fetch) forgetPartial() error {
	if !f.saved {
		return nil
	}
	err := f.Store.Tx(context.WithoutCancel(f.ctx), func(tx *state.Tx) error {
		return tx.DeletePartials(f.Key, []state.ItemID{state.ItemID(f.change.ItemID)})
	})
	if err != nil {
		return fmt.Errorf("forget partial: %w", err)
	}
	f.saved, f.atSave = false, 0
	return nil
}

// checkpoint makes what is on disk durable and commits it with the state of the
// hashes, so that nothing of it is fetched or read again (I-08).
func (f *fetch) checkpoint() error {
	if err := f.staged.Sync(); err != nil {
		return err
	}
	quick, err1 := f.quick.(encoding.BinaryMarshaler).MarshalBinary()
	sha, err2 := f.sha.(encoding.BinaryMarshaler).MarshalBinary()
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	p := state.Partial{
		Item: state.ItemID(f.change.ItemID), Staging: f.staged.Name(), Offset: f.offset, QuickXor: quick, SHA256: sha,
		ETag: f.item.ETag, CTag: f.item.CTag, Hash: f.item.QuickXorHash, Size: f.item.Size, At: f.Now(),
	}
	err := f.Store.Tx(context.WithoutCancel(f.ctx), func(tx *state.Tx) error { return tx.PutPartial(f.Key, p) })
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	f.saved, f.atSave = true, f.offset
	return nil
}

// leave ends a download that failed or was stopped: what a later run can use is
// kept, everything else is thrown away.
func (f *fetch) leave(cause error) error {
	if !useless(cause) {
		defer f.closeStaged()
		if f.staged == nil || f.offset < f.Job.checkpoint || f.offset == f.atSave {
			return nil
		}
		return f.checkpoint()
	}
	f.moved(-f.offset)
	name := target.StageName(string(f.change.ItemID))
	f.closeStaged()
	return errors.Join(f.forgetPartial(), ignoreMissing(f.Dir.DiscardStaged(name)))
}

// useless reports whether nothing of a download will be wanted again: it is of
// another version, its bytes are wrong, or they did not come to the disk.
func useless(err error) bool {
	var own *itemError
	if errors.As(err, &own) {
		return slices.Contains([]string{CodeIntegrity, CodeSuperseded, CodeMalware, CodeUnverifiable, CodeNoContent}, own.code)
	}
	if e := (*target.Error)(nil); errors.As(err, &e) || errors.Is(err, graph.ErrMalware) {
		return true
	}
	e, ok := graph.AsError(err)
	return ok && e.IsNotFound()
}
