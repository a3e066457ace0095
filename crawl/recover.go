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
	CodeDriveGone    = "SPM0611"
	CodeDriveDenied  = "SPM0612"
	CodeDriveLocked  = "SPM0613"
	CodeSourceLoop   = "SPM0614"
	CodeSourceBroken = "SPM0615"
	CodeSourceEmpty  = "SPM0616"
)

// recover decides how a round that broke is taken up again. The observed items
// stay authoritative whatever it decides (I-34).
func (r *refresh) recover(ctx context.Context, round state.Round, cause error) (state.Round, error) {
	e, answered := graph.AsError(cause)
	switch {
	case errors.Is(cause, ErrLoop):
		return r.abandon(ctx, round, &ErrSource{CodeSourceLoop, cause})
	case answered && e.IsResync():
		return r.resync(ctx, round, e)
	case answered && e.IsAccess():
		return round, &ErrSource{CodeDriveDenied, cause}
	case answered && e.IsLocked():
		return round, &ErrSource{CodeDriveLocked, cause}
	case r.elsewhere(round) && isVerdict(cause):
		// The address that a 410 named fails; the plain one is as good (D45, Q101).
		return r.restart(ctx, r.fullRound(round.Reason, round.Keep), cause)
	case answered && e.IsBadLink():
		return r.badLink(ctx, round, e)
	case errors.Is(cause, graph.ErrAddress):
		// The link was obtained from another address of the service than the one configured now (A14).
		return r.replaceLink(ctx, round, cause, "the delta link leads to another address")
	case errors.Is(cause, graph.ErrLinkTimeout):
		return r.replaceLink(ctx, round, cause, "the delta link timed out again and again (Q100)")
	case r.resumed && r.pages == 0 && isVerdict(cause):
		return r.replaceLink(ctx, round, cause, "the page at which the last run stopped cannot be read")
	}
	return round, cause // the network, the token, the disk, the service: a later run resumes the round
}

// coded gives an error that tells of the source, and has no code yet, its code.
func coded(err error) error {
	var source *ErrSource
	if isGarbled(err) && !errors.As(err, &source) {
		return &ErrSource{CodeSourceBroken, err}
	}
	return err
}

// isGarbled reports whether a page came that cannot be understood, or is larger than any should be.
func isGarbled(err error) bool {
	return errors.Is(err, graph.ErrProtocol) || errors.Is(err, graph.ErrTooLarge)
}

// isVerdict reports whether an error tells of the link that was asked for, rather
// than of the network, the token, a throttle or the local disk.
func isVerdict(err error) bool {
	if e, ok := graph.AsError(err); ok {
		return !e.IsThrottle() && !e.IsAuth()
	}
	return isGarbled(err) || errors.Is(err, graph.ErrAddress)
}

// elsewhere reports whether a full round stands at the address that a 410 named.
func (r *refresh) elsewhere(round state.Round) bool {
	return round.Full && round.Pages == 0 && r.pages == 0 && round.Next != string(r.startLink())
}

// resync follows a 410: a full enumeration from where the service says, in the
// shadow of what is known (D42 to D44).
func (r *refresh) resync(ctx context.Context, round state.Round, e *graph.Error) (state.Round, error) {
	keep := round.Keep || e.ResyncKind() == graph.ResyncUpload
	next := r.fullRound(fmt.Sprintf("the service ended the delta link (%s)", resyncName(e)), keep)
	// The address of the answer was once seen to fail (D45), so only the first
	// restart takes it. One that is known goes on from there and is no new start:
	// what it leaves out would count as gone.
	known := string(e.Location) == r.drive.DeltaLink || string(e.Location) == round.Next
	if e.Location != "" && !known && r.restarts == 0 && !r.elsewhere(round) {
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
	_, err := r.Source.Drive(ctx, graph.DriveID(r.drive.ID))
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
	midway := round.Pages > 0 || r.pages > 0
	if r.restarts == 0 && !round.Full && midway && r.drive.DeltaLink != "" {
		// In the middle of paging: first from the committed link again (Q8, D48).
		return r.restart(ctx, r.deltaRound(round.Reason), e)
	}
	return r.restart(ctx, r.fullRound(fmt.Sprintf("the delta link was refused (%d)", e.Status), round.Keep), e)
}

// replaceLink gives up a link that the service accepts and does not answer, if an
// enumeration from the start is answered: otherwise the service as a whole is ill,
// and what was read so far is worth keeping.
func (r *refresh) replaceLink(ctx context.Context, round state.Round, cause error, reason string) (state.Round, error) {
	if round.Next == string(r.startLink()) {
		return round, cause
	}
	if _, err := r.Source.DeltaPage(ctx, r.startLink(), r.query); err != nil {
		return round, cause
	}
	return r.restart(ctx, r.fullRound(reason, round.Keep), cause)
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
	r.report.Bad, r.report.BadItems = nil, 0
	return r.start(ctx, round)
}

// abandon drops a round that must not be resumed. That the service has lost state
// is remembered: a round begun anew takes its place (D44).
func (r *refresh) abandon(ctx context.Context, round state.Round, cause error) (state.Round, error) {
	if round.Full && round.Keep {
		_, err := r.start(ctx, r.fullRound(round.Reason, true))
		return round, errors.Join(cause, err)
	}
	err := r.Store.Tx(ctx, func(tx *state.Tx) error { return tx.AbandonRound(r.drive.Key) })
	return round, errors.Join(cause, err)
}
