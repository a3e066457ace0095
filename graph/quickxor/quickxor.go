// Package quickxor computes quickXorHash, the content hash that SharePoint and OneDrive keep for every file.
//
// What lives here: the hash, its resumable state, and the one function that reads the spellings in which the service
// writes it. What may not: anything that knows of files, HTTP or Microsoft Graph.
//
// The invariant to know: a byte at index i is XORed into a 160-bit ring at bit (11*i mod 160), so the offsets repeat
// every 160 bytes. Bytes whose indexes are equal modulo 160 may therefore be XORed together first, eight at a time, and
// placed in the ring only when a sum is asked for.
//
// quickXorHash finds accidents. It is linear and easy to collide: never use it as proof of identity or for
// de-duplication.
package quickxor

import (
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

const (
	// Size is the length of a sum in bytes.
	Size = 20
	// BlockSize is the period of the hash; writes of a multiple of it from an even position are fastest.
	BlockSize = 160

	shift     = 11       // bits by which the place of each byte moves on
	ringBits  = Size * 8 // width of the ring
	lengthAt  = Size - 8 // where the total length is XORed in
	stateSize = 4 + 160 + 8
)

// Empty is the text form of the hash of no bytes.
const Empty = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

// stateMagic opens a marshalled state; its last byte is the version of the layout.
const stateMagic = "qxh\x01"

// Hash is a running quickXorHash. The zero value is ready to use.
type Hash struct {
	fold   [BlockSize / 8]uint64 // bytes folded at period 160, little-endian words
	length uint64
}

var (
	_ hash.Hash                  = (*Hash)(nil)
	_ encoding.BinaryMarshaler   = (*Hash)(nil)
	_ encoding.BinaryAppender    = (*Hash)(nil)
	_ encoding.BinaryUnmarshaler = (*Hash)(nil)
)

// New returns an empty hash.
func New() *Hash { return new(Hash) }

// Size returns the length of a sum in bytes.
func (h *Hash) Size() int { return Size }

// BlockSize returns the period of the hash.
func (h *Hash) BlockSize() int { return BlockSize }

// Reset forgets all bytes written.
func (h *Hash) Reset() { *h = Hash{} }

// Write adds p to the hash. It never fails.
func (h *Hash) Write(p []byte) (int, error) {
	n := len(p)
	p = h.align(p)
	if len(p) >= BlockSize && h.length%BlockSize != 0 {
		p = h.words(p[:int(BlockSize-h.length%BlockSize)], p)
	}
	p = h.blocks(p)
	p = h.words(p[:len(p)&^7], p)
	for _, b := range p {
		h.put(b)
	}
	return n, nil
}

// align adds single bytes until the position is a multiple of eight and returns the rest.
func (h *Hash) align(p []byte) []byte {
	for len(p) > 0 && h.length%8 != 0 {
		h.put(p[0])
		p = p[1:]
	}
	return p
}

// put adds one byte.
func (h *Hash) put(b byte) {
	at := h.length % BlockSize
	h.fold[at/8] ^= uint64(b) << (at % 8 * 8)
	h.length++
}

// words adds part, whole words that need not fill a period, and returns what follows it in p.
func (h *Hash) words(part, p []byte) []byte {
	at := h.length % BlockSize / 8
	for rest := part; len(rest) >= 8; rest = rest[8:] {
		h.fold[at] ^= binary.LittleEndian.Uint64(rest)
		if at++; at == uint64(len(h.fold)) {
			at = 0
		}
	}
	h.length += uint64(len(part))
	return p[len(part):]
}

// blocks adds whole periods, starting at a period's beginning, and returns the rest. Four words are kept in registers
// for a run of periods, so that memory is read once and the fold is hardly written.
func (h *Hash) blocks(p []byte) []byte {
	const run = 128 * BlockSize // stays in the first-level cache
	for len(p) >= BlockSize {
		part := p[:min(len(p)/BlockSize*BlockSize, run)]
		for w := 0; w < len(h.fold); w += 4 {
			a, b, c, d := h.fold[w], h.fold[w+1], h.fold[w+2], h.fold[w+3]
			for rest := part[w*8:]; len(rest) >= 32; {
				a ^= binary.LittleEndian.Uint64(rest)
				b ^= binary.LittleEndian.Uint64(rest[8:])
				c ^= binary.LittleEndian.Uint64(rest[16:])
				d ^= binary.LittleEndian.Uint64(rest[24:])
				if len(rest) < BlockSize {
					break
				}
				rest = rest[BlockSize:]
			}
			h.fold[w], h.fold[w+1], h.fold[w+2], h.fold[w+3] = a, b, c, d
		}
		h.length += uint64(len(part))
		p = p[len(part):]
	}
	return p
}

// Sum appends the hash of the bytes written so far to b. Writing may go on.
func (h *Hash) Sum(b []byte) []byte {
	sum := h.sum()
	return append(b, sum[:]...)
}

// sum places the folded bytes in the ring and adds the length.
func (h *Hash) sum() (sum [Size]byte) {
	for i := range BlockSize {
		octet := uint16(h.fold[i/8] >> (i % 8 * 8) & 0xff)
		bit := i * shift % ringBits
		spread := octet << (bit % 8)
		sum[bit/8] ^= byte(spread)
		sum[(bit/8+1)%Size] ^= byte(spread >> 8)
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], h.length)
	for i, b := range length {
		sum[lengthAt+i] ^= b
	}
	return sum
}

