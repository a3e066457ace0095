package apply

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Bounds of one download.
const (
	checkpointEvery = 16 << 20  // at most this much is fetched twice after a kill (I-08)
	bufferSize      = 256 << 10 // DEPS B6
	maxBreaks       = 8         // broken transfers in a row without a byte
	maxRenewals     = 4         // fresh download addresses for one file
)

// buffers are shared by all downloads; their number is that of the workers.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// fetch is the download of one file.
type fetch struct {
	*mirrorRun
	change   plan.Change
	item     graph.Item
	staged   *target.Staged
	quick    hash.Hash
	sha      hash.Hash
	offset   int64
	durable  int64 // bytes covered by the last checkpoint
	renewals int
	first    string // SHA-256 of a first complete download that did not match
}

// run fetches the file into staging and verifies it.
func (f *fetch) run(ctx context.Context) (ready, error) {
	defer f.closeStaged()
	if err := f.look(ctx); err != nil {
		return ready{}, err
	}
	path, err := f.filePath(ctx, &f.change)
	if err != nil {
		return ready{}, err
	}
	if err := f.resume(ctx); err != nil {
		return ready{}, err
	}
	for {
		if err := f.body(ctx); err != nil {
			return ready{}, err
		}
		verdict, again, err := f.verify(ctx)
		if err != nil {
			f.discard()
			return ready{}, err
		}
		if again {
			if err := f.restart(); err != nil {
				return ready{}, err
			}
			continue
		}
		return f.finish(path, verdict)
	}
}

// look reads the item: its download address, and whether it is still the version
// of the plan (I-47).
func (f *fetch) look(ctx context.Context) error {
	it, err := f.Source.Item(ctx, graph.DriveID(f.Plan.Source.DriveID), graph.ItemID(f.change.ItemID))
	if err != nil {
		return err
	}
	if it.Facets.Has(graph.Malware) {
		return &itemError{code: CodeMalware, message: "the service found malware in it (C28)"}
	}
	if it.Facets.Has(graph.Deleted) || !it.Facets.Has(graph.File) {
		return superseded("it is no file any more at the source")
	}
	if !sameVersion(f.change.Remote, &it) {
		if f.Plan.Policy.OnSuperseded != "latest" {
			return superseded("it changed at the source since the plan")
		}
		f.change.Remote = remoteOf(&it)
	}
	f.item = it
	return nil
}

// sameVersion reports whether an item has the content that the plan speaks of.
func sameVersion(want *plan.Remote, it *graph.Item) bool {
	switch {
	case want == nil:
		return false
	case want.Hash != "" && it.QuickXorHash != "":
		return want.Hash == it.QuickXorHash && (want.Size < 0 || it.Size < 0 || want.Size == it.Size)
	case want.Size >= 0 && it.Size >= 0 && want.Size != it.Size:
		return false
	case want.CTag != "" && it.CTag != "":
		return want.CTag == it.CTag
	}
	return want.ETag == it.ETag
}

func remoteOf(it *graph.Item) *plan.Remote {
	return &plan.Remote{
		ETag: it.ETag, CTag: it.CTag, Size: it.Size, Hash: it.QuickXorHash, Modified: it.Modified, By: it.ModifiedBy,
	}
}

// resume continues a partial download of the same version, or starts a new one
// (I-07).
func (f *fetch) resume(ctx context.Context) error {
	p, ok, err := f.Store.Partial(context.WithoutCancel(ctx), f.Key, state.ItemID(f.change.ItemID))
	if err != nil {
		return fmt.Errorf("read partial: %w", err)
	}
	f.quick, f.sha = quickxor.New(), sha256.New()
	same := ok && p.ETag == f.item.ETag && p.CTag == f.item.CTag && p.Hash == f.item.QuickXorHash && p.Size == f.item.Size
	if same && restore(f.quick, p.QuickXor) && restore(f.sha, p.SHA256) {
		if f.staged, err = f.Dir.Stage(p.Staging, target.StageOptions{Offset: p.Offset}); err == nil {
			f.offset, f.durable = p.Offset, p.Offset
			f.moved(p.Offset)
			return nil
		}
	}
	return f.restart()
}

func restore(h hash.Hash, state []byte) bool {
	u, ok := h.(encoding.BinaryUnmarshaler)
	if ok && u.UnmarshalBinary(state) == nil {
		return true
	}
	h.Reset()
	return false
}

