//go:build unix

package sandbox

import (
	"io/fs"
	"syscall"
)

// inodeOf is the identity of a file or folder on its disk; renames are recognised by it.
func inodeOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}

// deviceOf is the filesystem within which an inode is an identity.
func deviceOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}
