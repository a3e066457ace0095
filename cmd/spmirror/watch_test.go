package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// someFiles is a library with enough files that a few deletes pass the guards.
func someFiles() sandbox.DriveSpec {
	var spec sandbox.DriveSpec
	for _, name := range strings.Fields("a b c d e f g h i j") {
		spec.Files = append(spec.Files, sandbox.FileSpec{Path: "/folder/" + name + ".txt", Text: name})
	}
	return spec
}

// TestAWatchFollowsItsSource runs the real program against an emulated tenant that notifies it.
func TestAWatchFollowsItsSource(t *testing.T) {
	bin := buildBinary(t)
	for name, run := range map[string]func(*testing.T, string){
		"a notification leads to an apply":                     notified,
		"a notification leads to a plan":                       planned,
		"polling is silent and costs one request a drive":      polled,
		"a blocked plan is saved and the watch goes on":        blocked,
		"lost, doubled and forged notifications do no harm":    badlyNotified,
		"lapsed and removed subscriptions come back":           lapsed,
		"a killed watch is followed by another":                killed,
		"without a subscription it polls":                      unsubscribed,
		"the configuration is read again":                      reloaded,
		"a state in use and a drive in trouble are waited for": troubled,
		"a download under way is given up in order":            interrupted,
		"the second interrupt leaves at once":                  left,
		"killed at any moment, a watch leaves nothing double":  slain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, bin)
		})
	}
}

func notified(t *testing.T, bin string) {
	secrets := recordSecrets(t)
	w := newWorldOf(t, someFiles(), "", func(o *sandbox.Options) { o.Notifier = secrets.client() })
	v := keepVigil(t, bin, w, "-apply", "-metrics-file=watch.prom")
	v.looked("applied")
	v.subscribed(1)
	v.mirrors()
	v.put("/new.txt", "new")
	v.edit(sandbox.Edit{Op: sandbox.OpRename, Path: "/folder/a.txt", To: "renamed.txt"})
	v.looked("applied")
	eventually(t, "the mirror", func() bool { return len(w.differences()) == 0 })
	w.tenant.ResetStats()
	v.command(exitOK, "plan", "-detailed-exitcode") // it is settled, and nobody is in the way
	v.end(syscall.SIGTERM)
	w.wellBehaved()
	metrics, err := os.ReadFile(w.path("watch.prom"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`spmirror_last_success_timestamp_seconds{command="watch"}`, `spmirror_running{command="watch"} 0`, `spmirror_last_run_exit_code{command="watch"} 0`,
		`spmirror_items_total{mirror="mirror.docs",result="added"} 12`, `spmirror_requests_total{tenant="emulated",status="2xx"} `,
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("the metrics do not say %s:\n%s", want, metrics)
		}
	}
	for _, secret := range secrets.list() { // I-61
		if files := w.holds(secret); len(files) > 0 || strings.Contains(v.text(), secret) {
			t.Errorf("a clientState is in %v or in what was said", files)
		}
	}
}

// secrets are the clientStates that a tenant was given; they go by in what it sends.
type secrets struct {
	mu   sync.Mutex
	seen []string
}

func recordSecrets(t *testing.T) *secrets {
	t.Helper()
	s := &secrets{}
	t.Cleanup(func() {
		if len(s.list()) == 0 {
			t.Error("no secret went by: the search proves nothing")
		}
	})
	return s
}

func (s *secrets) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *secrets) client() *http.Client { return &http.Client{Transport: s} }

func (s *secrets) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if _, rest, ok := strings.Cut(string(text), `"clientState":"`); ok {
			secret, _, _ := strings.Cut(rest, `"`)
			s.mu.Lock()
			s.seen = append(s.seen, secret)
			s.mu.Unlock()
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func planned(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w)
	v.looked("changes")
	v.subscribed(1)
	v.put("/new.txt", "new")
	v.looked("changes")
	if _, err := os.Stat(w.path("mirror")); err == nil {
		t.Error("a plan made the target")
	}
	v.command(exitOK, "apply", "-auto-approve")
	v.mirrors()
	v.end(syscall.SIGINT)
}

func polled(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := startVigil(t, bin, w, "", "-apply", "-interval=5s")
	v.looked("applied")
	w.tenant.ResetStats()
	eventually(t, "two polls", func() bool { return w.tenant.Stats().Calls[sandbox.KindDelta] >= 2 })
	for kind, n := range w.tenant.Stats().Calls {
		if kind != sandbox.KindDelta && n > 0 {
			t.Errorf("%d calls for %s", n, kind)
		}
	}
	select {
	case e := <-v.events:
		t.Errorf("a poll without changes said %v", e)
	default:
	}
	v.put("/new.txt", "new")
	v.looked("applied")
	v.mirrors()
	v.end(syscall.SIGTERM)
	w.wellBehaved()
}

