// Package target is the disk: the directory a mirror lives in.
//
// Here live the mapping between remote and local names, the marker that tells one target from another, the
// stat walk, staging, publishing, moving, trash and the file system calls behind them. The network, the
// state database and every decision about what should be on disk live elsewhere: a caller says what to do and
// what it expects to find, this package does exactly that or leaves the local bytes alone.
//
// The one invariant to know: every operation below the root goes through descriptors that were opened one
// component at a time, never through a symbolic link and never onto another device (I-20, I-63), and no
// operation destroys bytes that the caller did not name by fingerprint (I-13 to I-17). A final name holds the
// complete old file or the complete new file at every instant (I-01, I-02).
//
// # Layout
//
//	<root>/.spmirror/marker.json   identity, read before every batch
//	<root>/.spmirror/lock          kernel lock
//	<root>/.spmirror/staging/      spm-<key>.part: bytes of the source, may be thrown away at any time
//	                               spm-<key>.swap: may hold displaced local bytes, never thrown away
//	<root>/.spmirror/park/         files and folders on their way from one name to another
//	<root>/.spmirror/trash/        <stamp>/<original path>
//
// # Durability
//
// A [Dir] has a [SyncPolicy]. With [SyncFile] every operation is durable when it returns. With [SyncBatch]
// operations note what must be flushed and [Dir.PublishBatch] or [Dir.SyncAll] flush it; a row that claims an
// effect may be committed only after that (I-03). A failed flush is final for the staged files it covered (I-04).
//
// # Platforms
//
// Linux has the full set of guarantees. Elsewhere the same code runs on [os.Root] without exchange, which
// [Capabilities.Weaknesses] says in words.
package target
