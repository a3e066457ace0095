package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/view"
	"github.com/spmirror/spmirror/watch"
)

// watcher runs `spmirror watch`: it puts the schedule, the subscriptions and the looks
// together, and starts over when the configuration is read again.
type watcher struct {
	env      *environment
	c        *cli.Command
	cfg      *config.Config
	log      *slog.Logger
	done     func() // closes the log
	events   *view.Events
	tell     *teller
	meter    *meter // nil without -metrics-file
	listener net.Listener
	receiver *watch.Receiver

	looked bool // a session could be opened at least once

	mu   sync.Mutex
	hear func(watch.Drive, watch.Event) // of the round at work
}

// newWatcher opens what lasts as long as the watch.
func newWatcher(env *environment, c *cli.Command, cfg *config.Config) (*watcher, error) {
	w := &watcher{env: env, c: c, cfg: cfg}
	if c.Bool("apply") && cfg.Approval == "always" {
		return nil, &problem{code: "SPM0303", summary: `approval = "always" does not take watch -apply`,
			detail: "Every plan would wait for a person. Leave -apply out and use -out=DIR, or choose another approval."}
	}
	if c.String("listen") != "" {
		if err := w.listen(); err != nil {
			return nil, err
		}
	}
	var err error
	if w.log, w.done, err = env.logger(); err != nil {
		w.closeListener()
		return nil, err
	}
	if c.Bool("json") {
		w.events = view.NewEvents(env.stdout, env.now)
		w.events.Names = cfg.Names
		w.events.Version(version)
	}
	w.tell = newTeller(env, w.events)
	return w, nil
}

// listen opens the address for notifications before any subscription is made (W5).
func (w *watcher) listen() error {
	var cert *watch.Certificate
	var err error
	if file := w.c.String("tls-cert"); file != "" {
		if cert, err = watch.LoadCertificate(file, w.c.String("tls-key")); err != nil {
			return &problem{code: "SPM1002", summary: "The certificate of -tls-cert cannot be used", err: err}
		}
	}
	w.listener, err = watch.Listen(w.c.String("listen"), cert)
	if err != nil {
		p := &problem{code: "SPM1001", summary: "Cannot listen on " + w.c.String("listen"), err: err}
		if errors.Is(err, watch.ErrPlain) {
			p.detail = "Give -tls-cert and -tls-key, or listen on loopback behind a proxy that ends TLS."
		}
		return p
	}
	u, err := url.Parse(w.c.String("notification-url"))
	if err != nil {
		return err // was checked
	}
	w.receiver = watch.NewReceiver(u.Path, func(d watch.Drive, e watch.Event) {
		w.mu.Lock()
		hear := w.hear
		w.mu.Unlock()
		if hear != nil {
			hear(d, e)
		}
	})
	return nil
}

func (w *watcher) closeListener() {
	if w.listener != nil {
		w.listener.Close()
	}
}

func (w *watcher) close() {
	w.closeListener()
	w.done()
}

// run watches until the context ends, and reads the configuration again at each hup. The listener outlives all rounds.
func (w *watcher) run(ctx context.Context, hup <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var serving sync.WaitGroup
	defer serving.Wait()
	if w.listener != nil {
		serving.Go(func() {
			if err := watch.Serve(ctx, w.listener, w.receiver); ctx.Err() == nil {
				cancel(&problem{code: "SPM1001", summary: "Notifications are not received any more", err: err})
			}
		})
	}
	var err error
	for err == nil && ctx.Err() == nil {
		err = w.round(ctx, hup)
	}
	cancel(nil)
	var stopped *problem
	if cause := context.Cause(ctx); err == nil && errors.As(cause, &stopped) {
		err = stopped
	}
	w.tell.stopped(w.counts())
	return err
}

func (w *watcher) counts() *watch.Counts {
	if w.receiver == nil {
		return nil
	}
	counts := w.receiver.Counts()
	return &counts
}

