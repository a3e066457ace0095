package graph_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/sandbox"
)

// memory is a network inside the process, so that fake time passes while requests are on their way.
type memory struct {
	accept chan net.Conn
	done   chan struct{}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.accept:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { close(m.done); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.accept <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// campaign is a client at an emulated tenant with a budget of resource units.
type campaign struct {
	tenant *sandbox.Tenant
	client *graph.Client
	drives []graph.DriveID
}

const origin = "http://127.0.0.1"

// latency of the answers of a campaign's tenant.
const latency = 60 * time.Millisecond

func newCampaign(t *testing.T, limits sandbox.Throttle, gate graph.GateConfig, files int) *campaign {
	t.Helper()
	o := sandbox.Demo(1)
	o.Throttle, o.Now = limits, time.Now
	var drives []sandbox.DriveSpec
	for i := range 3 {
		name := fmt.Sprintf("Library %d", i)
		drives = append(drives, sandbox.DriveSpec{Name: name, Segment: name, Seed: uint64(i + 1), Generate: &sandbox.Generate{Files: files / 3, Size: 700}})
	}
	o.Sites = []sandbox.SiteSpec{{Path: "sites/people", Name: "People", Drives: drives}}
	tenant, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	wire := &memory{accept: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		tenant.Handler().ServeHTTP(w, r)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(wire) }()
	client, err := graph.New(graph.Options{
		Cloud: graph.Cloud{Name: "test", Login: origin, Graph: origin}, Tokens: demoToken{}, AllowLoopback: true,
		Dial: wire.dial, Gate: graph.NewGate(gate),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		_ = server.Close()
		<-ended
		tenant.Close()
	})
	c := &campaign{tenant: tenant, client: client}
	for i := range 3 {
		c.drives = append(c.drives, graph.DriveID(tenant.Drive(fmt.Sprintf("people/Library %d", i)).ID()))
	}
	return c
}

type demoToken struct{}

func (demoToken) Token(context.Context, graph.TokenRequest) (string, error) {
	return sandbox.DemoToken, nil
}

// run does what a first plan and apply do: it reads all drives at once, and fetches every file with many workers.
func (c *campaign) run(ctx context.Context, fail func(error)) (files int64) {
	found := make(chan graph.Item, 10_000)
	var crawl, fetch sync.WaitGroup
	for _, id := range c.drives {
		crawl.Go(func() {
			q := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: 200}
			for link := c.client.DeltaStart(id, q); link != ""; {
				page, err := c.client.DeltaPage(ctx, link, q)
				if err != nil {
					fail(err)
					return
				}
				for _, it := range page.Items {
					if it.Facets.Has(graph.File) {
						found <- it
					}
				}
				link = page.Next
			}
		})
	}
	go func() { crawl.Wait(); close(found) }()
	var n atomic.Int64
	for range 32 {
		fetch.Go(func() {
			for it := range found {
				content, err := c.client.Open(ctx, graph.ContentRequest{URL: it.DownloadURL})
				if err != nil {
					fail(err)
					continue
				}
				if _, err := io.Copy(io.Discard, content.Body); err != nil {
					fail(err)
				}
				_ = content.Body.Close()
				n.Add(1)
			}
		})
	}
	fetch.Wait()
	return n.Load()
}

func TestARunUnderABudgetUsesItAndNeverStartsInsideAPause(t *testing.T) {
	const files, budget = 3000, 750
	for _, test := range []struct {
		name   string
		limits sandbox.Throttle
		gate   graph.GateConfig
	}{
		{"the service warns and throttles", sandbox.Throttle{UnitsPerMinute: budget}, graph.GateConfig{}},
		{"the service throttles without a warning", sandbox.Throttle{UnitsPerMinute: budget, HideRateLimit: true}, graph.GateConfig{}},
		{"the budget is known", sandbox.Throttle{UnitsPerMinute: budget}, graph.GateConfig{PerMinute: budget}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCampaign(t, test.limits, test.gate, files)
				began := time.Now()
				fetched := c.run(t.Context(), func(err error) { t.Error(err) })
				took := time.Since(began)
				asked, told := c.tenant.Stats(), c.client.Gate().Stats()
				if fetched != files || asked.InsidePause != 0 {
					t.Errorf("%d files were fetched, %d requests began inside a pause", fetched, asked.InsidePause)
				}
				// The whole minutes that the run took had a budget each, and so had the part of the last one.
				share := float64(told.Units) / (took.Minutes() * budget)
				t.Logf("%s, %d units, %.1f %% of the budget, %d pauses of %s", took, told.Units, 100*share, told.Pauses, told.PausedFor)
				if share < 0.9 {
					t.Errorf("only %.1f %% of the budget were used: %d units in %s", 100*share, told.Units, took)
				}
				if told.Units != asked.Units {
					t.Errorf("measured %d units, the service counts %d", told.Units, asked.Units)
				}
			})
		})
	}
}
