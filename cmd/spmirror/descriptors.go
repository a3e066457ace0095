package main

// What a run has open beside its downloads, and, measured, what each download has open at most: its staged
// file, its connection, with the embedded sandbox the other end of it, and a directory now and then.
const (
	filesOfARun      = 32
	filesOfADownload = 8
)

// downloadsWithin bounds downloads by the files that this process may have open, so that
// items do not fail for want of descriptors; 0 open files stands for no limit.
func downloadsWithin(openFiles uint64, wanted int) int {
	if openFiles == 0 || openFiles > 1<<20 {
		return wanted
	}
	return max(1, min(wanted, (int(openFiles)-filesOfARun)/filesOfADownload))
}