// restart begins the file from its first byte.
func (f *fetch) restart() error {
	f.closeStaged()
	f.moved(-f.offset)
	f.offset, f.durable = 0, 0
	f.quick, f.sha = quickxor.New(), sha256.New()
	var err error
	f.staged, err = f.Dir.Stage(target.StageName(f.stageKey()), target.StageOptions{Size: max(0, f.item.Size)})
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}

// stageKey is the same for every attempt at an item, so that a resumed run finds
// the file, and differs between mirrors by their staging directory.
func (f *fetch) stageKey() string { return string(f.change.ItemID) }

func (f *fetch) closeStaged() {
	if f.staged != nil {
		f.staged.Close()
		f.staged = nil
	}
}

func (f *fetch) discard() {
	if f.staged == nil {
		return
	}
	f.moved(-f.offset)
	if err := f.staged.Discard(); err != nil {
		f.Log.Warn("staged file not removed", "error", err)
	}
	f.staged = nil
	err := f.Store.Tx(context.WithoutCancel(f.ctx), func(tx *state.Tx) error {
		return tx.DeletePartials(f.Key, []state.ItemID{state.ItemID(f.change.ItemID)})
	})
	if err != nil {
		f.Log.Warn("partial not forgotten", "error", err)
	}
}

// body transfers the rest of the file, however often the transfer breaks, as long
// as it moves on.
func (f *fetch) body(ctx context.Context) error {
	if f.item.Size == 0 {
		return nil // an empty file needs no request (H-57)
	}
	for breaks := 0; ; {
		before := f.offset
		err := f.transferOnce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), f.checkpoint())
		}
		if f.offset > before {
			breaks = 0
		}
		breaks++
		if err := f.afterBreak(ctx, err, breaks); err != nil {
			return err
		}
	}
}

