package apply

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
)

// wired serves the items of a tenant over a real connection.
type wired struct {
	*tenant
	server *httptest.Server
	client *http.Client
}

func newWired(b *testing.B, s *tenant) *wired {
	w := &wired{tenant: s, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, s.nodes[strings.TrimPrefix(r.URL.Path, "/")].text)
	}))
	b.Cleanup(w.server.Close)
	return w
}

func (w *wired) Open(ctx context.Context, q graph.ContentRequest) (*graph.Content, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(q.URL.Reveal(), "https://host.example/"), "?")
	resp, err := w.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &graph.Content{Body: resp.Body, Status: 200, Total: resp.ContentLength, Length: resp.ContentLength}, nil
}

func (w *wired) get(ctx context.Context, id string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/"+id, nil)
	if err != nil {
		return nil, err
	}
	return w.client.Do(req)
}

// BenchmarkApply compares an apply with a bare downloader that throws the bytes
// away, on the same server.
func BenchmarkApply(b *testing.B) {
	for _, size := range []struct{ files, bytes int }{{2000, 4 << 10}, {200, 1 << 20}} {
		name := fmt.Sprintf("%dx%d", size.files, size.bytes)
		text := random(1, size.bytes)
		b.Run(name+"/apply", func(b *testing.B) {
			b.SetBytes(int64(size.files * size.bytes))
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b)
				w.workers = DefaultWorkers
				w.addr = NewAddresses(func() time.Time { return w.clock })
				dir := w.tenant.mkdir("dir")
				for i := range size.files {
					w.tenant.add(&node{parent: dir, name: fmt.Sprintf("f%d", i), text: text})
				}
				p := w.plan()
				src := newWired(b, w.tenant)
				w.source = src
				b.StartTimer()
				if r, _, err := w.apply(b.Context(), p, 0); err != nil || r.Counts.Incomplete() {
					b.Fatal(r, err)
				}
				b.StopTimer()
				w.close()
				b.StartTimer()
			}
		})
		b.Run(name+"/bare", func(b *testing.B) {
			s := newTenant()
			for i := range size.files {
				s.add(&node{parent: "root", name: fmt.Sprintf("f%d", i), text: text})
			}
			src := newWired(b, s)
			b.SetBytes(int64(size.files * size.bytes))
			for b.Loop() {
				bare(b, src)
			}
		})
	}
}

func bare(b *testing.B, src *wired) {
	ids := make(chan string)
	var g sync.WaitGroup
	for range DefaultWorkers {
		g.Go(func() {
			for id := range ids {
				resp, err := src.get(context.Background(), id)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	for id := range src.nodes {
		ids <- id
	}
	close(ids)
	g.Wait()
}

// BenchmarkReadPlan reads the changes of a plan of adds as a run does: once for
// what there is, and once for the downloads.
func BenchmarkReadPlan(b *testing.B) {
	const items = 200_000
	d, err := plan.NewDraft(&plan.Header{}, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	d.Mirror(&plan.Mirror{Address: "m"})
	for i := range items {
		err := d.Add(plan.Change{
			Mirror: "m", Path: plan.RelPath(fmt.Sprintf("folder %d/sub/file %d.docx", i%1000, i)), ItemID: plan.ItemID(fmt.Sprintf("01ABCDEF%026d", i)),
			Actions: []plan.Action{plan.Add}, Cause: plan.BySource, Reason: plan.NewAtSource, Parent: "01PARENT", Name: fmt.Sprintf("file %d.docx", i),
			Remote: &plan.Remote{ETag: "\"{0000-0000},1\"", CTag: "\"c:{0000-0000},1\"", Size: 1234, Hash: emptyHash, Modified: testTime},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	p := d.Finish(testTime, nil, nil)
	defer p.Close()
	for b.Loop() {
		s, err := readAll(p, func(plan.Change) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, action := range plan.Actions {
			for _, err := range s.of("m", action) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		if n != items {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
}
