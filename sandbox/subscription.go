package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// subscriptions are the change notifications of a tenant. One goroutine delivers; it starts with the
// first subscription and ends with the tenant.
type subscriptions struct {
	t      *Tenant
	mu     sync.Mutex
	list   []*subscription
	serial int
	queue  chan delivery
	stop   context.CancelFunc
	ended  chan struct{}
	later  []*time.Timer // of deliveries to be tried again
}

// subscription is one of them. clientState is given back when it is made and in notifications only.
type subscription struct {
	ID              string  `json:"id"`
	Resource        string  `json:"resource"`
	ApplicationID   string  `json:"applicationId"`
	ChangeType      string  `json:"changeType"`
	ClientState     *string `json:"clientState"`
	NotificationURL string  `json:"notificationUrl"`
	LifecycleURL    string  `json:"lifecycleNotificationUrl,omitempty"`
	Expiration      string  `json:"expirationDateTime"`
	TLS             string  `json:"latestSupportedTlsVersion"`
	drive           DriveID
	expires         time.Time
	lapsed          bool // it waits to be authorized anew (W16)
}

// Limits of drive subscriptions.
const (
	maxSubscription  = 42300 * time.Minute // W4
	maxClientState   = 128                 // W11
	maxSubscriptions = 100
)

func (s *subscriptions) init(t *Tenant) { s.t = t }

// find returns the subscription of an id; what has expired is gone. The lock is held.
func (s *subscriptions) find(id string) *subscription {
	s.expire()
	at := slices.IndexFunc(s.list, func(x *subscription) bool { return x.ID == id })
	if at < 0 {
		return nil
	}
	return s.list[at]
}

// expire drops what has expired; nobody is told (W15). The lock is held.
func (s *subscriptions) expire() {
	now := s.t.now()
	s.list = slices.DeleteFunc(s.list, func(x *subscription) bool { return now.After(x.expires) })
}

// remove ends a subscription. The lock is held.
func (s *subscriptions) remove(sub *subscription) {
	s.list = slices.DeleteFunc(s.list, func(x *subscription) bool { return x == sub })
}

// Subscribed describes one subscription of a tenant.
type Subscribed struct {
	ID      string    `json:"id"`
	Drive   DriveID   `json:"drive"`
	Address string    `json:"address"`
	Expires time.Time `json:"expires"`
}

// Subscriptions lists the subscriptions that are in force.
func (t *Tenant) Subscriptions() []Subscribed {
	t.subs.mu.Lock()
	defer t.subs.mu.Unlock()
	t.subs.expire()
	list := []Subscribed{}
	for _, s := range t.subs.list {
		list = append(list, Subscribed{ID: s.ID, Drive: s.drive, Address: s.NotificationURL, Expires: s.expires})
	}
	return list
}

// subscription answers /subscriptions and what is below.
func (c *call) subscription(rest string) *graphError {
	id, op, _ := strings.Cut(rest, "/")
	switch {
	case id == "" && c.r.Method == http.MethodGet:
		return c.listSubscriptions()
	case id == "" && c.r.Method == http.MethodPost:
		return c.subscribe()
	}
	return c.manage(id, op)
}

func (c *call) listSubscriptions() *graphError {
	s := &c.t.subs
	s.mu.Lock()
	s.expire()
	list := []subscription{}
	for _, sub := range s.list {
		list = append(list, sub.shown())
	}
	s.mu.Unlock()
	c.headers()
	return c.sendJSON(http.StatusOK, map[string]any{"@odata.context": c.base + "/$metadata#subscriptions", "value": list})
}

// shown is a subscription without its secret.
func (s *subscription) shown() subscription {
	copied := *s
	copied.ClientState = nil
	return copied
}

func (c *call) subscribe() *graphError {
	var sub subscription
	if e := c.readBody(&sub); e != nil {
		return e
	}
	if e := c.checkSubscription(&sub); e != nil {
		return e
	}
	for _, u := range []string{sub.NotificationURL, sub.LifecycleURL} {
		if u == "" {
			continue
		}
		if e := c.validateEndpoint(u); e != nil {
			return e
		}
	}
	s := &c.t.subs
	s.mu.Lock()
	s.expire()
	if len(s.list) >= maxSubscriptions { // seen as 403 with this text (W21)
		s.mu.Unlock()
		return errorf(http.StatusForbidden, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden; Reason: Maximum number of subscriptions has been reached]")
	}
	s.serial++
	sub.ID = makeGUID(c.t.seed, "subscription", strconv.Itoa(s.serial)).String()
	if c.app != nil {
		sub.ApplicationID = c.app.ClientID
	}
	sub.TLS = "v1_2"
	s.list = append(s.list, &sub)
	s.run()
	s.mu.Unlock()
	c.headers()
	return c.sendSubscription(http.StatusCreated, sub)
}

