package main

// What a run has open beside its downloads, and, measured, what each download has open at most: its staged
// file, its connection, with the embedded sandbox the other end of it, and a directory now and then. A target
// that is open to be changed has its root, three control directories, the directory of its trash and its lock.
const (
	filesOfARun      = 32
	filesOfADownload = 8
	filesOfATarget   = 7
	mostTargets      = 256 // more are never worth it
)

// targetsWithin bounds the targets that a run holds open from its beginning by the files that this process may have
// open; 0 open files stands for no limit. Most of these are left to downloads and directories.
func targetsWithin(openFiles uint64) int {
	if openFiles == 0 {
		return mostTargets
	}
	return int(max(1, min(mostTargets, openFiles/4/filesOfATarget)))
}

// downloadsWithin bounds downloads by the files that this process may have open, so that
// items do not fail for want of descriptors; 0 open files stands for no limit.
func downloadsWithin(openFiles uint64, wanted int) int {
	if openFiles == 0 || openFiles > 1<<20 {
		return wanted
	}
	return max(1, min(wanted, (int(openFiles)-filesOfARun)/filesOfADownload))
}
