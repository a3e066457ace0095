package graph

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
)

const (
	maxPages      = 100_000
	maxEmptyPages = 1_000 // in a row; hundreds are legal (Q1, H-39)
)

// opError says what was tried when an error does not say it itself.
func opError(op string, err error) error { return fmt.Errorf("%s: %w", op, err) }

// one reads a single resource.
func one[T any](ctx context.Context, c *Client, op, path string, units int, read func(s *scanner, into *T)) (T, error) {
	var result T
	err := c.do(ctx, c.path(op, path, units, func(body []byte, h http.Header) error {
		var value T // each attempt begins anew
		if err := parse(op, body, h, func(s *scanner) { read(s, &value) }); err != nil {
			return err
		}
		result = value
		return nil
	}))
	return result, err
}

// all reads a collection page by page. Links are followed as given (S5, S19); a link that comes twice, or pages that
// stay empty, end it with ErrLoop (I-56). A collection that breaks off yields the error last.
func all[T any](ctx context.Context, c *Client, op, path string, units int, read func(s *scanner, into *T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		k := c.path(op, path, units, nil)
		seen := map[uint64]bool{}
		empty := 0
		for range maxPages {
			var elements []T
			var next Link
			if k.url != nil {
				seen[maphash.String(seed, k.url.Opaque+"?"+k.url.RawQuery)] = true
				k.list = true
				k.read = func(body []byte, h http.Header) error {
					elements = elements[:0]
					p, err := readPage(op, body, h, func(s *scanner) {
						var value T
						if read(s, &value) {
							elements = append(elements, value)
						}
					})
					next = p.next
					return err
				}
			}
			if err := c.do(ctx, k); err != nil {
				yield(none, err)
				return
			}
			for _, value := range elements {
				if !yield(value, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			if empty++; len(elements) > 0 {
				empty = 0
			}
			var err error
			if k.url, err = c.policy.api(absolute(k.url, string(next))); err == nil && (empty > maxEmptyPages || seen[maphash.String(seed, k.url.Opaque+"?"+k.url.RawQuery)]) {
				err = ErrLoop
			}
			if err != nil {
				yield(none, opError(op, err))
				return
			}
		}
		yield(none, opError(op, ErrLoop))
	}
}

// gather collects a short collection.
func gather[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for value, err := range seq {
		if err != nil {
			return nil, err // a part of a list is not a list
		}
		list = append(list, value)
	}
	return list, nil
}
