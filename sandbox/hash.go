package sandbox

import (
	"hash"

	"github.com/spmirror/spmirror/graph/quickxor"
)

// newQuickXor is the only thing the sandbox shares with the client: a wrong hash would be agreed on by
// both, so it is tested against published vectors where it is made.
func newQuickXor() hash.Hash { return quickxor.New() }
