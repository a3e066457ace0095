package view

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds what a browser may take for anything; it is no measure of speed.
const patience = 60 * time.Second

// chromium finds a browser, or skips the test. The long tier installs one.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser with -short")
	}
	for _, name := range []string{os.Getenv("SPMIRROR_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	if os.Getenv("SPMIRROR_LONG") == "1" && os.Geteuid() == 0 {
		out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "chromium").CombinedOutput()
		if path, look := exec.LookPath("chromium"); look == nil {
			return path
		}
		t.Skipf("Chromium could not be installed: %v\n%s", err, out)
	}
	t.Skip("Chromium is not installed; SPMIRROR_CHROMIUM names another browser")
	return ""
}

// browser speaks the DevTools protocol over two pipes: no port, no library.
type browser struct {
	t       *testing.T
	in      *os.File
	session string
	mu      sync.Mutex
	next    int
	replies map[int]chan reply
	news    []string // methods and short texts of events
	gone    chan struct{}
}

type reply struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func startBrowser(t *testing.T, width, height int) *browser {
	t.Helper()
	program := chromium(t)
	ours, theirsOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	theirsIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), fmt.Sprintf("--window-size=%d,%d", width, height), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirsIn, theirsOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirsIn.Close()
	theirsOut.Close()
	b := &browser{t: t, in: in, replies: make(map[int]chan reply), gone: make(chan struct{})}
	go b.read(ours)
	t.Cleanup(func() {
		b.session = ""
		_, _ = b.call("Browser.close", nil)
		in.Close()
		<-b.gone
		if err := cmd.Wait(); err != nil {
			t.Logf("the browser ended with %v", err)
		}
	})
	b.attach(width, height)
	return b
}

func (b *browser) read(from *os.File) {
	defer close(b.gone)
	defer from.Close()
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m reply
		if json.Unmarshal(data[:len(data)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if wait := b.replies[m.ID]; wait != nil {
			delete(b.replies, m.ID)
			wait <- m
		} else if m.Method != "" {
			b.news = append(b.news, m.Method+" "+string(m.Params))
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(method string, params map[string]any) (json.RawMessage, error) {
	b.mu.Lock()
	b.next++
	id, wait := b.next, make(chan reply, 1)
	b.replies[id] = wait
	b.mu.Unlock()
	message := map[string]any{"id": id, "method": method, "params": params}
	if params == nil {
		delete(message, "params")
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if _, err := b.in.Write(append(data, 0)); err != nil {
		return nil, err
	}
	select {
	case m := <-wait:
		if m.Error != nil {
			return nil, errors.New(method + ": " + m.Error.Message)
		}
		return m.Result, nil
	case <-b.gone:
		return nil, errors.New(method + ": the browser is gone")
	case <-time.After(patience):
		return nil, errors.New(method + ": no answer")
	}
}

func (b *browser) must(method string, params map[string]any) json.RawMessage {
	b.t.Helper()
	result, err := b.call(method, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

func (b *browser) attach(width, height int) {
	b.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	if err := json.Unmarshal(b.must("Target.createTarget", map[string]any{"url": "about:blank"}), &target); err != nil {
		b.t.Fatal(err)
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	if err := json.Unmarshal(b.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}), &attached); err != nil {
		b.t.Fatal(err)
	}
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.must(domain+".enable", nil)
	}
	b.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
}

// open shows a page and waits until its script has drawn everything.
func (b *browser) open(page string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "plan.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		b.t.Fatal(err)
	}
	start := time.Now()
	b.must("Page.navigate", map[string]any{"url": "file://" + file})
	b.await(`document.documentElement?.dataset.ready === "yes"`)
	b.t.Logf("a page of %d bytes was ready after %s", len(page), time.Since(start).Round(10*time.Millisecond))
}

// run evaluates an expression and returns its value.
func (b *browser) run(expression string) any {
	b.t.Helper()
	var out struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	raw := b.must("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if err := json.Unmarshal(raw, &out); err != nil || out.Exception != nil {
		b.t.Fatalf("%s: %v %s", expression, err, out.Exception)
	}
	return out.Result.Value
}

// await waits until an expression is true; the page itself does the waiting.
func (b *browser) await(condition string) {
	b.t.Helper()
	ok := b.run(`new Promise((done) => {
		const until = Date.now() + ` + fmt.Sprint(patience.Milliseconds()/2) + `;
		const look = () => (` + condition + `) ? done(true) : Date.now() > until ? done(false) : setTimeout(look, 20);
		look();
	})`)
	if ok != true {
		b.t.Fatalf("never true: %s", condition)
	}
}

func (b *browser) want(expression string, want any) {
	b.t.Helper()
	if got := b.run(expression); got != want {
		b.t.Errorf("%s is %#v, want %#v", expression, got, want)
	}
}

// quiet checks that nothing failed and that nothing was loaded but the page.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.news {
		method, text, _ := strings.Cut(n, " ")
		bad := method == "Runtime.exceptionThrown" || method == "Log.entryAdded" || method == "Runtime.consoleAPICalled" ||
			method == "Network.requestWillBeSent" && !strings.Contains(text, `"url":"file://`)
		if bad {
			b.t.Errorf("the browser says %.600s", n)
		}
	}
}

// picture saves what is seen for a person to judge, where SPMIRROR_SCREENSHOTS says.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SPMIRROR_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct {
		Data []byte `json:"data"`
	}
	raw := b.must("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})
	if err := json.Unmarshal(raw, &shot); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
