package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/spmirror/spmirror/sandbox"
)

// traces is a small collector that keeps the spans, and the bytes that they came in.
type traces struct {
	t     *testing.T
	mu    sync.Mutex
	spans []*otlp.Span
	bytes []byte
}

func (c *traces) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var batch collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(data, &batch) != nil {
		c.t.Errorf("no trace: %v", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = append(c.bytes, data...)
	for _, res := range batch.GetResourceSpans() {
		for _, scope := range res.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// collect starts a collector and tells the world's commands of it.
func (w *world) collect() *traces {
	w.t.Helper()
	c := &traces{t: w.t}
	server := httptest.NewServer(c)
	w.t.Cleanup(server.Close)
	w.t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL) // read by the exporter itself
	w.env = append(w.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	return c
}

// paths are the spans by their names from the root on, counted, and those that failed with their reason.
func (c *traces) paths() (count map[string]int, failed map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	byID := make(map[string]*otlp.Span)
	for _, s := range c.spans {
		byID[string(s.GetSpanId())] = s
	}
	count, failed = make(map[string]int), make(map[string]string)
	for _, s := range c.spans {
		path := s.GetName()
		for up := byID[string(s.GetParentSpanId())]; up != nil; up = byID[string(up.GetParentSpanId())] {
			path = up.GetName() + "/" + path
		}
		count[path]++
		if s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR {
			failed[path] = s.GetStatus().GetMessage()
		}
		if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			c.t.Errorf("%s ends before it begins", path)
		}
	}
	return count, failed
}

func TestARunIsATraceOfBoundedSize(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Generate: &sandbox.Generate{Files: 450, Size: 300}})
	w.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Times: 1, Skip: 300, Status: 423})
	c := w.collect()
	w.run(exitIncomplete, "apply", "-auto-approve")
	count, failed := c.paths()
	for name, want := range map[string]int{
		"spmirror apply": 1, "spmirror apply/refresh": 1, "spmirror apply/refresh/round": 1, "spmirror apply/plan": 1, "spmirror apply/apply": 1,
		"spmirror apply/apply/apply mirror": 1, "spmirror apply/apply/apply mirror/download": firstItems,
	} {
		if got := count[name]; got != want && (want != firstItems || got != want+1) { // the one that failed may be beyond the first
			t.Errorf("%d spans %s, want %d", got, name, want)
		}
	}
	if count["spmirror apply/refresh/round/page"] < 3 {
		t.Errorf("%v", count)
	}
	want := map[string]string{"spmirror apply": "incomplete", "spmirror apply/apply/apply mirror": "incomplete", "spmirror apply/apply/apply mirror/download": "SPM0516"}
	if fmt.Sprint(failed) != fmt.Sprint(want) {
		t.Errorf("failed are %v, want %v", failed, want)
	}
	leaks := []string{"127.0.0.1", sandbox.DemoSecret, "tempauth"}
	for _, item := range w.tenant.Drive("people/Documents").Tree() {
		if name := path.Base(item.Path); len(name) > 5 {
			leaks = append(leaks, name)
		}
	}
	if len(leaks) < 400 {
		t.Fatalf("only %d things to look for", len(leaks))
	}
	for _, leak := range leaks {
		if strings.Contains(string(c.bytes), leak) {
			t.Errorf("the trace has %q", leak)
		}
	}
}

func TestNoTraceIsMadeUnlessItIsAskedFor(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "x"}}})
	c := w.collect()
	w.env = append(w.env, "OTEL_SDK_DISABLED=true")
	w.run(exitOK, "plan")
	if len(c.bytes) != 0 {
		t.Error("a trace was sent")
	}
}
