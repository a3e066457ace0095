package watch

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/graph"
)

// Times of subscriptions.
const (
	// lifetime is what is asked for, though the service gives up to 42,300 minutes: one page says 4,230 (W4), renewing
	// daily costs one request, and what a killed process leaves behind is gone the sooner.
	lifetime = 48 * time.Hour
	// A subscription is renewed when half its life is over, but neither more often than minRenewal nor later than
	// maxRenewal.
	minRenewal = time.Minute
	maxRenewal = 24 * time.Hour
	// listEvery is how often the own subscriptions are listed: nobody tells that one of a drive has vanished (W15).
	listEvery = 24 * time.Hour
	// What was refused is asked for again after firstAttempt, then after twice that, and so on up to lastAttempt.
	firstAttempt = 5 * time.Minute
	lastAttempt  = 6 * time.Hour
	// farewell is how long ending subscriptions may take when the program ends.
	farewell = 5 * time.Second
	// atOnce bounds the calls under way: each lets the service call us (W5).
	atOnce = 4
)

// Service makes and ends subscriptions of one tenant; *graph.Client is one.
type Service interface {
	Subscribe(context.Context, graph.NewSubscription) (graph.Subscription, error)
	RenewSubscription(context.Context, graph.SubscriptionID, time.Time) (graph.Subscription, error)
	Unsubscribe(context.Context, graph.SubscriptionID) error
	Subscriptions(context.Context) ([]graph.Subscription, error)
}

// Keeper keeps one subscription for each drive. Where the service refuses, the drive has none, and is asked about
// again later; until then it is up to the schedule to look.
//
// Secrets live in memory only. A process that was killed leaves subscriptions behind whose secret nobody knows any more;
// the next one finds them by their address and ends them.
type Keeper struct {
	KeeperOptions
	mu     sync.Mutex
	wanted []Drive
	roused map[Drive]Event
	wake   chan struct{}
	held   map[Drive]*holding
	listed map[string]listing // by tenant
}

// listing is when the own subscriptions of a tenant are listed next.
type listing struct {
	due      time.Time
	failures int
}

// KeeperOptions are what a keeper works with; all are required.
type KeeperOptions struct {
	Address  string // the notification URL
	Receiver *Receiver
	Service  func(tenant string) (Service, error)
	Cover    func(Drive, bool)  // a drive has got a subscription, or lost it
	Refused  func(Drive, error) // a subscription was not made or renewed; it is tried again
	Now      func() time.Time
	Log      *slog.Logger
}

// holding is what a keeper has of one drive.
type holding struct {
	drive    Drive
	id       graph.SubscriptionID // "" for none
	due      time.Time            // of the next call
	renewed  time.Time
	doubted  time.Time // when it was last looked at because it was said to be removed
	expires  time.Time
	failures int
	covered  bool // as the loop was told
}

// NewKeeper makes a keeper that wants nothing yet.
func NewKeeper(o KeeperOptions) *Keeper {
	return &Keeper{
		KeeperOptions: o, wake: make(chan struct{}, 1),
		held: make(map[Drive]*holding), roused: make(map[Drive]Event), listed: make(map[string]listing),
	}
}

// Want replaces the drives to keep subscriptions for.
func (k *Keeper) Want(drives []Drive) {
	k.mu.Lock()
	k.wanted = slices.Clone(drives)
	k.mu.Unlock()
	k.poke()
}

// Hear takes an event in the life of a subscription. One that is said to be removed is renewed like one that is to be
// authorized anew: if it is gone that tells, and if it was replaced meanwhile nothing is lost.
func (k *Keeper) Hear(d Drive, e Event) {
	if e != Reauthorize && e != Removed {
		return
	}
	k.mu.Lock()
	if k.roused[d] != Removed {
		k.roused[d] = e
	}
	k.mu.Unlock()
	k.poke()
}

func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run keeps the subscriptions until the context ends, and then ends them.
func (k *Keeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		next := k.tend(ctx)
		timer := time.NewTimer(next.Sub(k.Now()))
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	k.end(context.WithoutCancel(ctx))
}

// tend does all that is due and returns when something will be.
func (k *Keeper) tend(ctx context.Context) time.Time {
	now := k.Now()
	dropped := k.adopt(now)
	next := now.Add(listEvery)
	for tenant := range k.tenants() {
		if !now.Before(k.listed[tenant].due) {
			k.list(ctx, tenant)
		}
		next = earlier(next, k.listed[tenant].due)
	}
	g := new(errgroup.Group)
	g.SetLimit(atOnce)
	for _, h := range dropped {
		g.Go(func() error { k.drop(ctx, h); return nil })
	}
	for _, h := range k.held {
		if !now.Before(h.due) {
			g.Go(func() error { k.serve(ctx, h); return nil })
		}
	}
	_ = g.Wait()
	for _, h := range k.held {
		next = earlier(next, h.due)
	}
	return next
}

// adopt brings the holdings to what is wanted and what was heard; it returns those that are not wanted any more.
func (k *Keeper) adopt(now time.Time) (dropped []*holding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	wanted := make(map[Drive]bool)
	for _, d := range k.wanted {
		wanted[d] = true
		if k.held[d] == nil {
			k.held[d] = &holding{drive: d, due: now}
		}
	}
	for d, h := range k.held {
		if !wanted[d] {
			delete(k.held, d)
			dropped = append(dropped, h)
		}
	}
	for d, event := range k.roused {
		if h := k.held[d]; h != nil {
			h.rouse(event, now)
		}
	}
	clear(k.roused)
	return dropped
}

