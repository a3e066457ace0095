package graph

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const subscriptionBody = `{"id":"s1","resource":"/drives/b!x/root","notificationUrl":"https://n.example/hook","clientState":null,` +
	`"expirationDateTime":"2026-06-25T03:58:34.0880000Z","applicationId":"a"}`

func TestASubscriptionIsMadeForTheRootOfADrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := false
		c := over(t, func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			if err != nil || req.ContentLength != int64(len(body)) || req.Header.Get("Content-Type") != "application/json" {
				t.Errorf("length %d of %d, type %q, %v", req.ContentLength, len(body), req.Header.Get("Content-Type"), err)
			}
			var sent map[string]string
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"changeType": "updated", "resource": "drives/b!x/root", "notificationUrl": "https://n.example/hook",
				"lifecycleNotificationUrl": "https://n.example/hook", "clientState": "s3cret", "expirationDateTime": "2026-06-25T03:58:34Z",
			} {
				if sent[name] != want {
					t.Errorf("%s is %q", name, sent[name])
				}
			}
			if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Opaque, "/v1.0/subscriptions") {
				t.Errorf("%s %s", req.Method, req.URL.Opaque)
			}
			if !refused { // the second attempt, with another token, has the body too
				refused = true
				return jsonAnswer(401, `{"error":{"code":"InvalidAuthenticationToken"}}`), nil
			}
			return jsonAnswer(201, subscriptionBody), nil
		})
		until := time.Date(2026, 6, 25, 3, 58, 34, 0, time.UTC)
		s, err := c.Subscribe(t.Context(), NewSubscription{Drive: "b!x", Address: "https://n.example/hook", Secret: "s3cret", Expires: until})
		if err != nil || s.ID != "s1" || s.Drive != "b!x" || !s.Expires.Equal(until.Add(88*time.Millisecond)) {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}

func TestACallWhoseOutcomeIsUnknownIsNotRepeatedWhenItMakesSomething(t *testing.T) {
	for name, test := range map[string]struct {
		status      int
		make, renew int // attempts
	}{
		"a gateway that gave up": {504, 1, maxTransient},
		"a server error":         {500, 1, maxTransient},
	} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			send := func(*http.Request) (*http.Response, error) {
				attempts++
				return jsonAnswer(test.status, "", "Retry-After", "1"), nil
			}
			c := over(t, send)
			if _, err := c.Subscribe(t.Context(), NewSubscription{Drive: "d"}); err == nil || attempts != test.make {
				t.Errorf("%s: subscribe was tried %d times, %v", name, attempts, err)
			}
			attempts = 0
			c = over(t, send) // the gate of the first has given up
			if _, err := c.RenewSubscription(t.Context(), "s", time.Now()); err == nil || attempts != test.renew {
				t.Errorf("%s: renew was tried %d times, %v", name, attempts, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			if attempts++; attempts < 3 { // the service did not look at it
				return jsonAnswer(429, "", "Retry-After", "1"), nil
			}
			return nil, errors.New("connection reset by peer")
		})
		if _, err := c.Subscribe(t.Context(), NewSubscription{Drive: "d"}); err == nil || attempts != 3 {
			t.Errorf("subscribe was tried %d times, %v", attempts, err)
		}
	})
}

func TestSubscriptionsAreRenewedListedAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		c := over(t, func(req *http.Request) (*http.Response, error) {
			asked = append(asked, req.Method+" "+strings.TrimPrefix(req.URL.Opaque, "/v1.0"))
			switch req.Method {
			case http.MethodPatch:
				return jsonAnswer(202, subscriptionBody), nil
			case http.MethodDelete:
				if len(asked) > 3 {
					return jsonAnswer(404, `{"error":{"code":"ResourceNotFound"}}`), nil
				}
				return response(200, ""), nil
			}
			return jsonAnswer(200, `{"value":[`+subscriptionBody+`,{"id":"s2","resource":"me/messages","notificationUrl":"https://o.example/"}]}`), nil
		})
		if s, err := c.RenewSubscription(t.Context(), "s/1", time.Now()); err != nil || s.ID != "s1" {
			t.Errorf("%+v, %v", s, err)
		}
		list, err := c.Subscriptions(t.Context())
		if err != nil || len(list) != 2 || list[0].Address != "https://n.example/hook" || list[1].Drive != "" {
			t.Errorf("%+v, %v", list, err)
		}
		for range 2 { // gone already is as good
			if err := c.Unsubscribe(t.Context(), "s1"); err != nil {
				t.Error(err)
			}
		}
		want := []string{"PATCH /subscriptions/s%2F1", "GET /subscriptions", "DELETE /subscriptions/s1", "DELETE /subscriptions/s1"}
		if strings.Join(asked, "\n") != strings.Join(want, "\n") {
			t.Errorf("asked %q", asked)
		}
	})
}

func TestRefusedSubscriptionsSayWhy(t *testing.T) {
	for _, test := range []struct {
		name, body                 string
		status                     int
		limit, unvalidated, access bool
	}{
		{"limit", "", 403, true, false, true}, // the observed answer
		{"permission", `{"error":{"code":"accessDenied","message":"The caller does not have permission."}}`, 403, false, false, true},
		{"unvalidated", `{"error":{"code":"ValidationError","message":"The server committed a protocol violation."}}`, 400, false, true, false},
		{"unvalidated in words", `{"error":{"code":"InvalidRequest","message":"Subscription validation request failed. Response must exactly match validationToken query parameter."}}`, 400, false, true, false},
		{"expiration", `{"error":{"code":"InvalidRequest","message":"Subscription expiration can only be 42300 minutes in the future."}}`, 400, false, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			body := test.body
			if body == "" {
				body = string(example(t, "error-subscription-limit-403-observed.json"))
			}
			c := over(t, func(*http.Request) (*http.Response, error) { return jsonAnswer(test.status, body), nil })
			_, err := c.Subscribe(t.Context(), NewSubscription{Drive: "d", Secret: "s3cret"})
			e, ok := AsError(err)
			if !ok || e.IsSubscriptionLimit() != test.limit || e.IsUnvalidated() != test.unvalidated || e.IsAccess() != test.access {
				t.Errorf("%s: %v", test.name, err)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the error has the secret: %v", test.name, err)
			}
		})
	}
}

func TestOnlyRootsOfDrivesAreTakenForDrives(t *testing.T) {
	for resource, want := range map[string]DriveID{
		"drives/b!x/root": "b!x", "/drives/b!x/root": "b!x", "/Drives/b!x/Root/": "b!x",
		"": "", "drives//root": "", "drives/b!x": "", "drives/b!x/items/1": "", "me/drive/root": "", "users/u/drive/root": "", "drives/b!x/root/x": "",
	} {
		if got := driveOfResource(resource); got != want {
			t.Errorf("%q: %q, want %q", resource, got, want)
		}
	}
}
