//go:build !unix

package sandbox

import "io/fs"

// inodeOf is not known here: a rename shows as a deletion and a new item.
func inodeOf(fs.FileInfo) uint64 { return 0 }

func deviceOf(fs.FileInfo) uint64 { return 0 }
