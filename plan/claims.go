package plan

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
)

// claimKey identifies a place on disk, a folder and a folded name, in 128 bits that nobody can
// make equal for two places by choosing names.
type claimKey [16]byte

func keyOf(folder ItemID, fold string) claimKey {
	place := make([]byte, 0, 256) // on the stack, for all but the longest names
	place = append(place, folder...)
	place = append(place, 0)
	place = append(place, fold...)
	sum := sha256.Sum256(place)
	return claimKey(sum[:16])
}

// maxClaims is how many claims are remembered before it is found out which of them need to be.
const maxClaims = 50_000

// claims remembers which places were asked for. Up to maxClaims it remembers all of them. A plan of more, as the
// first one of a large drive is, remembers only those that several items can ask for. Names in a folder differ at
// the source (N7), so these are few, and the memory of such a plan does not grow with its items.
type claims struct {
	taken  map[claimKey]struct{}
	rivals map[claimKey]struct{} // places that several items can ask for; nil: not known yet
	places placesSeq             // of all items that can ask, each once
	most   int                   // claims remembered before rivals are looked for
}

// placesSeq yields places.
type placesSeq func(ctx context.Context) iter.Seq2[claimKey, error]

func newClaims(places placesSeq, most int) *claims {
	return &claims{taken: make(map[claimKey]struct{}), places: places, most: most}
}

// take asks for a place; ok is false if it was given before.
func (c *claims) take(ctx context.Context, k claimKey) (ok bool, err error) {
	if _, taken := c.taken[k]; taken {
		return false, nil
	}
	if c.rivals == nil && len(c.taken) >= c.most {
		if err := c.findRivals(ctx); err != nil {
			return false, err
		}
	}
	if c.matters(k) {
		c.taken[k] = struct{}{}
	}
	return true, nil
}

// giveBack makes a place free again.
func (c *claims) giveBack(k claimKey) { delete(c.taken, k) }

// matters reports whether anything else may ask for a place.
func (c *claims) matters(k claimKey) bool {
	_, rival := c.rivals[k]
	return rival || c.rivals == nil
}

// findRivals reads all names once and forgets the claims of places that nothing else can ask for.
func (c *claims) findRivals(ctx context.Context) error {
	seen := make(keyFilter, filterWords)
	c.rivals = make(map[claimKey]struct{})
	for k, err := range c.places(ctx) {
		if err != nil {
			return fmt.Errorf("look for equal names: %w", err)
		}
		if seen.add(k) {
			c.rivals[k] = struct{}{}
		}
	}
	taken := make(map[claimKey]struct{})
	for k := range c.taken {
		if c.matters(k) {
			taken[k] = struct{}{}
		}
	}
	c.taken = taken
	return nil
}

// keyFilter is a Bloom filter of keys: of ten million it takes fewer than one in a hundred for seen that were not,
// which costs only that they are remembered.
type keyFilter []uint64

const (
	filterWords = 1 << 20 // 8 MiB, a power of two
	filterBits  = 4       // of each key
)

// add marks a key as seen and reports whether it may have been seen before.
func (f keyFilter) add(k claimKey) (seen bool) {
	seen = true
	for i := range filterBits {
		at := binary.LittleEndian.Uint32(k[4*i:]) % uint32(64*len(f))
		word, bit := at/64, uint64(1)<<(at%64)
		seen = seen && f[word]&bit != 0
		f[word] |= bit
	}
	return seen
}

// places yields the place of each observed item, as far as its name can be on disk.
func (p *planner) places(ctx context.Context) iter.Seq2[claimKey, error] {
	return func(yield func(claimKey, error) bool) {
		for it, err := range p.req.Store.Observed.Names(ctx) {
			if err != nil {
				yield(claimKey{}, err)
				return
			}
			name, err := p.names.Local(it.Name)
			if err != nil {
				continue // it never asks
			}
			if !yield(keyOf(it.Parent, p.names.Fold(name)), nil) {
				return
			}
		}
	}
}
