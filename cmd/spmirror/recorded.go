package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
)

// Commands that work on recorded data need the configuration for the path of the state and
// for targets only: they load it offline, without credentials and without asking the source.

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print it as JSON"} }

func lockFlag() cli.Flag {
	return &cli.DurationFlag{Name: "lock-timeout", Usage: "wait up to `DURATION` for the state lock"}
}

// writeJSON prints one document.
func writeJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

// loadOffline reads the configuration as validate does.
func loadOffline(env *environment, c *cli.Command) (*config.Config, error) {
	cfg, diags := config.Load(loadOptions(env, c))
	if err := diagnostics(env, cfg, diags); err != nil {
		return nil, err
	}
	return cfg, nil
}

// openRecorded opens the state for looking: without the lock, as it was when it was last
// committed, also while a run goes on.
func openRecorded(ctx context.Context, env *environment, c *cli.Command) (*session, error) {
	cfg, err := loadOffline(env, c)
	if err != nil {
		return nil, err
	}
	s, err := newSession(env, cfg, colorOf(c))
	if err != nil {
		return nil, err
	}
	s.notify(false)
	s.store, err = state.Open(ctx, cfg.Backend.Path, state.Options{Now: env.now, ReadOnly: true})
	if err != nil {
		s.close()
		return nil, noState(cfg, err)
	}
	if err := s.follow(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openEditing opens an existing state for a change, with its lock.
func openEditing(ctx context.Context, env *environment, c *cli.Command, operation string) (*session, error) {
	look, err := openRecorded(ctx, env, c)
	if err != nil {
		return nil, err
	}
	look.close()
	declared := *look.cfg
	declared.Mirrors = look.declared
	return openSession(ctx, env, &declared, sessionOptions{operation: operation, lockTimeout: c.Duration("lock-timeout"), color: colorOf(c)})
}

// work is what a command does with an open state.
type work func(ctx context.Context, s *session, c *cli.Command) error

// takes says how many arguments a command has.
type takes struct {
	least, most int
	sentence    string // what is said to anybody who gives more or fewer
}

func (t takes) check(c *cli.Command) error {
	if n := c.Args().Len(); n < t.least || n > t.most {
		return &problem{code: "SPM0002", summary: t.sentence}
	}
	return nil
}

// looking is the action of a command that looks at the state and changes nothing.
func looking(env *environment, t takes, do work) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if err := t.check(c); err != nil {
			return err
		}
		s, err := openRecorded(ctx, env, c)
		if err != nil {
			return err
		}
		defer s.close()
		return do(ctx, s, c)
	}
}

// editing is the action of a command that edits the state, under its lock.
func editing(env *environment, operation string, t takes, do work) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if err := t.check(c); err != nil {
			return err
		}
		s, err := openEditing(ctx, env, c, operation)
		if err != nil {
			return err
		}
		defer s.close()
		return do(ctx, s, c)
	}
}

func noState(cfg *config.Config, err error) error {
	if errors.Is(err, state.ErrMissing) || errors.Is(err, state.ErrEmpty) {
		return &problem{code: "SPM0706", summary: fmt.Sprintf("There is no state at %s", relative(cfg.Dir, cfg.Backend.Path)),
			detail: "`spmirror init` or the first plan creates it."}
	}
	return noAccess(err)
}

// recordedMirror finds a mirror of the state by its address.
func (s *session) recordedMirror(ctx context.Context, address string) (state.Mirror, error) {
	row, ok, err := s.store.MirrorByAddress(ctx, address)
	if err != nil || ok {
		return row, err
	}
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return row, err
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.Address)
	}
	return row, &problem{code: "SPM0012", summary: "The state has no " + address + didYouMeanAddress(address, "mirror", names), detail: among("It has", names)}
}

// recordedMirrors are the mirrors of the state that an optional address names, with wildcards. It names those that follow
// shortcuts of a mirror together with that mirror.
func (s *session) recordedMirrors(ctx context.Context, address string) ([]state.Mirror, error) {
	rows, err := s.store.Mirrors(ctx)
	if err != nil || address == "" {
		return rows, err
	}
	var named []state.Mirror
	for _, r := range rows {
		if s.named(r.Address, []string{address}, false) {
			named = append(named, r)
		}
	}
	if len(named) == 0 {
		_, err := s.recordedMirror(ctx, address)
		return nil, err
	}
	return named, nil
}

// logged runs an edit of the state as a run of its own, so that history knows of it.
func (s *session) logged(ctx context.Context, kind string, summary any, edit func(*state.Tx) error) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	now := s.env.now().UTC()
	return s.store.Tx(ctx, func(tx *state.Tx) error {
		id, err := tx.BeginRun(state.Run{Kind: kind, Actor: actor(s.env), Version: version, Started: now, Summary: string(text)})
		if err != nil {
			return err
		}
		if err := edit(tx); err != nil {
			return err
		}
		return tx.EndRun(id, state.RunEnd{Ended: now, Result: "complete"})
	})
}