// String returns the sum as Graph writes it: base64 of 28 characters.
func (h *Hash) String() string {
	sum := h.sum()
	return Encode(sum)
}

// Length returns how many bytes were written.
func (h *Hash) Length() int64 { return int64(h.length) }

// AppendBinary appends the state, so that hashing can go on in another process.
func (h *Hash) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, stateMagic...)
	for _, w := range h.fold {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return binary.LittleEndian.AppendUint64(b, h.length), nil
}

// MarshalBinary returns the state.
func (h *Hash) MarshalBinary() ([]byte, error) {
	return h.AppendBinary(make([]byte, 0, stateSize))
}

// UnmarshalBinary takes up a state; on error the hash is unchanged.
func (h *Hash) UnmarshalBinary(b []byte) error {
	if len(b) != stateSize || string(b[:len(stateMagic)]) != stateMagic {
		return errors.New("quickxor: not a saved hash state")
	}
	b = b[len(stateMagic):]
	for i := range h.fold {
		h.fold[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	h.length = binary.LittleEndian.Uint64(b[BlockSize:])
	return nil
}

// Sum returns the hash of data.
func Sum(data []byte) [Size]byte {
	var h Hash
	_, _ = h.Write(data) // never fails
	return h.sum()
}

// Encode writes a sum as Graph does.
func Encode(sum [Size]byte) string { return base64.StdEncoding.EncodeToString(sum[:]) }

// Parse reads a hash as the service may write it, base64 or 40 hexadecimal digits (quirk Q38), and returns the base64
// form, so that equal hashes are equal strings.
func Parse(text string) (string, error) {
	raw, err := decode(text)
	if err != nil {
		return "", fmt.Errorf("quickxor: %q is not a hash: %w", clip(text), err)
	}
	if len(text) != hex.EncodedLen(Size) {
		return text, nil // strict base64 has one spelling only
	}
	return Encode([Size]byte(raw)), nil
}

// decode tells the two spellings apart by length, which is unambiguous.
func decode(text string) ([]byte, error) {
	switch len(text) {
	case base64.StdEncoding.EncodedLen(Size):
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err == nil && len(raw) != Size {
			err = errors.New("wrong length") // a line break inside, which the decoder skips
		}
		return raw, err
	case hex.EncodedLen(Size):
		return hex.DecodeString(text)
	default:
		return nil, errors.New("wrong length")
	}
}

// clip keeps foreign text short in messages.
func clip(text string) string {
	const most = 48
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
