package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Action is what a fault does beside its status.
type Action string

// The actions of faults.
const (
	ActionReset        Action = "reset"         // cut the connection after After bytes of the body
	ActionTruncate     Action = "truncate"      // end the body after After bytes, the length still announced
	ActionShort        Action = "short"         // end the body cleanly after After bytes, no length announced
	ActionCorrupt      Action = "corrupt"       // flip the byte at After
	ActionZeros        Action = "zeros"         // zero everything from After on
	ActionLonger       Action = "longer"        // deliver one byte too many
	ActionIgnoreRange  Action = "ignore-range"  // 200 and everything (C12)
	ActionContentRange Action = "content-range" // Body replaces Content-Range; "" leaves it out
	ActionGzip         Action = "gzip"          // announce gzip for bytes that are not
	ActionHTML         Action = "html"          // 200 with a sign-in page
	ActionEmpty        Action = "empty"         // the status with an empty body (E7)
	ActionExpireURL    Action = "expire-url"    // the download URL counts as expired (C6)
	ActionRevoke       Action = "revoke"        // the access token is revoked
	ActionClaims       Action = "claims"        // 401 with a claims challenge (A15)
	ActionGone         Action = "gone"          // the delta token is dead; Body names the [TokenLoss]
	ActionEdit         Action = "edit"          // Edits are applied in the middle of the body
	ActionDrip         Action = "drip"          // Chunk bytes, then Delay, and so on
	ActionHang         Action = "hang"          // no more bytes after After, until the client leaves
	ActionLoop         Action = "loop"          // the nextLink is the present link (D49)
	ActionForeignLink  Action = "foreign-link"  // links name the host in Body (Q6)
	ActionNoLink       Action = "no-link"       // neither link (H-34)
	ActionBothLinks    Action = "both-links"    // both links (H-34)
	ActionETag         Action = "etag"          // Body replaces the ETag of content
	ActionLose         Action = "lose"          // a notification is not sent (W12)
	ActionDuplicate    Action = "duplicate"     // it is sent twice (W12)
	ActionForge        Action = "forge"         // it has Body as its clientState (W11)
)

