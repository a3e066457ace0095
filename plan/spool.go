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
const spoolChunk = 24 << 20

// Spool sorts changes of any number in bounded memory: by mirror, action and
// path, the order of a plan file. It lives in one unnamed temporary file.
type Spool struct {
	file    *os.File
	chunk   []spooled
	size    int
	runs    []run
	offset  int64
	dropped map[string]bool // first parts of keys

	mu     sync.Mutex // several readers may come at once
	sorted bool       // chunk is
}

type spooled struct {
	key  []byte
	line []byte
}

// run is one sorted stretch of the file.
type run struct{ start, end int64 }

// ErrSpool says that the temporary file of a spool cannot be made or written.
var ErrSpool = errors.New("no room for temporary files")

// NewSpool returns an empty spool that keeps its file in dir.
func NewSpool(dir string) (*Spool, error) {
	f, err := os.CreateTemp(dir, ".spmirror-plan-*")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpool, err)
	}
	// Unlinked at once: no kill leaves it behind.
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %w", ErrSpool, err)
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
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.chunk, s.sorted = append(s.chunk, spooled{key: key, line: line.Bytes()}), false
	s.size += len(key) + line.Len() + 64
	if s.size < spoolChunk {
		return nil
	}
	return s.spill()
}

// spill sorts what is in memory and appends it to the file.
func (s *Spool) spill() error {
	sortSpooled(s.chunk)
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.offset), 1<<20)
	var n int64
	for _, e := range s.chunk {
		var head [8]byte
		binary.LittleEndian.PutUint32(head[:4], uint32(len(e.key)))
		binary.LittleEndian.PutUint32(head[4:], uint32(len(e.line)))
		w.Write(head[:])
		w.Write(e.key)
		w.Write(e.line)
		n += int64(len(head) + len(e.key) + len(e.line))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%w: %w", ErrSpool, err)
	}
	s.runs = append(s.runs, run{s.offset, s.offset + n})
	s.offset += n
	s.chunk, s.size = s.chunk[:0], 0
	return nil
}

func sortSpooled(list []spooled) {
	slices.SortFunc(list, func(a, b spooled) int {
		return cmp.Or(bytes.Compare(a.key, b.key), bytes.Compare(a.line, b.line))
	})
}

// sort orders what is in memory, once for all readers.
func (s *Spool) sort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sorted {
		sortSpooled(s.chunk)
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
			for _, e := range s.chunk {
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
		c := &cursor{r: bufio.NewReaderSize(io.NewSectionReader(s.file, r.start, r.end-r.start), 256<<10)}
		if ok, err := c.next(); err != nil {
			yield(nil, err)
			return
		} else if ok {
			h = append(h, c)
		}
	}
	if c := (&cursor{memory: s.chunk}); len(s.chunk) > 0 {
		c.next()
		h = append(h, c)
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
	memory []spooled
	at     spooled
}

func (c *cursor) next() (bool, error) {
	if c.r == nil {
		if len(c.memory) == 0 {
			return false, nil
		}
		c.at, c.memory = c.memory[0], c.memory[1:]
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
	return cmp.Or(bytes.Compare(h[i].at.key, h[j].at.key), bytes.Compare(h[i].at.line, h[j].at.line)) < 0
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
