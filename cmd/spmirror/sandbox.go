package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/sandbox"
)

func sandboxCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "sandbox",
		Usage: "the emulated tenant",
		Commands: []*cli.Command{{
			Name:  "serve",
			Usage: "serve the emulated tenant for any client of Microsoft Graph",
			Description: "Serves an emulated tenant on loopback until it is interrupted: Graph and login on one address,\n" +
				"content on another, over TLS with a certificate authority made for the occasion. What it\n" +
				"prints says where they are, and who may sign in.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8443", Usage: "`ADDRESS` to listen on, loopback only"},
				&cli.BoolFlag{Name: "plain", Usage: "plain http instead of TLS"},
				&cli.StringFlag{Name: "ca-out", Usage: "write the certificate authority to `FILE`"},
				&cli.BoolFlag{Name: "proxy", Usage: "also run a CONNECT proxy that leads every host here"},
				&cli.StringFlag{Name: "directory", Usage: "serve a real `DIR` as the library Documents of /sites/people"},
				&cli.IntFlag{Name: "files", HideDefault: true, Usage: "serve `N` generated files"},
				&cli.StringFlag{Name: "size", Usage: "`SIZE` of each generated file, such as 1MiB"},
				&cli.StringFlag{Name: "state-file", Usage: "keep edits in `FILE` between runs"},
				&cli.StringFlag{Name: "script", Usage: "run a script of changes and faults from `FILE`"},
				&cli.StringFlag{Name: "public-graph", Usage: "`URL` of Graph that links name"},
				&cli.StringFlag{Name: "public-content", Usage: "`URL` of the content host that downloads name"},
				&cli.IntFlag{Name: "seed", Usage: "`SEED` of ids and content"},
			},
			Action: func(ctx context.Context, c *cli.Command) error { return runSandbox(ctx, env, c) },
		}},
	}
}

func runSandbox(ctx context.Context, env *environment, c *cli.Command) error {
	if err := cmp.Or(apart(c, "directory", "files", "size"), goesWith(c, "size", "files"), apart(c, "plain", "ca-out")); err != nil {
		return err
	}
	spec := &config.Sandbox{Seed: int64(c.Int("seed")), Directory: c.String("directory"), Files: int(c.Int("files")), Script: c.String("script")}
	if text := c.String("size"); text != "" {
		size, err := config.ParseSize(text)
		if err != nil {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -size=%q", text), err: err}
		}
		spec.Size = size
	}
	unserved := func(err error) error {
		return &problem{code: "SPM0901", summary: "The sandbox cannot be served", err: err}
	}
	opts, err := sandboxOptions(&config.Tenant{Name: "sandbox", Sandbox: spec}, "")
	if err != nil {
		return unserved(err)
	}
	opts.StateFile = c.String("state-file")
	tenant, err := sandbox.New(opts)
	if err != nil {
		return unserved(err)
	}
	defer tenant.Close()
	server, err := tenant.Start(ctx, sandbox.ServeOptions{
		Listen: c.String("listen"), TLS: !c.Bool("plain"), Proxy: c.Bool("proxy"),
		PublicGraph: c.String("public-graph"), PublicContent: c.String("public-content"),
	})
	if err != nil {
		return unserved(err)
	}
	defer server.Close()
	if path := c.String("ca-out"); path != "" {
		if err := os.WriteFile(path, server.CAPEM(), 0o644); err != nil {
			return unserved(err)
		}
	}
	fmt.Fprintf(env.stdout, "Graph    %s/v1.0\nLogin    %s/%s\nContent  %s\nClient   %s, secret %q\n",
		server.GraphURL, server.LoginURL, tenant.TenantID(), server.ContentURL, sandbox.DemoClientID, sandbox.DemoSecret)
	if server.ProxyURL != "" {
		fmt.Fprintf(env.stdout, "Proxy    %s\n", server.ProxyURL)
	}
	for _, d := range tenant.Drives() {
		fmt.Fprintf(env.stdout, "Drive    %s  %s\n", d.ID(), d.WebURL())
	}
	<-ctx.Done()
	return nil
}
