package config

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns the canonical form of a file: two spaces of indentation, aligned
// equals signs, one newline at the end. A file that cannot be parsed is not changed,
// and its mistakes are returned. Formatting twice changes nothing more. JSON is
// returned as it is.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	s := &session{sources: map[string]*hcl.File{}}
	if s.parse(filename, src) == nil {
		s.closing()
		return src, s.diags
	}
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	out := bytes.TrimPrefix(src, []byte("\ufeff"))
	for range maxFormatRounds {
		next := formatOnce(out)
		if bytes.Equal(next, out) {
			break
		}
		out = next
	}
	if _, diags := hclsyntax.ParseConfig(out, filename, hcl.InitialPos); diags.HasErrors() {
		return src, nil // never replace a file that works by one that does not
	}
	return out, nil
}

// maxFormatRounds: the library aligns some comments only in a second round.
const maxFormatRounds = 8

func formatOnce(src []byte) []byte {
	out := bytes.TrimRight(hclwrite.Format(src), " \t\r\n")
	if len(out) == 0 {
		return nil
	}
	return append(out, '\n')
}
