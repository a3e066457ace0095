package graph_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

// tokens is a small real token source: it counts, and never gives a rejected token again.
type tokens struct {
	mu       sync.Mutex
	n        int
	current  string
	requests []graph.TokenRequest // those with a reason
}

func (s *tokens) Token(_ context.Context, req graph.TokenRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Rejected != "" || req.Claims != "" {
		s.requests = append(s.requests, req)
	}
	if s.current == "" || req.Rejected == s.current {
		s.n++
		s.current = "token-" + string(rune('0'+s.n))
	}
	return s.current, nil
}

// serve starts a server and a client that talks to it.
func serve(t *testing.T, h http.Handler, change ...func(*graph.Options)) (*graph.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o := graph.Options{
		Cloud:  graph.Cloud{Name: graph.CloudCustom, Graph: server.URL},
		Tokens: &tokens{}, AllowLoopback: true, Version: "1.2.3",
	}
	for _, f := range change {
		f(&o)
	}
	c, err := graph.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, server
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.Header().Set("request-id", "11111111-aaaa-bbbb-cccc-222222222222")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func TestADriveIsRead(t *testing.T) {
	c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/v1.0/drives/b!x%2Fy" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		answer(w, 200, `{"id":"b!x/y","name":"Documents","driveType":"documentLibrary","system":{}}`)
	}))
	d, err := c.Drive(t.Context(), "b!x/y")
	if err != nil || d.ID != "b!x/y" || d.Type != "documentLibrary" || !d.System {
		t.Fatalf("%+v, %v", d, err)
	}
}
