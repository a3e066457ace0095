package main

import (
	"context"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
)

// configFlags are the flags that decide what is loaded.
func configFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "var", Usage: "set a variable: `NAME=VALUE`; may be repeated"},
		&cli.StringSliceFlag{Name: "var-file", Usage: "read variables from `FILE`; may be repeated"},
		&cli.StringFlag{Name: "config", Usage: "load only `FILE` instead of all *.hcl of the directory"},
	}
}

// outputFlags are the flags that decide how results look.
func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-color", Usage: "no colour"},
		&cli.StringFlag{Name: "color", Usage: "`WHEN` to use colour: auto, always, never"},
	}
}

func colorOf(c *cli.Command) string {
	if c.Bool("no-color") {
		return "never"
	}
	return c.String("color")
}

// loadOptions collects what a configuration is loaded from.
func loadOptions(env *environment, c *cli.Command) config.Options {
	o := config.Options{Env: env.environ, ToolVersion: version}
	if file := c.String("config"); file != "" {
		o.Dir, o.File = filepath.Dir(file), filepath.Base(file)
	}
	for _, v := range c.StringSlice("var") {
		o.Vars = append(o.Vars, config.Var(v))
	}
	for _, f := range c.StringSlice("var-file") {
		o.Vars = append(o.Vars, config.VarFile(f))
	}
	return o
}

// load reads the configuration for a command that works with it, and prints its
// diagnostics. Unlike validate it accepts nothing that is not known: a mirror whose
// for_each had no value yet would look like one that is gone.
func load(ctx context.Context, env *environment, c *cli.Command) (*config.Config, error) {
	log, done, err := env.logger()
	if err != nil {
		return nil, err
	}
	defer done()
	data := newDiscovery(ctx, log)
	defer data.close()
	o := loadOptions(env, c)
	o.Data = data
	cfg, diags := config.Load(o)
	if !diags.HasErrors() {
		diags = append(diags, cfg.Credentials()...)
	}
	if err := diagnostics(env, cfg, diags); err != nil {
		return nil, err
	}
	return cfg, checkKept(c, cfg)
}
