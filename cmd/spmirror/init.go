package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

func initCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "prepare a directory: skeleton, or state and targets",
		Description: "In a directory without configuration it writes a commented skeleton, main.hcl. In one\n" +
			"with a configuration it checks it and creates the state, and gives every target that does not\n" +
			"exist or is empty its marker. It can be run again at any time.",
		Flags:  slices.Concat(configFlags(), outputFlags()),
		Action: func(ctx context.Context, c *cli.Command) error { return runInit(ctx, env, c) },
	}
}

func runInit(ctx context.Context, env *environment, c *cli.Command) error {
	cfg, diags := config.Load(loadOptions(env, c))
	if config.HasCode(diags, config.CodeEmpty) {
		return writeSkeleton(env)
	}
	if err := diagnostics(env, cfg, diags); err != nil {
		return err
	}
	_, err := os.Stat(cfg.Backend.Path)
	made := errors.Is(err, os.ErrNotExist)
	s, err := openSession(ctx, env, cfg, sessionOptions{operation: "init", color: colorOf(c)})
	if err != nil {
		return err
	}
	defer s.close()
	verb := "Found"
	if made {
		verb = "Created"
	}
	fmt.Fprintf(env.stdout, "%s the state %s (lineage %s).\n", verb, relative(cfg.Dir, cfg.Backend.Path), s.store.Lineage())
	for _, m := range cfg.Mirrors {
		if err := s.initTarget(ctx, &m); err != nil {
			return err
		}
	}
	fmt.Fprintln(env.stdout, "\nspmirror has been initialized. `spmirror plan` shows what would be mirrored.")
	return nil
}

// initTarget says how things stand with a target, and refuses one that belongs to
// something else.
func (s *session) initTarget(ctx context.Context, m *config.Mirror) error {
	row, known, err := s.rowOf(ctx, m.Address)
	if err != nil {
		return err
	}
	marker, marked := readMarker(m.Target)
	path := relative(s.cfg.Dir, m.Target)
	switch {
	case marked && marker.Lineage != s.store.Lineage():
		return &problem{code: "SPM0802", summary: "The target belongs to another state",
			detail: fmt.Sprintf("%s holds the marker of %s, lineage %s. Nothing was changed.", m.Target, marker.Mirror, marker.Lineage)}
	case known && !marked:
		return s.remark(m, row)
	case marked:
		fmt.Fprintf(s.env.stdout, "%s  ->  %s (has its marker)\n", view.Name(m.Address), view.Name(path))
	default:
		return s.mark(m, path)
	}
	return nil
}

// mark makes a target of a directory that is missing or empty. One with files in it is
// left to the first apply, after a plan has said what becomes of them.
func (s *session) mark(m *config.Mirror, path string) error {
	marker := target.NewMarker(s.store.Lineage(), m.Address, "", s.env.now())
	err := target.Init(m.Target, marker, s.targetOptions(m.Address)...)
	note := "marked"
	switch {
	case errors.Is(err, target.ErrNotEmpty):
		note = "has files already; `spmirror plan` says what becomes of them"
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.env.stdout, "%s  ->  %s (%s)\n", view.Name(m.Address), view.Name(path), note)
	return err
}

// remark never recreates a lost marker by itself: an unmounted disk looks the same.
func (s *session) remark(m *config.Mirror, row state.Mirror) error {
	return &problem{
		code: "SPM0801", summary: fmt.Sprintf("The target of %s has lost its marker", m.Address),
		detail: fmt.Sprintf("%s was target %s of this state and has no marker now. Is the disk mounted?\nNothing was changed. If the files are gone for good, remove the mirror from the state first:\nspmirror state rm '%s'", m.Target, row.Marker, m.Address),
	}
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

func writeSkeleton(env *environment) error {
	const name = "main.hcl"
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return &problem{code: "SPM0011", summary: "Cannot write the skeleton " + name, err: err}
	}
	if _, err := f.WriteString(skeleton); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Wrote %s, a skeleton with comments. Edit it, then run `spmirror plan`.\n", name)
	return nil
}

const skeleton = `# Which SharePoint libraries are mirrored, and to which directories.

spmirror {
  required_version = ">= 0.1"
}

# How to sign in. The secret may also come from the environment (ARM_CLIENT_SECRET).
tenant "contoso" {
  tenant_id = "contoso.onmicrosoft.com"

  auth "client_secret" {
    client_id               = "00000000-0000-0000-0000-000000000000"
    client_secret_file_path = "client-secret"
  }
}

mirror "documents" {
  site   = "https://contoso.sharepoint.com/sites/example"
  target = "./mirror/documents"

  # drive  = "Invoices"   # another library than the default one
  # folder = "/Reports"   # only a part of it

  # select {
  #   exclude  = ["~$*", "*.tmp", "Archive/"]
  #   max_size = "2GiB"
  # }
}
`