// checkSubscription checks what may be subscribed: roots of business drives and lists (W1), updated only (W3).
func (c *call) checkSubscription(sub *subscription) *graphError {
	d := c.subscribed(strings.Trim(canonicalPath(strings.Trim(sub.Resource, "/")), "/"))
	switch {
	case d == nil:
		return errorf(http.StatusBadRequest, "ExtensionError", "Operation: Create; Exception: [Status Code: BadRequest; Reason: only the root of a drive or a list can be subscribed]")
	case sub.ChangeType != "updated":
		return errorf(http.StatusBadRequest, "InvalidRequest", "The change type of this resource is updated.")
	case sub.ClientState != nil && utf8.RuneCountInString(*sub.ClientState) > maxClientState:
		return errorf(http.StatusBadRequest, "InvalidRequest", "clientState is longer than 128 characters.")
	}
	sub.drive = d.id
	return c.setExpiration(sub, sub.Expiration)
}

// subscribed is the drive whose changes a resource stands for, nil when it cannot be subscribed (W1).
func (c *call) subscribed(resource string) *Drive {
	words := strings.Split(resource, "/")
	switch {
	case len(words) == 3 && words[0] == "drives" && words[2] == "root":
		d, _ := c.driveByID(words[1])
		return d
	case len(words) == 4 && words[0] == "users" && words[2] == "drive" && words[3] == "root":
		d, _ := c.ownedDrive("users", words[1])
		return d
	case len(words) == 4 && words[0] == "sites" && words[2] == "lists":
		c.t.mu.RLock()
		s := c.t.siteByID(words[1])
		c.t.mu.RUnlock()
		if s != nil {
			return s.library(words[3])
		}
	}
	return nil
}

func (c *call) setExpiration(sub *subscription, text string) *graphError {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !at.After(c.start) || at.After(c.start.Add(maxSubscription)) {
		return errorf(http.StatusBadRequest, "InvalidRequest", "Subscription expiration can only be %d minutes in the future.", int(maxSubscription.Minutes()))
	}
	sub.expires, sub.Expiration = at, at.UTC().Format("2006-01-02T15:04:05.0000000Z")
	return nil
}

// manage answers one subscription.
func (c *call) manage(id, op string) *graphError {
	var change struct{ ExpirationDateTime string }
	if c.r.Method == http.MethodPatch {
		if e := c.readBody(&change); e != nil {
			return e
		}
	}
	s := &c.t.subs
	s.mu.Lock()
	sub := s.find(id)
	if sub == nil {
		s.mu.Unlock()
		return errorf(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
	}
	var e *graphError
	empty := true
	switch {
	case op == "reauthorize" && c.r.Method == http.MethodPost: // does not prolong (W13)
		sub.lapsed = false
	case op != "":
		e = errNotFound()
	case c.r.Method == http.MethodDelete:
		s.remove(sub)
	case c.r.Method == http.MethodPatch: // authorizes anew as well (W13)
		if e = c.setExpiration(sub, change.ExpirationDateTime); e == nil {
			sub.lapsed = false
		}
		empty = false
	case c.r.Method == http.MethodGet:
		empty = false
	default:
		e = errorf(http.StatusMethodNotAllowed, "notAllowed", "The method is not answered.")
	}
	shown := sub.shown()
	s.mu.Unlock()
	if e != nil {
		return e
	}
	c.headers()
	if empty {
		c.status = http.StatusNoContent
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.sendSubscription(http.StatusOK, shown)
}

func (c *call) sendSubscription(status int, sub subscription) *graphError {
	return c.sendJSON(status, struct {
		Context string `json:"@odata.context"`
		subscription
	}{c.base + "/$metadata#subscriptions/$entity", sub})
}
