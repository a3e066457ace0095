package sandbox

import (
	"cmp"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// device is a device code flow under way (A12).
type device struct {
	app     *App
	user    string
	scope   string // that was asked for at the beginning
	expires int64
	state   string // "", "authorized", "declined"
	polled  time.Time
}

// deviceCode begins a device code flow (A12).
func (c *call) deviceCode() {
	if err := c.r.ParseForm(); err != nil {
		c.tokenError(http.StatusBadRequest, "invalid_request", 900144, "The request body must be a form.")
		return
	}
	app := c.t.app(c.r.PostForm.Get("client_id"))
	if app == nil {
		c.tokenError(http.StatusBadRequest, "unauthorized_client", 700016, "The application was not found in the directory.")
		return
	}
	l := &c.t.login
	l.mu.Lock()
	l.serial++
	code := makeGUID(c.t.seed, "device", strconv.FormatUint(l.serial, 10), c.id)
	user := deviceUserCode(code)
	l.devices[code.String()] = &device{app: app, user: user, scope: c.r.PostForm.Get("scope"), expires: c.start.Add(deviceLifetime).Unix()}
	l.mu.Unlock()
	at := "https://microsoft.com/devicelogin"
	_ = c.sendJSON(http.StatusOK, map[string]any{"device_code": code.String(), "user_code": user, "verification_uri": at, "expires_in": int(deviceLifetime.Seconds()),
		"interval": int(deviceInterval.Seconds()), "message": "To sign in, use a web browser to open the page " + at + " and enter the code " + user + " to authenticate."})
}

func deviceUserCode(g guid) string {
	const letters = "BCDFGHJKLMNPQRSTVWXYZ23456789"
	n := binary.LittleEndian.Uint64(g[:8])
	b := make([]byte, 9)
	for i := range b {
		b[i], n = letters[n%uint64(len(letters))], n/uint64(len(letters))
	}
	return string(b)
}

// AuthorizeDevice ends a device code flow for the user code, granted or declined. "" means all.
func (t *Tenant) AuthorizeDevice(userCode string, granted bool) bool {
	t.login.mu.Lock()
	defer t.login.mu.Unlock()
	found := false
	for _, d := range t.login.devices {
		if userCode == "" || d.user == userCode {
			found = true
			d.state = "declined"
			if granted {
				d.state = "authorized"
			}
		}
	}
	return found
}

func (c *call) deviceToken(form url.Values) {
	l := &c.t.login
	l.mu.Lock()
	code := form.Get("device_code")
	d := l.devices[code]
	var state string
	var early bool
	if d != nil {
		state, early = d.state, !d.polled.IsZero() && c.start.Sub(d.polled) < deviceInterval-time.Second
		d.polled = c.start
		if state == "authorized" {
			delete(l.devices, code)
		}
	}
	l.mu.Unlock()
	switch {
	case d == nil:
		c.tokenError(http.StatusBadRequest, "bad_verification_code", 70020, "The device code is not recognised.")
	case c.start.Unix() >= d.expires:
		c.tokenError(http.StatusBadRequest, "expired_token", 70019, "The device code has expired.")
	case state == "declined":
		c.tokenError(http.StatusBadRequest, "authorization_declined", 70018, "The user declined.")
	case early && state == "":
		c.violate("device polling", "polled faster than the interval (A12)")
		c.tokenError(http.StatusBadRequest, "slow_down", 70016, "Polling too fast.")
	case state == "":
		c.tokenError(http.StatusBadRequest, "authorization_pending", 70016, "The user has not yet signed in.")
	default:
		c.grantPerson(d.app, cmp.Or(form.Get("scope"), d.scope), "Files.Read.All")
	}
}