func blocked(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(text), "max_delete_count          = 1000000", "max_delete_count          = 2", 1))
	if err := os.Mkdir(w.path("plans"), 0o700); err != nil {
		t.Fatal(err)
	}
	v := keepVigil(t, bin, w, "-apply", "-out=plans")
	v.looked("applied")
	v.subscribed(1)
	v.edit(sandbox.Edit{Op: sandbox.OpDelete, Path: "/folder"})
	hook := v.looked("blocked")
	if len(w.differences()) == 0 {
		t.Error("the guard was overridden")
	}
	file, _ := hook["plan_file"].(string)
	if file == "" || filepath.Dir(file) != "plans" {
		t.Fatalf("the plan is in %q", file)
	}
	v.put("/new.txt", "still watching")
	file, _ = v.looked("blocked")["plan_file"].(string)
	v.command(exitOK, "apply", file, "-dangerous-override-guard=max_delete_count", "-reason=cleared away on purpose")
	v.mirrors()
	v.put("/another.txt", "and on")
	v.looked("applied")
	v.mirrors()
	v.end(syscall.SIGTERM)
}

func badlyNotified(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	v.subscribed(1)
	w.tenant.AddFault(sandbox.Fault{Name: "lost", On: []sandbox.Kind{sandbox.KindNotification}, Action: sandbox.ActionLose, Times: 1})
	w.tenant.AddFault(sandbox.Fault{Name: "forged", On: []sandbox.Kind{sandbox.KindNotification}, Action: sandbox.ActionForge, Body: "guess", Times: 1})
	w.tenant.AddFault(sandbox.Fault{Name: "doubled", On: []sandbox.Kind{sandbox.KindNotification}, Action: sandbox.ActionDuplicate, Times: 1})
	v.put("/lost.txt", "lost")
	eventually(t, "the loss", func() bool { return w.tenant.Stats().Faults["lost"] == 1 })
	v.put("/forged.txt", "forged")
	eventually(t, "the forgery", func() bool { return w.tenant.Stats().Faults["forged"] == 1 })
	v.put("/doubled.txt", "doubled")
	v.looked("applied") // makes up for all three
	v.mirrors()
	v.end(syscall.SIGTERM)
	if !strings.Contains(v.text(), `"forged":1`) {
		t.Error("the forgery was not counted")
	}
}

func lapsed(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	first := v.subscribed(1)
	if err := w.tenant.Lifecycle("people/Documents", sandbox.LifecycleRemoved); err != nil {
		t.Fatal(err)
	}
	v.put("/meanwhile.txt", "nobody is told of this")
	v.subscribed(1, first...)
	v.looked("applied")
	eventually(t, "the mirror", func() bool { return len(w.differences()) == 0 })
	v.end(syscall.SIGTERM)
}

func killed(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	before := v.subscribed(1)
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range v.events {
	}
	_ = v.cmd.Wait() // killed
	v.put("/meanwhile.txt", "nobody listened")
	again := v.again("-apply")
	again.looked("applied")
	again.mirrors()
	again.subscribed(1, before...)
	again.put("/later.txt", "heard")
	again.looked("applied")
	again.mirrors()
	again.end(syscall.SIGTERM)
}

func unsubscribed(t *testing.T, bin string) {
	for _, refusal := range []struct {
		fault sandbox.Fault
		code  string
	}{
		{sandbox.Fault{On: []sandbox.Kind{sandbox.KindSubscribe}, Status: 400, Code: "invalidRequest"}, "SPM1004"},
		{sandbox.Fault{On: []sandbox.Kind{sandbox.KindSubscribe}, Status: 403}, "SPM1005"},
		{sandbox.Fault{On: []sandbox.Kind{sandbox.KindValidation}, Message: "not reachable"}, "SPM1006"},
		{sandbox.Fault{On: []sandbox.Kind{sandbox.KindSubscribe}, Status: 403, Code: "ExtensionError", Message: "Maximum number of subscriptions has been reached"}, "SPM1007"},
	} {
		t.Run(refusal.code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, someFiles())
			w.tenant.AddFault(refusal.fault)
			v := keepVigil(t, bin, w, "-apply", "-interval=5s")
			v.complains(refusal.code)
			eventually(t, "the mirror", func() bool { _, err := os.Stat(w.path("mirror/folder/j.txt")); return err == nil })
			v.put("/new.txt", "polled")
			eventually(t, "the new file", func() bool { _, err := os.Stat(w.path("mirror/new.txt")); return err == nil })
			v.end(syscall.SIGTERM)
		})
	}
}

