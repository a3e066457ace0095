package apply

import (
	"hash"
	"slices"
	"sync"

	"github.com/spmirror/spmirror/state"
)

// received is what has come of a file: its beginning, which is hashed, and parts
// ahead of it, which are not yet. Several streams add to it at once.
type received struct {
	// hashing is held while the beginning grows, so that a checkpoint finds the
	// states of the hashes and the offset in step. It is taken before lock.
	hashing sync.Mutex
	quick   hash.Hash
	sha     hash.Hash

	lock   sync.Mutex
	turn   *sync.Cond // something below changed
	offset int64      // bytes of the beginning
	ahead  []*span    // in order; none overlaps another or the beginning

	count    int64 // bytes in the staged file, ahead or not
	durable  int64 // of them, those that the last checkpoint covers
	admitted int64 // bytes that streams are about to add
	saving   bool  // a checkpoint is under way
	saveErr  error // of a checkpoint, until somebody takes it
}

// span is a part ahead. The bytes before at are there; a stream may be working on
// the rest.
type span struct{ start, at, end int64 }

// begin takes up what an earlier run left, or nothing.
func (r *received) begin(quick, sha hash.Hash, offset int64, ahead []state.Span) {
	r.turn = sync.NewCond(&r.lock)
	r.quick, r.sha, r.offset, r.ahead = quick, sha, offset, nil
	r.count = offset
	for _, a := range ahead {
		r.ahead = append(r.ahead, &span{a.From, a.To, a.To})
		r.count += a.To - a.From
	}
	r.durable, r.admitted, r.saving, r.saveErr = r.count, 0, false, nil
}

// extend hashes the bytes that follow the beginning.
func (r *received) extend(p []byte) {
	r.hashing.Lock()
	r.quick.Write(p)
	r.sha.Write(p)
	r.lock.Lock()
	r.offset += int64(len(p))
	r.lock.Unlock()
	r.hashing.Unlock()
}

// gap is the end of what is missing behind the beginning: the start of the next
// part ahead, or most where there is none.
func (r *received) gap(most int64) int64 {
	r.lock.Lock()
	defer r.lock.Unlock()
	if len(r.ahead) > 0 {
		return r.ahead[0].start
	}
	return most
}

// settleAhead forgets what streams had in mind, when all of them are gone: what they
// brought stays.
func (r *received) settleAhead() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.ahead = slices.DeleteFunc(r.ahead, func(s *span) bool { return s.at <= r.offset })
	for _, s := range r.ahead {
		s.end = s.at
	}
}

// spans are the parts ahead as a checkpoint keeps them. The lock is held.
func (r *received) spans() []state.Span {
	var list []state.Span
	for _, s := range r.ahead {
		from := max(s.start, r.offset)
		if s.at <= from {
			continue
		}
		if n := len(list); n > 0 && list[n-1].To == from {
			list[n-1].To = s.at
			continue
		}
		list = append(list, state.Span{From: from, To: s.at})
	}
	return list
}
