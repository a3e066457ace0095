package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
)

const hookURL = "https://mirror.example.com/hook"

// desk is a small service: it keeps subscriptions in memory, asks the receiver for its consent, and refuses what it is
// told to refuse.
type desk struct {
	receiver *Receiver
	grant    time.Duration // what it gives at most

	mu      sync.Mutex
	subs    map[graph.SubscriptionID]graph.Subscription
	secrets map[graph.SubscriptionID]string
	serial  int
	calls   []string
	refuse  error
}

func (d *desk) call(name string, of any) error {
	d.calls = append(d.calls, fmt.Sprintf("%s %v", name, of))
	return d.refuse
}

func (d *desk) Subscribe(_ context.Context, n graph.NewSubscription) (graph.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("subscribe", n.Drive); err != nil {
		return graph.Subscription{}, err
	}
	w := httptest.NewRecorder()
	d.receiver.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hook?validationToken="+url.QueryEscape("Validation: x"), nil))
	if w.Code != 200 || w.Body.String() != "Validation: x" {
		return graph.Subscription{}, &graph.Error{Op: "subscribe", Status: 400, Message: "Subscription validation request failed."}
	}
	d.serial++
	s := graph.Subscription{ID: graph.SubscriptionID(fmt.Sprintf("s%d", d.serial)), Drive: n.Drive, Address: n.Address, Expires: d.until(n.Expires)}
	d.subs[s.ID], d.secrets[s.ID] = s, n.Secret
	return s, nil
}

func (d *desk) until(wish time.Time) time.Time {
	if most := time.Now().Add(d.grant); d.grant > 0 && wish.After(most) {
		return most
	}
	return wish
}

func (d *desk) RenewSubscription(_ context.Context, id graph.SubscriptionID, until time.Time) (graph.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("renew", id); err != nil {
		return graph.Subscription{}, err
	}
	s, ok := d.subs[id]
	if !ok || s.Expires.Before(time.Now()) {
		return s, &graph.Error{Op: "renew subscription", Status: 404, Code: "ResourceNotFound"}
	}
	s.Expires = d.until(until)
	d.subs[id] = s
	return s, nil
}

func (d *desk) Unsubscribe(_ context.Context, id graph.SubscriptionID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("end", id); err != nil {
		return err
	}
	delete(d.subs, id)
	return nil
}

func (d *desk) Subscriptions(context.Context) ([]graph.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("list", len(d.subs)); err != nil {
		return nil, err
	}
	var list []graph.Subscription
	for _, s := range d.subs {
		list = append(list, s)
	}
	return list, nil
}

func (d *desk) refuses(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = err
}

// done takes the calls since it was asked last, in order of their text.
func (d *desk) done() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := slices.Sorted(slices.Values(d.calls))
	d.calls = nil
	return strings.Join(calls, ", ")
}

// kept is a keeper at work on a desk.
type kept struct {
	*desk
	*Keeper
	inbox   *inbox
	said    sync.Mutex // guards what follows
	covered map[Drive]bool
	refused []error
	log     *strings.Builder
	stop    func()
}

