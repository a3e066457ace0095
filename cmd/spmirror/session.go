package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// session is what commands that touch state or source work with. It owns all that
// it opens.
type session struct {
	env        *environment
	cfg        *config.Config
	declaredAt map[string]int // index of a mirror in cfg, by address
	store      *state.Store
	lock       *state.Lock
	pool       *pool
	asked      lookups
	out        view.Output
	log        *slog.Logger
	notice     *notices
	events     *view.Events // with -json, else nil
	into       *view.Events // with -json-into, else nil
	intoName   string
	streams    []*view.Events
	ended      bool // the last event was written
	// inventory says that store is a copy made for planning: source and disk are not there.
	inventory bool
	recorded  runSummary // of the apply that is begun
	replay    *replay    // while a saved plan is derived again
	applies   bool       // the plan will be applied by this process: download addresses are kept
	// networkWait is how long a network that is gone is waited for; 0 for the default.
	networkWait time.Duration
	fullEvery   time.Duration // between full enumerations of a drive; 0 for the usual interval
	seen        observers
	closers     []func()
	held        int // targets that were opened to be changed
	// declared are the mirrors of the configuration, to which cfg adds those that follow their shortcuts.
	declared  []config.Mirror
	shortcuts []*shortcut
	movedFrom map[string][]string              // addresses of mirrors of the state, by the one to which moved blocks lead from them; nil until asked for
	nestedIn  map[string]map[state.ItemID]bool // folders that are targets of mirrors of the state, by the mirror that has them
}

// sessionOptions say how a session opens the state.
type sessionOptions struct {
	operation   string
	lockTimeout time.Duration
	color       string
	json        bool // events on stdout instead of text
	jsonInto    string
	inventory   string       // plan from this file instead of the state
	pool        *pool        // connections that outlive the session, nil for none
	events      *view.Events // that outlive the session, nil for none
	quiet       bool         // tell nothing until notify is called
	fullEvery   time.Duration
	seen        observers
}

// openSession opens the state of a configuration and takes its lock. A state that
// does not exist is made: it holds nothing that planning could harm.
func openSession(ctx context.Context, env *environment, cfg *config.Config, o sessionOptions) (*session, error) {
	s, err := newSession(env, cfg, o.color)
	if err != nil {
		return nil, err
	}
	if o.jsonInto != "" {
		if err := s.streamInto(o.jsonInto); err != nil {
			s.notify(false)
			s.close()
			return nil, err
		}
	}
	if o.pool != nil {
		s.pool = o.pool.lend()
	}
	s.seen, s.fullEvery = o.seen, o.fullEvery
	s.seen.meter.measures(s.pool)
	if o.events != nil {
		s.events, s.streams, s.ended = o.events, []*view.Events{o.events}, true
		s.events.Begin()
	}
	if o.quiet {
		s.notice = newNotices(io.Discard, view.Watchers(nil))
	} else {
		s.notify(o.json)
	}
	if err := s.open(ctx, o); err != nil {
		err = s.endStreams(o.operation, err, nil)
		s.close()
		return nil, err
	}
	return s, nil
}

// newSession is a session that has opened nothing but its log.
func newSession(env *environment, cfg *config.Config, color string) (*session, error) {
	log, done, err := env.logger()
	if err != nil {
		return nil, err
	}
	s := &session{env: env, declared: cfg.Mirrors, pool: newPool(), out: env.output(color), log: log, closers: []func(){done}}
	s.configure(cfg)
	s.out.Names = cfg.Names
	if s.networkWait, err = env.networkWait(); err != nil {
		done()
		return nil, err
	}
	return s, nil
}

// configure lets the session work with a configuration.
func (s *session) configure(cfg *config.Config) {
	s.cfg, s.declaredAt = cfg, make(map[string]int, len(cfg.Mirrors))
	for i := range cfg.Mirrors {
		s.declaredAt[cfg.Mirrors[i].Address] = i
	}
}

// notify chooses how the session tells what it does.
func (s *session) notify(json bool) {
	watchers := s.seen.watchers()
	if s.into != nil {
		watchers = append(watchers, s.into)
	}
	if !json {
		s.notice = newNotices(s.env.stderr, append(watchers, s.out.Progress()))
	} else {
		if s.events == nil {
			s.events = s.stream(s.env.stdout)
		}
		s.notice = newNotices(io.Discard, append(watchers, s.events))
	}
	s.pool.notice.Store(s.notice) // the gates tell of pauses at any time, also while notice is replaced
}

func (s *session) open(ctx context.Context, o sessionOptions) error {
	if o.inventory != "" {
		if err := s.openInventory(ctx, o.inventory); err != nil {
			return err
		}
		return s.follow(ctx)
	}
	if err := s.openState(ctx, o); err != nil {
		return err
	}
	return s.follow(ctx)
}

// openState opens the state under its lock.
func (s *session) openState(ctx context.Context, o sessionOptions) error {
	path := s.cfg.Backend.Path
	err := s.acquire(ctx, o)
	if err != nil {
		return err
	}
	s.store, err = state.Open(ctx, path, state.Options{Now: s.env.now})
	if errors.Is(err, state.ErrMissing) {
		if err := s.stateMayBeMade(); err != nil {
			return err
		}
		s.store, err = state.Create(ctx, path, state.Options{Now: s.env.now})
	}
	if err != nil {
		return noAccess(err)
	}
	return s.notInventory(ctx)
}

// acquire takes the lock of the state.
func (s *session) acquire(ctx context.Context, o sessionOptions) error {
	path := s.cfg.Backend.Path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return noAccess(err)
	}
	who := state.Owner{PID: os.Getpid(), Operation: o.operation, Since: s.env.now().UTC(), Version: version}
	lock, err := state.Acquire(ctx, path, who, o.lockTimeout, func(state.Owner) {
		s.notice.line("Acquiring state lock. This may take a few moments...")
	})
	if s.lock = lock; err != nil {
		return noAccess(err)
	}
	return nil
}

// stateMayBeMade refuses to start with an empty state beside targets that belong
// to one: that is a lost or mistyped state, not a new mirror (I-37).
func (s *session) stateMayBeMade() error {
	for _, m := range s.cfg.Mirrors {
		if marker, ok := readMarker(m.Target); ok {
			return &problem{
				code: "SPM0704", summary: fmt.Sprintf("The state %q is missing", s.cfg.Backend.Path),
				detail: fmt.Sprintf("The target %q of %s belongs to the state with lineage %s.\nNothing was changed. Restore that state, or correct the path of the backend. If it is lost for good,\nmake a new one from the files that are there, without downloading them:\nspmirror state rebuild -adopt=%s",
					m.Target, m.Address, marker.Lineage, marker.Lineage),
			}
		}
	}
	return nil
}

// close gives everything back, in reverse order.
func (s *session) close() {
	s.notice.close()
	s.seen.meter.measured()
	s.pool.release()
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("state not closed in order", "error", err)
		}
	}
	if s.lock != nil {
		if err := s.lock.Release(); err != nil {
			s.log.Warn("lock not released in order", "error", err)
		}
	}
	for _, f := range s.closers {
		f()
	}
}
