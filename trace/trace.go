// Package trace sends what a run did as an OpenTelemetry trace, when the usual OTEL variables ask for one. Nothing of
// OpenTelemetry is known outside of this room, and nothing of a mirror in it: it takes names, times and plain attributes.
// The one invariant: what a caller gives as an attribute leaves the machine, so no secret, no URL and no path of a file
// is ever given, and nothing is collected that was not given (no command line, no host, no environment).
package trace

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushLimit is how long the end of a command waits for a collector. A trace is not worth more.
const flushLimit = 5 * time.Second

// Asked tells whether the variables ask for a trace, as the specification of OpenTelemetry reads them. The error says
// what they ask for that this program does not do.
func Asked(lookup func(string) (string, bool)) (bool, error) {
	get := func(name string) string { value, _ := lookup(name); return strings.TrimSpace(value) }
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") + get("OTEL_EXPORTER_OTLP_ENDPOINT")
	switch exporter := get("OTEL_TRACES_EXPORTER"); {
	case exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s is not supported; otlp is", exporter)
	}
	protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = get("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("the OTLP protocol %s is not supported; http/protobuf is", protocol)
	}
	return true, nil
}

// Recorder records the spans of one command. The nil Recorder records nothing.
type Recorder struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	parent   context.Context // of the root span: TRACEPARENT, where a pipeline sets it

	mu  sync.Mutex
	err error // the first that the exporter had
}

// Start makes a recorder that sends to where the variables say. It connects to nothing yet.
func Start(ctx context.Context, lookup func(string) (string, bool), version string) (*Recorder, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: flushLimit, MaxElapsedTime: time.Minute,
	}))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", reason(err))
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "spmirror"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	carrier := propagation.MapCarrier{}
	for header, name := range map[string]string{"traceparent": "TRACEPARENT", "tracestate": "TRACESTATE"} {
		if value, ok := lookup(name); ok {
			carrier[header] = value
		}
	}
	r := &Recorder{
		provider: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)),
		parent:   propagation.TraceContext{}.Extract(context.WithoutCancel(ctx), carrier),
	}
	r.tracer = r.provider.Tracer("github.com/spmirror/spmirror", trace.WithInstrumentationVersion(version))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(r.failed)) // it would print by itself
	return r, nil
}

// failed keeps the first error of the exporter.
func (r *Recorder) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = reason(err)
	}
}

// address is whatever looks like one in a text.
var address = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://\S+`)

// maxReason bounds what is repeated of a collector's answer.
const maxReason = 300

// reason is an error without the address of the collector, which may hold a password or a key, and with no more than the
// beginning of what it answered.
func reason(err error) error {
	if err == nil {
		return nil
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	text := []rune(address.ReplaceAllString(err.Error(), "the collector"))
	if len(text) > maxReason {
		text = append(text[:maxReason], '…')
	}
	return errors.New(string(text))
}

// Span is something that took time. The nil Span is none.
type Span struct {
	ctx  context.Context
	span trace.Span
}

// Attr is an attribute of a span: a string, an int64 or a bool.
type Attr struct {
	Key   string
	Value any
}

// Begin begins a span at a time, below another one or, with nil, at the root.
func (r *Recorder) Begin(below *Span, name string, at time.Time, attrs ...Attr) *Span {
	if r == nil {
		return nil
	}
	ctx := r.parent
	if below != nil {
		ctx = below.ctx
	}
	ctx, span := r.tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithAttributes(keyValues(attrs)...))
	return &Span{ctx, span}
}

// End ends a span at a time. A problem marks it as failed; it is a code or a word, never the text of an error.
func (s *Span) End(at time.Time, problem string, attrs ...Attr) {
	if s == nil {
		return
	}
	s.span.SetAttributes(keyValues(attrs)...)
	if problem != "" {
		s.span.SetStatus(codes.Error, problem)
	}
	s.span.End(trace.WithTimestamp(at))
}

// Event notes that something happened while a span lasted.
func (s *Span) Event(at time.Time, name string, attrs ...Attr) {
	if s != nil {
		s.span.AddEvent(name, trace.WithTimestamp(at), trace.WithAttributes(keyValues(attrs)...))
	}
}

func keyValues(attrs []Attr) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		switch v := a.Value.(type) {
		case string:
			list = append(list, attribute.String(a.Key, v))
		case int64:
			list = append(list, attribute.Int64(a.Key, v))
		case bool:
			list = append(list, attribute.Bool(a.Key, v))
		}
	}
	return list
}

// Close sends what is left, within a few seconds, and says what kept the trace from its collector.
func (r *Recorder) Close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
	defer cancel()
	err := reason(r.provider.Shutdown(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		err = r.err
	}
	if err != nil {
		return fmt.Errorf("the trace was not sent: %w", err)
	}
	return nil
}
