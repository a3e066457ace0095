package sandbox

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"
)

// errDead says that a delta token is no longer good (D41).
var errDead = errors.New("the delta token is no longer good")

// shown is one entry of a page; stale entries are shown in an older form, which a later one corrects.
type shown struct {
	it    *item
	stale bool
}

// deltaPage is one page of a round before it is written.
type deltaPage struct {
	items []shown
	next  deltaToken
	final bool // next is a deltaLink
}

// openRound checks a token that came back, or begins a round: full without one. The lock is held.
func (d *Drive) openRound(k deltaToken, now time.Time) (deltaToken, error) {
	if k.chain == 0 && k.upto == 0 { // the first call of a full round
		k.drive, k.full, k.order, k.count = d.tag(), true, d.t.behave.Order, uint64(len(d.items))
		k.upto = d.visibleSeq(0, now)
		return k, nil
	}
	if k.drive != d.tag() {
		return k, errToken
	}
	if chain, ok := d.chainAt(k.upto); !ok || chain != k.chain {
		return k, errDead
	}
	if life := d.t.behave.DeltaLifetime; life > 0 && now.Unix()-k.issued > int64(life.Seconds()) {
		return k, errDead
	}
	if !k.full && k.since == k.upto && k.cursor == 0 { // a deltaLink: the next round begins
		k.order = d.t.behave.Order
		k.upto = d.visibleSeq(k.since, now)
	}
	return k, nil
}

// visibleSeq is the newest change that rounds beginning now may see (D25).
func (d *Drive) visibleSeq(since uint64, now time.Time) uint64 {
	seq := d.seq
	if lag := d.t.behave.Lag; lag > 0 {
		for seq > max(since, baseSeq) && d.log[seq-baseSeq-1].at > now.Add(-lag).Unix() {
			seq--
		}
	}
	return seq
}

// seqBefore is the newest change not after a time, for timestamp tokens (D5).
func (d *Drive) seqBefore(at time.Time) uint64 {
	n, _ := slices.BinarySearchFunc(d.log, at.Unix(), func(c change, at int64) int {
		return cmp.Or(cmp.Compare(c.at, at), -1)
	})
	return baseSeq + uint64(n)
}

// latest is the token of a deltaLink for the present.
func (d *Drive) latest(k deltaToken) deltaToken {
	k.drive, k.full, k.since, k.upto = d.tag(), false, d.seq, d.seq
	return d.finish(k)
}

// finish completes a token that is handed out.
func (d *Drive) finish(k deltaToken) deltaToken {
	k.chain, _ = d.chainAt(k.upto)
	return k
}

// page makes the page at the cursor of a round. The lock is held.
func (d *Drive) page(k deltaToken, v *view) (deltaPage, error) {
	src, err := d.source(k, v)
	if err != nil {
		return deltaPage{}, err
	}
	if k.cursor < src.size && k.blank < 3 && d.chance(k, "blank", k.cursor<<2|k.blank, v.b.EmptyPages) {
		k.blank++
		return deltaPage{next: d.finish(k)}, nil
	}
	k.blank = 0
	start, limit := k.cursor, d.pageLimit(k, v)
	p := deltaPage{}
	for k.cursor < src.size && len(p.items) < limit {
		it := src.at(k.cursor)
		if it != nil && d.visible(it, k.full, v) {
			if d.chance(k, "stale", k.cursor, v.b.Stale) && it.kind == kindFile {
				p.items = append(p.items, shown{it, true})
			}
			p.items = append(p.items, shown{it: it})
		}
		k.cursor++
	}
	d.repeat(&p, k, src, start, v)
	done := k.cursor >= src.size
	if !k.full && k.order == OrderNatural && !v.exclude {
		d.addAncestors(&p, done)
	}
	if !done || v.b.EmptyFinal && len(p.items) > 0 && start < src.size {
		p.next = d.finish(k)
		return p, nil
	}
	p.final = true
	k.full, k.since, k.cursor, k.count, k.order = false, k.upto, 0, 0, OrderNatural
	p.next = d.finish(k)
	return p, nil
}

// visible says whether an item is shown: deleted ones not in a full round unless wanted (D29),
// shortcuts in a OneDrive only with the feature header (D55).
func (d *Drive) visible(it *item, full bool, v *view) bool {
	switch {
	case it.kind == kindRaw:
		return true
	case it.deleted:
		return !full || v.b.TombstonesInFull
	case it.kind == kindRemote:
		return d.showsShortcuts(v)
	}
	return true
}

func (d *Drive) showsShortcuts(v *view) bool { return d.site.owner < 0 || v.feature }

// Page sizes: the default for children is 200 (CHILD), none is documented for delta.
const (
	defaultPage = 200
	maximumPage = 5000
)

func (d *Drive) pageLimit(k deltaToken, v *view) int {
	n := int(min(k.top, 1<<30))
	if n == 0 {
		n = cmp.Or(v.b.PageSize, defaultPage)
	}
	n = min(n, cmp.Or(v.b.MaxPage, maximumPage))
	if v.b.ShortPages {
		n = 1 + int(d.random(k, "short", k.cursor)%uint64(n))
	}
	return n
}

// random is a number that depends on nothing but the seed and the place in the round.
func (d *Drive) random(k deltaToken, what string, at uint64) uint64 {
	h := mix(d.seed ^ k.upto<<32 ^ k.since)
	for i := range len(what) {
		h = mix(h ^ uint64(what[i]))
	}
	return mix(h ^ at)
}

func (d *Drive) chance(k deltaToken, what string, at uint64, percent int) bool {
	return percent > 0 && d.random(k, what, at)%100 < uint64(percent)
}

