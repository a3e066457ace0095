package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/auth"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

// reportError says what went wrong, once.
func reportError(env *environment, err error) {
	var status exitStatus
	if errors.As(err, &status) {
		return
	}
	writeProblem(env.stderr, explained(err))
}

// writeProblem prints a problem in the style of UX 3.10.
func writeProblem(w io.Writer, p *problem) {
	fmt.Fprintf(w, "Error: %s [%s]\n", view.Message(p.summary), p.code)
	text := p.detail
	if p.err != nil {
		text = strings.TrimSpace(view.Message(p.err.Error()) + "\n\n" + p.detail)
	}
	if text != "" {
		fmt.Fprintf(w, "\n  %s\n", strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\n  "), "\n  \n", "\n\n"))
	}
}

// explained turns any error into a problem: typed errors of the rooms get their
// code and advice here and nowhere else.
func explained(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if locked := (*state.LockedError)(nil); errors.As(err, &locked) {
		return lockedProblem(locked)
	}
	if known := ofKind(err); known != nil {
		known.err = err
		return known
	}
	if code, summary := hopeless(err); code != "" {
		p := &problem{code: code, summary: summary, err: err, detail: "What was done until then is kept. Run again."}
		if advice := hopelessAdvice(err); advice != "" {
			p.detail = advice + "\n" + p.detail
		}
		return p
	}
	var source *crawl.ErrSource
	if errors.As(err, &source) {
		return sourceProblem(source)
	}
	if e, ok := graph.AsError(err); ok && e.IsLocked() {
		return &problem{code: crawl.CodeDriveLocked, summary: "The site is locked or archived", err: e, detail: "Nothing was changed. Ask its administrator."}
	} else if ok {
		return &problem{code: codeRefusedByGraph, summary: "Microsoft Graph refused a request", err: e, detail: "Nothing was changed."}
	}
	if p := exchangeProblem(err); p != nil {
		return p
	}
	return &problem{code: codeUnexpected, summary: err.Error()}
}

// hopelessAdvice says what to do about a network that is gone, a sign-in that was refused, or a token that was.
func hopelessAdvice(err error) string {
	if errors.Is(err, graph.ErrOffline) {
		return "Check network, proxy (HTTPS_PROXY, NO_PROXY) and name resolution; `spmirror doctor` tries them."
	}
	if refused := (*auth.Error)(nil); errors.As(err, &refused) && refused.Advice != "" {
		return refused.Advice
	}
	if e, ok := graph.AsError(err); ok && e.IsAuth() {
		return "Microsoft Graph refuses the access token, also after it was renewed. Check that tenant_id, client_id and environment belong\ntogether, for tokens are per cloud; `spmirror doctor` shows what the token permits."
	}
	if errors.Is(err, graph.ErrToken) {
		return checkSignIn
	}
	return ""
}

// checkSignIn is what to look at when nobody is signed in.
const checkSignIn = "Check tenant_id, the credential and the network to the login."

// exchangeProblem explains an exchange with the service that came to no answer, or to none that can be used; nil if it is
// something else.
func exchangeProblem(err error) *problem {
	switch {
	case errors.Is(err, graph.ErrNetwork):
		return &problem{code: apply.CodeNetwork, summary: "The network failed", err: err,
			detail: "Nothing was changed. Check network, proxy (HTTPS_PROXY, NO_PROXY) and name resolution; `spmirror doctor` tries them.\nA proxy that opens TLS needs its authority in the system's store. Then run again."}
	case errors.Is(err, graph.ErrLoop):
		return sourceProblem(&crawl.ErrSource{Code: crawl.CodeSourceLoop, Err: err})
	case errors.Is(err, graph.ErrProtocol), errors.Is(err, graph.ErrTooLarge), errors.Is(err, graph.ErrAddress):
		return &problem{code: "SPM0608", summary: "An answer of the service cannot be understood", err: err,
			detail: "Nothing was changed. A proxy or a sign-in page of the network may have answered in its place: `spmirror doctor`\nshows what answers. If it is Microsoft Graph itself, give the request id of the message to its support."}
	}
	return nil
}

// ofKind is what is said of errors that the rooms tell apart by their kind, nil if it is none of them.
func ofKind(err error) *problem {
	for _, known := range []struct {
		problem
		kinds []error
	}{
		{problem{code: "SPM0702", summary: "The state was written by a newer spmirror", detail: "Nothing was changed. Use that version or a later one."},
			[]error{state.ErrNewer}},
		{problem{code: "SPM0703", summary: "The state cannot be used",
			detail: "Nothing was changed. If backend \"sqlite\" names the right file, run `spmirror state rebuild`: it keeps the file\nand makes a new state from the targets, without downloading what is there. Or restore the newest backup from beside the state file; if a run went on after it, the\nnext plan says so, and `spmirror state rebuild` brings it up to date."},
			[]error{state.ErrDamaged, state.ErrNotState, state.ErrEmpty}},
		{problem{code: codeState, summary: "The state cannot be read or written", detail: "What was committed is kept. " + stateAdvice},
			[]error{state.ErrFull, state.ErrBusy, state.ErrReadOnly, state.ErrNetwork, state.ErrDisk}},
		{problem{code: "SPM0041", summary: "There is no room for temporary files",
			detail: "The directory is " + os.TempDir() + "; the variable TMPDIR names another. A plan takes about 500 bytes there for each change."},
			[]error{plan.ErrScratch}},
		{problem{code: "SPM0031", summary: "The plan does not fit into -max-bytes",
			detail: "Nothing was written. Give it more bytes: what is left out shrinks by levels, and the totals and the\nsums of deletes are never left out. `show -html` and `show -csv` have no limit."},
			[]error{view.ErrTooSmall}},
		{problem{code: "SPM0404", summary: "The plan is refused", exit: exitRefused,
			detail: "Its header says something else than its items: it was altered. Make a new plan with `spmirror plan -out=FILE`."},
			[]error{view.ErrDisagrees}},
		{problem{code: "SPM0802", summary: "The target belongs to another mirror or another state",
			detail: "Nothing was changed. Check the target path and the state path of the configuration."},
			[]error{target.ErrForeignMarker}},
		{problem{code: "SPM0801", summary: "The target has lost its marker",
			detail: "Nothing was changed. Is the disk mounted? If the directory was emptied on purpose, forget the mirror with\n`spmirror state rm ADDR`: the next plan takes over what is there and downloads the rest."},
			[]error{target.ErrNotMounted, target.ErrNoMarker}},
	} {
		if slices.ContainsFunc(known.kinds, func(kind error) bool { return errors.Is(err, kind) }) {
			return &known.problem
		}
	}
	if disk := (*target.Error)(nil); errors.As(err, &disk) || errors.Is(err, target.ErrBadMarker) || errors.Is(err, target.ErrNotDirectory) || errors.Is(err, target.ErrDangerous) {
		return &problem{code: codeTarget, summary: "The target cannot be used",
			detail: "Is it a directory that this user may read and write, on a disk with free space that is not mounted\nread-only? `spmirror doctor` tries it."}
	}
	return nil
}

// stateAdvice is what to look at when the state cannot be opened or written.
const stateAdvice = "The state and its directory must be readable and writable for this\nuser, on a local disk with free space, and no other program may hold the file. `spmirror doctor` looks at it."

// noAccess is the error of a state that cannot be opened, for a reason that is not one of the state's own.
func noAccess(err error) error {
	if errors.Is(err, context.Canceled) || explained(err).code != codeUnexpected {
		return err
	}
	return &problem{code: codeState, summary: "The state cannot be read or written", err: err, detail: "Nothing was changed. " + stateAdvice}
}

// hopeless names what keeps a whole tenant from being read, "" if it is something else.
func hopeless(err error) (code, summary string) {
	switch {
	case errors.Is(err, graph.ErrOffline):
		return apply.CodeNetwork, "The network is gone"
	case errors.Is(err, graph.ErrGaveUp):
		return apply.CodeThrottled, "Throttled for too long"
	case errors.Is(err, graph.ErrToken):
		return apply.CodeSignIn, "The sign-in failed"
	}
	return "", ""
}

// Codes of errors of which no more is known: nobody has foreseen them, or Microsoft
// Graph gave them.
const (
	codeUnexpected     = "SPM0000"
	codeRefusedByGraph = "SPM0601"
)

// Codes of a state and of a target that cannot be reached at all.
const (
	codeState  = "SPM0712"
	codeTarget = "SPM0805"
)

// sourceProblem says what keeps a drive from being read, in the words of the registry
// of codes.
func sourceProblem(e *crawl.ErrSource) *problem {
	p := &problem{code: e.Code, summary: "The source cannot be read", err: e.Err}
	for _, c := range ownCodes {
		if c.Code == e.Code {
			p.summary, p.detail = c.Title, c.Text
		}
	}
	return p
}

func lockedProblem(e *state.LockedError) *problem {
	o := e.Owner
	alive := "gone"
	if e.Alive {
		alive = "alive"
	}
	detail := fmt.Sprintf("Operation: %s\nProcess:   %d on %s (%s)\nSince:     %s\nVersion:   %s\n\nNothing was changed. Wait for it, or use -lock-timeout=5m.",
		o.Operation, o.PID, o.Host, alive, o.Since.UTC().Format("2006-01-02 15:04:05 UTC"), o.Version)
	return &problem{code: "SPM0701", summary: "Error acquiring the state lock", detail: detail, exit: exitLocked}
}

// diagnostics prints the diagnostics of a configuration and fails if there are errors.
func diagnostics(env *environment, cfg *config.Config, diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	var sources map[string]*hcl.File
	if cfg != nil {
		sources = cfg.Sources
	}
	out := env.output("")
	err := config.WriteDiagnostics(env.stderr, diags, sources, config.TextOptions{Color: out.Color && out.Terminal, Width: out.Width})
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return exitStatus(exitError)
	}
	return nil
}

// asDiagnostic is a problem as it appears in a plan.
func asDiagnostic(err error, address string) *plan.Diagnostic {
	p := explained(err)
	d := &plan.Diagnostic{Severity: "error", Code: p.code, Summary: p.summary, Detail: p.detail, Address: address}
	if p.err != nil {
		d.Detail = strings.TrimSpace(p.err.Error() + "\n" + p.detail)
	}
	if e, ok := graph.AsError(err); ok {
		d.RequestID = e.RequestID
	}
	return d
}
