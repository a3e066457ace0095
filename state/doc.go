// Package state keeps what spmirror knows between runs: the drives it has observed, the items in them, what was applied to each
// mirror, what is pending, half downloaded or in the trash, and a log of runs. It is the only room with SQL.
//
// What lives here: the SQLite file and everything that reads or writes it, its lock, its backups and its migrations. What may not: HTTP,
// configuration, the target's disk, and any decision of the domain. The store answers "what was seen, what was done"; the planner
// decides what that means.
//
// The invariant to know: the observed side changes only in the transaction that stores the delta link of a complete round (I-32), and
// nothing is removed from it except by a tombstone or by absence in a complete enumeration (I-23). Rounds are therefore staged page by
// page beside the observed items and merged at once.
//
// Writing happens in [Store.Tx] only, one transaction at a time. Reading uses connections of its own, so an iterator may be open while
// other reads run and while a transaction commits; it keeps seeing the moment it started at. An iterator holds its connection until the
// loop ends.
//
// All times are UTC with nanoseconds; the zero time is stored as 0. Text is stored as valid UTF-8: invalid bytes are replaced on the way
// in, which lets the readers pack a whole row into one text column with the byte 0xFF as separator (see packed.go).
package state
