package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph/auth"
	"github.com/spmirror/spmirror/view"
)

func loginCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "login",
		Usage:     "sign in as a person, with a code",
		ArgsUsage: "[TENANT]",
		Description: "For tenants with auth \"device_code\": shows a code to be entered in a browser and keeps the login\n" +
			"in the token cache, a file of mode 0600. TENANT is a name, or an address such as tenant.contoso; without\n" +
			"it all such tenants are signed in to, one after another.",
		Flags: slices.Concat(configFlags(), outputFlags()),
		Action: func(ctx context.Context, c *cli.Command) error {
			return eachDevice(env, c, func(t *config.Tenant, source *auth.Source) error {
				if err := source.Login(ctx); err != nil {
					if ctx.Err() != nil {
						return err
					}
					return loginProblem(t, codeLogin, err)
				}
				_, err := fmt.Fprintf(env.stdout, "Signed in to %s.\n", view.Name(t.Address))
				return err
			})
		},
	}
}

func logoutCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "logout",
		Usage:       "forget the login of a person",
		ArgsUsage:   "[TENANT]",
		Description: "Removes the token cache of tenants with auth \"device_code\".",
		Flags:       slices.Concat(configFlags(), outputFlags()),
		Action: func(_ context.Context, c *cli.Command) error {
			return eachDevice(env, c, func(t *config.Tenant, source *auth.Source) error {
				if err := source.Logout(); err != nil {
					return loginProblem(t, codeLogin, err)
				}
				_, err := fmt.Fprintf(env.stdout, "Signed out of %s.\n", view.Name(t.Address))
				return err
			})
		},
	}
}

// codeLogin is the code of a login of a person that failed.
const codeLogin = "SPM0017"

// loginProblem says why nobody is signed in to a tenant, and what to do.
func loginProblem(t *config.Tenant, code string, err error) error {
	return &problem{code: code, summary: fmt.Sprintf("Cannot sign in to %s", t.Address), err: err, detail: cmp.Or(hopelessAdvice(err), checkSignIn)}
}

// eachDevice does something for every tenant, or the named one, that a person signs in to.
func eachDevice(env *environment, c *cli.Command, do func(*config.Tenant, *auth.Source) error) error {
	if c.Args().Len() > 1 {
		return &problem{code: "SPM0002", summary: c.Name + " takes one tenant"}
	}
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	named := c.Args().First()
	found := 0
	for i := range cfg.Tenants {
		t := &cfg.Tenants[i]
		if t.Auth.Method != string(auth.DeviceCode) || !addressed(t.Address, c.Args().Slice(), true) && t.Address != "tenant."+named {
			continue
		}
		found++
		a, err := authConfig(t)
		if err != nil {
			return loginProblem(t, codeLogin, err)
		}
		a.Prompt = func(code auth.UserCode) {
			fmt.Fprintf(env.stderr, "%s: open %s in a browser and enter the code %s\n", view.Name(t.Address), view.Message(code.URL), view.Message(code.Code))
		}
		source, err := auth.New(a)
		if err != nil {
			return loginProblem(t, codeLogin, err)
		}
		if err := do(t, source); err != nil {
			return err
		}
	}
	if found == 0 && named != "" {
		if _, err := chosenTenant(cfg, named); err != nil {
			return err
		}
	}
	if found == 0 {
		return &problem{code: "SPM0016", summary: "No tenant is signed in to by a person", detail: "Only tenants with auth \"device_code\" have a login; all other methods sign in by themselves."}
	}
	return nil
}
