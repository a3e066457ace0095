//go:build !unix

package state

// syncDir does nothing: Windows offers no flush of a directory, and NTFS keeps a journal of names.
func syncDir(string) error { return nil }
