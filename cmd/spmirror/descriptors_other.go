//go:build !unix

package main

// maxOpenFiles is 0: this system names no limit.
func maxOpenFiles() uint64 { return 0 }
