package target

// Faults lets a test stop or break the program at an exact operation. Before is called ahead of every
// operation that changes the disk or makes a change durable, with one of the Op names and the path it works
// on; an error it returns takes the place of the operation. Production code has none.
type Faults interface {
	Before(op string, path string) error
}

// Names of the operations that pass through [Faults].
const (
	OpCreate   = "create"
	OpReopen   = "reopen"
	OpWrite    = "write"
	OpReserve  = "reserve"
	OpTruncate = "truncate"
	OpChmod    = "chmod"
	OpTimes    = "times"
	OpSync     = "fsync"
	OpSyncDir  = "fsyncdir"
	OpSyncFS   = "syncfs"
	OpClose    = "close"
	OpMkdir    = "mkdir"
	OpRename   = "rename"   // onto a free name
	OpReplace  = "replace"  // over an existing name
	OpExchange = "exchange" // two names swap
	OpLink     = "link"
	OpUnlink   = "unlink"
	OpRmdir    = "rmdir"
)

func (d *Dir) before(op string, rel RelPath) error {
	if d.faults == nil {
		return nil
	}
	return d.faults.Before(op, string(rel))
}
