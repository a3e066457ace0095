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
	answers map[string]func() (T, error)
}

// ask answers a question, if need be by asking.
func (r *remembered[T]) ask(question string, how func() (T, error)) (T, error) {
	r.mu.Lock()
	answer := r.answers[question]
	if answer == nil {
		if r.answers == nil {
			r.answers = make(map[string]func() (T, error))
		}
		answer = sync.OnceValues(how)
		r.answers[question] = answer
	}
	r.mu.Unlock()
	return answer()
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
