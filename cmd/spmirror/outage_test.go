package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// line is the way to a tenant, which can be cut and mended: nothing listens while it is cut.
type line struct {
	t       *testing.T
	address string
	handler http.Handler

	mu       sync.Mutex
	server   *http.Server
	listener net.Listener
}

// wrap puts something between the line and the tenant.
func (l *line) wrap(h func(http.Handler) http.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = h(l.handler)
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	h := l.handler
	l.mu.Unlock()
	h.ServeHTTP(w, r)
}

// newLinedWorld is a world whose tenant is reached over a line. after is called for every download that is answered.
func newLinedWorld(t *testing.T, library sandbox.DriveSpec, after func(l *line, nth int64)) (*world, *line) {
	t.Helper()
	w := newWorld(t, library)
	l := &line{t: t}
	var downloads atomic.Int64
	tenant := w.tenant.Handler()
	l.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		tenant.ServeHTTP(rw, r)
		if strings.HasSuffix(r.URL.Path, "/download.aspx") {
			after(l, downloads.Add(1))
		}
	})
	l.mend()
	t.Cleanup(l.cut)
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.NewReplacer(
		w.server.GraphURL, "http://"+l.address, w.server.LoginURL, "http://"+l.address,
		`ca_file = "ca.pem"`, "", "client_secret = var.secret", "",
	).Replace(string(text)))
	w.env = append(w.env, "ARM_CLIENT_SECRET="+sandbox.DemoSecret)
	return w, l
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	listener, err := net.Listen("tcp", firstOf(l.address, "127.0.0.1:0"))
	if err != nil {
		l.t.Error(err)
		return
	}
	l.address = listener.Addr().String()
	l.server, l.listener = &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second}, listener
	go func(s *http.Server) { _ = s.Serve(listener) }(l.server)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close() // the server may not have begun to listen
	_ = l.server.Close()
}

// said waits until the program has written a text to stderr.
func (w *world) said(text string) bool {
	for range 3000 {
		if data, err := os.ReadFile(w.path("stderr.txt")); err == nil && strings.Contains(string(data), text) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestAnApplyWaitsForALostNetworkAndGoesOn(t *testing.T) {
	w, l := newLinedWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 120, Size: 2000}}, func(l *line, nth int64) {
		if nth == 30 {
			go l.cut() // not from within a request that it would end
		}
	})
	mended := make(chan bool)
	go func() {
		lost := w.said("waiting for the network")
		l.mend()
		mended <- lost
	}()
	out := w.run(exitOK, "apply", "-auto-approve", "-report=report.json", "-json-into=events.jsonl")
	if !<-mended {
		t.Error("the loss is not said")
	}
	w.matchesTenant()
	if !strings.Contains(out, "because the network was gone") {
		t.Errorf("the summary does not count it:\n%s", out)
	}
	said, _ := os.ReadFile(w.path("stderr.txt"))
	if n := strings.Count(string(said), "waiting for the network"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, said)
	}
	var report struct {
		Traffic struct {
			Outages       int     `json:"outages"`
			OutageSeconds float64 `json:"outage_seconds"`
			Requests      int64   `json:"requests"`
			ResourceUnits int64   `json:"resource_units"`
		} `json:"traffic"`
	}
	w.readJSON("report.json", &report)
	if tr := report.Traffic; tr.Outages != 1 || tr.OutageSeconds <= 0 || tr.Requests < 120 || tr.ResourceUnits < 120 {
		t.Errorf("%+v", report)
	}
	events, _ := os.ReadFile(w.path("events.jsonl"))
	if n := strings.Count(string(events), `"type":"network"`); n != 2 || !strings.Contains(string(events), "refuses connections") {
		t.Errorf("%d events:\n%s", n, events)
	}
	if shown := w.run(exitOK, "runs", "show", "1"); !strings.Contains(shown, "Waited") || !strings.Contains(shown, "because the network was gone") {
		t.Errorf("runs show says\n%s", shown)
	}
}

