//go:build unix

package state

import (
	"errors"
	"syscall"
)

// noFollow keeps a planted symbolic link from choosing another lock file.
const noFollow = syscall.O_NOFOLLOW

// processAlive asks the kernel; a process of another user counts as running.
func processAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
