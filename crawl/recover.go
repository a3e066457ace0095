package crawl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// ErrSource says that a drive cannot be read for a reason that lies in the drive:
// gone, locked, or out of reach. Its mirrors keep everything (Q71, Q78).
type ErrSource struct {
	Code string // stable code of the user's message
	Err  error
}

// Error tells the cause.
func (e *ErrSource) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ErrSource) Unwrap() error { return e.Err }

// Codes of a source that cannot be read.
const (
	CodeDriveGone    = "SPM0211"
	CodeDriveDenied  = "SPM0212"
	CodeDriveLocked  = "SPM0213"
	CodeSourceLoop   = "SPM0214"
	CodeSourceBroken = "SPM0215"
)

// recover decides how a round that broke is taken up again. The observed items
// stay authoritative whatever it decides (I-34).
func (r *refresh) recover(ctx context.Context, round state.Round, cause error) (state.Round, error) {
	if errors.Is(cause, ErrLoop) {
		return r.abandon(ctx, round, &ErrSource{CodeSourceLoop, cause})
	}
	if errors.Is(cause, graph.ErrLinkTimeout) && !round.Full {
		return r.restart(ctx, r.fullRound("the delta link timed out again and again (Q100)"), cause)
	}
	e, ok := graph.AsError(cause)
	switch {
	case !ok:
		return round, cause // the network, the token, the disk: a later run resumes the round
	case e.IsResync():
		return r.resync(ctx, round, e)
	case e.IsAccess():
		return round, &ErrSource{CodeDriveDenied, cause}
	case e.IsLocked():
		return round, &ErrSource{CodeDriveLocked, cause}
	case e.IsBadLink():
		return r.badLink(ctx, round, e)
	}
	return round, cause
}

// resync follows a 410: a full enumeration from where the service says, in the
// shadow of what is known (D42 to D44).
func (r *refresh) resync(ctx context.Context, round state.Round, e *graph.Error) (state.Round, error) {
	next := r.fullRound(fmt.Sprintf("the service ended the delta link (%s)", resyncName(e)))
	next.Keep = e.ResyncKind() == graph.ResyncUpload
	// The address of the answer was once seen to fail (D45), so only the first
	// restart takes it.
	if e.Location != "" && r.restarts == 0 {
		next.Next = string(e.Location)
	}
	return r.restart(ctx, next, e)
}

func resyncName(e *graph.Error) string {
	switch {
	case e.InnerCode != "":
		return e.InnerCode
	case e.Code != "":
		return e.Code
	}
	return "410 Gone"
}

// badLink handles a link that is refused with 400 or 404: the drive itself tells
// whether the link or the drive is at fault, and the same link is not tried again
// (Q7).
func (r *refresh) badLink(ctx context.Context, round state.Round, e *graph.Error) (state.Round, error) {
	_, err := r.Source.Item(ctx, graph.DriveID(r.drive.ID), "root")
	if probe, ok := graph.AsError(err); ok {
		switch {
		case probe.IsNotFound():
			return round, &ErrSource{CodeDriveGone, probe}
		case probe.IsAccess():
			return round, &ErrSource{CodeDriveDenied, probe}
		case probe.IsLocked():
			return round, &ErrSource{CodeDriveLocked, probe}
		}
	}
	if err != nil {
		return round, fmt.Errorf("check the drive after %v: %w", e, err)
	}
	if r.restarts == 0 && !round.Full && round.Pages > 0 && r.drive.DeltaLink != "" {
		// In the middle of paging: first from the committed link again (Q8).
		again := state.Round{Headers: round.Headers, Next: r.drive.DeltaLink, Reason: round.Reason}
		return r.restart(ctx, again, e)
	}
	return r.restart(ctx, r.fullRound(fmt.Sprintf("the delta link was refused (%d)", e.Status)), e)
}

func (r *refresh) fullRound(reason string) state.Round {
	return state.Round{
		Full: true, Reason: reason, Headers: r.query.Headers(),
		Next: string(r.Source.DeltaStart(graph.DriveID(r.drive.ID), r.query)),
	}
}

// restart begins a round anew after a pause, a bounded number of times.
func (r *refresh) restart(ctx context.Context, round state.Round, cause error) (state.Round, error) {
	r.restarts++
	if r.restarts > maxRestarts {
		return r.abandon(ctx, round, &ErrSource{CodeSourceBroken, fmt.Errorf("given up after %d restarts: %w", maxRestarts, cause)})
	}
	if r.Log != nil {
		r.Log.Info("crawl restarts", "drive", r.drive.ID, "full", round.Full, "reason", round.Reason)
	}
	if r.restarts > 1 {
		if err := pause(ctx, r.restarts); err != nil {
			return round, err
		}
	}
	r.report.Bad = nil
	return r.start(ctx, round)
}

// abandon drops a round that must not be resumed.
func (r *refresh) abandon(ctx context.Context, round state.Round, cause error) (state.Round, error) {
	err := r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.AbandonRound(r.drive.Key) })
	return round, errors.Join(cause, err)
}
