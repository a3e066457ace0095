package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

// pool holds the connections to tenants. A session has one of its own, unless it is lent one that
// outlives it: pauses, tokens and open connections are then kept from session to session.
type pool struct {
	mu      sync.Mutex // several drives are read at once, and each asks for its client
	clients map[string]*client
	notice  atomic.Pointer[notices] // of the session at work
	lent    bool
	before  apply.Traffic // of earlier sessions
	// closing is told what a connection of a lent pool was used for before it is closed; nil for nobody.
	closing func(tenant string, s graph.GateStats)
}

func newPool() *pool { return &pool{clients: make(map[string]*client)} }

// client returns the connection to a tenant, made on first use.
func (p *pool) client(t *config.Tenant, with connecting) (*client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[t.Address]; c != nil {
		return c, nil
	}
	with.watch = p.gate
	c, err := connect(t, with)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Address, err)
	}
	c.addresses = apply.NewAddresses(with.now)
	p.clients[t.Address] = c
	return c, nil
}

// gate passes on what the gates of all tenants tell.
func (p *pool) gate(e graph.GateEvent) {
	if n := p.notice.Load(); n != nil {
		n.gate(e)
	}
}

// lend gives the pool to a session. A gate that has given up turns it away at once, which is right
// until the pause that the service asked for is over; then the connection is made anew.
func (p *pool) lend() *pool {
	p.close(func(c *client) bool { return c.Gate().Stopped() != nil && !c.Gate().Resting() })
	p.lent = true
	p.before = p.traffic()
	return p
}

// release closes the connections, unless they are lent.
func (p *pool) release() {
	p.notice.Store(nil)
	if !p.lent {
		p.close(func(*client) bool { return true })
	}
}

// close closes the connections that are named.
func (p *pool) close(which func(*client) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, c := range p.clients {
		if which(c) {
			if p.closing != nil {
				p.closing(c.tenant.Name, c.Gate().Stats())
			}
			c.close()
			delete(p.clients, address)
		}
	}
}

// eachGate calls a function with the counters of each tenant.
func (p *pool) eachGate(do func(tenant string, s graph.GateStats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		do(c.tenant.Name, c.Gate().Stats())
	}
}

// traffic is what was asked of all tenants so far.
func (p *pool) traffic() apply.Traffic {
	var sum apply.Traffic
	p.eachGate(func(_ string, g graph.GateStats) {
		sum.Add(apply.Traffic{
			Requests: g.Requests, ResourceUnits: g.Units, Retries: g.Retries, Renewals: g.Renewals + g.Expired,
			Pauses: g.Pauses, PausedFor: g.PausedFor, Outages: g.Outages, LostFor: g.LostFor,
		})
	})
	return sum
}
