package main

import (
	"context"
	"sync"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// remembered asks each question once, however many goroutines have it. The zero value remembers nothing.
type remembered[T any] struct {
	mu      sync.Mutex
	answers map[string]*answer[T]
}

// answer is there when done is closed. Whoever has the question as well waits for that: no lock is held while a service is asked.
type answer[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// ask answers a question, if need be by asking.
func (r *remembered[T]) ask(question string, how func() (T, error)) (T, error) {
	r.mu.Lock()
	a := r.answers[question]
	if a != nil {
		r.mu.Unlock()
		<-a.done
		return a.value, a.err
	}
	if r.answers == nil {
		r.answers = make(map[string]*answer[T])
	}
	a = &answer[T]{done: make(chan struct{})}
	r.answers[question] = a
	r.mu.Unlock()
	defer close(a.done)
	a.value, a.err = how()
	return a.value, a.err
}

// lookups are what one command has asked for sources: many mirrors have a source, a site or its libraries in common.
type lookups struct {
	sources   remembered[state.Drive]
	sites     remembered[graph.Site]
	libraries remembered[[]graph.Drive]
}

func (l *lookups) site(ctx context.Context, c *client, src config.Source) (graph.Site, error) {
	return l.sites.ask(c.tenant.Address+" "+src.SiteID+" "+src.Site, func() (graph.Site, error) { return findSite(ctx, c, src) })
}

func (l *lookups) drives(ctx context.Context, c *client, site graph.SiteID) ([]graph.Drive, error) {
	return l.libraries.ask(c.tenant.Address+" "+string(site), func() ([]graph.Drive, error) { return c.Drives(ctx, site) })
}