func (w *world) readJSON(name string, into any) {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		w.t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
}

func TestAnApplyEndsInOrderWhenTheNetworkDoesNotReturn(t *testing.T) {
	w, l := newLinedWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 120, Size: 2000}}, func(l *line, nth int64) {
		if nth == 30 {
			go l.cut()
		}
	})
	w.run(exitOK, "plan", "-out=saved.spplan")
	w.env = append(w.env, "SPMIRROR_NETWORK_WAIT=2s")
	out := w.run(exitIncomplete, "apply", "-report=report.json", "saved.spplan")
	for _, want := range []string{"Apply incomplete.", "not finished, ", "SPM0509", "refuses connections, for ", "Run `spmirror apply"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	var report struct {
		Counts  struct{ Added, Failed int64 }
		Mirrors []struct {
			Left int64
			Code string
		}
	}
	w.readJSON("report.json", &report)
	if m := report.Mirrors[0]; report.Counts.Failed != 0 || m.Code != "SPM0509" || m.Left == 0 || report.Counts.Added == 0 {
		t.Errorf("%+v", report)
	}
	if out := w.run(exitError, "plan"); !strings.Contains(out, "SPM0509") {
		t.Errorf("a plan without network says\n%s", out)
	}
	l.mend()
	w.tenant.ResetStats()
	w.run(exitOK, "apply", "saved.spplan") // goes on where it was
	if got := w.tenant.Stats().Calls[sandbox.KindDownload]; got > 120-20 {
		t.Errorf("%d files were downloaded again", got)
	}
	w.matchesTenant()
	w.run(exitOK, "plan", "-detailed-exitcode")
}

func TestAThrottleLongerThanARunWaitsEndsItInOrder(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 120, Size: 2000}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Skip: 40, Times: 1, Status: 429, Header: map[string]string{"Retry-After": "2"}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Skip: 60, Status: 503, Pause: true, Header: map[string]string{"Retry-After": "3600"}})
	out := w.run(exitIncomplete, "apply", "-auto-approve", "-report=report.json", "-json-into=events.jsonl")
	for _, want := range []string{"Apply incomplete.", "not finished, ", "SPM0508", "asked for a pause of 1h0m0s, longer than the 10m0s that a run waits", "paused 1 time for 2 s because the service asked for it"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	var report struct {
		Counts  struct{ Added, Failed int64 }
		Traffic struct {
			Pauses int64
			Paused float64 `json:"paused_seconds"`
		}
	}
	w.readJSON("report.json", &report)
	if report.Counts.Failed != 0 || report.Counts.Added < 50 || report.Traffic.Pauses != 1 || report.Traffic.Paused < 2 {
		t.Errorf("%+v", report)
	}
	events, _ := os.ReadFile(w.path("events.jsonl"))
	if n := strings.Count(string(events), `"type":"throttle"`); n != 2 {
		t.Errorf("%d events:\n%s", n, events)
	}
	if n := w.tenant.Stats().InsidePause; n != 0 {
		t.Errorf("%d requests began inside a pause", n)
	}
	w.tenant.ClearFaults()
	w.tenant.SetThrottle(sandbox.Throttle{})
	w.run(exitOK, "apply", "-auto-approve")
	w.matchesTenant()
}

func TestFailFastEndsWithFour(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 120, Size: 2000}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Skip: 20, Times: 1, Status: 423})
	out := w.run(exitIncomplete, "apply", "-auto-approve", "-fail-fast", "-parallelism=2")
	for _, want := range []string{"Apply incomplete.", "not finished, ", " changes left  mirror.docs  SPM0516 -fail-fast: /", "1 failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if n := w.tenant.Stats().Calls[sandbox.KindDownload]; n > 30 {
		t.Errorf("%d files were asked for", n)
	}
	w.run(exitOK, "apply", "-auto-approve")
	w.matchesTenant()
}
