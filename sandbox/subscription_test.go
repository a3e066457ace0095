package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// endpoint is where notifications go. It keeps them and answers what it is told to.
type endpoint struct {
	*httptest.Server
	told   chan map[string]any
	mu     sync.Mutex
	status int // of answers to notifications
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{told: make(chan map[string]any, 100), status: http.StatusAccepted}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token)
			return
		}
		var body struct{ Value []map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Value) != 1 {
			t.Errorf("a notification: %v, %v", body, err)
			return
		}
		e.mu.Lock()
		status := e.status
		e.mu.Unlock()
		w.WriteHeader(status)
		body.Value[0]["answered"] = status
		e.told <- body.Value[0]
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) answer(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// next waits for a notification.
func (e *endpoint) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case n := <-e.told:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
		return nil
	}
}

// silent wants nothing to have been told when all that was queued is out.
func (e *endpoint) silent(t *testing.T, tn *Tenant) {
	t.Helper()
	for len(tn.subs.queue) > 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case n := <-e.told:
		t.Errorf("told: %v", n)
	case <-time.After(30 * time.Millisecond):
	}
}

// subscribed makes a tenant with one subscription.
func subscribed(t *testing.T, script string) (*Tenant, *Drive, *endpoint, string) {
	t.Helper()
	e := newEndpoint(t)
	tn, d := smallTenant(t, func(o *Options) { o.Script = script; o.Notifier = e.Client() })
	status, made := subscriptionCall(tn, http.MethodPost, "", subscriptionOf(d, e.URL+"/hook", tn.now().Add(48*time.Hour)))
	if status != http.StatusCreated || made["clientState"] != "s3cret" {
		t.Fatalf("%d: %v", status, made)
	}
	id, _ := made["id"].(string)
	return tn, d, e, id
}

func subscriptionOf(d *Drive, address string, until time.Time) string {
	body, _ := json.Marshal(map[string]string{
		"changeType": "updated", "notificationUrl": address, "lifecycleNotificationUrl": address, "clientState": "s3cret",
		"resource": "drives/" + string(d.id) + "/root", "expirationDateTime": until.UTC().Format(time.RFC3339),
	})
	return string(body)
}

func subscriptionCall(tn *Tenant, method, path, body string) (int, map[string]any) {
	r := httptest.NewRequest(method, "https://graph.microsoft.com/v1.0/subscriptions"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+DemoToken)
	r.Header.Set("User-Agent", agent)
	w := httptest.NewRecorder()
	tn.Handler().ServeHTTP(w, r)
	var answer map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return w.Code, answer
}

func TestTheSecretOfASubscriptionIsShownOnce(t *testing.T) {
	tn, _, _, id := subscribed(t, "")
	for _, path := range []string{"", "/" + id} {
		status, answer := subscriptionCall(tn, http.MethodGet, path, "")
		text, _ := json.Marshal(answer)
		if status != 200 || !strings.Contains(string(text), id) || strings.Contains(string(text), "s3cret") {
			t.Errorf("GET %s: %d %s", path, status, text)
		}
	}
}

func TestAnAddressElsewhereIsNeverCalled(t *testing.T) {
	tn, d, _, _ := subscribed(t, "")
	for _, address := range []string{"https://attacker.example/", "http://169.254.169.254/", "https://127.0.0.1.attacker.example/", "ftp://127.0.0.1/", "http://u@127.0.0.1/", "", "://"} {
		if status, answer := subscriptionCall(tn, http.MethodPost, "", subscriptionOf(d, address, tn.now().Add(time.Hour))); status != 400 && address != "" {
			t.Errorf("%s: %d %v", address, status, answer)
		}
	}
}

func TestASubscriptionMayBeRefusedByScript(t *testing.T) {
	e := newEndpoint(t)
	tn, d := smallTenant(t, func(o *Options) {
		o.Script = "fault on=validation message=unreachable times=1\nfault on=subscriptions status=403 skip=1 times=1"
		o.Notifier = e.Client()
	})
	want := []int{400, 403, 201}
	for i, status := range want {
		if got, answer := subscriptionCall(tn, http.MethodPost, "", subscriptionOf(d, e.URL, tn.now().Add(time.Hour))); got != status {
			t.Errorf("call %d: %d %v, want %d", i+1, got, answer, status)
		}
	}
}

