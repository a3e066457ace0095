package apply

import (
	"io"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph"
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
