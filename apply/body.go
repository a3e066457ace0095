package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/target"
)

// Bounds of one download.
const (
	bufferSize  = 256 << 10 // DEPS B6
	maxBreaks   = 8         // broken transfers within one buffer of progress
	maxRenewals = 4         // fresh addresses within one checkpoint of progress
	maxLies     = 3         // answers that break the protocol
	maxRestarts = 8         // downloads begun from the first byte
)

// maxExcess is how many bytes more than announced are read, for files that the
// service rewrites on delivery (C18): Office documents grow by a few kilobytes.
const maxExcess = 1 << 20

// maxFile is the largest file that SharePoint holds (C33); no body is read beyond it.
const maxFile = 250 << 30

// buffers are shared by all downloads; their number is that of the workers.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// errOtherVersion says that an answer is not of the file that was begun.
var errOtherVersion = errors.New("the answer is of another version than the bytes before it")

// body transfers the rest of the file, however often the transfer breaks, as long
// as it moves on.
func (f *fetch) body(ctx context.Context) error {
	for {
		err := f.more(ctx)
		if err == nil && f.whole() {
			if err = f.awaitSave(); err == nil {
				return nil
			}
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.afterBreak(ctx, err); err != nil {
			return err
		}
	}
}

// more brings what one answer, or several parts at once, can bring.
func (f *fetch) more(ctx context.Context) error {
	if err := f.joinAhead(); err != nil || f.whole() {
		return err
	}
	err := f.transfer(ctx)
	if errors.Is(err, errSlow) {
		return f.inParts(ctx)
	}
	return err
}

// whole reports whether there is nothing more to be asked for.
func (f *fetch) whole() bool { return f.empty() || f.complete() }

// complete reports whether the whole file is there: as the host said, or as the
// item says where it did not.
func (f *fetch) complete() bool {
	switch {
	case f.ended:
		return true
	case f.total >= 0:
		return f.offset >= f.total
	}
	return f.item.Size > 0 && f.offset >= f.item.Size
}

// transfer reads one response into the staged file, up to the next part that is
// there already.
func (f *fetch) transfer(ctx context.Context) error {
	until := f.gap(math.MaxInt64)
	q := f.request(f.offset, -1)
	if until < math.MaxInt64 {
		q.Length = until - f.offset
	}
	c, err := f.Source.Open(ctx, q)
	if err != nil {
		return err
	}
	defer c.Body.Close()
	if c.Offset == 0 && f.offset > 0 { // the whole file in answer to a range (C12)
		f.single = true
		if err := f.again(); err != nil {
			return err
		}
		until = math.MaxInt64
	}
	if err := f.fits(c); err != nil {
		return err
	}
	if err := f.copy(ctx, c.Body, until); err != nil {
		return err
	}
	return f.bodyEnded(until)
}

// request asks for length bytes from a place on, or for everything up to the end.
func (f *fetch) request(from, length int64) graph.ContentRequest {
	return graph.ContentRequest{
		URL: f.item.DownloadURL, Offset: from, Length: length, MaxBytes: f.limit(), Fragile: notebookPart(f.change.Name), Once: f.breaks > 0,
	}
}

// fits checks that an answer continues what was begun: the right place, the size
// and the tag of the first part (C15, I-09).
func (f *fetch) fits(c *graph.Content) error {
	switch {
	case c.Offset != f.offset:
		return integrity("the service sent bytes from %d on instead of %d", c.Offset, f.offset)
	case f.total >= 0 && c.Total >= 0 && c.Total != f.total, f.etag != "" && c.ETag != "" && c.ETag != f.etag:
		return errOtherVersion
	case f.offset > 0 && f.total < 0 && c.Total >= 0 && f.item.Size >= 0 && c.Total != f.item.Size:
		return errOtherVersion // begun by an earlier run, which did not note the total
	}
	if f.count > 0 && (f.etag == "" || c.ETag == "") {
		f.seam = true
	}
	if c.Total >= 0 {
		f.total = c.Total
	}
	if c.ETag != "" {
		f.etag = c.ETag
	}
	f.kind = c.ContentType
	return nil
}

// limit is the most that a file may have: what is announced, and what the service
// may add when it rewrites it (I-10).
func (f *fetch) limit() int64 {
	if f.item.Size < 0 {
		return maxFile
	}
	return f.item.Size + maxExcess
}

// notebookPart recognises parts of OneNote notebooks, whose download can fail for
// good with 503 (C26).
func notebookPart(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".one" || ext == ".onetoc2"
}

// copy adds a body to the beginning of the file, up to a place.
func (f *fetch) copy(ctx context.Context, body io.Reader, until int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	watch := f.watch()
	for f.offset < until {
		room := min(f.piece(), until-f.offset)
		if err := f.admit(room); err != nil {
			return err
		}
		n, err := fill(body, (*buf)[:room])
		if werr := f.append((*buf)[:n], room); werr != nil {
			return werr
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read content: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case watch.slow():
			return errSlow
		}
	}
	return nil
}

// piece is how much is read and written at once: a small part of an interval, so that
// streams do not wait for each other.
func (f *fetch) piece() int64 { return max(1, min(bufferSize, f.Job.checkpoint/8)) }

// fill reads until a buffer is full, so that there are few writes: a body of TLS
// comes in pieces of 16 KiB. What came is returned sooner when more takes its time.
func fill(r io.Reader, p []byte) (n int, err error) {
	const patience = 200 * time.Millisecond
	began := time.Now()
	for n < len(p) && err == nil && (n == 0 || time.Since(began) < patience) {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

// append adds bytes to the beginning; room is what was admitted for them.
func (f *fetch) append(p []byte, room int64) error {
	done := int64(0)
	defer func() { f.added(room, done, func() {}) }()
	if f.offset+int64(len(p)) > f.limit() {
		return fmt.Errorf("%w: more than the %d bytes announced", graph.ErrTooLarge, f.item.Size)
	}
	if len(p) == 0 {
		return nil
	}
	if _, err := f.staged.WriteAt(p, f.offset); err != nil {
		return err
	}
	f.extend(p)
	done = int64(len(p))
	return nil
}

// bodyEnded checks that a body that ended was whole. One without a length may end
// early without an error (I-05): what the item still announces is asked for.
func (f *fetch) bodyEnded(until int64) error {
	switch {
	case f.offset == until:
	case f.total >= 0:
		if f.offset < min(f.total, until) {
			return fmt.Errorf("content ended after %d of %d bytes: %w", f.offset, f.total, io.ErrUnexpectedEOF)
		}
	case f.item.Size > f.offset:
		return fmt.Errorf("content ended after %d of %d bytes: %w", f.offset, f.item.Size, io.ErrUnexpectedEOF)
	default:
		f.ended = true
	}
	return nil
}

// again restarts a file, but not for ever.
func (f *fetch) again() error {
	if f.restarts++; f.restarts > maxRestarts {
		return &itemError{code: CodeNetwork, message: fmt.Sprintf("given up after it was begun %d times", f.restarts)}
	}
	return f.restart()
}

// afterBreak decides whether a broken transfer is taken up again.
func (f *fetch) afterBreak(ctx context.Context, cause error) error {
	if e := (*itemError)(nil); errors.As(cause, &e) {
		return cause
	}
	if e := (*target.Error)(nil); errors.As(cause, &e) {
		return cause
	}
	switch {
	case errors.Is(cause, graph.ErrURLExpired):
		return f.renew(ctx, cause)
	case errors.Is(cause, errOtherVersion):
		if err := f.look(ctx); err != nil {
			return err
		}
		return f.again()
	case errors.Is(cause, graph.ErrRange), errors.Is(cause, graph.ErrProtocol):
		return f.lied(ctx, cause)
	case errors.Is(cause, graph.ErrAddress):
		if f.renewals > 0 {
			return &itemError{code: CodeNoContent, message: "its download address is none (H-63)", err: cause}
		}
		return f.renew(ctx, cause)
	case errors.Is(cause, graph.ErrTooLarge):
		return f.outgrown(ctx, cause)
	case errors.Is(cause, graph.ErrMalware), errors.Is(cause, graph.ErrThrottled), hopeless(cause):
		return cause
	}
	if e, ok := graph.AsError(cause); ok && !e.IsTransient() {
		return cause
	}
	return f.pause(ctx, cause)
}

// pause waits before the next attempt, longer each time without progress.
func (f *fetch) pause(ctx context.Context, cause error) error {
	if f.count-f.atBreak >= bufferSize {
		f.breaks = 0
	}
	f.atBreak = f.count
	if f.breaks++; f.breaks > f.patience() {
		f.forsake()
		return &itemError{code: CodeNetwork, message: fmt.Sprintf("given up after %d broken transfers", f.breaks), err: cause}
	}
	t := time.NewTimer(min(time.Second<<f.breaks, time.Minute))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lied handles an answer that does not fit the request: the file became shorter,
// or the host does not keep to the protocol (C14, I-09). The item is read again,
// and the file begun again.
func (f *fetch) lied(ctx context.Context, cause error) error {
	if f.lies++; f.lies > maxLies {
		return &itemError{code: CodeIntegrity, message: "the service does not keep to the protocol", err: cause}
	}
	if err := f.pause(ctx, cause); err != nil {
		return err
	}
	if err := f.look(ctx); err != nil {
		return err
	}
	return f.again()
}

// outgrown handles a file that is far larger than announced: it has changed since, or
// the size is wrong.
func (f *fetch) outgrown(ctx context.Context, cause error) error {
	same, err := f.still(ctx)
	switch {
	case err != nil:
		return err
	case !same:
		return f.again()
	}
	return &itemError{code: CodeIntegrity, message: "more bytes than announced", err: cause}
}

// renew asks for a fresh address. The item is read for it, so that the version
// that goes on is the version that began (I-60).
func (f *fetch) renew(ctx context.Context, cause error) error {
	if f.count-f.atRenewal >= f.Job.checkpoint {
		f.renewals = 0
	}
	f.atRenewal = f.count
	if f.renewals++; f.renewals > maxRenewals {
		return &itemError{code: CodeDenied, message: fmt.Sprintf("%d fresh download addresses were refused", maxRenewals), err: cause}
	}
	old := f.item
	if err := f.look(ctx); err != nil {
		return err
	}
	if f.item.ETag != old.ETag && !sameVersion(remoteOf(&old), &f.item) {
		return f.again()
	}
	return nil
}
