package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/spmirror/spmirror/graph"
)

// halted is why a run, or one of its mirrors, takes no more work. It is no error of the program: what runs is saved,
// what is done is committed, and the rest is left to the next run.
type halted struct{ code, why string }

func (h *halted) Error() string { return h.why }

// hopeless reports whether a failure is not the item's own: every other item would fail in the same way. The tenant
// throttles for too long, nothing can be reached, or the sign-in is refused.
func hopeless(err error) bool {
	return errors.Is(err, graph.ErrGaveUp) || errors.Is(err, graph.ErrToken)
}

// giveUp ends the mirror in order, for a reason that all its items share.
func (m *mirrorRun) giveUp(err error) {
	m.halt(&halted{codeOf(err), err.Error()})
}

// failedFast ends the whole run in order after the first item that failed.
func (r *running) failedFast(res *Result) {
	if r.FailFast && res.Outcome == Failed {
		r.haltAll(&halted{res.Code, fmt.Sprintf("-fail-fast: /%s of %s failed", res.Path, res.Mirror)})
	}
}

// haltedBy returns what ended the work of a context in order, nil if nothing did.
func haltedBy(ctx context.Context) *halted {
	var h *halted
	if errors.As(context.Cause(ctx), &h) {
		return h
	}
	return nil
}