// rouse makes a holding due because of an event, though not at once if it was renewed, or said to be removed, a moment
// ago (W16).
func (h *holding) rouse(event Event, now time.Time) {
	since := &h.renewed
	if event == Removed {
		since = &h.doubted
	}
	h.due = earlier(h.due, later(now, since.Add(minRenewal)))
	if event == Removed {
		h.doubted = h.due
	}
}

func (k *Keeper) tenants() map[string]bool {
	tenants := make(map[string]bool)
	for d := range k.held {
		tenants[d.Tenant] = true
	}
	return tenants
}

// list compares what the service has with what is held. What is ours by its address and not held was left behind by a
// killed process, or made by a call whose answer was lost.
func (k *Keeper) list(ctx context.Context, tenant string) {
	now, failures := k.Now(), k.listed[tenant].failures
	service, err := k.Service(tenant)
	var list []graph.Subscription
	if err == nil {
		list, err = service.Subscriptions(ctx)
	}
	if err != nil {
		k.listed[tenant] = listing{now.Add(untilNext(failures)), failures + 1}
		k.Log.Warn("subscriptions not listed", "tenant", tenant, "error", err)
		return
	}
	k.listed[tenant] = listing{due: now.Add(listEvery)}
	there := make(map[graph.SubscriptionID]bool)
	for _, s := range list {
		there[s.ID] = true
	}
	held := make(map[graph.SubscriptionID]bool)
	for d, h := range k.held {
		if d.Tenant != tenant || h.id == "" {
			continue
		}
		if held[h.id] = true; !there[h.id] {
			k.Log.Warn("subscription vanished", "drive", d.ID)
			k.lose(h)
			h.due = now
		}
	}
	for _, s := range list {
		if s.Address != k.Address || held[s.ID] || s.Drive == "" {
			continue
		}
		if err := service.Unsubscribe(ctx, s.ID); err != nil {
			k.Log.Warn("old subscription not ended", "subscription", s.ID, "error", err)
		}
	}
}

// serve makes or renews the subscription of a drive.
func (k *Keeper) serve(ctx context.Context, h *holding) {
	service, err := k.Service(h.drive.Tenant)
	if err != nil {
		k.refused(ctx, h, err)
		return
	}
	done := k.Receiver.Asking()
	defer done()
	if h.id != "" {
		sub, err := service.RenewSubscription(ctx, h.id, k.Now().Add(lifetime))
		if e, ok := graph.AsError(err); !ok || !e.IsNotFound() {
			k.granted(ctx, h, sub, err)
			return
		}
		k.lose(h) // it is gone: make another (S10)
	}
	secret, err := newSecret()
	if err != nil {
		k.refused(ctx, h, err)
		return
	}
	sub, err := service.Subscribe(ctx, graph.NewSubscription{Drive: h.drive.ID, Address: k.Address, Secret: secret, Expires: k.Now().Add(lifetime)})
	if err == nil {
		h.id, h.covered = sub.ID, false
		k.Receiver.Expect(sub.ID, secret, h.drive)
	}
	k.granted(ctx, h, sub, err)
}

// granted notes how long a subscription will last, or that it was refused.
func (k *Keeper) granted(ctx context.Context, h *holding, sub graph.Subscription, err error) {
	if err != nil {
		k.refused(ctx, h, err)
		return
	}
	if !h.covered {
		h.covered = true
		k.Cover(h.drive, true)
	}
	now := k.Now()
	h.failures, h.renewed, h.expires = 0, now, sub.Expires
	half := sub.Expires.Sub(now) / 2 // as granted, not as asked for (W4)
	h.due = now.Add(min(max(half, minRenewal), maxRenewal))
}

// refused notes when to try again. A subscription that could not be renewed may still be in force until it expires; its
// drive counts as uncovered all the same: to look too often does no harm.
func (k *Keeper) refused(ctx context.Context, h *holding, err error) {
	if ctx.Err() != nil {
		return // we are leaving
	}
	h.due = k.Now().Add(untilNext(h.failures))
	h.failures++
	h.covered = false
	k.Cover(h.drive, false)
	k.Refused(h.drive, err)
}

// untilNext is how long to wait after a failure that others went before.
func untilNext(failures int) time.Duration {
	if failures < 7 {
		return min(firstAttempt<<failures, lastAttempt)
	}
	return lastAttempt
}

// lose forgets a subscription that is gone.
func (k *Keeper) lose(h *holding) {
	if h.id == "" {
		return
	}
	k.Receiver.Forget(h.id)
	h.id, h.covered = "", false
	k.Cover(h.drive, false)
}

// drop ends the subscription of a drive that is not wanted any more.
func (k *Keeper) drop(ctx context.Context, h *holding) {
	id := h.id
	if id == "" {
		return
	}
	k.Receiver.Forget(id)
	h.id = ""
	service, err := k.Service(h.drive.Tenant)
	if err == nil {
		err = service.Unsubscribe(ctx, id)
	}
	if err != nil {
		k.Log.Warn("subscription not ended; it expires by itself", "drive", h.drive.ID, "expires", h.expires, "error", err)
	}
}

// end ends all subscriptions: without a listener the service would call in vain.
func (k *Keeper) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	g := new(errgroup.Group)
	g.SetLimit(atOnce)
	for h := range maps.Values(k.held) {
		g.Go(func() error { k.drop(ctx, h); return nil })
	}
	_ = g.Wait()
}

// newSecret makes a clientState (W11).
func newSecret() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