// repeat shows items of earlier pages once more (D15). Their form is the present one, so the last
// occurrence still says the truth.
func (d *Drive) repeat(p *deltaPage, k deltaToken, src source, start uint64, v *view) {
	if v.b.Duplicates == 0 || start == 0 {
		return
	}
	for i := range len(p.items) {
		at := start<<16 + uint64(i)
		if !d.chance(k, "again", at, v.b.Duplicates) {
			continue
		}
		if it := src.at(d.random(k, "which", at) % start); it != nil && d.visible(it, k.full, v) {
			p.items = append(p.items, shown{it: it})
		}
	}
}

// addAncestors puts every folder above the items of the page behind them (D18), and the root in any
// case once per round (D20).
func (d *Drive) addAncestors(p *deltaPage, last bool) {
	seen := make(map[*item]bool, len(p.items))
	for _, s := range p.items {
		seen[s.it] = true
	}
	for _, s := range p.items {
		if s.it.kind == kindRaw {
			continue
		}
		for a := s.it.parent; a != nil && !seen[a]; a = a.parent {
			seen[a] = true
			if !a.deleted {
				p.items = append(p.items, shown{it: a})
			}
		}
	}
	if root := d.root(); last && !seen[root] {
		p.items = append(p.items, shown{it: root})
	}
}

// source is the sequence of a round; at may be nil where there is nothing to show.
type source struct {
	size uint64
	at   func(uint64) *item
}

// source lists what a round shows. The natural and the shuffled full order need nothing but the
// token; strict orders are kept for the length of the round, because edits during paging would shift
// positions. When such a list is lost and the drive moved on, the token is dead.
func (d *Drive) source(k deltaToken, v *view) (source, error) {
	switch {
	case k.full && k.order == OrderNatural:
		return source{uint64(len(d.items)), func(i uint64) *item { return d.items[i] }}, nil
	case k.full && k.order == OrderShuffled:
		return source{uint64(len(d.items)), func(i uint64) *item {
			if i < k.count {
				i = permute(i, k.count, mix(d.seed^k.upto))
			}
			return d.items[i]
		}}, nil
	case !k.full && k.order == OrderNatural:
		return source{k.upto - k.since, func(i uint64) *item { return d.changed(k.since+1+i, v) }}, nil
	}
	list, ok := d.t.rounds.get(d, k)
	if !ok {
		if d.seq != k.upto && k.cursor > 0 {
			return source{}, errDead
		}
		list = d.orderRound(k, v)
		d.t.rounds.put(d, k, list)
	}
	return source{uint64(len(list)), func(i uint64) *item { return d.items[list[i]] }}, nil
}

// changed is the item whose last change has a sequence number: the feed gives latest state, not
// history (D16).
func (d *Drive) changed(seq uint64, v *view) *item {
	c := d.log[seq-baseSeq-1]
	it := d.items[c.ord]
	switch {
	case c.silent:
		return nil
	case c.sharing && (!v.sharing || it.more.shareSeq != seq):
		return nil
	case !c.sharing && it.seq != seq:
		return nil
	}
	return it
}

// orderRound lists the ordinals of a round in a strict or shuffled order.
func (d *Drive) orderRound(k deltaToken, v *view) []uint32 {
	var list []uint32
	if k.full {
		for i := range d.items {
			list = append(list, uint32(i))
		}
	} else {
		p := deltaPage{}
		for seq := k.since + 1; seq <= k.upto; seq++ {
			if it := d.changed(seq, v); it != nil {
				p.items = append(p.items, shown{it: it})
			}
		}
		if !v.exclude {
			d.addAncestors(&p, true)
		}
		for _, s := range p.items {
			list = append(list, s.it.ord)
		}
	}
	depth := make(map[uint32]int, len(list))
	for _, o := range list {
		depth[o] = d.items[o].depth()
	}
	slices.SortStableFunc(list, func(a, b uint32) int {
		switch k.order {
		case OrderParentFirst:
			return cmp.Compare(depth[a], depth[b])
		case OrderChildFirst:
			return cmp.Compare(depth[b], depth[a])
		}
		return cmp.Compare(d.random(k, "order", uint64(a)), d.random(k, "order", uint64(b)))
	})
	return list
}

// permute is a bijection of [0, n) chosen by key: a small Feistel network, walked until it falls into
// the range.
func permute(i, n, key uint64) uint64 {
	bits := 2
	for 1<<bits < n {
		bits += 2
	}
	half := bits / 2
	mask := uint64(1)<<half - 1
	for {
		l, r := i>>half, i&mask
		for round := range uint64(4) {
			l, r = r, l^(mix(key^r<<8^round)&mask)
		}
		if i = l<<half | r; i < n {
			return i
		}
	}
}

// rounds keeps the lists of rounds in strict orders.
type rounds struct {
	mu    sync.Mutex
	keys  []roundKey
	lists map[roundKey][]uint32
}

type roundKey struct {
	drive       int
	since, upto uint64
	full        bool
	flags       tokenFlags
	order       Order
}

// keptRounds is how many lists of rounds are kept.
const keptRounds = 32

func keyOf(d *Drive, k deltaToken) roundKey {
	return roundKey{d.index, k.since, k.upto, k.full, k.flags, k.order}
}

func (r *rounds) get(d *Drive, k deltaToken) ([]uint32, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, ok := r.lists[keyOf(d, k)]
	return list, ok
}

func (r *rounds) put(d *Drive, k deltaToken, list []uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lists == nil {
		r.lists = map[roundKey][]uint32{}
	}
	key := keyOf(d, k)
	if _, ok := r.lists[key]; !ok {
		r.keys = append(r.keys, key)
	}
	r.lists[key] = list
	if len(r.keys) > keptRounds {
		delete(r.lists, r.keys[0])
		r.keys = r.keys[1:]
	}
}
