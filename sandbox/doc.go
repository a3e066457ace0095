// Package sandbox is an emulated Microsoft 365 tenant: SharePoint sites, document libraries,
// OneDrives, the Graph v1.0 calls a mirror needs, the content host that serves the bytes, and the
// login host that hands out tokens.
//
// What lives here: the tenant model and its edits, deterministic content, the three HTTP faces,
// throttling, scripted faults, and the strictness that counts what a client must not do. What may
// not: anything of this project's client. The package is written from the recorded facts about the
// service (D, C, S, T, W, A, E, N and V numbers in comments) and from quirks seen by other programs
// (Q numbers), never from what our own client happens to send; it imports only the hash.
//
// The one invariant to know: a tenant is a function of its [Options] and its edits. The same options
// and the same edits give the same ids, tags, bytes and delta tokens in every process, so a delta
// link stored by one process is good in the next one, and a link that belongs to another history is
// refused with 410 instead of being answered with half a truth.
package sandbox
