package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
)

// DriveID is the opaque, case-sensitive id of a drive; business drives begin with "b!" (S12).
type DriveID string

// ItemID is the opaque, case-sensitive id of an item, unique only inside its drive (D24).
type ItemID string

// SiteID is "hostname,siteCollectionGuid,webGuid" (S1).
type SiteID string

// guid is a GUID in the byte order in which item ids carry it.
type guid [16]byte

// makeGUID derives a GUID from the words that name a thing, so that ids are the same in every process.
func makeGUID(seed uint64, words ...string) guid {
	h := sha256.New()
	var s [8]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	h.Write(s[:])
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	var g guid
	copy(g[:], h.Sum(nil))
	return g
}

// quickGUID derives a GUID from two numbers. Generated tenants of millions of items use it because a
// cryptographic hash per item would dominate their construction.
func quickGUID(seed, n uint64) guid {
	var g guid
	binary.LittleEndian.PutUint64(g[:8], mix(seed^mix(n)))
	binary.LittleEndian.PutUint64(g[8:], mix(seed+mix(n+0x9e3779b97f4a7c15)))
	return g
}

// mix is the splitmix64 finaliser: a cheap bijection whose output passes as random.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

const upperHex = "0123456789ABCDEF"

// canonical is the order in which the bytes of a GUID are printed.
var canonical = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// appendUpper appends the GUID in the upper-case form of eTags.
func (g guid) appendUpper(b []byte) []byte {
	for i, at := range canonical {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, upperHex[g[at]>>4], upperHex[g[at]&15])
	}
	return b
}

// String prints the GUID in lower case, the form of site and user ids.
func (g guid) String() string {
	var c [16]byte
	for i, at := range canonical {
		c[i] = g[at]
	}
	s := hex.EncodeToString(c[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

const base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// idPrefix is what the ids of one drive have in common: eight characters and two bits.
type idPrefix struct {
	text string
	bits byte
}

func makeIDPrefix(list guid) idPrefix {
	p := []byte("01")
	for i := range 6 {
		p = append(p, base32Alphabet[list[i]&31])
	}
	return idPrefix{string(p), list[6] & 3}
}

// append appends the item id of g: the prefix and then 130 bits, two of the drive and the GUID.
func (p idPrefix) append(b []byte, g *guid) []byte {
	b = append(b, p.text...)
	acc, n := uint32(p.bits), 2
	for _, c := range g {
		acc, n = acc<<8|uint32(c), n+8
		for n >= 5 {
			n -= 5
			b = append(b, base32Alphabet[acc>>n&31])
		}
	}
	return b
}

// parse is the inverse of append. Ids are compared exactly, lower case is another id (D24).
func (p idPrefix) parse(id ItemID) (guid, bool) {
	var g guid
	if len(id) != len(p.text)+26 || string(id[:len(p.text)]) != p.text {
		return g, false
	}
	var acc uint64
	n, at := 0, -1
	for i := len(p.text); i < len(id); i++ {
		v := base32Value(id[i])
		if v < 0 {
			return g, false
		}
		acc, n = acc<<5|uint64(v), n+5
		if at < 0 { // the first character carries the two bits of the drive
			if byte(acc>>3) != p.bits {
				return g, false
			}
			acc, n, at = acc&7, 3, 0
			continue
		}
		if n >= 8 {
			n -= 8
			g[at] = byte(acc >> n)
			at++
			acc &= 1<<n - 1
		}
	}
	return g, at == 16
}

func base32Value(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= '2' && c <= '7':
		return int(c-'2') + 26
	}
	return -1
}

// rootGUID is the same in every library: the ids of all roots end in F6Y2GOVW7725BZO354PWSELRRZ but
// for the bits of the drive, as the observed ids do.
var rootGUID = func() guid {
	p := idPrefix{text: "", bits: 0}
	g, _ := p.parse("F6Y2GOVW7725BZO354PWSELRRZ")
	return g
}()

// makeDriveID packs the GUIDs of site collection, web and list, as business drive ids do.
func makeDriveID(collection, web, list guid) DriveID {
	var raw [48]byte
	copy(raw[:], collection[:])
	copy(raw[16:], web[:])
	copy(raw[32:], list[:])
	return DriveID("b!" + base64.RawURLEncoding.EncodeToString(raw[:]))
}