func reloaded(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", string(text)+"\nmirror {")
	v.signal(syscall.SIGHUP)
	v.complains("SPM1003")
	w.write("main.hcl", string(text)+`
mirror "second" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = "/folder"
  target = "second"
}
`)
	v.signal(syscall.SIGHUP)
	v.looked("applied")
	if _, err := os.Stat(w.path("second/a.txt")); err != nil {
		t.Error(err)
	}
	v.subscribed(1)
	v.end(syscall.SIGTERM)
}

func (v *vigil) signal(s os.Signal) {
	v.t.Helper()
	if err := v.cmd.Process.Signal(s); err != nil {
		v.t.Fatal(err)
	}
}

func troubled(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply", "-lock-timeout=100ms")
	v.looked("applied")
	v.subscribed(1)
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDelta, sandbox.KindDeltaFull, sandbox.KindDrive}, Status: 423, Times: 8})
	v.put("/new.txt", "new")
	v.event("diagnostic", nil)
	w.tenant.ClearFaults()
	v.put("/newer.txt", "newer")
	v.looked("applied")
	v.mirrors()
	lock, err := state.Acquire(t.Context(), w.path("spmirror.db"), state.Owner{PID: os.Getpid(), Operation: "apply", Since: time.Now()}, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.put("/newest.txt", "newest")
	v.complains("SPM0701")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	v.put("/last.txt", "last")
	v.looked("applied")
	v.mirrors()
	v.end(syscall.SIGTERM)
}

func interrupted(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	v.subscribed(1)
	w.tenant.AddFault(sandbox.Fault{Name: "slow", On: []sandbox.Kind{sandbox.KindDownload}, Action: sandbox.ActionDrip, Chunk: 1000, Delay: 50 * time.Millisecond})
	v.put("/big.bin", strings.Repeat("0123456789", 100_000))
	eventually(t, "the download", func() bool { return w.tenant.Stats().Faults["slow"] > 0 })
	v.end(syscall.SIGTERM)
	if _, err := os.Stat(w.path("mirror/big.bin")); err == nil {
		t.Error("it went on to the end of the download")
	}
	w.tenant.ClearFaults()
	v.command(exitOK, "apply", "-auto-approve")
	v.mirrors()
}

// left interrupts a watch twice while it waits for the service, which does not answer.
func left(t *testing.T, bin string) {
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	v.looked("applied")
	before := v.subscribed(1)
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindSubscribe}, Delay: time.Minute})
	v.signal(os.Interrupt)
	eventually(t, "the first interrupt", func() bool { return strings.Contains(v.text(), "Interrupt received") })
	v.signal(os.Interrupt)
	for range v.events {
	}
	_ = v.cmd.Wait()
	if code := v.cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(v.text(), "Two interrupts received") {
		t.Errorf("it ended with %d", code)
	}
	w.tenant.ClearFaults()
	again := v.again("-apply")
	again.looked("no_changes")
	again.subscribed(1, before...)
	again.put("/later.txt", "heard")
	again.looked("applied")
	again.mirrors()
	again.end(syscall.SIGTERM)
}

// slain kills watches while they begin, subscribe, look and end.
func slain(t *testing.T, bin string) {
	kills := 5
	if long() {
		kills = 60
	}
	w := newWorld(t, someFiles())
	v := keepVigil(t, bin, w, "-apply")
	for n := range kills {
		v.put("/new.txt", strings.Repeat(fmt.Sprint(n), 1000))
		time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond)
		if n%3 == 2 {
			v.signal(syscall.SIGTERM) // and is killed while it ends
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		}
		_ = v.cmd.Process.Kill() // if it is still there
		for range v.events {
		}
		_ = v.cmd.Wait()
		v = v.again("-apply")
	}
	v.event("watch", func(e map[string]any) bool { return e["hook"].(map[string]any)["state"] == "looked" })
	v.subscribed(1)
	v.put("/later.txt", "heard")
	eventually(t, "the mirror", func() bool { return len(w.differences()) == 0 })
	v.end(syscall.SIGTERM)
}

func TestAWatchSaysWhatBecomesOfAPlan(t *testing.T) {
	for _, test := range []struct {
		note view.WatchNote
		says string
	}{
		{view.WatchNote{Result: "applied"}, ""},
		{view.WatchNote{Result: "changes"}, ""},
		{view.WatchNote{Result: "incomplete"}, "Look: incomplete"},
		{view.WatchNote{Result: "blocked"}, "`spmirror apply` makes it again"},
		{view.WatchNote{Result: "needs_review"}, "-out=DIR keeps such plans"},
		{view.WatchNote{Result: "blocked", PlanFile: "plans/a.spplan"}, "spmirror apply plans/a.spplan"},
	} {
		env := quietEnvironment(t)
		var err error
		if env.stderr, err = os.Create(filepath.Join(t.TempDir(), "stderr")); err != nil {
			t.Fatal(err)
		}
		newTeller(env, nil).looked(test.note)
		said, err := os.ReadFile(env.stderr.Name())
		if err := errors.Join(err, env.stderr.Close()); err != nil {
			t.Fatal(err)
		}
		if (len(said) > 0) != (test.says != "") || !strings.Contains(string(said), test.says) {
			t.Errorf("%+v: %s", test.note, said)
		}
	}
}
