package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// parts says when a file is fetched in parts, several at a time, and how
// (docs/decisions/0005).
type parts struct {
	size   int64         // of one part
	least  int64         // what must be missing for it to be worth while
	most   int           // streams of one file
	watch  time.Duration // over which the rate of streams is measured
	enough int64         // bytes a second; a stream as fast as that is no bottleneck
}

var usualParts = parts{size: 32 << 20, least: 128 << 20, most: 4, watch: 2 * time.Second, enough: 64 << 20}

// fasterBy is by how much another stream has to make a file faster to be kept.
const fasterBy = 1.2

// errSlow ends a stream that other streams beside it may help.
var errSlow = errors.New("one stream is slow")

// errSingle ends the streams of a file that goes on in one.
var errSingle = errors.New("one stream is enough")

// watch measures a stream.
type watch struct {
	f     *fetch
	began time.Time
	from  int64
}

func (f *fetch) watch() *watch {
	f.lock.Lock()
	defer f.lock.Unlock()
	return &watch{f: f, began: time.Now(), from: f.count}
}

// slow reports whether the rest should be fetched in parts: the stream has shown how
// slow it is, enough is missing, the host has named the version, and nobody else
// waits for a place.
func (w *watch) slow() bool {
	f := w.f
	took := time.Since(w.began)
	switch {
	case f.single || took < f.parts.watch || f.total-f.count < f.parts.least || f.etag == "" || notebookPart(f.change.Name):
		return false
	case len(f.slots) == cap(f.slots):
		return false
	}
	f.alone = w.rate()
	return f.alone < float64(f.parts.enough)
}

// rate is in bytes a second.
func (w *watch) rate() float64 {
	w.f.lock.Lock()
	defer w.f.lock.Unlock()
	return float64(w.f.count-w.from) / time.Since(w.began).Seconds()
}

// crew are the streams that fetch one file in parts.
type crew struct {
	*fetch
	ctx  context.Context
	stop context.CancelCauseFunc
	all  sync.WaitGroup

	// Under the lock of received:
	next    int64 // nothing before it is asked for any more
	running int
	wanted  int
}

// inParts fetches the rest of a file by several streams with the one address. They
// write ahead within bounds; here their bytes are hashed in order, read back while
// they are still in memory. It ends when the file is there, when a stream fails, or
// when several are no faster; what they brought is kept.
func (f *fetch) inParts(ctx context.Context) error {
	cctx, stop := context.WithCancelCause(ctx)
	c := &crew{fetch: f, ctx: cctx, stop: stop, next: f.offset}
	f.parted = true
	c.start(true)
	c.hire()
	c.all.Go(c.steer)
	c.all.Go(func() {
		<-cctx.Done()
		f.wake()
	})
	err := c.follow()
	stop(err)
	c.all.Wait()
	f.settleAhead()
	if errors.Is(err, errSingle) {
		f.single, err = true, nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// wake lets everybody who waits look again.
func (f *fetch) wake() {
	f.lock.Lock()
	f.turn.Broadcast()
	f.lock.Unlock()
}

// follow hashes what comes until the file is complete or the streams are stopped.
func (c *crew) follow() error {
	for c.offset < c.total {
		if err := c.joinAhead(); err != nil {
			return err
		}
		c.lock.Lock()
		for c.ctx.Err() == nil && c.saveErr == nil && c.offset < c.total && !c.joins() {
			c.turn.Wait()
		}
		err := c.failedSave()
		c.lock.Unlock()
		if err != nil {
			return err
		}
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
	}
	return nil
}

// joins reports whether bytes ahead follow the beginning. The lock is held.
func (f *fetch) joins() bool {
	return len(f.ahead) > 0 && f.ahead[0].start <= f.offset && f.ahead[0].at > f.offset
}

// joinAhead takes the bytes ahead that follow the beginning into it. They are read
// from the file, so what is hashed is what will be published.
func (f *fetch) joinAhead() error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		f.lock.Lock()
		for len(f.ahead) > 0 && f.ahead[0].end <= f.offset {
			f.ahead = f.ahead[1:]
		}
		ready := int64(0)
		if f.joins() {
			ready = f.ahead[0].at - f.offset
		}
		f.lock.Unlock()
		if ready == 0 {
			return nil
		}
		p := (*buf)[:min(ready, bufferSize)]
		if _, err := f.staged.ReadAt(p, f.offset); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		f.extend(p)
		f.wake()
	}
}