// round watches with one configuration: until the context ends, a new configuration was
// read, or the first look shows that there is no sense in going on.
func (w *watcher) round(ctx context.Context, hup <-chan os.Signal) error {
	r := &round{watcher: w, cfg: w.cfg, pool: newPool(), shown: make(map[string]string), read: make(map[string]reading), refused: make(map[watch.Drive]bool)}
	if w.meter != nil {
		r.pool.closing = w.meter.closing
	}
	stop := make(chan struct{})
	r.stop = sync.OnceFunc(func() { close(stop) })
	r.loop = watch.NewLoop(&watch.Schedule{
		Interval: w.c.Duration("interval"), Debounce: w.c.Duration("debounce"), Safety: watch.MaxSafety, Jitter: rand.Float64,
	}, w.env.now, r.look)
	work, end := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer func() {
		end()
		helpers.Wait()
		r.pool.close(func(*client) bool { return true })
	}()
	if w.receiver != nil {
		r.keeper = r.newKeeper()
		helpers.Go(func() { r.keeper.Run(work) })
	}
	w.mu.Lock()
	w.hear = r.hear
	w.mu.Unlock()
	helpers.Go(func() { r.reload(work, hup) })
	r.loop.Run(ctx, stop)
	return r.fatal
}

// round is the watch with one configuration.
type round struct {
	*watcher
	cfg    *config.Config
	pool   *pool
	loop   *watch.Loop
	keeper *watch.Keeper     // nil without -listen
	stop   func()            // ends the round after the look under way
	fatal  error             // that ends the watch
	shown  map[string]string // the last plan of each scope
	read   map[string]reading

	covering sync.Mutex
	refused  map[watch.Drive]bool // a subscription
}

// hear passes on what the service says of a drive.
func (r *round) hear(d watch.Drive, e watch.Event) {
	r.loop.Notify(d) // also after an event of the subscription's life: something may have been missed (W16)
	if r.keeper != nil {
		r.keeper.Hear(d, e)
	}
}

// reload waits for SIGHUP and ends the round when the configuration can be read. One that
// cannot be read changes nothing.
func (r *round) reload(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		cfg, err := load(ctx, r.env, r.c)
		if err == nil && r.c.Bool("apply") && cfg.Approval == "always" {
			err = &problem{code: "SPM0303", summary: `approval = "always" does not take watch -apply`}
		}
		if err != nil {
			r.tell.problem(&problem{code: "SPM1003", summary: "The configuration was not read again; the watch goes on with the one before", err: unsaid(err)})
			continue
		}
		r.watcher.cfg = cfg // for the next round
		r.tell.line("Configuration read again.")
		r.stop()
		return
	}
}

// unsaid is an error that was not told yet, else nil.
func unsaid(err error) error {
	var status exitStatus
	if errors.As(err, &status) {
		return nil
	}
	return err
}

// newKeeper makes the keeper of subscriptions.
func (r *round) newKeeper() *watch.Keeper {
	return watch.NewKeeper(watch.KeeperOptions{
		Address: r.c.String("notification-url"), Receiver: r.receiver, Now: r.env.now, Log: r.log, Cover: r.cover,
		Service: func(tenant string) (watch.Service, error) {
			c, err := r.connection(tenant)
			if err != nil {
				return nil, err
			}
			return c.Client, nil
		},
		Refused: func(d watch.Drive, err error) {
			r.covering.Lock()
			r.refused[d] = true
			r.covering.Unlock()
			r.tell.once("subscription "+d.Tenant, notSubscribed(d, err))
		},
	})
}

// cover passes on that a drive got its subscription, or lost it.
func (r *round) cover(d watch.Drive, covered bool) {
	r.loop.Cover(d, covered)
	if !covered {
		return
	}
	r.covering.Lock()
	delete(r.refused, d)
	left := false
	for other := range r.refused {
		left = left || other.Tenant == d.Tenant
	}
	r.covering.Unlock()
	if !left {
		r.tell.settled("subscription " + d.Tenant)
	}
}

// dropRefusals forgets those of drives that are not watched any more.
func (r *round) dropRefusals(drives []watch.Drive) {
	r.covering.Lock()
	defer r.covering.Unlock()
	maps.DeleteFunc(r.refused, func(d watch.Drive, _ bool) bool { return !slices.Contains(drives, d) })
}

// notSubscribed says why there are no notifications of a drive. It is asked about at the
// interval until there are.
func notSubscribed(d watch.Drive, err error) *problem {
	p := &problem{code: "SPM1004", summary: "No notifications from " + d.Tenant, err: err,
		detail: "Its drives are asked at the -interval until a subscription succeeds; that is tried again by itself."}
	if e, ok := graph.AsError(err); ok {
		switch {
		case e.IsSubscriptionLimit():
			p.code = "SPM1007"
		case e.IsAccess():
			p.code = "SPM1005"
		case e.IsUnvalidated():
			p.code = "SPM1006"
		}
	}
	return p
}