// keep runs a keeper inside a bubble until stop is called.
func keep(t *testing.T, prepare func(*desk)) *kept {
	t.Helper()
	k := &kept{inbox: &inbox{}, covered: make(map[Drive]bool), log: new(strings.Builder)}
	k.inbox.Receiver = NewReceiver("/hook", func(d Drive, e Event) { k.inbox.heard = append(k.inbox.heard, heard{d, e}); k.Hear(d, e) })
	k.desk = &desk{receiver: k.inbox.Receiver, subs: make(map[graph.SubscriptionID]graph.Subscription), secrets: make(map[graph.SubscriptionID]string)}
	if prepare != nil {
		prepare(k.desk)
	}
	k.Keeper = NewKeeper(KeeperOptions{
		Address: hookURL, Receiver: k.inbox.Receiver, Service: func(string) (Service, error) { return k.desk, nil }, Now: time.Now,
		Cover:   func(d Drive, c bool) { k.said.Lock(); defer k.said.Unlock(); k.covered[d] = c },
		Refused: func(_ Drive, err error) { k.said.Lock(); defer k.said.Unlock(); k.refused = append(k.refused, err) },
		Log:     slog.New(slog.NewTextHandler(k.log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { k.Run(ctx); close(ended) }()
	k.stop = func() { cancel(); <-ended }
	return k
}

// is tells whether the keeper said last that a drive is covered.
func (k *kept) is(d Drive) bool {
	k.said.Lock()
	defer k.said.Unlock()
	return k.covered[d]
}

// refusals are those that the keeper told of.
func (k *kept) refusals() []error {
	k.said.Lock()
	defer k.said.Unlock()
	return slices.Clone(k.refused)
}

// left is how many subscriptions the service has.
func (k *kept) left() int {
	k.desk.mu.Lock()
	defer k.desk.mu.Unlock()
	return len(k.subs)
}

// wants checks the calls since the last check.
func (k *kept) wants(t *testing.T, when, calls string) {
	t.Helper()
	synctest.Wait()
	if got := k.done(); got != calls {
		t.Errorf("%s: %q, want %q", when, got, calls)
	}
}

func TestADriveHasASubscriptionForAsLongAsItIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, nil)
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		k.Want([]Drive{docs, media})
		k.wants(t, "one more", "subscribe b!media")
		if !k.is(docs) || !k.is(media) || k.secrets["s1"] == k.secrets["s2"] || len(k.secrets["s1"]) < 40 || len(k.secrets["s1"]) > graph.MaxClientState {
			t.Errorf("covered %v, secrets of %d and %d characters", k.is(docs), len(k.secrets["s1"]), len(k.secrets["s2"]))
		}
		k.inbox.post(body(one("s1", k.secrets["s1"]), one("s2", k.secrets["s2"]), one("s1", k.secrets["s2"])))
		if len(k.inbox.heard) != 2 || k.inbox.Counts().Forged != 1 {
			t.Errorf("heard %v, counts %+v", k.inbox.heard, k.inbox.Counts())
		}
		k.Want([]Drive{docs, media})
		k.wants(t, "the same again", "")
		k.Want([]Drive{docs})
		k.wants(t, "one less", "end s2")
		time.Sleep(24*time.Hour + time.Minute)
		k.wants(t, "after a day", "list 1, renew s1")
		time.Sleep(24 * time.Hour)
		k.wants(t, "after another", "list 1, renew s1")
		k.stop()
		k.wants(t, "at the end", "end s1")
		for _, secret := range k.secrets {
			if strings.Contains(k.log.String(), secret) {
				t.Error("a secret is in the log (I-61)")
			}
		}
	})
}

func TestWhatIsGrantedDecidesWhenToRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, func(d *desk) { d.grant = time.Hour }) // W4
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		time.Sleep(91 * time.Minute)
		k.wants(t, "later", "renew s1, renew s1, renew s1")
		k.while(func() { k.grant = time.Second }) // nonsense: the calls stay few
		time.Sleep(time.Hour)
		if n := strings.Count(k.done(), ","); n > 130 {
			t.Errorf("%d calls in an hour", n)
		}
		k.stop()
	})
}

func TestWhatAKilledProcessLeftBehindIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := time.Now().Add(time.Hour)
		k := keep(t, func(d *desk) {
			d.subs["old"] = graph.Subscription{ID: "old", Drive: docs.ID, Address: hookURL, Expires: later}
			d.subs["theirs"] = graph.Subscription{ID: "theirs", Drive: docs.ID, Address: "https://elsewhere.example/", Expires: later}
			d.subs["mail"] = graph.Subscription{ID: "mail", Address: hookURL, Expires: later}
		})
		k.Want([]Drive{docs})
		k.wants(t, "at first", "end old, list 3, subscribe b!docs")
		if k.inbox.post(body(one("old", ""))); k.inbox.Counts().Unknown != 1 {
			t.Errorf("counts %+v", k.inbox.Counts())
		}
		k.stop()
		if k.left() != 2 {
			t.Errorf("left: %d", k.left())
		}
	})
}

// TestWhatAKilledProcessLeftBehindIsEndedSoonEvenIfThatFailsAtFirst begins while the service cannot be reached.
func TestWhatAKilledProcessLeftBehindIsEndedSoonEvenIfThatFailsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, func(d *desk) {
			d.subs["old"] = graph.Subscription{ID: "old", Drive: docs.ID, Address: hookURL, Expires: time.Now().Add(48 * time.Hour)}
			d.refuse = &graph.Error{Op: "list subscriptions", Status: 503}
		})
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 1, subscribe b!docs")
		k.refuses(nil)
		time.Sleep(6 * time.Minute)
		k.wants(t, "soon", "end old, list 1, subscribe b!docs")
		k.stop()
	})
}

func TestASubscriptionThatVanishedIsMadeAnew(t *testing.T) {
	for name, test := range map[string]struct {
		lose  func(*kept)
		wait  time.Duration
		calls string
	}{
		"nobody says so": {func(k *kept) { delete(k.subs, "s1") }, 24*time.Hour + time.Minute, "list 0, subscribe b!docs"},
		"the service says so": {func(k *kept) {
			delete(k.subs, "s1")
			k.inbox.post(body(one("s1", k.secrets["s1"], "lifecycleEvent", "subscriptionRemoved")))
		}, 2 * time.Minute, "renew s1, subscribe b!docs"},
		"a renewal says so": {func(k *kept) {
			delete(k.subs, "s1")
			k.inbox.post(body(one("s1", k.secrets["s1"], "lifecycleEvent", "reauthorizationRequired")))
		}, 2 * time.Minute, "renew s1, subscribe b!docs"},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := keep(t, nil)
			k.Want([]Drive{docs})
			k.wants(t, name, "list 0, subscribe b!docs")
			k.while(func() { test.lose(k) })
			time.Sleep(test.wait)
			k.wants(t, name, test.calls)
			if !k.is(docs) || k.left() != 1 {
				t.Errorf("%s: covered %v, %v", name, k.is(docs), k.left())
			}
			if k.inbox.post(body(one("s1", k.secrets["s1"]))); k.inbox.Counts().Unknown != 1 {
				t.Errorf("%s: the old one is still known: %+v", name, k.inbox.Counts())
			}
			k.stop()
		})
	}
}