// steer adds streams as long as they make the file faster.
func (c *crew) steer() {
	for before := c.alone; ; {
		w := c.watch()
		select {
		case <-time.After(c.parts.watch):
		case <-c.ctx.Done():
			return
		}
		c.lock.Lock()
		n := c.running
		c.lock.Unlock()
		rate := w.rate()
		switch {
		case rate < before*fasterBy && n > 2:
			c.dismiss()
			return
		case rate < before*fasterBy:
			c.stop(errSingle)
			return
		case n >= c.parts.most || !c.hire():
			return
		}
		before = rate
	}
}

// hire adds a stream if no other file waits for its place.
func (c *crew) hire() bool {
	ok := c.place()
	if ok {
		c.start(false)
	}
	return ok
}

// place takes a free place among all downloads.
func (c *crew) place() bool {
	select {
	case c.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// dismiss lets one stream end with its part.
func (c *crew) dismiss() {
	c.lock.Lock()
	c.wanted--
	c.lock.Unlock()
}

// start runs a stream; own is the one whose place is that of the file.
func (c *crew) start(own bool) {
	c.lock.Lock()
	c.running++
	c.wanted++
	c.lock.Unlock()
	c.all.Go(func() {
		if err := c.stream(own); err != nil {
			c.stop(err)
		}
	})
}

// stream fetches part after part. A stream that is not the file's own gives its
// place back after each, so that other files get their turn.
func (c *crew) stream(own bool) error {
	for {
		s := c.claim(own)
		if s == nil {
			if !own {
				<-c.slots
			}
			return nil
		}
		err := c.part(s)
		if !own {
			<-c.slots
		}
		if err != nil || !own && !c.place() {
			c.leaves()
			return err
		}
	}
}

func (c *crew) leaves() {
	c.lock.Lock()
	c.running--
	c.lock.Unlock()
}

// claim waits until a part may be asked for and takes it; nil when there is none, or
// one stream too many. Streams stay near the beginning: what they write has to be in
// memory still when it is hashed.
func (c *crew) claim(own bool) *span {
	c.lock.Lock()
	defer c.lock.Unlock()
	for {
		if c.ctx.Err() != nil || !own && c.running > c.wanted {
			c.running--
			return nil
		}
		from, to := c.missing()
		if from >= c.total {
			c.running--
			return nil
		}
		if from-c.offset <= c.parts.size*int64(c.parts.most) {
			s := &span{from, from, to}
			c.ahead = append(c.ahead, s)
			slices.SortFunc(c.ahead, func(a, b *span) int { return cmp.Compare(a.start, b.start) })
			c.next = to
			return s
		}
		c.turn.Wait()
	}
}

// missing is the next part that nobody has asked for. The lock is held.
func (c *crew) missing() (from, to int64) {
	from = max(c.next, c.offset)
	for _, s := range c.ahead {
		if s.start > from {
			return from, min(from+c.parts.size, s.start)
		}
		from = max(from, s.end)
	}
	return from, min(from+c.parts.size, c.total)
}

// part fetches one part. Only the exact answer to what was asked for is taken: a 206
// with its place, its length, the total and the tag of the first answer (H-54, C15).
// A host that answers otherwise is asked for one stream from then on.
func (c *crew) part(s *span) error {
	answer, err := c.Source.Open(c.ctx, c.request(s.start, s.end-s.start))
	if errors.Is(err, graph.ErrRange) || errors.Is(err, graph.ErrProtocol) {
		return fmt.Errorf("%w: %w", errSingle, err)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	exact := answer.Status == http.StatusPartialContent && answer.Offset == s.start && answer.Length == s.end-s.start
	if !exact || answer.Total != c.total || answer.ETag != c.etag {
		return errSingle
	}
	return c.copyPart(s, answer.Body)
}

// copyPart writes a part to its place. Only its stream moves a part on.
func (c *crew) copyPart(s *span, body io.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for s.at < s.end {
		room := min(c.piece(), s.end-s.at)
		if err := c.admit(room); err != nil {
			return err
		}
		n, err := fill(body, (*buf)[:room])
		_, werr := c.staged.WriteAt((*buf)[:n], s.at)
		done := int64(n)
		if werr != nil {
			done = 0
		}
		c.added(room, done, func() { s.at += done })
		switch {
		case werr != nil:
			return werr
		case s.at == s.end:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("part ended early: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return fmt.Errorf("read content: %w", err)
		}
	}
	return nil
}
