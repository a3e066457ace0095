package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Stable codes of results. The explanations are printed by `spmirror explain`.
const (
	CodeFailed       = "SPM0501" // the item could not be applied
	CodeIntegrity    = "SPM0502" // the content does not match its hash or size
	CodeSuperseded   = plan.PendingSuperseded
	CodeLocalChanged = "SPM0504" // the local file changed since the plan
	CodeOccupied     = "SPM0505" // something lies where a new file should go
	CodeVanished     = "SPM0506" // the item is gone at the source
	CodeDenied       = "SPM0507" // the service refuses access
	CodeThrottled    = "SPM0508" // the service asked for too long a pause
	CodeNetwork      = "SPM0509" // the network failed
	CodeDisk         = "SPM0510" // the disk failed
	CodeNoContent    = "SPM0511" // the item cannot be downloaded
	CodeMalware      = "SPM0512" // the service found malware
	CodeNoSpace      = "SPM0513" // the disk is full
	CodeBlocked      = "SPM0514" // held back by the plan
	CodeSuspect      = "SPM0519" // a delete that the source does not confirm
	CodePostponed    = "SPM0515" // a delete that waits for a run without failures
	CodeLocked       = "SPM0516" // locked at the source
	CodeUnverifiable = "SPM0517" // cannot be verified, and the policy asks for it
	CodeSignIn       = "SPM0518" // the sign-in is refused
	CodeWaits        = "SPM0520" // the directory of a followed shortcut is not where the plan has it
	CodeAllowance    = "SPM0521" // an earlier version is more than guard.max_download_bytes leaves to it
)

// itemError is a failure of one item with its code.
type itemError struct {
	code    string
	outcome Outcome
	message string
	err     error
}

func (e *itemError) Error() string {
	if e.err == nil {
		return e.message
	}
	if e.message == "" {
		return e.err.Error()
	}
	return e.message + ": " + e.err.Error()
}

func (e *itemError) Unwrap() error { return e.err }

func superseded(message string) error {
	return &itemError{code: CodeSuperseded, outcome: Superseded, message: message}
}

func integrity(format string, args ...any) error {
	return &itemError{code: CodeIntegrity, outcome: Failed, message: fmt.Sprintf(format, args...)}
}

// unrecorded is a failure of the state in the middle of a download. It has nothing to do
// with the transfer, which is not tried again for it.
func unrecorded(what string, err error) error {
	code := CodeDisk
	if errors.Is(err, state.ErrFull) {
		code = CodeNoSpace
	}
	return &itemError{code: code, message: what, err: err}
}

// classify fills code, message and request id of a result from an error.
func classify(res *Result, err error) {
	res.Message = err.Error()
	if e, ok := graph.AsError(err); ok {
		res.RequestID = e.RequestID
	}
	if e := (*itemError)(nil); errors.As(err, &e) {
		res.Code = e.code
		if e.outcome != "" {
			res.Outcome = e.outcome
		}
		return
	}
	res.Code = codeOf(err)
	if res.Code == CodeVanished || res.Code == CodeLocalChanged {
		res.Outcome = Superseded
	}
}

func codeOf(err error) string {
	switch {
	case errors.Is(err, target.ErrNoSpace):
		return CodeNoSpace
	case errors.Is(err, target.ErrOccupied):
		return CodeOccupied
	case errors.Is(err, target.ErrChanged):
		return CodeLocalChanged
	case errors.Is(err, graph.ErrMalware):
		return CodeMalware
	case errors.Is(err, graph.ErrThrottled):
		return CodeThrottled
	case errors.Is(err, graph.ErrOffline), errors.Is(err, graph.ErrNetwork):
		return CodeNetwork
	case errors.Is(err, graph.ErrToken):
		return CodeSignIn
	}
	if e, ok := graph.AsError(err); ok {
		switch {
		case e.IsNotFound():
			return CodeVanished
		case e.IsAccess():
			return CodeDenied
		case e.IsLocked():
			return CodeLocked
		case e.IsItemFault():
			return CodeNoContent
		}
		return CodeFailed
	}
	if e := (*target.Error)(nil); errors.As(err, &e) {
		if errors.Is(err, fs.ErrNotExist) {
			return CodeLocalChanged // what was to be moved or replaced is not there any more
		}
		return CodeDisk
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return CodeNetwork
	}
	return CodeFailed
}

// codeOfReason gives blocked changes the code under which they are explained.
func codeOfReason(r plan.Reason) string {
	if r == plan.BlockedMalware {
		return CodeMalware
	}
	return CodeBlocked
}
