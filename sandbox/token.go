package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
)

// deltaToken is what a delta link carries. It describes itself, so that a token of one process is good
// in the next; it names a point of the drive's history by number and digest, so that a token of
// another history is recognised.
type deltaToken struct {
	drive  uint64 // tag of the drive
	full   bool   // a round that lists everything
	since  uint64 // changes after this point are shown
	upto   uint64 // the round ends here; equal to since in a deltaLink
	chain  uint64 // digest of the history at upto
	cursor uint64 // position inside the round
	count  uint64 // items there were when a full round began
	blank  uint64 // empty pages shown at this position
	top    uint64
	flags  tokenFlags
	issued int64
	order  Order
	sel    string
}

// tokenFlags are what the client asked for when the round began.
type tokenFlags uint8

const (
	flagExclude tokenFlags = 1 << iota // deltaExcludeParent
	flagSharing
	flagRoots
	flagFeature
)

var orders = []Order{OrderNatural, OrderParentFirst, OrderChildFirst, OrderShuffled}

// tokenVersion is the first byte of a token.
const tokenVersion = 1

// macSize is the length of a token's signature.
const macSize = 8

// errToken is returned for tokens that are not ours, or not whole.
var errToken = errors.New("the token is not one of this tenant")

func (t *Tenant) sign(purpose string, data []byte) []byte {
	m := hmac.New(sha256.New, t.secret)
	m.Write([]byte(purpose))
	m.Write(data)
	return m.Sum(nil)
}

func (t *Tenant) encodeToken(k deltaToken) string {
	b := []byte{tokenVersion, byte(k.flags), byte(slices.Index(orders, k.order))}
	if k.full {
		b[0] |= 0x80
	}
	for _, v := range []uint64{k.drive, k.since, k.upto, k.chain, k.cursor, k.count, k.blank, k.top, uint64(k.issued)} {
		b = binary.AppendUvarint(b, v)
	}
	b = append(b, k.sel...)
	return base64.RawURLEncoding.EncodeToString(append(b, t.sign("delta", b)[:macSize]...))
}

func (t *Tenant) decodeToken(text string) (deltaToken, error) {
	var k deltaToken
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 3+macSize {
		return k, errToken
	}
	b, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, t.sign("delta", b)[:macSize]) || b[0]&0x7f != tokenVersion || int(b[2]) >= len(orders) {
		return k, errToken
	}
	k.full, k.flags, k.order = b[0]&0x80 != 0, tokenFlags(b[1]), orders[b[2]]
	b = b[3:]
	var issued uint64
	for _, v := range []*uint64{&k.drive, &k.since, &k.upto, &k.chain, &k.cursor, &k.count, &k.blank, &k.top, &issued} {
		n := 0
		if *v, n = binary.Uvarint(b); n <= 0 {
			return k, errToken
		}
		b = b[n:]
	}
	k.issued, k.sel = int64(issued), string(b)
	return k, nil
}

// tag is the short name of a drive in its tokens.
func (d *Drive) tag() uint64 { return binary.LittleEndian.Uint64(d.list[8:]) }
