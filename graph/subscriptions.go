package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// SubscriptionID names a subscription to change notifications.
type SubscriptionID string

// Subscription asks the service to tell an address when something below the root of a drive changed. Only roots can be
// subscribed on business drives (W1).
type Subscription struct {
	ID       SubscriptionID
	Drive    DriveID // of the resource, "" if that is not the root of a drive
	Resource string
	Address  string    // notificationUrl
	Expires  time.Time // as granted, which need not be as asked for (W4)
}

// NewSubscription is what a subscription is made from.
type NewSubscription struct {
	Drive   DriveID
	Address string // of notifications and of lifecycle events
	// Secret comes back with every notification as its clientState (W11). The service hands it out to nobody else.
	Secret  string
	Expires time.Time
}

// MaxClientState is how long the secret of a subscription may be (W11).
const MaxClientState = 128

// unitsSubscription is what a call about subscriptions is counted as; the table of costs does not name them (T10).
const unitsSubscription = 2

// timeOfSubscription is the form of times in requests.
const timeOfSubscription = "2006-01-02T15:04:05Z"

// Subscribe makes a subscription. The service asks the address for its consent before it answers, so something must
// listen there already (W5). The call is not repeated when its outcome is unknown: a second subscription would be left
// over; list them instead.
func (c *Client) Subscribe(ctx context.Context, n NewSubscription) (Subscription, error) {
	return c.changeSubscription(ctx, "subscribe", "/subscriptions", write{method: http.MethodPost, once: true}, map[string]string{
		"changeType":               "updated", // the only one that drives know (W3)
		"resource":                 "drives/" + string(n.Drive) + "/root",
		"notificationUrl":          n.Address,
		"lifecycleNotificationUrl": n.Address, // can be given only now (W14)
		"clientState":              n.Secret,
		"expirationDateTime":       n.Expires.UTC().Format(timeOfSubscription),
	})
}

// RenewSubscription prolongs a subscription, which also authorizes it anew (W13).
func (c *Client) RenewSubscription(ctx context.Context, id SubscriptionID, until time.Time) (Subscription, error) {
	return c.changeSubscription(ctx, "renew subscription", subscriptionPath(id), write{method: http.MethodPatch},
		map[string]string{"expirationDateTime": until.UTC().Format(timeOfSubscription)})
}

// Unsubscribe ends a subscription. One that is gone already is no error.
func (c *Client) Unsubscribe(ctx context.Context, id SubscriptionID) error {
	k := c.path("unsubscribe", subscriptionPath(id), unitsSubscription, nil)
	k.write = &write{method: http.MethodDelete}
	err := c.do(ctx, k)
	if e, ok := AsError(err); ok && e.IsNotFound() {
		return nil
	}
	return err
}

// Subscriptions lists the subscriptions of the application.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return gather(all(ctx, c, "list subscriptions", "/subscriptions", unitsSubscription, func(s *scanner, into *Subscription) bool {
		s.subscription(into)
		return true
	}))
}

func subscriptionPath(id SubscriptionID) string { return "/subscriptions/" + escape(string(id)) }

// changeSubscription sends a body and reads the subscription that comes back.
func (c *Client) changeSubscription(ctx context.Context, op, path string, w write, body map[string]string) (Subscription, error) {
	var err error
	if w.body, err = json.Marshal(body); err != nil {
		return Subscription{}, opError(op, err)
	}
	var result Subscription
	k := c.path(op, path, unitsSubscription, func(answer []byte, h http.Header) error {
		return parse(op, answer, h, func(s *scanner) {
			result = Subscription{}
			s.subscription(&result)
		})
	})
	k.write = &w
	err = c.do(ctx, k)
	return result, err
}

// subscription reads one subscription. Its clientState is not kept: whoever made it knows it.
func (s *scanner) subscription(into *Subscription) {
	s.object(func(key []byte) {
		switch string(key) {
		case "id":
			into.ID = SubscriptionID(s.text())
		case "resource":
			into.Resource = s.text()
		case "notificationUrl":
			into.Address = s.text()
		case "expirationDateTime":
			into.Expires = s.time()
		default:
			s.skip()
		}
	})
	into.Drive = driveOfResource(into.Resource)
	if into.ID == "" {
		s.note("a subscription has no id")
	}
}

// driveOfResource is the drive whose root a resource names.
func driveOfResource(resource string) DriveID {
	parts := strings.Split(strings.Trim(resource, "/"), "/")
	if len(parts) != 3 || !strings.EqualFold(parts[0], "drives") || !strings.EqualFold(parts[2], "root") {
		return ""
	}
	return DriveID(parts[1])
}

// IsSubscriptionLimit tells whether the service keeps no more subscriptions for this application. The code is one for
// many failures, so the words decide (W21).
func (e *Error) IsSubscriptionLimit() bool {
	return e.Status == http.StatusForbidden && strings.Contains(strings.ToLower(e.Message), "maximum number of subscriptions")
}

// IsUnvalidated tells whether the service did not get its consent from the address of a subscription (W5): it is not
// reachable from outside, or something else answers there.
func (e *Error) IsUnvalidated() bool {
	return e.Status == http.StatusBadRequest && (e.HasCode("ValidationError") || strings.Contains(strings.ToLower(e.Message), "validation request"))
}
