package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/view"
)

// withRoles is the demonstration tenant with an application that has these permissions.
func withRoles(roles ...string) sandbox.Options {
	o := sandbox.Demo(1)
	o.Apps[0].Roles = append([]string{}, roles...)
	return o
}

const peopleMirror = `
mirror "docs" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "mirror"
}
`

// doctor runs doctor -json and returns its checks by area and name.
func (w *world) doctor(want int) map[string]view.DoctorCheck {
	w.t.Helper()
	out := w.run(want, "doctor", "-json")
	var report view.DoctorReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		w.t.Fatalf("%v in %s", err, out)
	}
	found := map[string]view.DoctorCheck{}
	for _, c := range report.Checks {
		found[c.Area+" "+c.Check] = c
	}
	return found
}

func TestTheDoctorSaysWhatTheTokenPermitsAndNeverShowsIt(t *testing.T) {
	for _, test := range []struct {
		roles           []string
		exit            int
		status          view.CheckStatus
		message, advice string
		source          string // advice of the failed source, "" if it can be read
	}{
		{[]string{"Sites.Read.All"}, exitOK, view.CheckOK, "Sites.Read.All", "", ""},
		{[]string{"Sites.Selected"}, exitOK, view.CheckOK, "each site needs a grant", "", ""},
		{[]string{"Files.Read.All", "Sites.ReadWrite.All"}, exitOK, view.CheckWarn, "more than is needed: Sites.ReadWrite.All", "spmirror only reads", ""},
		{[]string{"Files.Read.All"}, exitError, view.CheckOK, "Files.Read.All", "", "Files.Read.All is enough where the library is named by drive_id.\nThe token has Files.Read.All."},
		{nil, exitError, view.CheckWarn, "the token has none", "docs/permissions.md", "Grant the application permission Sites.Read.All, or Sites.Selected with a grant"},
	} {
		w := tenantWorld(t, withRoles(test.roles...), peopleMirror)
		checks := w.doctor(test.exit)
		got := checks["tenant permissions"]
		if got.Status != test.status || !strings.Contains(got.Message, test.message) || !strings.Contains(got.Advice, test.advice) {
			t.Errorf("%v: %+v", test.roles, got)
		}
		if source := checks["source drive"]; (source.Status == view.CheckFail) != (test.source != "") || !strings.Contains(source.Advice, test.source) {
			t.Errorf("%v: %+v", test.roles, source)
		}
		if network := checks["tenant network"]; network.Status != view.CheckOK || !strings.Contains(network.Message, "TLS 1.3") {
			t.Errorf("%v: %+v", test.roles, network)
		}
		for _, form := range []string{"-json", "-no-color"} {
			if out := w.run(test.exit, "doctor", form); strings.Contains(out, "eyJ") || strings.Contains(out, sandbox.DemoSecret) {
				t.Errorf("%v: a token or secret is shown\n%s", test.roles, out)
			}
		}
		w.wellBehaved()
	}
}

func TestTheDoctorTellsAWrongSecretAndAWrongAuthority(t *testing.T) {
	w := tenantWorld(t, withRoles("Sites.Read.All"), peopleMirror)
	w.env = append(w.env, "SPMIRROR_VAR_secret=wrong")
	checks := w.doctor(exitError)
	if c := checks["tenant sign-in"]; c.Status != view.CheckFail || !strings.Contains(c.Message, "AADSTS") || c.Advice == "" {
		t.Errorf("a wrong secret: %+v", c)
	}
	if c := checks["source drive"]; c.Status != view.CheckSkip {
		t.Errorf("the source was looked at: %+v", c)
	}

	w = tenantWorld(t, withRoles("Sites.Read.All"), peopleMirror)
	other, err := sandbox.New(sandbox.Demo(2))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	server, err := other.Start(context.Background(), sandbox.ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w.write("ca.pem", string(server.CAPEM()))
	if c := w.doctor(exitError)["tenant sign-in"]; c.Status != view.CheckFail || !strings.Contains(c.Message, "certificate") {
		t.Errorf("a wrong authority: %+v", c)
	}
}

func TestTheDoctorComparesTheClockWithTheServices(t *testing.T) {
	w := tenantWorld(t, withRoles("Sites.Read.All"), peopleMirror)
	for _, test := range []struct {
		shift  time.Duration
		status view.CheckStatus
		words  string
	}{
		{0, view.CheckOK, "agrees"}, {2 * time.Minute, view.CheckWarn, "2m0s ahead of"}, {-time.Hour, view.CheckFail, "1h0m0s behind"},
	} {
		env := quietEnvironment(t)
		env.now = func() time.Time { return time.Now().Add(test.shift) }
		s, err := newSession(env, w.load(), "never")
		if err != nil {
			t.Fatal(err)
		}
		s.notify(false)
		d := &doctor{session: s}
		d.tenants(t.Context())
		s.close()
		var clock view.DoctorCheck
		for _, c := range d.checks {
			if c.Check == "clock" {
				clock = c
			}
		}
		if clock.Status != test.status || !strings.Contains(clock.Message, test.words) {
			t.Errorf("a clock that is %s off: %+v", test.shift, clock)
		}
	}
}

func TestTheDoctorSaysWhatDataBlocksNeed(t *testing.T) {
	const configuration = `
data "sites" "all" {}

mirror "each" {
  for_each = data.sites.all.sites
  site_id  = each.value.id
  target   = "./mirror/${slug("s${each.key}")}"
}
`
	w := tenantWorld(t, withRoles("Sites.Selected"), configuration)
	if c := w.doctor(exitError)["config data"]; c.Status != view.CheckFail || c.Subject != "data.sites.all" || !strings.HasPrefix(c.Advice, "Grant Sites.Read.All; ") {
		t.Errorf("a list that is refused: %+v", c)
	}
	w = tenantWorld(t, withRoles("Sites.Read.All"), configuration)
	checks := w.doctor(exitOK)
	if c := checks["config data"]; c.Status != view.CheckOK || !strings.Contains(c.Message, "mirrors declared with it: 3") {
		t.Errorf("data that can be read: %+v", c)
	}
	if c := checks["source drive"]; c.Status != view.CheckOK || !strings.HasPrefix(c.Subject, "mirror.each[") {
		t.Errorf("a mirror that depends on data: %+v", c)
	}
}
