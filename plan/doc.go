// Package plan decides what a mirror needs and says so as data.
//
// It compares four things of each item: what the configuration selects, what
// the source last said (observed), what spmirror last put on disk (applied),
// and what is on disk now; and yields one Change for each item that differs.
// Here live selection, the tree of ids and its paths, the diff, causes and
// reasons, the guards, and the plan file. Not here: requests, SQL, system
// calls, colours and wording. State and disk are read through the small
// interfaces of inventory.go, clocks come in as arguments.
//
// The one invariant to know: a delete is planned only for an item that a
// completed round removed (I-23). What cannot be read, placed or named is
// blocked and listed, never guessed away. Same inputs give the same bytes.
package plan