// afterBreak decides whether a broken transfer is taken up again.
func (f *fetch) afterBreak(ctx context.Context, cause error, breaks int) error {
	if e := (*itemError)(nil); errors.As(cause, &e) {
		return cause
	}
	if e := (*target.Error)(nil); errors.As(cause, &e) {
		return cause
	}
	switch {
	case errors.Is(cause, graph.ErrURLExpired):
		return f.renew(ctx, cause)
	case errors.Is(cause, graph.ErrRange):
		// The file became shorter, or what is on disk is not of it (C14).
		if err := f.renew(ctx, cause); err != nil {
			return err
		}
		return f.restart()
	case errors.Is(cause, graph.ErrMalware), errors.Is(cause, graph.ErrThrottled):
		return cause
	}
	if e, ok := graph.AsError(cause); ok && !e.IsTransient() {
		return cause
	}
	if breaks > maxBreaks {
		return &itemError{code: CodeNetwork, message: fmt.Sprintf("given up after %d broken transfers", breaks), err: cause}
	}
	return sleep(ctx, min(time.Second<<breaks, time.Minute))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew asks for a fresh address. The item is read for it, so that the version
// that goes on is the version that began (I-60).
func (f *fetch) renew(ctx context.Context, cause error) error {
	f.renewals++
	if f.renewals > maxRenewals {
		return cause
	}
	old := f.item
	if err := f.look(ctx); err != nil {
		return err
	}
	if f.item.ETag != old.ETag && !sameVersion(remoteOf(&old), &f.item) {
		return f.restart()
	}
	return nil
}

// transferOnce reads one response into the staged file.
func (f *fetch) transferOnce(ctx context.Context) error {
	if f.item.Size >= 0 && f.offset >= f.item.Size {
		return nil
	}
	c, err := f.Source.Open(ctx, graph.ContentRequest{
		URL: f.item.DownloadURL, Offset: f.offset, Length: -1, MaxBytes: f.limit(), Fragile: notebookPart(f.item.Name),
	})
	if err != nil {
		return err
	}
	defer c.Body.Close()
	if c.Offset != f.offset {
		// A whole file in answer to a range: start again with it (C12).
		if c.Offset != 0 {
			return integrity("the service sent bytes from %d on instead of %d", c.Offset, f.offset)
		}
		if err := f.restart(); err != nil {
			return err
		}
	}
	return f.copy(ctx, c)
}

// limit is the most that a file may have: what is announced, and what the service
// may add when it rewrites it (I-10). An empty one means no limit.
func (f *fetch) limit() int64 {
	if f.item.Size < 0 {
		return 0
	}
	return f.item.Size + maxExcess
}

// notebookPart recognises parts of OneNote notebooks, whose download can fail for
// good with 503 (C26).
func notebookPart(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".one" || ext == ".onetoc2"
}

func (f *fetch) copy(ctx context.Context, c *graph.Content) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := c.Body.Read(*buf)
		if n > 0 {
			if err := f.write((*buf)[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return f.ended(c)
		case err != nil:
			return fmt.Errorf("read content: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// ended checks that a body that ended was whole: one without a length may end
// early without an error (I-05).
func (f *fetch) ended(c *graph.Content) error {
	if c.Total >= 0 && f.offset < c.Total {
		return fmt.Errorf("content ended after %d of %d bytes: %w", f.offset, c.Total, io.ErrUnexpectedEOF)
	}
	return nil
}

func (f *fetch) write(p []byte) error {
	if f.item.Size >= 0 && f.offset+int64(len(p)) > f.item.Size+maxExcess {
		return integrity("more than the %d bytes announced", f.item.Size)
	}
	if _, err := f.staged.Write(p); err != nil {
		return err
	}
	f.quick.Write(p)
	f.sha.Write(p)
	f.offset += int64(len(p))
	f.moved(int64(len(p)))
	if f.offset-f.durable < checkpointEvery {
		return nil
	}
	f.progress()
	return f.checkpoint()
}

// maxExcess is how many bytes more than announced are read, for files that the
// service rewrites on delivery (C18): Office documents grow by a few kilobytes.
const maxExcess = 1 << 20

// checkpoint makes what is on disk durable and commits it with the state of the
// hashes, so that nothing of it is fetched or read again (I-08).
func (f *fetch) checkpoint() error {
	if f.staged == nil || f.offset == f.durable || f.offset < checkpointEvery {
		return nil
	}
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
	f.durable = f.offset
	return nil
}

// sums of the bytes received.
func (f *fetch) sums() (quick, sha string) {
	return base64.StdEncoding.EncodeToString(f.quick.Sum(nil)), hex.EncodeToString(f.sha.Sum(nil))
}

// verify judges a complete download (DESIGN 7.5). again asks for one more.
func (f *fetch) verify(ctx context.Context) (verdict state.Verdict, again bool, err error) {
	quick, sha := f.sums()
	sizeOK := f.item.Size < 0 || f.offset == f.item.Size
	policy := f.Plan.Policy
	switch {
	case sizeOK && policy.Verify == "size":
		return state.SizeOnly, false, nil
	case sizeOK && f.item.QuickXorHash == "":
		return f.unverifiable(state.SizeOnly, "the service gives no hash for it (C23)")
	case sizeOK && quick == f.item.QuickXorHash:
		return state.Verified, false, nil
	}
	// The bytes are not those announced. Has the item changed meanwhile?
	before := f.item
	if err := f.look(ctx); err != nil {
		return "", false, err
	}
	if f.item.ETag != before.ETag || f.item.QuickXorHash != before.QuickXorHash {
		f.first = ""
		f.renewals++
		if f.renewals > maxRenewals {
			return "", false, superseded("it changes faster than it can be read")
		}
		return "", true, nil
	}
	if f.first == "" {
		f.first = sha
		return "", true, nil
	}
	if f.first != sha {
		return "", false, integrity("two downloads differ from the hash and from each other")
	}
	// Twice the same bytes for an unchanged item: the service rewrites this file
	// on delivery (C18, C19, C24).
	return f.unverifiable(state.Served, fmt.Sprintf("content does not match its hash (announced %d bytes, received %d, twice the same)", f.item.Size, f.offset))
}

func (f *fetch) unverifiable(v state.Verdict, why string) (state.Verdict, bool, error) {
	if f.Plan.Policy.Unverifiable == "fail" {
		return "", false, &itemError{code: CodeUnverifiable, message: why}
	}
	return v, false, nil
}

// finish closes the staged file with its times and makes its row.
func (f *fetch) finish(path string, v state.Verdict) (ready, error) {
	fp, err := f.staged.Finish(modified(&f.change, f.Now()), fileMode(f.Plan.Policy))
	if err != nil {
		f.discard()
		return ready{}, err
	}
	name := f.staged.Name()
	f.staged = nil
	quick, sha := f.sums()
	e := f.entry(&f.change, fp)
	e.Hash, e.SHA256, e.Verdict = quick, sha, v
	e.RemoteHash, e.RemoteSize = f.item.QuickXorHash, f.item.Size
	e.ETag, e.CTag = f.item.ETag, f.item.CTag
	res := f.result(&f.change, Done)
	res.Verdict, res.Bytes = string(v), f.offset
	res.Hash, res.SHA256, res.ETag = quick, sha, e.ETag
	return ready{change: f.change, staged: name, to: path, entry: e, result: res}, nil
}
