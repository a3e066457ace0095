package graph

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kinds of failure, for errors.Is. What exactly happened stands in the *Error.
var (
	// ErrURLExpired: a content host no longer takes the pre-authenticated address (C6). Ask for a new one, once.
	ErrURLExpired = errors.New("download address expired")
	// ErrMalware: the service refuses the content because it found malware in it (C28). Trying again is useless.
	ErrMalware = errors.New("malware found by the service")
	// ErrNoDrive: the user has no OneDrive. That is a state, not a failure (S15).
	ErrNoDrive = errors.New("no drive")
	// ErrThrottled: the service asked for a longer pause than this run may take.
	ErrThrottled = errors.New("throttled by the service")
	// ErrOffline: nothing could be reached for longer than a run waits for the network.
	ErrOffline = errors.New("the network is gone")
	// ErrGaveUp: the gate of the tenant lets nothing through any more, because of one of the two above. It is nobody's
	// own failure: the run ends in order, and the next one goes on.
	ErrGaveUp = errors.New("given up")
	// ErrNetwork: an exchange with a host failed below HTTP: no connection, one that broke, no answer in time, or a host
	// that could not prove who it is.
	ErrNetwork = errors.New("the network failed")
	// ErrRange: the requested range is not there: the file is shorter, or complete (C14).
	ErrRange = errors.New("range not satisfiable")
	// ErrProtocol: an answer that breaks the protocol: not JSON, no links, another range than asked for.
	ErrProtocol = errors.New("protocol error")
	// ErrTooLarge: an answer passed its size limit.
	ErrTooLarge = errors.New("response too large")
	// ErrLoop: paging does not move on (I-56).
	ErrLoop = errors.New("paging loops")
	// ErrLinkTimeout: a stored delta link times out again and again; a full enumeration is the way out (Q100).
	ErrLinkTimeout = errors.New("delta link times out")
	// ErrStalled: a body delivered less than the minimum rate (I-59). Resume with a new request.
	ErrStalled = errors.New("transfer stalled")
	// ErrSiteURL: an address that does not name a site.
	ErrSiteURL = errors.New("not the address of a site")
	// ErrToken: no token could be had. The cause is wrapped.
	ErrToken = errors.New("sign-in failed")
)

// Error is an answer other than success. Messages are the service's own words, cleaned and cut; decide by Status and
// codes, never by them (E2).
type Error struct {
	Op              string // what was tried: "get drive"
	Status          int
	Code            string // outer code
	InnerCode       string // deepest inner code, "" if none
	Message         string
	RequestID       string
	ClientRequestID string
	RetryAfter      time.Duration // pause the answer asked for, 0 if none
	Location        Link          // where a 410 says to start again; checked to be on the Graph host
	Host            string        // content host that answered, "" for Graph itself
	Attempts        int           // how often it was tried

	codes     []string // all codes from the outermost to the deepest
	infected  bool     // X-Virus-Infected
	itemFault bool     // a 503 that is the item's own (C26)
}

// Error says operation, status, code, message and request id.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d", e.Op, e.Status)
	switch {
	case e.InnerCode != "" && e.Code != "":
		fmt.Fprintf(&b, " %s/%s", e.Code, e.InnerCode)
	case e.Code != "":
		b.WriteString(" " + e.Code)
	case http.StatusText(e.Status) != "":
		b.WriteString(" " + http.StatusText(e.Status))
	}
	if e.Host != "" {
		b.WriteString(" from " + e.Host)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request-id %s)", e.RequestID)
	}
	return b.String()
}

// Is maps the answer to the kinds of failure above.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrURLExpired:
		return e.IsExpiredURL()
	case ErrMalware:
		return e.IsMalware()
	case ErrNoDrive:
		return e.IsNoDrive()
	case ErrThrottled:
		return e.IsThrottle()
	case ErrRange:
		return e.Status == http.StatusRequestedRangeNotSatisfiable
	}
	return false
}

// AsError finds the service's answer in an error chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// HasCode tells whether any code of the envelope is one of those given, without regard to case (E2).
func (e *Error) HasCode(codes ...string) bool {
	for _, have := range e.codes {
		for _, code := range codes {
			if strings.EqualFold(have, code) {
				return true
			}
		}
	}
	return false
}

// ResyncKind says what a resync asks of the local copy.
type ResyncKind int

// Kinds of resync (D43, D44).
const (
	NoResync ResyncKind = iota
	// ResyncApply: the server is right, deletions included.
	ResyncApply
	// ResyncUpload: the server may have lost state itself; what it does not return must be kept.
	ResyncUpload
	// ResyncUnspecified: 410 without a word about the kind, the usual form on the wire. Start again; the complete
	// enumeration is the truth.
	ResyncUnspecified
)

