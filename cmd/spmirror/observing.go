package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/view"
)

// observers measure a command from outside: its metrics and its trace. The zero value does nothing.
type observers struct {
	meter *meter
	trace *tracing
}

// watchers are those observers that are there.
func (o observers) watchers() view.Watchers {
	var list view.Watchers
	if o.meter != nil {
		list = append(list, o.meter)
	}
	if o.trace != nil {
		list = append(list, o.trace)
	}
	return list
}

// observe runs a command with its observers.
func observe(ctx context.Context, env *environment, c *cli.Command, work func(context.Context, observers) error) error {
	m, err := newMeter(env, c, c.Name)
	if err != nil {
		return err
	}
	o := observers{m, newTracing(ctx, env, c.Name)}
	err = work(ctx, o)
	code := exitCode(err)
	if err != nil && ctx.Err() != nil {
		code = exitInterrupted
	}
	o.trace.end(ctx, env, code, err)
	o.meter.end(code)
	return err
}
