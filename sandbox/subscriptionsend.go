package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Times of delivery. The service tries again for up to 4 hours (W10); an emulated one gives up sooner.
const (
	validationTime    = 10 * time.Second // W5
	notifyTimeout     = 10 * time.Second // how long an endpoint may take to answer (W10)
	redeliverAfter    = time.Second      // doubles with each try
	maxDeliveries     = 6
	notificationQueue = 1024
)

// The lifecycle events of a subscription (W15). Of drives the service sends the first only, and says
// nothing when a subscription vanishes.
const (
	LifecycleReauthorize = "reauthorizationRequired"
	LifecycleRemoved     = "subscriptionRemoved"
	LifecycleMissed      = "missed"
	LifecycleVanish      = "vanish" // the subscription is gone and nobody is told
)

// delivery is something to tell the subscribers of a drive.
type delivery struct {
	drive   DriveID
	to      *subscription // the one to tell, nil for all of the drive
	event   string        // of the lifecycle, "" for a change
	attempt int
}

func (s *subscriptions) close() {
	s.mu.Lock()
	stop, ended := s.stop, s.ended
	for _, timer := range s.later {
		timer.Stop()
	}
	s.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// changed tells the deliverer about drives; it never waits, notifications may be lost (W12).
func (s *subscriptions) changed(drives ...*Drive) {
	for _, d := range drives {
		if d != nil {
			s.send(delivery{drive: d.id})
		}
	}
}

func (s *subscriptions) send(d delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		return
	}
	select {
	case s.queue <- d:
	default:
	}
}

// Lifecycle lets the subscriptions of a drive come to an event of their life: they must be authorized
// anew and fall silent until then, are removed, have missed something, or vanish without a word.
func (t *Tenant) Lifecycle(drive, event string) error {
	t.mu.RLock()
	d := t.drive(drive)
	t.mu.RUnlock()
	if d == nil {
		return ErrNoDrive
	}
	s := &t.subs
	s.mu.Lock()
	var tell []delivery
	for _, sub := range slices.Clone(s.list) {
		if sub.drive != d.id {
			continue
		}
		switch event {
		case LifecycleReauthorize:
			sub.lapsed = true
		case LifecycleRemoved, LifecycleVanish:
			s.remove(sub)
		case LifecycleMissed:
		default:
			s.mu.Unlock()
			return fmt.Errorf("%q is no event: %w", event, ErrOperation)
		}
		if event != LifecycleVanish {
			copied := *sub
			tell = append(tell, delivery{drive: d.id, to: &copied, event: event})
		}
	}
	s.mu.Unlock()
	for _, one := range tell {
		s.send(one)
	}
	return nil
}

// validateEndpoint makes the handshake (W5): 200, text/plain, the decoded token and nothing else.
func (c *call) validateEndpoint(address string) *graphError {
	bad := func(why string) *graphError {
		return errorf(http.StatusBadRequest, "ValidationError", "Subscription validation request failed. %s", why)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return bad("The notification URL must be HTTPS.")
	}
	if !isLoopback(u.Hostname()) { // the service wants a public https address (W8), an emulated one stays at home
		return bad("The sandbox tells addresses on loopback only.")
	}
	if f := c.t.pick(&call{t: c.t, kind: KindValidation, path: c.path}); f != nil {
		return bad(f.message())
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
	c.t.counters.add(func(s *Stats) { s.Calls[KindValidation]++ })
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || string(body) != token {
		return bad("The endpoint must answer 200 with the validation token as text/plain.")
	}
	return nil
}

func (t *Tenant) notifier() *http.Client {
	if t.opts.Notifier != nil {
		return t.opts.Notifier
	}
	return &http.Client{Timeout: notifyTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// run starts the deliverer; the lock is held.
func (s *subscriptions) run() {
	if s.queue != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.queue, s.stop, s.ended = make(chan delivery, notificationQueue), stop, make(chan struct{})
	go s.deliver(ctx, s.queue)
}

func (s *subscriptions) deliver(ctx context.Context, queue <-chan delivery) {
	defer close(s.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-queue:
			list := []delivery{first}
			seen := map[delivery]bool{first: true}
			for more := true; more; { // what came meanwhile and says the same goes along
				select {
				case d := <-queue:
					if !seen[d] {
						seen[d] = true
						list = append(list, d)
					}
				default:
					more = false
				}
			}
			for _, d := range list {
				s.notify(ctx, d)
			}
		}
	}
}

// notify tells the subscribers of a drive.
func (s *subscriptions) notify(ctx context.Context, d delivery) {
	for _, sub := range s.listeners(d) {
		if err := s.tell(ctx, d.event, sub); err != nil && ctx.Err() == nil {
			s.t.log.Warn("notification", "error", err)
			s.again(delivery{drive: d.drive, to: sub, event: d.event, attempt: d.attempt + 1})
		}
	}
}

// listeners are those a delivery is for.
func (s *subscriptions) listeners(d delivery) []*subscription {
	if d.to != nil {
		return []*subscription{d.to}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	var list []*subscription
	for _, sub := range s.list {
		if sub.drive == d.drive && !sub.lapsed {
			copied := *sub
			list = append(list, &copied)
		}
	}
	return list
}

// again queues what was not taken, some time later.
func (s *subscriptions) again(d delivery) {
	if d.attempt >= maxDeliveries {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later = append(s.later, time.AfterFunc(redeliverAfter<<d.attempt, func() { s.send(d) }))
}

// tell sends one notification as often as the faults want it. It names the resource, never the item (W9).
func (s *subscriptions) tell(ctx context.Context, event string, sub *subscription) error {
	item := map[string]any{"subscriptionId": sub.ID, "subscriptionExpirationDateTime": sub.Expiration, "clientState": sub.ClientState, "tenantId": s.t.id.String()}
	address := sub.NotificationURL
	if event != "" {
		item["lifecycleEvent"] = event
		address = sub.LifecycleURL
	} else {
		item["changeType"], item["resource"] = "updated", sub.Resource
		kind := "DriveItem"
		if strings.HasPrefix(canonicalPath(strings.Trim(sub.Resource, "/")), "sites/") {
			kind = "ListItem"
		}
		item["resourceData"] = map[string]any{"@odata.type": "#Microsoft.Graph." + kind}
	}
	if address == "" {
		return nil
	}
	times := 1
	if f := s.t.pick(&call{t: s.t, kind: KindNotification, path: sub.Resource}); f != nil {
		switch f.Action {
		case ActionLose:
			return nil
		case ActionDuplicate:
			times = 2
		case ActionForge:
			item["clientState"] = f.Body
		}
	}
	body, err := json.Marshal(map[string]any{"value": []any{item}})
	for ; times > 0 && err == nil; times-- {
		err = s.post(ctx, address, body)
	}
	return err
}

func (s *subscriptions) post(ctx context.Context, address string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.t.notifier().Do(req)
	if err != nil {
		return errors.New("the endpoint did not answer")
	}
	defer resp.Body.Close()
	s.t.counters.add(func(s *Stats) { s.Calls[KindNotification]++ })
	if resp.StatusCode >= 300 {
		return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
	}
	return nil
}