// IsResync tells whether the delta link is dead and a full enumeration must follow (D41 to D43). A tree that cannot be
// snapshot now is not a resync: the token is still good (D47).
func (e *Error) IsResync() bool {
	if e.HasCode("cannotSnapshotTree") {
		return false
	}
	if e.Status == http.StatusGone {
		return true
	}
	for _, code := range e.codes {
		code = strings.ToLower(code)
		if strings.HasPrefix(code, "resync") || strings.HasPrefix(code, "syncstate") {
			return true
		}
	}
	return false
}

// ResyncKind tells which resync is asked for.
func (e *Error) ResyncKind() ResyncKind {
	switch {
	case !e.IsResync():
		return NoResync
	case e.HasCode("resyncUploadDifferences", "resyncChangesUploadDifferences"):
		return ResyncUpload
	case e.HasCode("resyncApplyDifferences", "resyncChangesApplyDifferences"):
		return ResyncApply
	default:
		return ResyncUnspecified
	}
}

// IsThrottle tells whether a limit was passed or the service is busy (T1). Status decides, not codes (T8).
func (e *Error) IsThrottle() bool { return isThrottle(e.Status) && !e.itemFault }

func isThrottle(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == statusBandwidth
}

// statusBandwidth is what SharePoint answers when a bandwidth limit is passed (T1, E8).
const statusBandwidth = 509

// IsItemFault tells whether the service fails for this item alone and will go on failing, as for OneNote parts (C26).
func (e *Error) IsItemFault() bool { return e.itemFault }

// IsTransient tells whether the same request may succeed later (E8).
func (e *Error) IsTransient() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusUnauthorized:
		return e.isRPS()
	}
	return e.IsThrottle() || e.itemFault || e.HasCode("cannotSnapshotTree")
}

// isRPS recognises a 401 that has nothing to do with the token (Q77). It carries no code of its own.
func (e *Error) isRPS() bool { return strings.Contains(e.Message, "Unable to initialize RPS") }

// IsNotFound tells whether the thing is gone, or out of reach in a way that looks the same (E6).
func (e *Error) IsNotFound() bool { return e.Status == http.StatusNotFound && e.Host == "" }

// IsAuth tells whether the token was refused, again after a renewal.
func (e *Error) IsAuth() bool {
	return e.Status == http.StatusUnauthorized && e.Host == "" && !e.isRPS()
}

// IsAccess tells whether a permission is missing. Graph says it with 403; malware is refused in the same way but is not
// a matter of permission.
func (e *Error) IsAccess() bool {
	return e.Status == http.StatusForbidden && e.Host == "" && !e.IsMalware()
}

// IsLocked tells whether site or item is locked (S21, C30).
func (e *Error) IsLocked() bool {
	return e.Status == http.StatusLocked || e.HasCode("resourceLocked")
}

// IsMalware tells whether content is refused for malware (C28, Q59).
func (e *Error) IsMalware() bool {
	return e.infected || e.HasCode("malwareDetected", "virusSuspicious")
}

// IsExpiredURL tells whether a content host refused the pre-authenticated address (C6, Q49).
func (e *Error) IsExpiredURL() bool {
	if e.Host == "" || e.IsMalware() {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

// IsNoDrive tells whether a user has no OneDrive (S15). The answer has no code of its own, so its words decide, the one
// exception from E2 beside Q77.
func (e *Error) IsNoDrive() bool {
	if e.Op != opUserDrive {
		return false
	}
	message := strings.ToLower(e.Message)
	if strings.Contains(message, "mysite") || strings.Contains(message, "does not have a spo license") {
		return true
	}
	return e.Status == http.StatusNotFound && !e.HasCode("Request_ResourceNotFound")
}

// IsBadLink tells whether a stored delta link is refused in one of the ways other than 410 (Q7): check the drive itself,
// then enumerate in full, and never try the same link again.
func (e *Error) IsBadLink() bool {
	return e.IsResync() || e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound
}

// protocolError is an answer that breaks the protocol.
type protocolError struct {
	op, reason, requestID string
	transient             bool // may be a proxy or a cut body: worth another attempt (Q69)
}

func (e *protocolError) Error() string {
	if e.requestID != "" {
		return fmt.Sprintf("%s: protocol error: %s (request-id %s)", e.op, e.reason, e.requestID)
	}
	return fmt.Sprintf("%s: protocol error: %s", e.op, e.reason)
}

func (e *protocolError) Is(target error) bool { return target == ErrProtocol }
