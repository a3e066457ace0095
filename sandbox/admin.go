package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

var errNoAdmin = errors.New("the admin endpoint knows no such call")

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// fromLoopback says whether a request comes from this machine and was meant for it: the name in Host
// is looked at as well, so that a web page cannot reach the endpoint under a name of its own.
func fromLoopback(r *http.Request) bool {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(remote) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(host)
}

// serveAdmin answers /_sandbox/…:
//
//	GET  stats, violations
//	POST reset                      forget counters
//	POST edit        Edit or [Edit] change the tenant
//	POST fault       Fault          add a rule;   DELETE fault removes all
//	POST throttle    Throttle
//	POST behaviour   Behaviour
//	POST script      text           follow a script
//	POST device      {"user_code","decline"}
//	POST revoke      {"token"}
//	POST claims                     challenge for claims
//	POST rescan      {"drive"}
//	GET  subscriptions
//	POST lifecycle   {"drive","event"} of subscriptions, see [Tenant.Lifecycle]
func (c *call) serveAdmin() {
	if !fromLoopback(c.r) {
		http.Error(c.w, "the admin endpoint answers on loopback only", http.StatusForbidden)
		return
	}
	what := strings.TrimPrefix(c.r.URL.Path, "/_sandbox/")
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, 16<<20))
	if err != nil {
		http.Error(c.w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := c.t.admin(c.r.Method+" "+what, body)
	if err != nil {
		http.Error(c.w, err.Error(), http.StatusBadRequest)
		return
	}
	if answer == nil {
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = c.sendJSON(http.StatusOK, answer)
}

// admin does what the admin endpoint was asked for.
func (t *Tenant) admin(what string, body []byte) (any, error) {
	switch what {
	case "GET stats":
		return t.Stats(), nil
	case "GET violations":
		return append([]Violation{}, t.Violations()...), nil
	case "POST reset":
		t.ResetStats()
	case "POST edit":
		return t.adminEdit(body)
	case "POST fault":
		return nil, decodeInto(body, t.AddFault)
	case "DELETE fault":
		t.ClearFaults()
	case "POST throttle":
		return nil, decodeInto(body, t.SetThrottle)
	case "POST behaviour":
		return nil, decodeInto(body, t.SetBehaviour)
	case "POST script":
		return nil, t.RunScript(string(body))
	case "POST device":
		return nil, decodeInto(body, func(v struct {
			UserCode string `json:"user_code"`
			Decline  bool   `json:"decline"`
		}) {
			t.AuthorizeDevice(v.UserCode, !v.Decline)
		})
	case "POST revoke":
		return nil, decodeInto(body, func(v struct{ Token string }) { t.Revoke(v.Token) })
	case "POST claims":
		t.ChallengeClaims()
	case "GET subscriptions":
		return t.Subscriptions(), nil
	case "POST lifecycle":
		var in struct{ Drive, Event string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return nil, t.Lifecycle(in.Drive, in.Event)
	case "POST rescan":
		var in struct{ Drive string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		d := t.Drive(in.Drive)
		if d == nil {
			return nil, ErrNoDrive
		}
		return nil, d.Rescan()
	default:
		return nil, errNoAdmin
	}
	return nil, nil
}

func decodeInto[T any](body []byte, use func(T)) error {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	use(v)
	return nil
}

func (t *Tenant) adminEdit(body []byte) (any, error) {
	var list []Edit
	if json.Unmarshal(body, &list) != nil {
		var one Edit
		if err := json.Unmarshal(body, &one); err != nil {
			return nil, err
		}
		list = []Edit{one}
	}
	ids := []ItemID{}
	for _, e := range list {
		id, err := t.Apply(e)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return map[string]any{"items": ids}, nil
}
