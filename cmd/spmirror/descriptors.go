package main

// What a run has open beside its downloads, and what each download has open: its staged
// file, its connection, and a directory now and then.
const (
	filesOfARun      = 24
	filesOfADownload = 3
)

// downloadsWithin bounds downloads by the files that this process may have open, so that
// items do not fail for want of descriptors; 0 open files stands for no limit.
func downloadsWithin(openFiles uint64, wanted int) int {
	if openFiles == 0 || openFiles > 1<<20 {
		return wanted
	}
	return max(1, min(wanted, (int(openFiles)-filesOfARun)/filesOfADownload))
}
