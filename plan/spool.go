package plan

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
)

// spoolChunk is how many bytes of changes are sorted in memory at once; more go
// to a temporary file and are merged.
const spoolChunk = 4 << 20

// runBuffer is how much of each run a merge holds.
const runBuffer = 32 << 10

// Spool sorts changes of any number in bounded memory: by mirror, action and
// path, the order of a plan file. It lives in one unnamed temporary file.
type Spool struct {
	file    *os.File
	chunk   chunk
	runs    []run
	offset  int64
	dropped map[string]bool // first parts of keys

	mu     sync.Mutex // several readers may come at once
	sorted bool       // chunk is
}

// spooled is one value, as a JSON line, under its key.
type spooled struct {
	key  []byte
	line []byte
}

func (s spooled) compare(t spooled) int {
	return cmp.Or(bytes.Compare(s.key, t.key), bytes.Compare(s.line, t.line))
}

// chunk is what is in memory: the bytes of all values together, so that they are one allocation, and where each is.
type chunk struct {
	text   bytes.Buffer
	values []extent
}

// extent is where a value lies in the text of its chunk: a key from start to middle, a line from there to end.
type extent struct{ start, middle, end int }

func (c *chunk) at(i int) spooled {
	e := c.values[i]
	text := c.text.Bytes()
	return spooled{key: text[e.start:e.middle:e.middle], line: text[e.middle:e.end:e.end]}
}

// full reports whether the chunk is to be written out.
func (c *chunk) full() bool { return c.text.Len()+24*len(c.values) >= spoolChunk }

// run is one sorted stretch of the file.
type run struct{ start, end int64 }

// NewSpool returns an empty spool that keeps its file in dir.
func NewSpool(dir string) (*Spool, error) {
	f, err := Scratch(dir)
	if err != nil {
		return nil, err
	}
	return &Spool{file: f}, nil
}

// Close frees the file.
func (s *Spool) Close() error { return s.file.Close() }

// Drop leaves out all lines whose key has this first part, which ends with a NUL, also
// those that were stored before.
func (s *Spool) Drop(part string) {
	if s.dropped == nil {
		s.dropped = make(map[string]bool)
	}
	s.dropped[part] = true
}

func (s *Spool) keeps(key []byte) bool {
	if len(s.dropped) == 0 {
		return true
	}
	part, _, _ := bytes.Cut(key, []byte{0})
	return !s.dropped[string(part)]
}

// Add stores one value under a sort key.
func (s *Spool) Add(key []byte, value any) error {
	text := &s.chunk.text
	e := extent{start: text.Len()}
	text.Write(key)
	e.middle = text.Len()
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		text.Truncate(e.start)
		return fmt.Errorf("spool: %w", err)
	}
	e.end = text.Len()
	s.chunk.values, s.sorted = append(s.chunk.values, e), false
	if s.chunk.full() {
		return s.spill()
	}
	return nil
}

// spill sorts what is in memory and appends it to the file.
func (s *Spool) spill() error {
	s.chunk.sort()
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.offset), 64<<10)
	var n int64
	for i := range s.chunk.values {
		e := s.chunk.at(i)
		var head [8]byte
		binary.LittleEndian.PutUint32(head[:4], uint32(len(e.key)))
		binary.LittleEndian.PutUint32(head[4:], uint32(len(e.line)))
		w.Write(head[:])
		w.Write(e.key)
		w.Write(e.line)
		n += int64(len(head) + len(e.key) + len(e.line))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%w: %w", ErrScratch, err)
	}
	s.runs = append(s.runs, run{s.offset, s.offset + n})
	s.offset += n
	s.chunk.text.Reset()
	s.chunk.values = s.chunk.values[:0]
	return nil
}

func (c *chunk) sort() {
	text := c.text.Bytes()
	slices.SortFunc(c.values, func(a, b extent) int {
		return cmp.Or(bytes.Compare(text[a.start:a.middle], text[b.start:b.middle]), bytes.Compare(text[a.middle:a.end], text[b.middle:b.end]))
	})
}

// sort orders what is in memory, once for all readers.
func (s *Spool) sort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sorted {
		s.chunk.sort()
		s.sorted = true
	}
}

// Lines yields the JSON lines in order, each with its newline. A line is valid
// until the next one. Lines can be read any number of times, also by several
// readers at once.
func (s *Spool) Lines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s.sort()
		if len(s.runs) == 0 {
			for i := range s.chunk.values {
				e := s.chunk.at(i)
				if s.keeps(e.key) && !yield(e.line, nil) {
					return
				}
			}
			return
		}
		s.merge(yield)
	}
}

func (s *Spool) merge(yield func([]byte, error) bool) {
	var h mergeHeap
	for _, r := range s.runs {
		c := &cursor{r: bufio.NewReaderSize(io.NewSectionReader(s.file, r.start, r.end-r.start), runBuffer)}
		if ok, err := c.next(); err != nil {
			yield(nil, err)
			return
		} else if ok {
			h = append(h, c)
		}
	}
	if len(s.chunk.values) > 0 {
		h = append(h, &cursor{memory: &s.chunk, at: s.chunk.at(0), n: 1})
	}
	heap.Init(&h)
	for len(h) > 0 {
		if s.keeps(h[0].at.key) && !yield(h[0].at.line, nil) {
			return
		}
		ok, err := h[0].next()
		switch {
		case err != nil:
			yield(nil, err)
			return
		case ok:
			heap.Fix(&h, 0)
		default:
			heap.Pop(&h)
		}
	}
}

// cursor reads one sorted run, of the file or of memory.
type cursor struct {
	r      *bufio.Reader
	memory *chunk
	n      int // values of memory that were read
	at     spooled
}

func (c *cursor) next() (bool, error) {
	if c.memory != nil {
		if c.n == len(c.memory.values) {
			return false, nil
		}
		c.at = c.memory.at(c.n)
		c.n++
		return true, nil
	}
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); errors.Is(err, io.EOF) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	keyLen, lineLen := binary.LittleEndian.Uint32(head[:4]), binary.LittleEndian.Uint32(head[4:])
	buf := slices.Grow(c.at.key[:0], int(keyLen+lineLen))[:keyLen+lineLen]
	if _, err := io.ReadFull(c.r, buf); err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	c.at = spooled{key: buf[:keyLen], line: buf[keyLen:]}
	return true, nil
}

// mergeHeap orders cursors by what they are at.
type mergeHeap []*cursor

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	return h[i].at.compare(h[j].at) < 0
}
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap; the number of runs is known, so it is never called.
func (h *mergeHeap) Push(x any) { *h = append(*h, x.(*cursor)) }

// Pop is for container/heap.
func (h *mergeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
