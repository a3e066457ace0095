package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// digest is what "the same configuration" means: the bytes of the files, the values of
// variables that are not sensitive, and what functions read. A rotated secret does
// not change it; the directory it lies in does not either.
func (s *session) digest(cfg *Config) string {
	h := sha256.New()
	slices.SortFunc(cfg.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range cfg.Files {
		fmt.Fprintf(h, "file %q %s\n", f.Name, f.Digest)
	}
	for _, v := range cfg.Variables {
		if !v.Sensitive {
			fmt.Fprintf(h, "var %q %s\n", v.Name, v.Value)
		}
	}
	for _, name := range sortedKeys(s.read) {
		fmt.Fprintf(h, "read %q %s\n", name, s.read[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
