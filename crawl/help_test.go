package crawl

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// origin is the address of every emulated service of these tests. Nothing is ever
// connected to it.
const origin = "http://127.0.0.1"

// wire is a network inside the process: whoever dials gets one end of a pipe, and
// a server reads from the other. In a bubble of synctest its waits are fake ones.
type wire struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.accept:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { w.once.Do(func() { close(w.done) }); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case w.accept <- far:
		return near, nil
	case <-w.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type fixedToken string

func (t fixedToken) Token(context.Context, graph.TokenRequest) (string, error) { return string(t), nil }

// clientFor makes a client of a service that is the given handler.
func clientFor(t testing.TB, h http.Handler) *graph.Client {
	t.Helper()
	c, end, err := connect(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return c
}

// connect is clientFor for tests that make many.
func connect(h http.Handler) (*graph.Client, func(), error) {
	w := &wire{accept: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(w) }()
	c, err := graph.New(graph.Options{
		Cloud: graph.Cloud{Name: "test", Login: origin, Graph: origin}, Tokens: fixedToken("emu"),
		AllowLoopback: true, Dial: w.dial,
	})
	end := func() {
		if c != nil {
			c.Close()
		}
		_ = server.Close()
		<-ended
	}
	return c, end, err
}

// newState makes a state in a directory of its own.
func newState(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Create(context.Background(), filepath.Join(t.TempDir(), "state.db"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// putDrive adds a drive and returns its row.
func putDrive(t testing.TB, s *state.Store, tenant string, id state.DriveID) state.Drive {
	t.Helper()
	err := s.Tx(context.Background(), func(tx *state.Tx) error {
		_, err := tx.PutDrive(state.Drive{Tenant: tenant, ID: id, Name: "Documents"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return driveRow(t, s, tenant, id)
}

func driveRow(t testing.TB, s *state.Store, tenant string, id state.DriveID) state.Drive {
	t.Helper()
	d, ok, err := s.DriveByID(context.Background(), tenant, id)
	if err != nil || !ok {
		t.Fatalf("drive %s: %v, %v", id, ok, err)
	}
	return d
}

// clock is a clock that moves by a step each time it is read, so that every page
// is staged in a transaction of its own.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	step time.Duration
}

func newClock() *clock {
	return &clock{at: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), step: time.Second}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(c.step)
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// library is the one drive of a scripted service, by default with the id "d".
type library struct {
	t     testing.TB
	mu    sync.Mutex
	pages map[string]answer // by delta token, "" for an enumeration from the start
	items map[string]answer // by item id
	drive answer            // the drive itself
	asked []string          // tokens, "item:id" and "drive", in order
	then  func(token string)
	any   func(token string) (answer, bool)

	store *state.Store
	clock *clock
	query graph.DeltaQuery
}

// answer is what the scripted service says.
type answer struct {
	status   int
	body     string
	location string
	kind     string // content type, JSON unless set
}

func newLibrary(t testing.TB) *library {
	l := &library{t: t, pages: map[string]answer{}, items: map[string]answer{}, store: newState(t), clock: newClock()}
	l.items["root"] = answer{status: 200, body: rootJSON}
	l.drive = answer{status: 200, body: driveJSON}
	return l
}

const driveJSON = `{"id":"d","driveType":"documentLibrary","name":"Documents"}`

const rootJSON = `{"id":"root","name":"root","root":{},"folder":{},"parentReference":{"driveId":"d","driveType":"documentLibrary"}}`

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("token")
	l.mu.Lock()
	a, ok := l.pages[key]
	if id, isItem := strings.CutPrefix(r.URL.Path, "/v1.0/drives/d/items/"); isItem {
		key = "item:" + id
		a, ok = l.items[id]
	}
	if r.URL.Path == "/v1.0/drives/d" {
		key = "drive"
		a, ok = l.drive, true
	}
	if !ok && l.any != nil {
		a, ok = l.any(key)
	}
	l.asked = append(l.asked, key)
	then := l.then
	l.mu.Unlock()
	if !ok {
		a = refusal(404, "itemNotFound")
	}
	if then != nil {
		then(key)
	}
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	if a.kind == "" {
		a.kind = "application/json"
	}
	w.Header().Set("Content-Type", a.kind)
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

// requests returns what was asked since the last call.
func (l *library) requests() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}

// link is the address of a page.
func link(token string) string { return origin + "/v1.0/drives/d/root/delta?token=" + token }

// next and last are pages that are followed by another one, or by the end.
func next(token string, items ...string) answer {
	return answer{status: 200, body: `{"value":[` + strings.Join(items, ",") + `],"@odata.nextLink":` + quoted(link(token)) + `}`}
}

func last(token string, items ...string) answer {
	return answer{status: 200, body: `{"value":[` + strings.Join(items, ",") + `],"@odata.deltaLink":` + quoted(link(token)) + `}`}
}

func refusal(status int, code string) answer {
	return answer{status: status, body: fmt.Sprintf(`{"error":{"code":%q,"message":"scripted"}}`, code)}
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

func file(id, parent string) string { return fileAs(id, parent, id+".txt", 1) }

func fileAs(id, parent, name string, version int) string {
	return fmt.Sprintf(`{"id":%q,"name":%s,"size":%d,"eTag":"\"{%s},%d\"","cTag":"\"c:{%s},%d\"","file":{"mimeType":"text/plain"},
		"parentReference":{"driveId":"d","id":%q},"fileSystemInfo":{"lastModifiedDateTime":"2024-01-01T00:00:00Z"}}`,
		id, quoted(name), version, id, version, id, version, parent)
}

func folder(id, parent string) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"eTag":"\"{%s},1\"","folder":{},"parentReference":{"driveId":"d","id":%q}}`, id, "folder "+id, id, parent)
}

func tombstone(id string) string { return fmt.Sprintf(`{"id":%q,"deleted":{}}`, id) }

// crawler makes a crawler of the scripted service.
func (l *library) crawler() *Crawler {
	return &Crawler{Source: clientFor(l.t, l), Store: l.store, Query: l.query, Now: l.clock.now}
}

// refresh refreshes the scripted drive, and must succeed.
func (l *library) refresh(full bool) Report {
	l.t.Helper()
	r, err := l.try(full)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *library) try(full bool) (Report, error) {
	l.t.Helper()
	return l.crawler().Refresh(context.Background(), putDrive(l.t, l.store, "t", "d"), full)
}

func (l *library) row() state.Drive { return putDrive(l.t, l.store, "t", "d") }

// ids are the ids observed, sorted.
func (l *library) ids() []string {
	l.t.Helper()
	return slices.Sorted(maps.Keys(observedItems(l.t, l.store, l.row())))
}

func (l *library) wantIDs(want ...string) {
	l.t.Helper()
	slices.Sort(want)
	if got := l.ids(); !slices.Equal(got, want) {
		l.t.Errorf("observed are %q, want %q", got, want)
	}
}

// wantUnread wants exactly these items to be remembered as unread.
func (l *library) wantUnread(want ...string) {
	l.t.Helper()
	list, err := l.store.Unread(context.Background(), l.row().Key, 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	var got []string
	for _, u := range list {
		got = append(got, string(u.ID))
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		l.t.Errorf("unread are %q, want %q", got, want)
	}
}

func (l *library) wantRequests(want ...string) {
	l.t.Helper()
	if got := l.requests(); !slices.Equal(got, want) {
		l.t.Errorf("asked for %q, want %q", got, want)
	}
}

// observedItems reads what is observed of a drive.
func observedItems(t testing.TB, s *state.Store, d state.Drive) map[string]state.Item {
	t.Helper()
	items := map[string]state.Item{}
	for p, err := range s.PairsAll(context.Background(), state.Mirror{Drive: d.Key}) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Item != nil {
			items[string(p.Item.ID)] = *p.Item
		}
	}
	return items
}
