package sandbox

import "hash"

// xorHash is the quickXorHash as its definition reads (Q1): slow, plain, and only the stand-in.
type xorHash struct {
	bits  [20]byte
	count uint64
}

func newQuickXor() hash.Hash { return &xorHash{} }

func (x *xorHash) Write(p []byte) (int, error) {
	for _, c := range p {
		at := int(x.count % 160 * 11 % 160)
		w := uint16(c) << (at % 8)
		x.bits[at/8] ^= byte(w)
		x.bits[(at/8+1)%20] ^= byte(w >> 8)
		x.count++
	}
	return len(p), nil
}

func (x *xorHash) Sum(b []byte) []byte {
	out := x.bits
	for i := range 8 {
		out[12+i] ^= byte(x.count >> (8 * i))
	}
	return append(b, out[:]...)
}

func (x *xorHash) Reset()         { *x = xorHash{} }
func (x *xorHash) Size() int      { return 20 }
func (x *xorHash) BlockSize() int { return 160 }
