package apply

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// sent answers every request with the same text of a type, as a sign-in or a proxy
// does.
func sent(kind, text string) answer {
	return func(*tenant, *node, graph.ContentRequest) (*graph.Content, error) {
		c := &graph.Content{Body: io.NopCloser(strings.NewReader(text)), Status: 200, Total: int64(len(text)), Length: int64(len(text)), ContentType: kind}
		return c, nil
	}
}

// Files that the service rewrites are kept where the policy accepts them, but what
// comes in place of a file never is: the file is offered again until it is there.
func TestAPageInPlaceOfAFileIsNeverKept(t *testing.T) {
	const login = "<!DOCTYPE html><title>Sign in</title>"
	const refusal = `{"error":{"code":"accessDenied"}}`
	for _, test := range []struct {
		name   string
		answer answer
		change func(n *node)
		kept   bool
	}{
		{"a sign-in page", sent("text/html; charset=utf-8", login), nil, false},
		{"an error", sent("application/json", refusal), nil, false},
		{"an error of a proxy", sent("application/problem+json", refusal), nil, false},
		{"nothing", sent("application/octet-stream", ""), nil, false},
		{"nothing for a file without a hash", sent("", ""), func(n *node) { n.noHash = true }, false},
		{"nothing for a file without a size", sent("", ""), func(n *node) { n.noSize = true }, false},
		{"a page without a type", sent("", login), nil, false},
		{"a page whose type is spoiled", sent("text/html; charset", login), nil, false},
		{"a page for a file without a hash", sent("Text/HTML", login), func(n *node) { n.noHash = true }, false},
		{"a page for a file without hash and size", sent("text/html", login), func(n *node) { n.noHash, n.noSize = true, true }, false},
		{"an error for a file without hash and size", sent("application/json", refusal), func(n *node) { n.noHash, n.noSize = true, true }, false},
		{"a page that the service rewrites", sent("text/html", login), func(n *node) { n.name = "file.HTML" }, true},
		{"a document that the service rewrites", sent("application/octet-stream", login), nil, true},
		{"a file of the right bytes, whatever it is said to be", sent("application/json", random(7, 5500)), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				if test.change != nil {
					test.change(n)
				}
				w.script(repeat(test.answer, 20))
				r := w.run()
				if test.kept {
					wantProblems(t, r, nil)
					return
				}
				wantProblems(t, r, map[string]string{"file": CodeIntegrity})
				w.equal(map[string]string{"file": "old text"})
				w.tenant.onOpen = nil
				w.sync()
				w.same()
			})
		})
	}
}

// A host that lags behind sends the version before, again and again. Its tag says so.
func TestAnotherVersionIsNotWhatTheServiceRewrites(t *testing.T) {
	for tag, kept := range map[string]bool{`"{0A},1"`: false, `"{0a},3"`: false, `"{0A},2"`: true, `"{0B},1"`: true, `W/"1"`: true, "": true} {
		t.Run(tag, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				w.tenant.onItem = func(n *node, _ int) (graph.Item, error, bool) {
					it := n.item()
					it.ETag = `"{0A},2"`
					return it, nil, true
				}
				older := func(_ *tenant, _ *node, q graph.ContentRequest) (*graph.Content, error) {
					const text = "the version before"
					c := body(text[q.Offset:], nil, q.Offset, int64(len(text)))
					c.ETag = tag
					return c, nil
				}
				w.script(repeat(older, 20))
				if r := w.run(); !kept {
					wantProblems(t, r, map[string]string{"file": CodeIntegrity})
					w.equal(map[string]string{"file": "old text"})
				} else {
					w.equal(map[string]string{"file": "the version before"})
				}
			})
		})
	}
}

// Bytes that are not those of the hash are never published, wherever they are wrong:
// each file gets an answer of its own that is spoiled, once (I-05, M01, M02).
func TestContentThatIsWrongIsFetchedAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	spoil := map[string]func(b []byte, at int) []byte{
		"one bit":       func(b []byte, at int) []byte { b[at] ^= 1 << (at % 8); return b },
		"a lost byte":   func(b []byte, at int) []byte { return slices.Delete(b, at, at+1) },
		"a byte twice":  func(b []byte, at int) []byte { return slices.Insert(b, at, b[at]) },
		"the rest lost": func(b []byte, at int) []byte { return b[:at] },
		"the rest zero": func(b []byte, at int) []byte { clear(b[at:]); return b },
		"blocks swapped": func(b []byte, at int) []byte {
			return slices.Concat(b[at:], b[:at])
		},
		"a block twice": func(b []byte, at int) []byte {
			n := min(at, len(b)-at)
			copy(b[at:], b[at-n:at])
			return b
		},
		"other bytes": func(b []byte, _ int) []byte {
			for i := range b {
				b[i] ^= 0x55
			}
			return b
		},
	}
	bubble(t, func(t *testing.T, w *world, _ *node) {
		wrong := map[string]string{}
		for kind, change := range spoil {
			for i := range 25 {
				name := fmt.Sprintf("%s %d", kind, i)
				var text []byte // nothing comes again after 160 bytes: to quickXorHash that would be the same when moved
				for line := range 100 {
					text = fmt.Appendln(text, name, line*line)
				}
				w.tenant.put(name, string(text))
				wrong[name] = string(change(text, 1+random.IntN(len(text)-1)))
			}
		}
		spoiled := 0
		w.tenant.onOpen = func(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
			text, ok := wrong[n.name]
			if !ok || text == n.text {
				return nil, nil, false
			}
			delete(wrong, n.name)
			spoiled++
			return body(text, nil, 0, int64(len(text))), nil, true
		}
		w.sync()
		w.same()
		if spoiled < 190 {
			t.Errorf("only %d answers were spoiled", spoiled)
		}
		for e, err := range w.store.EntriesByParent(t.Context(), w.key) {
			w.check(err)
			if e.Verdict != state.Verified {
				t.Errorf("%s is %s", e.Name, e.Verdict)
			}
		}
	})
}
