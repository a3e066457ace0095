package trace

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a small collector.
type receiver struct {
	mu      sync.Mutex
	spans   map[string]*otlp.Span // by name
	service string
	headers http.Header
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(req.Body)
	}
	data, err := io.ReadAll(body)
	var batch collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(data, &batch) != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "no trace", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = req.Header
	for _, res := range batch.GetResourceSpans() {
		for _, a := range res.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				r.service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range res.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans[s.GetName()] = s
			}
		}
	}
}

// env is what a test sets in the environment, for the program and for the exporter.
func env(t *testing.T, set map[string]string) func(string) (string, bool) {
	t.Helper()
	for name, value := range set {
		t.Setenv(name, value)
	}
	return func(name string) (string, bool) { value, ok := set[name]; return value, ok }
}

func TestSpansReachTheCollectorWithTheirParentsAndTimes(t *testing.T) {
	r := &receiver{spans: map[string]*otlp.Span{}}
	server := httptest.NewServer(r)
	defer server.Close()
	lookup := env(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=files", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	})
	if asked, err := Asked(lookup); !asked || err != nil {
		t.Fatalf("%t, %v", asked, err)
	}
	rec, err := Start(t.Context(), lookup, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	root := rec.Begin(nil, "command", at)
	child := rec.Begin(root, "round", at.Add(time.Second), Attr{"drive", "b!1"})
	child.Event(at.Add(2*time.Second), "pause", Attr{"kind", "throttle"})
	child.End(at.Add(3*time.Second), "SPM0601", Attr{"items", int64(7)}, Attr{"complete", true})
	root.End(at.Add(4*time.Second), "")
	if err := rec.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	command, round := r.spans["command"], r.spans["round"]
	if len(r.spans) != 2 || r.service != "spmirror" || r.headers.Get("X-Team") != "files" {
		t.Fatalf("%v of %s with %v", r.spans, r.service, r.headers)
	}
	if hex.EncodeToString(command.GetTraceId()) != "0af7651916cd43dd8448eb211c80319c" || hex.EncodeToString(command.GetParentSpanId()) != "b7ad6b7169203331" {
		t.Errorf("the command is not below the pipeline: %v", command)
	}
	if string(round.GetParentSpanId()) != string(command.GetSpanId()) || round.GetStatus().GetMessage() != "SPM0601" || len(round.GetEvents()) != 1 || len(round.GetAttributes()) != 3 {
		t.Errorf("%v", round)
	}
	if round.GetStartTimeUnixNano() != uint64(at.Add(time.Second).UnixNano()) || round.GetEndTimeUnixNano() != uint64(at.Add(3*time.Second).UnixNano()) {
		t.Errorf("%v", round)
	}
}

func TestVariablesDecideWhetherATraceIsMade(t *testing.T) {
	type set = map[string]string
	for _, test := range []struct {
		set  set
		want bool
		err  string
	}{
		{set{}, false, ""},
		{set{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, ""},
		{set{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true, ""},
		{set{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{set{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, ""},
		{set{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, ""},
		{set{"OTEL_TRACES_EXPORTER": "zipkin"}, false, "zipkin is not supported"},
		{set{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "grpc is not supported"},
		{set{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, ""},
		{set{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""},
	} {
		got, err := Asked(func(name string) (string, bool) { value, ok := test.set[name]; return value, ok })
		if got != test.want || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%v: %t, %v", test.set, got, err)
		}
	}
}

func TestACollectorThatIsNotThereIsSaidWithoutItsAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	lookup := env(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:canary@" + address + "/canary"})
	rec, err := Start(t.Context(), lookup, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	rec.Begin(nil, "command", time.Now()).End(time.Now(), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // an interrupted command still has the time to send
	if err := rec.Close(ctx); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

func TestACollectorThatRefusesIsSaidWithoutItsAddressAndInFewWords(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, strings.Repeat("no such key ", 10_000))
	}))
	defer collector.Close()
	lookup := env(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL + "/canary"})
	rec, err := Start(t.Context(), lookup, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	rec.Begin(nil, "command", time.Now()).End(time.Now(), "")
	err = rec.Close(t.Context())
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "401") || len(err.Error()) > 2*maxReason {
		t.Errorf("%v", err)
	}
}

func TestTheNilRecorderDoesNothing(t *testing.T) {
	var rec *Recorder
	span := rec.Begin(nil, "command", time.Now(), Attr{"a", "b"})
	span.Event(time.Now(), "pause")
	span.End(time.Now(), "x")
	if err := rec.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
