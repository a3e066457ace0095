//go:build unix

package main

import (
	"syscall"
	"testing"
)

// umask runs something under a mask.
func umask(t *testing.T, mask int, run func()) {
	t.Helper()
	old := syscall.Umask(mask)
	defer syscall.Umask(old)
	run()
}
