package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// subscriptions are the change notifications of a tenant. One goroutine delivers; it starts with the
// first subscription and ends with the tenant.
type subscriptions struct {
	t      *Tenant
	mu     sync.Mutex
	list   []*subscription
	serial int
	queue  chan string // drive ids that changed
	stop   context.CancelFunc
	ended  chan struct{}
}

type subscription struct {
	ID              string `json:"id"`
	Resource        string `json:"resource"`
	ApplicationID   string `json:"applicationId"`
	ChangeType      string `json:"changeType"`
	ClientState     string `json:"clientState,omitempty"`
	NotificationURL string `json:"notificationUrl"`
	LifecycleURL    string `json:"lifecycleNotificationUrl,omitempty"`
	Expiration      string `json:"expirationDateTime"`
	TLS             string `json:"latestSupportedTlsVersion"`
	drive           DriveID
	expires         time.Time
}

// Limits of drive subscriptions.
const (
	maxSubscription   = 42300 * time.Minute // W4
	validationTime    = 10 * time.Second    // W5
	maxClientState    = 128                 // W11
	maxSubscriptions  = 100
	notificationQueue = 1024
)

func (s *subscriptions) init(t *Tenant) { s.t = t }

func (s *subscriptions) close() {
	s.mu.Lock()
	stop, ended := s.stop, s.ended
	s.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// changed tells the deliverer about drives; it never waits, notifications may be lost (W12).
func (s *subscriptions) changed(drives ...*Drive) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		return
	}
	for _, d := range drives {
		if d == nil {
			continue
		}
		select {
		case s.queue <- string(d.id):
		default:
		}
	}
}

// subscription answers /subscriptions and what is below.
func (c *call) subscription(rest string) *graphError {
	id, op, _ := strings.Cut(rest, "/")
	switch {
	case id == "" && c.r.Method == http.MethodGet:
		s := &c.t.subs
		s.mu.Lock()
		list := slices.Clone(s.list)
		s.mu.Unlock()
		c.headers()
		return c.sendJSON(http.StatusOK, map[string]any{"value": append([]*subscription{}, list...)})
	case id == "" && c.r.Method == http.MethodPost:
		return c.subscribe()
	}
	return c.manage(id, op)
}

