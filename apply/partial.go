package apply

import (
	"bytes"
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

// resume continues a partial download of the same version, or starts a new one
// (I-07).
func (f *fetch) resume(ctx context.Context) error {
	if !f.saved {
		return f.restart()
	}
	p, ok, err := f.Store.Partial(context.WithoutCancel(f.ctx), f.Key, state.ItemID(f.change.ItemID))
	if err != nil {
		return fmt.Errorf("read partial: %w", err)
	}
	same := ok && p.ETag == f.item.ETag && p.CTag == f.item.CTag && p.Hash == f.item.QuickXorHash && p.Size == f.item.Size
	if same && plausible(&p) {
		if f.item.QuickXorHash == "" || f.Plan.Policy.Verify == "size" {
			p.Ahead = nil // nothing would tell whether they are what came
		}
		end := p.Offset
		if n := len(p.Ahead); n > 0 {
			end = p.Ahead[n-1].To
		}
		if f.staged, err = f.Dir.Stage(p.Staging, target.StageOptions{Offset: end}); err == nil {
			if resumed, err := f.reread(ctx, &p); resumed || err != nil {
				return err
			}
		}
	}
	return f.restart()
}

// reread hashes the beginning of the staged file anew and goes on behind it if that is
// what the checkpoint has seen. The states of the hashes alone would vouch for bytes that
// somebody has changed since, or that a disk has lost which only said that it had them
// (F17): they would be published as verified.
func (f *fetch) reread(ctx context.Context, p *state.Partial) (same bool, err error) {
	quick, sha := quickxor.New(), sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for at := int64(0); at < p.Offset; {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		part := (*buf)[:min(p.Offset-at, bufferSize)]
		if _, unread := f.staged.ReadAt(part, at); unread != nil { // then it is fetched again
			return false, nil
		}
		quick.Write(part)
		sha.Write(part)
		at += int64(len(part))
	}
	if !comesTo(quick, quickxor.New(), p.QuickXor) || !comesTo(sha, sha256.New(), p.SHA256) {
		return false, nil
	}
	f.received.begin(quick, sha, p.Offset, p.Ahead)
	f.moved(f.count)
	return true, nil
}

// comesTo reports whether a hash is that of a recorded state, which is restored for that.
func comesTo(h, restored hash.Hash, recorded []byte) bool {
	u, ok := restored.(encoding.BinaryUnmarshaler)
	return ok && u.UnmarshalBinary(recorded) == nil && bytes.Equal(h.Sum(nil), restored.Sum(nil))
}

// plausible reports whether the parts ahead lie in order behind the beginning.
func plausible(p *state.Partial) bool {
	at := p.Offset
	for _, a := range p.Ahead {
		if a.From < at || a.To <= a.From {
			return false
		}
		at = a.To
	}
	return len(p.Ahead) == 0 || at <= p.Size
}

// restart begins the file from its first byte. The checkpoint of what was there is
// forgotten first: it would speak of bytes that are overwritten.
func (f *fetch) restart() error {
	f.closeStaged()
	if err := f.forgetPartial(); err != nil {
		return err
	}
	f.moved(-f.count)
	f.total, f.etag, f.ended, f.seam = -1, "", false, false
	f.atBreak, f.atRenewal = 0, 0
	f.received.begin(quickxor.New(), sha256.New(), 0, nil)
	var err error
	// The same name for every attempt at an item, so that a later run finds the file.
	f.staged, err = f.Dir.Stage(target.StageName(string(f.change.ItemID)), target.StageOptions{Size: max(0, f.item.Size)})
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}

func (f *fetch) closeStaged() {
	f.saves.Wait()
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
		return unrecorded("forget partial", err)
	}
	f.saved = false
	return nil
}

// leave ends a download that failed or was stopped: what a later run can use is
// kept, everything else is thrown away.
func (f *fetch) leave(cause error) error {
	if !useless(cause) {
		defer f.closeStaged()
		f.saves.Wait()
		if f.staged == nil || f.count < f.Job.checkpoint || f.count == f.durable {
			return nil
		}
		return f.checkpoint()
	}
	f.moved(-f.count)
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
