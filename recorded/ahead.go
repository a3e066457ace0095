package recorded

import (
	"iter"

	"github.com/spmirror/spmirror/plan"
)

// pairsAhead is how many pairs are read in one go while those before are compared.
const pairsAhead = 512

// pairBatch holds pairs with the values they point to, to be used again.
type pairBatch struct {
	n       int
	pairs   [pairsAhead]plan.Pair
	items   [pairsAhead]plan.Item
	entries [pairsAhead]plan.Entry
	pending [pairsAhead]plan.Pending
	err     error
}

// add takes a copy of a pair and reports whether the batch is full.
func (b *pairBatch) add(p plan.Pair) bool {
	var c plan.Pair
	if p.Item != nil {
		b.items[b.n] = *p.Item
		c.Item = &b.items[b.n]
	}
	if p.Entry != nil {
		b.entries[b.n] = *p.Entry
		c.Entry = &b.entries[b.n]
	}
	if p.Pending != nil {
		b.pending[b.n] = *p.Pending
		c.Pending = &b.pending[b.n]
	}
	b.pairs[b.n] = c
	b.n++
	return b.n == pairsAhead
}

// ahead reads a sequence in a goroutine of its own, so that the database and the
// comparison work at the same time. Three batches bound what is in memory.
func ahead(seq iter.Seq2[plan.Pair, error]) iter.Seq2[plan.Pair, error] {
	return func(yield func(plan.Pair, error) bool) {
		full, free, done := make(chan *pairBatch, 3), make(chan *pairBatch, 3), make(chan struct{})
		for range 3 {
			free <- new(pairBatch)
		}
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			defer close(full)
			fillBatches(seq, full, free, done)
		}()
		defer func() { close(done); <-finished }()
		for b := range full {
			for i := range b.n {
				if !yield(b.pairs[i], nil) {
					return
				}
			}
			if b.err != nil {
				yield(plan.Pair{}, b.err)
				return
			}
			free <- b
		}
	}
}

// fillBatches reads until the sequence ends or nobody wants more.
func fillBatches(seq iter.Seq2[plan.Pair, error], full chan<- *pairBatch, free <-chan *pairBatch, done <-chan struct{}) {
	take := func() *pairBatch {
		select {
		case b := <-free:
			b.n, b.err = 0, nil
			return b
		case <-done:
			return nil
		}
	}
	b := take()
	for p, err := range seq {
		if b == nil {
			return
		}
		if err != nil {
			b.err = err
			break
		}
		if b.add(p) {
			full <- b // never blocks: there are no more batches than places
			b = take()
		}
	}
	if b != nil {
		full <- b
	}
}
