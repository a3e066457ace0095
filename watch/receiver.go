package watch

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/spmirror/spmirror/graph"
)

// Bounds of what anybody may send (T-20, H-81 to H-86).
const (
	maxBody          = 4 << 20
	maxNotifications = 20_000 // in one body
	maxToken         = 2 << 10
	maxAtOnce        = 16 // bodies read at a time; the service tries again (W10)
)

// Receiver answers the service at the notification URL. Whoever else finds the address can do no more than be ignored:
// what is well-formed is answered 202 with an empty body, whether it was believed or not (H-82).
type Receiver struct {
	path    string
	hear    func(Drive, Event)
	reading chan struct{}

	mu      sync.Mutex
	known   map[graph.SubscriptionID]subscriber
	unknown subscriber // compared with when there is nothing else, so that both take the same time
	asking  int        // calls under way that may make the service validate the address
	counts  Counts
}

// subscriber is what a genuine notification is known by. The secret itself is not kept.
type subscriber struct {
	drive  Drive
	secret [sha256.Size]byte
}

// Counts says what came in, by what became of it.
type Counts struct {
	Accepted    int64 `json:"accepted"`    // notifications that were believed
	Unknown     int64 `json:"unknown"`     // of a subscription that is not ours, or not any more
	Forged      int64 `json:"forged"`      // with another clientState
	Rich        int64 `json:"rich"`        // bodies with signed or encrypted content, which nobody asked for (T-21)
	Malformed   int64 `json:"malformed"`   // requests that are not understood, or too large
	Overflow    int64 `json:"overflow"`    // requests turned away because too many came at once
	Validations int64 `json:"validations"` // of the address, answered
	Unasked     int64 `json:"unasked"`     // validations nobody waited for, refused
}

// NewReceiver makes a receiver for the path of the notification URL. It calls hear, which must not wait, for each drive
// that a request names, once.
func NewReceiver(path string, hear func(Drive, Event)) *Receiver {
	if path == "" {
		path = "/"
	}
	return &Receiver{path: path, hear: hear, reading: make(chan struct{}, maxAtOnce), known: make(map[graph.SubscriptionID]subscriber)}
}

// Counts returns what came in so far.
func (r *Receiver) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

func (r *Receiver) count(f func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counts)
}

// Expect lets the notifications of a subscription in.
func (r *Receiver) Expect(id graph.SubscriptionID, secret string, d Drive) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[id] = subscriber{drive: d, secret: sha256.Sum256([]byte(secret))}
}

// Forget lets them in no more.
func (r *Receiver) Forget(id graph.SubscriptionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, id)
}

// Asking allows validations until the returned function is called: while a subscription is made or renewed the service
// may ask whether we want it (W5, W7). At all other times somebody else is asking.
func (r *Receiver) Asking() (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asking--
	})
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	status, text := r.answer(w, req)
	if text != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// answer handles a request and returns status and text of the answer.
func (r *Receiver) answer(w http.ResponseWriter, req *http.Request) (int, string) {
	if req.URL.Path != r.path {
		return http.StatusNotFound, ""
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, ""
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		r.count(func(c *Counts) { c.Malformed++ })
		return http.StatusBadRequest, ""
	}
	if tokens, asked := query["validationToken"]; asked {
		return r.validate(tokens)
	}
	return r.receive(w, req), ""
}

// validate gives the token back as plain text (W5, W6).
func (r *Receiver) validate(tokens []string) (int, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking == 0 || len(tokens) != 1 || !isToken(tokens[0]) {
		r.counts.Unasked++
		return http.StatusBadRequest, ""
	}
	r.counts.Validations++
	return http.StatusOK, tokens[0]
}

// isToken tells whether a text may be a validation token: one printable line, blanks included (Q83).
func isToken(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxToken
}

// receive takes notifications and answers before anything is done about them (W10).
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) int {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	default:
		r.count(func(c *Counts) { c.Overflow++ })
		w.Header().Set("Retry-After", "10")
		return http.StatusServiceUnavailable
	}
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		r.count(func(c *Counts) { c.Malformed++ })
		return http.StatusUnsupportedMediaType // nothing is ever unpacked (H-84)
	}
	b := batch{receiver: r, heard: make(map[heard]bool)}
	if err := b.read(http.MaxBytesReader(w, req.Body, maxBody)); err != nil {
		r.count(func(c *Counts) { c.Malformed++ })
		var large *http.MaxBytesError
		if errors.As(err, &large) || errors.Is(err, errTooMany) {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusBadRequest
	}
	b.deliver()
	return http.StatusAccepted
}

// notification is what is read of one. It names no item (W9), so nothing else would help.
type notification struct {
	Subscription graph.SubscriptionID `json:"subscriptionId"`
	ClientState  string               `json:"clientState"`
	Lifecycle    string               `json:"lifecycleEvent"`
	Encrypted    json.RawMessage      `json:"encryptedContent"`
}

type heard struct {
	drive Drive
	event Event
}

// batch is one body on its way in. However long it is, what is kept of it is a set of drives.
type batch struct {
	receiver *Receiver
	counts   Counts
	heard    map[heard]bool
	rich     bool
}

var errTooMany = errors.New("too many notifications")

// read reads {"value":[…]} one notification at a time.
func (b *batch) read(body io.Reader) error {
	d := json.NewDecoder(body)
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	valued := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		switch key {
		case "value":
			valued = true
			err = b.readList(d)
		case "validationTokens":
			var tokens []json.RawMessage
			err = d.Decode(&tokens)
			b.rich = b.rich || len(tokens) > 0
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the end")
	}
	if !valued {
		return errors.New("no value")
	}
	return nil
}

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = fmt.Errorf("expected %v", want)
	}
	return err
}

func (b *batch) readList(d *json.Decoder) error {
	if err := expect(d, json.Delim('[')); err != nil {
		return err
	}
	for n := 0; d.More(); n++ {
		if n == maxNotifications {
			return errTooMany
		}
		var one notification
		if err := d.Decode(&one); err != nil {
			return err
		}
		b.judge(one)
	}
	return expect(d, json.Delim(']'))
}

// judge believes a notification if it knows the secret of its subscription.
func (b *batch) judge(n notification) {
	b.rich = b.rich || len(n.Encrypted) > 0 && string(n.Encrypted) != "null"
	b.receiver.mu.Lock()
	who, known := b.receiver.known[n.Subscription]
	if !known {
		who = b.receiver.unknown
	}
	b.receiver.mu.Unlock()
	sum := sha256.Sum256([]byte(n.ClientState)) // hashed, so that neither length nor prefix shows in the time taken
	genuine := subtle.ConstantTimeCompare(sum[:], who.secret[:]) == 1
	switch {
	case !known:
		b.counts.Unknown++
	case !genuine:
		b.counts.Forged++
	default:
		b.counts.Accepted++
		b.heard[heard{who.drive, eventOf(n.Lifecycle)}] = true
	}
}

// eventOf takes an event that nobody knows yet for a change: a look does no harm.
func eventOf(lifecycle string) Event {
	switch e := Event(lifecycle); e {
	case Reauthorize, Removed, Missed:
		return e
	}
	return Changed
}

// deliver passes on what was heard.
func (b *batch) deliver() {
	b.receiver.count(func(c *Counts) {
		if b.rich {
			c.Rich++
			return
		}
		c.Accepted += b.counts.Accepted
		c.Unknown += b.counts.Unknown
		c.Forged += b.counts.Forged
	})
	if b.rich {
		return // nobody asked for it, and it could not be verified (T-21)
	}
	for h := range b.heard {
		b.receiver.hear(h.drive, h.event)
	}
}
