package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/spmirror/spmirror/graph"
)

// maxMessage bounds foreign text in an error.
const maxMessage = 500

// Error is a sign-in that did not work. It holds no secret: MSAL's own errors carry the request with
// its body and raw answers, so they are read and dropped, never wrapped (I-61).
type Error struct {
	Method        Method
	Status        int    // of the HTTP answer; 0: none
	Code          string // OAuth error such as invalid_client
	AADSTS        int    // Entra's number; 0: none
	Message       string
	CorrelationID string // what Microsoft's support and the tenant's sign-in log ask for
	TraceID       string
	RetryAfter    time.Duration
	Advice        string // what to do next
	LoginRequired bool   // a person has to run login

	transient bool
	host      string // that did not answer
	cause     error  // a network error; nothing else is kept
}

// Error names method, Entra's number, message and correlation id; not the advice.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("sign in")
	if e.Method != "" {
		fmt.Fprintf(&b, " with %s", e.Method)
	}
	b.WriteString(": ")
	if e.AADSTS != 0 {
		fmt.Fprintf(&b, "AADSTS%d: ", e.AADSTS)
	}
	b.WriteString(e.Message)
	if e.CorrelationID != "" {
		fmt.Fprintf(&b, " (correlation id %s)", e.CorrelationID)
	}
	return b.String()
}

// Unwrap returns the network error below, if that was the reason.
func (e *Error) Unwrap() error { return e.cause }

// Transient reports whether the same sign-in may work later without anyone changing anything: the
// network or the login was not available.
func (e *Error) Transient() bool { return e.transient }

// Answered returns the status with which the login refused, 0 if it did not answer, and the pause that it asked for, 0
// for none.
func (e *Error) Answered() (status int, pause time.Duration) { return e.Status, e.RetryAfter }

// Unreached returns the host that did not answer, "" if one did.
func (e *Error) Unreached() string { return e.host }

// toError turns whatever a sign-in returned into an *Error, or into the context's error.
func toError(method Method, err error, secret string) error {
	var own *Error
	if errors.As(err, &own) {
		named := *own
		named.Method = method
		named.Message = strike(named.Message, secret)
		return &named
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var call msal.CallErr
	if errors.As(err, &call) {
		return fromAnswer(method, call, secret)
	}
	if host, cause, ok := networkCause(err); ok {
		return &Error{Method: method, Message: fmt.Sprintf("no answer from %s: %s", clean(host), strike(clean(cause.Error()), secret)), host: clean(host), cause: cause, transient: graph.MayPass(cause),
			Advice: "Check network, proxy (HTTPS_PROXY), name resolution and, for a custom endpoint, its ca_file."}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Method: method, Message: "the login did not answer in time", cause: context.DeadlineExceeded, transient: true,
			Advice: "Check network and proxy (HTTPS_PROXY)."}
	}
	var garbled msal.InvalidJsonErr
	if errors.As(err, &garbled) {
		// Its text holds the raw answer, which may be a token.
		return &Error{Method: method, Message: "the login's answer is not JSON", Advice: "A proxy or a captive portal may have answered in its place."}
	}
	return &Error{Method: method, Message: strike(clean(err.Error()), secret)}
}

// fromAnswer reads Entra's error document (A17).
func fromAnswer(method Method, call msal.CallErr, secret string) *Error {
	e := &Error{Method: method, Message: "the login refused without a reason"}
	if call.Resp == nil {
		return e
	}
	e.Status = call.Resp.StatusCode
	e.RetryAfter, _ = graph.RetryAfter(call.Resp.Header, time.Now())
	var answer struct {
		Error         string `json:"error"`
		Description   string `json:"error_description"`
		Codes         []int  `json:"error_codes"`
		CorrelationID string `json:"correlation_id"`
		TraceID       string `json:"trace_id"`
	}
	if json.Unmarshal(answerBody(call), &answer) == nil && answer.Error != "" {
		e.Code = strike(clean(answer.Error), secret)
		e.CorrelationID, e.TraceID = strike(clean(answer.CorrelationID), secret), strike(clean(answer.TraceID), secret)
		e.AADSTS, e.Message = splitDescription(answer.Description)
		if e.AADSTS == 0 && len(answer.Codes) > 0 {
			e.AADSTS = answer.Codes[0]
		}
		if e.Message == "" {
			e.Message = e.Code
		}
		e.Message = strike(e.Message, secret)
	} else {
		e.Message = fmt.Sprintf("the login answered %d", e.Status)
	}
	e.transient = transientStatus(e.Status) || e.Code == "temporarily_unavailable" || transientAADSTS[e.AADSTS]
	e.Advice, e.LoginRequired = advise(e)
	return e
}

// answerBody returns the answer's body, which is in memory. While it polls for a device login MSAL
// has read it already; then it is in the text of the error, below the line about the request.
func answerBody(call msal.CallErr) []byte {
	if call.Resp.Body != nil {
		if body, err := io.ReadAll(call.Resp.Body); err == nil && len(body) > 0 {
			return body
		}
	}
	_, body, _ := strings.Cut(call.Err.Error(), "\n")
	return []byte(body)
}

// splitDescription takes "AADSTS7000215: Invalid … Trace ID: … Correlation ID: …" apart. The ids
// have fields of their own.
func splitDescription(text string) (number int, message string) {
	text = clean(text)
	if at := strings.Index(text, " Trace ID:"); at >= 0 {
		text = text[:at]
	}
	var rest string
	if n, _ := fmt.Sscanf(text, "AADSTS%d:", &number); n == 1 {
		_, rest, _ = strings.Cut(text, ":")
		text = rest
	}
	return number, strings.TrimSpace(text)
}

// clean makes foreign text fit for one line of a log: no control or format characters (terminal
// escapes, bidirectional overrides), bounded length, valid UTF-8.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}

// strike removes a secret that a login echoes. Very short secrets would strike out ordinary words.
func strike(text, secret string) string {
	if len(secret) < 4 {
		return text
	}
	return strings.ReplaceAll(text, secret, "***")
}