// TestARemovalThatComesLateDoublesNothing hears of the end of a subscription when another has taken its place.
func TestARemovalThatComesLateDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, nil)
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		time.Sleep(time.Hour)
		k.while(func() {
			delete(k.subs, "s1")
			k.inbox.post(body(one("s1", k.secrets["s1"], "lifecycleEvent", "reauthorizationRequired")))
		})
		k.wants(t, "replaced", "renew s1, subscribe b!docs")
		k.Hear(docs, Removed) // was believed before
		k.wants(t, "at once", "renew s2")
		for range 100 {
			k.Hear(docs, Removed)
			time.Sleep(time.Second)
		}
		k.wants(t, "over and over", "renew s2")
		if k.left() != 1 || !k.is(docs) {
			t.Errorf("%d subscriptions, covered %v", k.left(), k.is(docs))
		}
		k.stop()
	})
}

// while the service is not at work.
func (k *kept) while(f func()) {
	synctest.Wait()
	k.desk.mu.Lock()
	defer k.desk.mu.Unlock()
	f()
}

func TestReauthorizationRenewsAtOnceButNotWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, nil)
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		time.Sleep(time.Hour)
		again := func() { k.inbox.post(body(one("s1", k.secrets["s1"], "lifecycleEvent", "reauthorizationRequired"))) }
		again()
		k.wants(t, "asked", "renew s1")
		for range 100 { // replayed
			again()
			time.Sleep(time.Second)
		}
		if n := strings.Count(k.done(), "renew"); n > 2 {
			t.Errorf("renewed %d times in 100 seconds", n)
		}
		if len(k.inbox.heard) != 101 { // each leads to a look, too (W16)
			t.Errorf("heard %d", len(k.inbox.heard))
		}
		k.stop()
	})
}

func TestARefusedSubscriptionIsTriedLessAndLessOftenAndTheDriveIsPolled(t *testing.T) {
	denied := &graph.Error{Op: "subscribe", Status: 403, Code: "accessDenied"}
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, func(d *desk) { d.refuse = denied })
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		if covered, said := k.is(docs), k.refusals(); covered || len(said) != 1 || !errors.Is(said[0], denied) {
			t.Errorf("covered %v, refused %v", k.is(docs), k.refusals())
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := strings.Count(k.done(), "subscribe"); n < 6 || n > 12 {
			t.Errorf("%d tries in a day", n)
		}
		k.refuses(nil)
		time.Sleep(6*time.Hour + time.Minute)
		synctest.Wait()
		if !k.is(docs) || k.left() != 1 {
			t.Errorf("afterwards covered %v, %v", k.is(docs), k.left())
		}
		k.stop()
	})
}

func TestARenewalThatFailsLeavesTheDriveToPollingUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, nil)
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		k.refuses(&graph.Error{Op: "renew subscription", Status: 403, Code: "accessDenied"})
		time.Sleep(24*time.Hour + time.Minute)
		synctest.Wait()
		if k.is(docs) || len(k.refusals()) == 0 {
			t.Errorf("covered %v, refused %v", k.is(docs), k.refusals())
		}
		if k.inbox.post(body(one("s1", k.secrets["s1"]))); k.inbox.Counts().Accepted != 1 {
			t.Error("what still comes is not believed")
		}
		k.refuses(nil)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if !k.is(docs) || k.left() != 1 {
			t.Errorf("afterwards covered %v, %v", k.is(docs), k.left())
		}
		k.stop()
	})
}

func TestLeavingTakesNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, nil)
		k.Want([]Drive{docs})
		k.wants(t, "at first", "list 0, subscribe b!docs")
		k.Keeper.Service = func(string) (Service, error) { return slow{k.desk}, nil }
		began := time.Now()
		k.stop()
		if took := time.Since(began); took > farewell {
			t.Errorf("it took %s", took)
		}
		if !strings.Contains(k.log.String(), "it expires by itself") || len(k.refusals()) != 0 {
			t.Errorf("the log says %q, refused %v", k.log, k.refusals())
		}
	})
}

// slow never answers the end of a subscription.
type slow struct{ *desk }

func (slow) Unsubscribe(ctx context.Context, _ graph.SubscriptionID) error {
	<-ctx.Done()
	return ctx.Err()
}
