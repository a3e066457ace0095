package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

func discoverCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "discover",
		Usage: "find sources and write configuration for them",
		Commands: []*cli.Command{
			discoverSub(env, "sites", "list the sites of a tenant", "",
				"Lists all sites, or with -search those that a search finds: the service's search lags behind and is\n"+
					"no inventory. Personal sites are left out; see discover users. Needs Sites.Read.All.",
				findSites, searchFlag(), &cli.BoolFlag{Name: "personal", Usage: "list personal sites, too"}),
			discoverSub(env, "drives", "list document libraries with their sizes", "[SITE...]",
				"Lists the libraries of the named sites, or of all sites. SITE is an address or an id. A site that\n"+
					"cannot be read is named, and the exit code is 4.",
				findDrives, searchFlag(), &cli.BoolFlag{Name: "hidden", Usage: "list libraries that the service hides, too"}),
			discoverSub(env, "folders", "list the folders of a library with their sizes and counts", "SITE or DRIVE_ID",
				"Lists the folders directly below the root of a library, or below -folder, with the size of all that\n"+
					"is in each and the number of items directly in it.",
				findFolders, &cli.StringFlag{Name: "drive", Usage: "the library with this `NAME` instead of the default one"},
				&cli.StringFlag{Name: "folder", Usage: "list the folders below `PATH`"}),
			discoverSub(env, "users", "list users and the sizes of their OneDrives", "",
				"Lists all users, or with -search those whose name or address holds a text. Users without a OneDrive\n"+
					"are named as such. Needs User.ReadBasic.All, and Files.Read.All for the OneDrives.",
				findUsers, searchFlag()),
		},
	}
}

func searchFlag() cli.Flag { return &cli.StringFlag{Name: "search", Usage: "only what matches `TEXT`"} }

// finder lists one kind of source.
type finder func(ctx context.Context, d *discovering, c *cli.Command) error

func discoverSub(env *environment, name, usage, arguments, description string, find finder, more ...cli.Flag) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: arguments,
		Description: description + "\n\n" +
			"The configuration needs no more than a tenant block. Lists that break off are an error, never a short\n" +
			"list. With -generate-config-out a mirror block is written for each; the file is new, valid and in\n" +
			"canonical form, and what the language cannot express is named in it.\n\n" +
			"Exit codes: 0 done, 1 error, 4 something could not be read and is named.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object a line"},
			&cli.StringFlag{Name: "tenant", Usage: "ask the tenant with this `NAME`, if several are declared"},
			&cli.IntFlag{Name: "max-results", HideDefault: true, Usage: "fail if more than `N` are found; without it there is no limit"},
			&cli.StringFlag{Name: "generate-config-out", Usage: "write mirror blocks to the new `FILE`"},
			&cli.StringFlag{Name: "target-dir", Value: "mirror", Usage: "with -generate-config-out: targets are made below `DIR`"},
		}, more),
		Action: func(ctx context.Context, c *cli.Command) error { return runDiscover(ctx, env, c, find) },
	}
}

func runDiscover(ctx context.Context, env *environment, c *cli.Command, find finder) error {
	if err := goesWith(c, "target-dir", "generate-config-out"); err != nil {
		return err
	}
	if n := c.Int("max-results"); n < 0 || n == 0 && c.IsSet("max-results") {
		return &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -max-results=%d", n), detail: "It is 1 or more; without the flag there is no limit."}
	}
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	t, err := chosenTenant(cfg, c.String("tenant"))
	if err != nil {
		return err
	}
	if err := diagnostics(env, cfg, (&config.Config{Tenants: []config.Tenant{*t}}).Credentials()); err != nil {
		return err
	}
	log, done, err := env.logger()
	if err != nil {
		return err
	}
	defer done()
	d := &discovering{env: env, cfg: cfg, json: c.Bool("json"), most: int64(c.Int("max-results"))}
	if name := c.String("generate-config-out"); name != "" {
		if err := d.generateInto(name, c, t); err != nil {
			return err
		}
	}
	d.client, err = connect(t, connecting{log: log, watch: func(graph.GateEvent) {}, statePath: cfg.Backend.Path})
	if err != nil {
		return fmt.Errorf("%s: %w", t.Address, err)
	}
	defer d.client.close()
	if err := find(ctx, d, c); err != nil {
		return err
	}
	return d.finish()
}

// chosenTenant is the tenant with a name or address, or the only one.
func chosenTenant(cfg *config.Config, name string) (*config.Tenant, error) {
	var names []string
	var found []*config.Tenant
	for i := range cfg.Tenants {
		t := &cfg.Tenants[i]
		names = append(names, t.Address)
		if name == "" || t.Address == name || t.Address == "tenant."+name {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return nil, &problem{code: "SPM0018", summary: "The configuration declares no tenant", detail: "Add a tenant block; `spmirror init` in an empty directory writes an example."}
	case name != "":
		return nil, &problem{code: "SPM0018", summary: "The configuration declares no tenant " + name + didYouMean("tenant."+strings.TrimPrefix(name, "tenant."), "", names), detail: among("Declared", names)}
	}
	return nil, &problem{code: "SPM0018", summary: fmt.Sprintf("The configuration declares %d tenants", len(names)), detail: "Say which is asked: -tenant=" + strings.Join(names, " or -tenant=") + "."}
}
