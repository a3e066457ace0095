// Package apply makes a mirror what a plan says.
//
// It executes exactly the changes of a plan and nothing else (I-45): folders and
// moves first, then downloads through a pool of workers, deletes last and only
// for mirrors without failures (I-27). Here live scheduling, download, resume,
// verification, the publish protocol's journal, recovery after a crash, and
// per-item results. Not here: configuration, decisions about what is wanted, and
// wording.
//
// The one invariant to know: a row that says "applied" is committed only after
// the file it speaks of is complete, verified, flushed and under its final name
// (I-03). Every effect on disk is preceded by a committed intent, so that a
// killed run can be resolved by looking at the disk.
package apply
