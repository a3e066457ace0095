//go:build !unix

package state

import "os"

const noFollow = 0

// processAlive finds a process by its number.
func processAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	return p.Release() == nil
}
