//go:build unix

package main

import "syscall"

// maxOpenFiles is how many files this process may have open, 0 if that is not known.
// The runtime has raised the soft limit to the hard one already.
func maxOpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
