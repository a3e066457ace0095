package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// body is the content of one version of a file. It never changes: an edit makes another body.
type body interface {
	io.ReaderAt
	// Size is the number of bytes that will be served.
	Size() int64
	// sum is the quickXorHash of the bytes.
	sum() ([20]byte, error)
}

// period is the length after which generated content repeats but for one word. It is a multiple of
// 160, the period of quickXorHash (Q2), so the hash of any number of blocks follows from one block.
const period = 160 * 1024

// generated is content made from a seed with random access. Every block of period bytes is the same
// but for its first word, which depends on the number of the block: no two blocks are equal, and yet
// the hash of a file of 50 GB takes milliseconds.
type generated struct {
	seed uint64
	size int64
}

func (g generated) Size() int64 { return g.size }

// word is the 64-bit word at index i of the file.
func (g generated) word(i int64) uint64 {
	const perBlock = period / 8
	block, at := i/perBlock, i%perBlock
	w := mix(g.seed ^ uint64(at)*0x9e3779b97f4a7c15)
	if at == 0 {
		w ^= mix(g.seed + uint64(block))
	}
	return w
}

func (g generated) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read generated content at %d: negative offset", off)
	}
	if off >= g.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), g.size-off))
	out := p[:n]
	var w [8]byte
	for len(out) > 0 {
		if skip := int(off & 7); skip != 0 || len(out) < 8 {
			binary.LittleEndian.PutUint64(w[:], g.word(off/8))
			c := copy(out, w[skip:])
			out, off = out[c:], off+int64(c)
			continue
		}
		binary.LittleEndian.PutUint64(out, g.word(off/8))
		out, off = out[8:], off+8
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (g generated) sum() ([20]byte, error) {
	const foldWords = 160 / 8
	var fold [foldWords]uint64
	blocks, rest := g.size/period, g.size%period
	if blocks%2 == 1 { // equal parts of two blocks cancel each other
		for at := int64(0); at < period/8; at++ {
			fold[at%foldWords] ^= mix(g.seed ^ uint64(at)*0x9e3779b97f4a7c15)
		}
	}
	for k := range blocks {
		fold[0] ^= mix(g.seed + uint64(k))
	}
	first := blocks * (period / 8)
	for at := int64(0); at < rest/8; at++ {
		fold[at%foldWords] ^= g.word(first + at)
	}
	if tail := rest % 8; tail != 0 {
		fold[(rest/8)%foldWords] ^= g.word(first+rest/8) & (1<<(8*tail) - 1)
	}
	var folded [160]byte
	for i, w := range fold {
		binary.LittleEndian.PutUint64(folded[i*8:], w)
	}
	return hashFolded(folded[:], g.size), nil
}

// hashFolded finishes the hash of size bytes that were already XOR-folded at period 160 (Q2): the
// folded block hashes like the whole but for the length.
func hashFolded(folded []byte, size int64) [20]byte {
	h := newQuickXor()
	h.Write(folded)
	var out [20]byte
	copy(out[:], h.Sum(nil))
	length := binary.LittleEndian.Uint64(out[12:]) ^ uint64(len(folded)) ^ uint64(size)
	binary.LittleEndian.PutUint64(out[12:], length)
	return out
}

// stored is content kept as bytes.
type stored []byte

func (s stored) Size() int64 { return int64(len(s)) }

func (s stored) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(s)) {
		return 0, io.EOF
	}
	n := copy(p, s[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s stored) sum() ([20]byte, error) {
	h := newQuickXor()
	h.Write(s)
	var out [20]byte
	copy(out[:], h.Sum(nil))
	return out, nil
}

// onDisk is content that lies in a real file. The size is the one of the scan; when the file changed
// since, reading delivers what is there now, as a library does whose content moved on.
type onDisk struct {
	path string
	size int64
}

func (f onDisk) Size() int64 { return f.size }

func (f onDisk) ReadAt(p []byte, off int64) (int, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.ReadAt(p, off)
}

func (f onDisk) sum() ([20]byte, error) {
	var out [20]byte
	file, err := os.Open(f.path)
	if err != nil {
		return out, err
	}
	defer file.Close()
	h := newQuickXor()
	if _, err := io.Copy(h, file); err != nil {
		return out, err
	}
	copy(out[:], h.Sum(nil))
	return out, nil
}

// quickXorText is the text form of a hash in Graph answers (Q1).
func quickXorText(h [20]byte) string { return base64.StdEncoding.EncodeToString(h[:]) }