func (c *call) subscribe() *graphError {
	var sub subscription
	if err := json.NewDecoder(io.LimitReader(c.r.Body, 1<<16)).Decode(&sub); err != nil {
		return errorf(http.StatusBadRequest, "InvalidRequest", "The body cannot be read.")
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
	return c.sendJSON(http.StatusCreated, &sub)
}

// checkSubscription checks what may be subscribed: roots of business drives (W1), updated only (W3).
func (c *call) checkSubscription(sub *subscription) *graphError {
	resource := strings.Trim(normalKeys(strings.Trim(sub.Resource, "/")), "/")
	id, ok := strings.CutPrefix(resource, "drives/")
	id, tail, _ := strings.Cut(id, "/")
	if user, isUser := strings.CutPrefix(resource, "users/"); isUser {
		upn, rest, _ := strings.Cut(user, "/drive/")
		if d, e := c.ownedDrive("users", upn); e == nil {
			id, tail, ok = string(d.id), rest, true
		}
	}
	d, e := c.driveByID(id)
	switch {
	case !ok || e != nil || tail != "root":
		return errorf(http.StatusBadRequest, "ExtensionError", "Operation: Create; Exception: [Status Code: BadRequest; Reason: only the root of a drive can be subscribed]")
	case sub.ChangeType != "updated":
		return errorf(http.StatusBadRequest, "InvalidRequest", "The change type of this resource is updated.")
	case len(sub.ClientState) > maxClientState:
		return errorf(http.StatusBadRequest, "InvalidRequest", "clientState is longer than 128 characters.")
	}
	sub.drive = d.id
	return c.setExpiration(sub, sub.Expiration)
}

func (c *call) setExpiration(sub *subscription, text string) *graphError {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !at.After(c.start) || at.After(c.start.Add(maxSubscription)) {
		return errorf(http.StatusBadRequest, "InvalidRequest", "Subscription expiration can only be %d minutes in the future.", int(maxSubscription.Minutes()))
	}
	sub.expires, sub.Expiration = at, at.UTC().Format("2006-01-02T15:04:05.0000000Z")
	return nil
}

// validateEndpoint makes the handshake (W5): 200, text/plain, the decoded token and nothing else.
func (c *call) validateEndpoint(address string) *graphError {
	u, err := url.Parse(address)
	bad := func(why string) *graphError {
		return errorf(http.StatusBadRequest, "ValidationError", "Subscription validation request failed. %s", why)
	}
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return bad("The notification URL must be HTTPS.")
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + c.id // has blanks (Q83)
	q := "validationToken=" + url.QueryEscape(token)
	if u.RawQuery != "" { // other parameters are preserved (W6)
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	ctx, cancel := context.WithTimeout(c.r.Context(), validationTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return bad("The notification URL is not valid.")
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := c.t.notifier().Do(req)
	if err != nil {
		return bad("The endpoint did not answer.")
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || string(body) != token {
		return bad("The endpoint must answer 200 with the validation token as text/plain.")
	}
	return nil
}

// notifyTimeout is how long an endpoint may take to answer (W5, W10).
const notifyTimeout = 10 * time.Second

func (t *Tenant) notifier() *http.Client {
	if t.opts.Notifier != nil {
		return t.opts.Notifier
	}
	return &http.Client{Timeout: notifyTimeout}
}

// manage answers one subscription.
func (c *call) manage(id, op string) *graphError {
	s := &c.t.subs
	s.mu.Lock()
	at := slices.IndexFunc(s.list, func(x *subscription) bool { return x.ID == id })
	var sub subscription
	if at >= 0 {
		sub = *s.list[at]
	}
	s.mu.Unlock()
	if at < 0 {
		return errorf(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
	}
	switch {
	case op == "reauthorize" && c.r.Method == http.MethodPost: // does not prolong (W13)
		c.headers()
		c.status = http.StatusNoContent
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	case op != "":
		return errNotFound()
	case c.r.Method == http.MethodDelete:
		s.mu.Lock()
		s.list = slices.DeleteFunc(s.list, func(x *subscription) bool { return x.ID == id })
		s.mu.Unlock()
		c.headers()
		c.status = http.StatusNoContent
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	case c.r.Method == http.MethodPatch:
		var change struct{ ExpirationDateTime string }
		if err := json.NewDecoder(io.LimitReader(c.r.Body, 1<<16)).Decode(&change); err != nil {
			return errorf(http.StatusBadRequest, "InvalidRequest", "The body cannot be read.")
		}
		if e := c.setExpiration(&sub, change.ExpirationDateTime); e != nil {
			return e
		}
		s.mu.Lock()
		s.list = slices.DeleteFunc(s.list, func(x *subscription) bool { return x.ID == id })
		s.list = append(s.list, &sub)
		s.mu.Unlock()
	case c.r.Method != http.MethodGet:
		return errorf(http.StatusMethodNotAllowed, "notAllowed", "The method is not answered.")
	}
	c.headers()
	return c.sendJSON(http.StatusOK, &sub)
}

// run starts the deliverer; the lock is held.
func (s *subscriptions) run() {
	if s.queue != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.queue, s.stop, s.ended = make(chan string, notificationQueue), stop, make(chan struct{})
	go s.deliver(ctx, s.queue)
}

func (s *subscriptions) deliver(ctx context.Context, queue <-chan string) {
	defer close(s.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-queue:
			drives := map[string]bool{first: true}
			for more := true; more; { // what came meanwhile goes along
				select {
				case d := <-queue:
					drives[d] = true
				default:
					more = false
				}
			}
			s.notify(ctx, drives)
		}
	}
}

// notify tells the subscribers of drives; a notification names the resource, never the item (W9).
func (s *subscriptions) notify(ctx context.Context, drives map[string]bool) {
	s.mu.Lock()
	list := slices.Clone(s.list)
	s.mu.Unlock()
	for _, sub := range list {
		if !drives[string(sub.drive)] || s.t.now().After(sub.expires) {
			continue
		}
		body, _ := json.Marshal(map[string]any{"value": []map[string]any{{"subscriptionId": sub.ID, "subscriptionExpirationDateTime": sub.Expiration,
			"clientState": sub.ClientState, "changeType": "updated", "resource": sub.Resource, "tenantId": s.t.id.String(),
			"resourceData": map[string]any{"@odata.type": "#Microsoft.Graph.DriveItem"}}}})
		if err := s.post(ctx, sub.NotificationURL, body); err != nil {
			s.t.log.Warn("notification", "error", err)
		}
	}
}

func (s *subscriptions) post(ctx context.Context, address string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, validationTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.t.notifier().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
	}
	return nil
}