func TestNotificationsAreLostDoubledAndForgedByScript(t *testing.T) {
	tn, d, e, id := subscribed(t, "fault on=notification action=lose times=1\nfault on=notification action=duplicate times=1\nfault on=notification action=forge body=wrong times=1")
	edit := func() { mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"}) }
	edit()
	e.silent(t, tn)
	edit()
	for range 2 {
		if n := e.next(t); n["clientState"] != "s3cret" || n["subscriptionId"] != id || n["lifecycleEvent"] != nil {
			t.Errorf("doubled: %v", n)
		}
	}
	edit()
	if n := e.next(t); n["clientState"] != "wrong" {
		t.Errorf("forged: %v", n)
	}
	edit()
	if n := e.next(t); n["clientState"] != "s3cret" {
		t.Errorf("ordinary: %v", n)
	}
}

func TestANotificationThatWasNotTakenComesAgain(t *testing.T) {
	tn, d, e, _ := subscribed(t, "")
	e.answer(http.StatusServiceUnavailable)
	mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
	if n := e.next(t); n["answered"] != 503 {
		t.Fatalf("%v", n)
	}
	e.answer(http.StatusAccepted)
	if n := e.next(t); n["answered"] != 202 {
		t.Errorf("%v", n)
	}
}

func TestASubscriptionFallsSilentUntilItIsAuthorizedAnew(t *testing.T) {
	for name, renew := range map[string]func(*Tenant, string) int{
		"renewed": func(tn *Tenant, id string) int {
			status, _ := subscriptionCall(tn, http.MethodPatch, "/"+id, `{"expirationDateTime":"`+tn.now().Add(72*time.Hour).UTC().Format(time.RFC3339)+`"}`)
			return status - 200
		},
		"reauthorized": func(tn *Tenant, id string) int {
			status, _ := subscriptionCall(tn, http.MethodPost, "/"+id+"/reauthorize", "")
			return status - 204
		},
	} {
		tn, d, e, id := subscribed(t, "")
		if err := tn.Lifecycle(d.Address(), LifecycleReauthorize); err != nil {
			t.Fatal(err)
		}
		if n := e.next(t); n["lifecycleEvent"] != LifecycleReauthorize || n["clientState"] != "s3cret" || n["changeType"] != nil {
			t.Errorf("%s: %v", name, n)
		}
		mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
		e.silent(t, tn)
		if off := renew(tn, id); off != 0 {
			t.Errorf("%s: the status is off by %d", name, off)
		}
		mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
		if n := e.next(t); n["changeType"] != "updated" {
			t.Errorf("%s: %v", name, n)
		}
	}
}

func TestSubscriptionsEndWithOrWithoutAWord(t *testing.T) {
	for event, word := range map[string]bool{LifecycleRemoved: true, LifecycleVanish: false} {
		tn, d, e, id := subscribed(t, "")
		if err := tn.Lifecycle(d.Address(), event); err != nil {
			t.Fatal(err)
		}
		if word {
			if n := e.next(t); n["lifecycleEvent"] != event {
				t.Errorf("%s: %v", event, n)
			}
		}
		mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
		e.silent(t, tn)
		if status, _ := subscriptionCall(tn, http.MethodGet, "/"+id, ""); status != 404 {
			t.Errorf("%s: afterwards %d", event, status)
		}
	}
	tn, d, _, _ := subscribed(t, "")
	if tn.Lifecycle("nowhere", LifecycleMissed) == nil || tn.Lifecycle(d.Address(), "nonsense") == nil {
		t.Error("nonsense is accepted")
	}
}

func TestAnExpiredSubscriptionIsGone(t *testing.T) {
	e := newEndpoint(t)
	now := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	tn, d := smallTenant(t, func(o *Options) { o.Notifier = e.Client(); o.Now = func() time.Time { return now } })
	_, made := subscriptionCall(tn, http.MethodPost, "", subscriptionOf(d, e.URL, now.Add(time.Hour)))
	if len(tn.Subscriptions()) != 1 {
		t.Fatalf("%v", made)
	}
	now = now.Add(2 * time.Hour)
	mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
	e.silent(t, tn)
	id, _ := made["id"].(string)
	if status, _ := subscriptionCall(tn, http.MethodPatch, "/"+id, `{"expirationDateTime":"2024-05-02T00:00:00Z"}`); status != 404 || len(tn.Subscriptions()) != 0 {
		t.Errorf("a renewal answers %d, %v", status, tn.Subscriptions())
	}
}

func TestScriptsAndTheAdminEndpointKnowLifecycles(t *testing.T) {
	if _, err := ParseScript("lifecycle people/Documents event=missed\non 2 delta: lifecycle people/Documents event=vanish"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"lifecycle people/Documents", "lifecycle people/Documents x=y", "lifecycle"} {
		if _, err := ParseScript(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	tn, d, e, _ := subscribed(t, "")
	if _, err := tn.admin("POST lifecycle", []byte(`{"drive":"`+d.Address()+`","event":"missed"}`)); err != nil {
		t.Fatal(err)
	}
	if n := e.next(t); n["lifecycleEvent"] != LifecycleMissed {
		t.Errorf("%v", n)
	}
	if list, err := tn.admin("GET subscriptions", nil); err != nil || len(list.([]Subscribed)) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}
