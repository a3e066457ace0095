//go:build unix

package sandbox

import (
	"io/fs"
	"syscall"
)

// inodeOf is the identity of a file on its disk; renames are recognised by it.
func inodeOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
