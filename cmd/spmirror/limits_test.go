package main

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/sandbox"
)

func TestAllLimitsOfATenantReachItsGate(t *testing.T) {
	tenant := &config.Tenant{Name: "contoso", Limits: config.Limits{RequestsInFlight: 3, RequestsPerMinute: 250, Bandwidth: 5 << 20, QuietHours: "22:30-06:00"}}
	got, err := gateConfig(tenant, connecting{networkWait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	quiet := graph.QuietHours{From: 22*time.Hour + 30*time.Minute, To: 6 * time.Hour}
	if got.Tenant != "contoso" || got.InFlight != 3 || got.PerMinute != 250 || got.Bandwidth != 5<<20 || got.QuietHours != quiet || got.NetworkWait != time.Hour {
		t.Errorf("%+v", got)
	}
}

// atMost is a handler that notes how many requests it had at once.
type atMost struct {
	next     http.Handler
	now, max atomic.Int64
}

func (h *atMost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for {
		most := h.max.Load()
		if n <= most || h.max.CompareAndSwap(most, n) {
			break
		}
	}
	time.Sleep(2 * time.Millisecond) // others would come meanwhile
	h.next.ServeHTTP(w, r)
}

func TestRequestsInFlightAreNeverMoreThanTheLimit(t *testing.T) {
	for _, test := range []struct {
		limits string
		most   int64
	}{
		{"requests_in_flight = 2", 2},
		{`quiet_hours = "00:00-23:59"`, 1},
		{"requests_in_flight = 12", 12},
	} {
		if strings.HasPrefix(test.limits, "quiet") && time.Now().Format("15:04") == "23:59" {
			continue
		}
		w, l := newLinedWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 150, Size: 500}}, func(*line, int64) {})
		count := &atMost{}
		l.wrap(func(next http.Handler) http.Handler { count.next = next; return count })
		text, err := os.ReadFile(w.path("main.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		w.write("main.hcl", strings.Replace(string(text), `auth "client_secret" {`, "limits {\n"+test.limits+"\n}\n\nauth \"client_secret\" {", 1))
		w.run(exitOK, "apply", "-auto-approve")
		if got := count.max.Load(); got > test.most || test.most > 2 && got <= 2 {
			t.Errorf("%s: %d requests at once", test.limits, got)
		}
		w.matchesTenant()
	}
}