// Fault is a rule that bends answers.
type Fault struct {
	// Name is under which strikes are counted.
	Name string `json:"name,omitempty"`
	// On are the kinds of calls it applies to; empty means all. "graph" stands for all kinds of Graph.
	On []Kind `json:"on,omitempty"`
	// Path is a glob over the item path ("people/Documents/Handbook/*") for downloads and over the
	// path of the call for others; ** is not known, * does not cross slashes, "" matches all.
	Path string `json:"path,omitempty"`
	// Skip lets so many matching calls pass first, Times is how often it strikes (0: always), Every
	// strikes at each n-th only, Percent with a probability.
	Skip    int `json:"skip,omitempty"`
	Times   int `json:"times,omitempty"`
	Every   int `json:"every,omitempty"`
	Percent int `json:"percent,omitempty"`
	// Status, Header and Body replace the answer when Status is set; Code is that of the error.
	Status  int               `json:"status,omitempty"`
	Code    string            `json:"code,omitempty"`
	Inner   string            `json:"inner,omitempty"`
	Message string            `json:"message,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Pause makes a Retry-After in Header bind all other calls too.
	Pause bool `json:"pause,omitempty"`
	// Action, After, Chunk and Delay say what happens to the body; Delay also holds the answer back.
	// In JSON Delay is a number of nanoseconds. Edits are for [ActionEdit], in JSON steps only.
	Action Action        `json:"action,omitempty"`
	After  int64         `json:"after,omitempty"`
	Chunk  int64         `json:"chunk,omitempty"`
	Delay  time.Duration `json:"delay,omitempty"`
	Edits  []Edit        `json:"edits,omitempty"`
}

func (f *Fault) is(a Action) bool { return f != nil && f.Action == a }

// faultSet holds the rules and how often each was looked at and struck.
type faultSet struct {
	mu    sync.Mutex
	rules []*faultRule
}

type faultRule struct {
	Fault
	seen, struck int
}

// AddFault adds a rule; earlier rules go first.
func (t *Tenant) AddFault(f Fault) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.rules = append(t.faults.rules, &faultRule{Fault: f})
}

// ClearFaults removes all rules.
func (t *Tenant) ClearFaults() {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.rules = nil
}

// pick finds the first rule that strikes this call.
func (t *Tenant) pick(c *call) *Fault {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	for _, r := range t.faults.rules {
		if r.matches(c) && r.strikes(t.seed) {
			name := r.Name
			if name == "" {
				name = strings.TrimSpace(string(r.Action) + " " + strconv.Itoa(r.Status))
			}
			t.counters.add(func(s *Stats) { s.Faults[name]++ })
			return &r.Fault
		}
	}
	return nil
}

func (r *faultRule) matches(c *call) bool {
	if c.kind.sent() && !slices.Contains(r.On, c.kind) {
		return false // a rule for what clients ask means nothing else
	}
	if len(r.On) > 0 {
		ok := false
		for _, k := range r.On {
			ok = ok || k == c.kind || k == "graph" && c.kind != KindDownload && c.kind != KindToken && c.kind != KindLogin
		}
		if !ok {
			return false
		}
	}
	if r.Path == "" {
		return true
	}
	if ok, _ := path.Match(r.Path, c.path); ok {
		return true
	}
	return strings.HasSuffix(r.Path, "/") && strings.HasPrefix(c.path, r.Path)
}

func (r *faultRule) strikes(seed uint64) bool {
	r.seen++
	switch {
	case r.seen <= r.Skip, r.Times > 0 && r.struck >= r.Times:
		return false
	case r.Every > 1 && (r.seen-r.Skip)%r.Every != 0:
		return false
	case r.Percent > 0 && mix(seed^uint64(r.seen))%100 >= uint64(r.Percent):
		return false
	}
	r.struck++
	return true
}

// withFault runs an action under the fault that strikes the call, if any.
func (c *call) withFault(run func() *graphError) {
	c.t.moment(c.kind, c.start)
	if c.kind == KindDownload { // the path by which faults are matched is that of the item
		c.t.mu.RLock()
		if d, it, _, err := c.t.openURL(c.r.URL.RawQuery, 0); err == nil {
			c.path = d.Address() + it.path()
		}
		c.t.mu.RUnlock()
	}
	f := c.t.pick(c)
	c.fault = f
	if f == nil {
		c.answer(run)
		return
	}
	if f.Delay > 0 && f.Action != ActionDrip && !c.wait(f.Delay) {
		return
	}
	switch f.Action {
	case ActionHTML:
		c.send(http.StatusOK, "text/html; charset=utf-8", []byte("<!DOCTYPE html><html><body><h1>Sign in to your account</h1></body></html>"))
	case ActionExpireURL:
		status := f.Status
		if status == 0 {
			status = http.StatusUnauthorized
		}
		c.contentError(status, strconv.Itoa(status)+" "+strings.ToUpper(http.StatusText(status)))
	case ActionRevoke:
		c.t.Revoke(bearer(c.r))
		c.fail(errToken401("Access token has been revoked."))
	case ActionClaims:
		c.t.Revoke(bearer(c.r))
		c.fail(claimsChallenge())
	case ActionGone:
		c.fail(c.lossFor(f))
	default:
		if f.Status != 0 {
			c.faultStatus(f)
			return
		}
		c.bend(f, run)
	}
}

// answer runs an action and sends its error.
func (c *call) answer(run func() *graphError) {
	if e := run(); e != nil {
		c.fail(e)
	}
}

// wait holds the answer back; false when the client left.
func (c *call) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

func (c *call) lossFor(f *Fault) *graphError {
	id, _, _ := strings.Cut(strings.TrimPrefix(canonicalPath(c.path), "drives/"), "/")
	d, e := c.driveByID(id)
	if e != nil {
		return e
	}
	answer := c.lossAnswer(d, TokenLoss(f.Body))
	if loc, ok := f.Header["Location"]; ok {
		answer.header = map[string]string{"Location": loc}
	}
	return answer
}

// faultStatus answers with the status of a fault.
func (c *call) faultStatus(f *Fault) {
	for k, v := range f.Header {
		c.w.Header().Set(k, v)
	}
	if s, err := strconv.Atoi(f.Header["Retry-After"]); err == nil && (f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable) {
		c.t.announce(c.start, time.Duration(s)*time.Second, f.Pause)
	}
	switch {
	case f.Action == ActionEmpty:
		c.headers()
		c.status = f.Status
		c.w.WriteHeader(f.Status)
	case f.Body != "":
		kind := "application/json"
		if strings.HasPrefix(f.Body, "<") {
			kind = "text/html"
		}
		if own := f.Header["Content-Type"]; own != "" {
			kind = own
		}
		c.send(f.Status, kind, []byte(f.Body))
	default:
		c.fail(&graphError{status: f.Status, code: faultCode(f), inner: f.Inner, message: f.message()})
	}
}

func (f *Fault) message() string {
	if f.Message != "" {
		return f.Message
	}
	return fmt.Sprintf("Scripted answer %d.", f.Status)
}

func faultCode(f *Fault) string {
	if f.Code != "" {
		return f.Code
	}
	switch f.Status {
	case http.StatusUnauthorized:
		return "InvalidAuthenticationToken"
	case http.StatusForbidden:
		return "accessDenied"
	case http.StatusNotFound:
		return "itemNotFound"
	case http.StatusTooManyRequests:
		return "activityLimitReached"
	case http.StatusServiceUnavailable:
		return "serviceNotAvailable"
	case http.StatusLocked:
		return "notAllowed"
	case http.StatusBadRequest:
		return "invalidRequest"
	}
	return "generalException"
}

// bend runs the action with a writer that spoils the body.
func (c *call) bend(f *Fault, run func() *graphError) {
	w := &bender{ResponseWriter: c.w, c: c, f: f}
	c.w = w
	c.answer(run)
	w.finish()
}

// bendHeaders lets faults lie about content.
func (c *call) bendHeaders(h http.Header, from, n, size int64) {
	f := c.fault
	switch {
	case f.is(ActionContentRange) && f.Body == "":
		h.Del("Content-Range")
	case f.is(ActionContentRange):
		r := strings.NewReplacer("{from}", strconv.FormatInt(from, 10), "{to}", strconv.FormatInt(from+n-1, 10), "{size}", strconv.FormatInt(size, 10),
			"{from+1}", strconv.FormatInt(from+1, 10), "{size+1}", strconv.FormatInt(size+1, 10))
		h.Set("Content-Range", r.Replace(f.Body))
	case f.is(ActionETag):
		h.Set("ETag", f.Body)
	}
}

// bender is a ResponseWriter that spoils what passes through it.
type bender struct {
	http.ResponseWriter
	c    *call
	f    *Fault
	at   int64
	done bool
}

func (b *bender) WriteHeader(status int) {
	h := b.Header()
	switch b.f.Action {
	case ActionShort:
		h.Del("Content-Length")
	case ActionLonger:
		h.Del("Content-Length")
	case ActionGzip:
		h.Set("Content-Encoding", "gzip")
	}
	b.ResponseWriter.WriteHeader(status)
}

// errBent ends an answer that a fault cut.
var errBent = fmt.Errorf("the answer was cut by a fault")

func (b *bender) Write(p []byte) (int, error) {
	if b.done {
		return 0, errBent
	}
	f, start := b.f, b.at
	b.at += int64(len(p))
	reached := b.at > f.After
	switch f.Action {
	case ActionReset, ActionTruncate, ActionShort, ActionHang:
		if !reached {
			break
		}
		n, _ := b.ResponseWriter.Write(p[:max(0, f.After-start)])
		b.end()
		return n, errBent
	case ActionCorrupt:
		if reached && start <= f.After {
			p = bytes.Clone(p)
			p[f.After-start] ^= 0x40
		}
	case ActionZeros:
		if reached {
			p = bytes.Clone(p)
			clear(p[max(0, f.After-start):])
		}
	case ActionEdit:
		if reached && start <= f.After {
			b.edit()
		}
	case ActionDrip:
		return b.drip(p)
	}
	return b.ResponseWriter.Write(p)
}

func (b *bender) flush() { _ = http.NewResponseController(b.ResponseWriter).Flush() }

// end cuts the answer in the way of the fault.
func (b *bender) end() {
	b.done = true
	b.flush()
	switch b.f.Action {
	case ActionHang:
		<-b.c.r.Context().Done()
	case ActionReset:
		b.cut()
	}
	if b.f.Action != ActionShort {
		b.c.t.counters.done(b.c)
		panic(http.ErrAbortHandler) // the documented way to cut an answer short
	}
}

// cut closes the connection with a reset instead of an orderly end.
func (b *bender) cut() {
	conn, _, err := http.NewResponseController(b.ResponseWriter).Hijack()
	if err != nil {
		return // HTTP/2: aborting the handler resets the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (b *bender) edit() {
	for _, e := range b.f.Edits {
		if _, err := b.c.t.Apply(e); err != nil {
			b.c.t.log.Warn("edit of a fault", "error", err)
		}
	}
}

func (b *bender) drip(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(int64(len(p)), max(1, b.f.Chunk))]
		w, err := b.ResponseWriter.Write(part)
		if n += w; err != nil {
			return n, err
		}
		b.flush()
		if !b.c.wait(b.f.Delay) {
			return n, errBent
		}
		p = p[len(part):]
	}
	return n, nil
}

// finish adds what a fault adds at the end.
func (b *bender) finish() {
	if b.f.Action == ActionLonger && !b.done {
		_, _ = b.ResponseWriter.Write([]byte{'+'})
	}
}
