package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

// tenants signs in to each tenant and asks it how it answers.
func (d *doctor) tenants(ctx context.Context) {
	d.roles, d.failed, d.networkWait = map[string][]string{}, map[string]bool{}, doctorWait
	for i := range d.cfg.Tenants {
		t := &d.cfg.Tenants[i]
		if !d.signsIn(ctx, t) {
			d.failed[t.Address] = true
			continue
		}
		d.answers(ctx, t)
	}
}

// signsIn gets a token and says for whom it is and what it permits.
func (d *doctor) signsIn(ctx context.Context, t *config.Tenant) bool {
	check := looked("tenant", t.Address, "sign-in")
	if diags := (&config.Config{Tenants: []config.Tenant{*t}}).Credentials(); diags.HasErrors() {
		d.fail(check, errors.New(diags[0].Detail), "Set the argument or the variable that it names.")
		return false
	}
	c, err := d.client(t.Address)
	if err != nil {
		d.fail(check, err, "")
		return false
	}
	token, err := c.tokens.Token(ctx, graph.TokenRequest{})
	if err != nil {
		d.fail(check, err, cmp.Or(hopelessAdvice(err), checkSignIn))
		return false
	}
	method := t.Auth.Method
	if t.Sandbox != nil {
		method = "sandbox"
	}
	claims, readable := readClaims(token)
	if !readable {
		d.ok(check, "a token was given (%s); it does not show what it permits", method)
		return true
	}
	d.ok(check, "a token was given (%s) to application %s in tenant %s", method, orDash(claims.App()), orDash(claims.Tenant))
	d.roles[t.Address] = claims.permissions()
	d.permitted(t, claims)
	return true
}

// permitted says which permissions the token holds, and which of them are more than is needed.
func (d *doctor) permitted(t *config.Tenant, claims tokenClaims) {
	check := looked("tenant", t.Address, "permissions")
	list := claims.permissions()
	var writing []string
	for _, p := range list {
		if strings.Contains(p, "Write") || strings.Contains(p, "FullControl") || strings.Contains(p, "Manage") {
			writing = append(writing, p)
		}
	}
	switch {
	case len(list) == 0:
		d.warn(check, "Grant an application permission, such as Files.Read.All or Sites.Selected, with the consent of an administrator;\nsee docs/permissions.md.",
			"the token has none: such a token is given all the same, and Graph refuses it later")
	case len(writing) > 0:
		d.warn(check, "spmirror only reads: Files.Read.All or Sites.Read.All is enough, Sites.Selected with a grant for each site is the least.",
			"%s; more than is needed: %s", strings.Join(list, ", "), strings.Join(writing, ", "))
	case slices.Contains(list, "Sites.Selected"):
		d.ok(check, "%s; each site needs a grant (role read), and nothing can be listed", strings.Join(list, ", "))
	default:
		d.ok(check, "%s", strings.Join(list, ", "))
	}
}

// tokenClaims is what a token says of itself. It is shown to people and decides nothing: an access
// token is meant for Graph, and may be of a form that nobody else can read.
type tokenClaims struct {
	AppID    string   `json:"appid"`
	Party    string   `json:"azp"`
	Tenant   string   `json:"tid"`
	Roles    []string `json:"roles"`
	Scopes   string   `json:"scp"`
	Audience string   `json:"aud"`
}

// App is the application's id, which older and newer tokens name differently.
func (c tokenClaims) App() string { return orText(c.AppID, c.Party) }

// permissions are those of the application and those that a person lent to it.
func (c tokenClaims) permissions() []string {
	list := append(slices.Clone(c.Roles), strings.Fields(c.Scopes)...)
	slices.Sort(list)
	return slices.Compact(list)
}

func readClaims(token string) (c tokenClaims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

// Differences of clocks. Assertions are valid for minutes (A3), and the login refuses those from the
// future; what is only odd makes times in reports wrong.
const (
	oddSkew = 30 * time.Second
	badSkew = 4 * time.Minute
)

// answers asks Graph how it answers at all.
func (d *doctor) answers(ctx context.Context, t *config.Tenant) {
	check := looked("tenant", t.Address, "network")
	c, err := d.client(t.Address)
	if err != nil {
		return // told before
	}
	p, err := c.Probe(ctx)
	if err != nil {
		d.failed[t.Address] = true
		d.fail(check, err, "Check DNS, firewall and proxy (HTTPS_PROXY, NO_PROXY) for "+cloudHost(t)+". A proxy that opens TLS needs its authority in the system's store.")
		return
	}
	via := "directly"
	if p.Proxy != "" {
		via = "through the proxy " + p.Proxy
	}
	d.ok(check, "Graph answers %s in %s, %s", via, p.Took.Round(time.Millisecond), orText(p.TLS, "without TLS"))
	check.Check = "clock"
	if p.Server.IsZero() {
		d.skip(check, "the service does not tell its time")
		return
	}
	// The header has whole seconds and was written somewhere on the way.
	skew := d.env.now().Sub(p.Server) - p.Took/2 - time.Second/2
	size := max(skew, -skew).Round(time.Second)
	side := "ahead of"
	if skew < 0 {
		side = "behind"
	}
	const advice = "Let the system keep the time (NTP): sign-in with a certificate or an identity of a pipeline fails with a wrong clock."
	switch {
	case size >= badSkew:
		d.fail(check, fmt.Errorf("this machine's clock is %s %s the service's", size, side), advice)
	case size >= oddSkew:
		d.warn(check, advice, "this machine's clock is %s %s the service's", size, side)
	default:
		d.ok(check, "agrees with the service's")
	}
}

func cloudHost(t *config.Tenant) string {
	if t.Sandbox != nil {
		return "loopback"
	}
	cloud := cloudOf(t)
	return cloud.Graph + " and " + cloud.Login
}
