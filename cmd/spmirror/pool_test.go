package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

type anyToken struct{}

func (anyToken) Token(context.Context, graph.TokenRequest) (string, error) { return "token", nil }

// A watch goes on after a gate has given up, but asks nothing before the service may be asked again (T4).
func TestAConnectionIsNotMadeAnewInsideThePauseThatEndedIt(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	made, err := graph.New(graph.Options{Cloud: graph.Cloud{Name: graph.CloudCustom, Graph: server.URL}, Tokens: anyToken{}, AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	p := newPool()
	p.clients["tenant.one"] = &client{Client: made, tenant: &config.Tenant{Address: "tenant.one", Name: "one"}}
	for range 2 {
		c, err := p.lend().client(&config.Tenant{Address: "tenant.one"}, connecting{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Drive(t.Context(), "d"); !errors.Is(err, graph.ErrThrottled) {
			t.Errorf("%v", err)
		}
	}
	if asked != 1 {
		t.Errorf("the service was asked %d times", asked)
	}
}
