package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

// Planning where the state is not (UX 4.7): an inventory is a copy of the state with
// nothing but what planning reads. A runner plans a branch with it without credentials
// and without network; such a plan is speculative and cannot be applied.

func inventoryFlag() cli.Flag {
	return &cli.StringFlag{Name: "inventory", Usage: "plan from the inventory in `FILE` instead of state, source and disk; for reading only"}
}

// loadFor loads the configuration of a plan. With an inventory nothing is asked and no
// credentials are needed.
func loadFor(ctx context.Context, env *environment, c *cli.Command) (*config.Config, error) {
	if c.String("inventory") == "" {
		return load(ctx, env, c)
	}
	o := loadOptions(env, c)
	o.Data = noSource{}
	cfg, diags := config.Load(o)
	if err := diagnostics(env, cfg, diags); err != nil {
		return nil, err
	}
	return cfg, checkKept(c, cfg)
}

// noSource answers no data block: what it would find is not in an inventory.
type noSource struct{}

// ReadData refuses.
func (noSource) ReadData(config.DataRequest) (map[string]any, error) {
	return nil, errors.New("a plan from an inventory asks no source; data blocks cannot be read")
}

// openInventory opens a private copy of an inventory in the place of the state. Nothing
// that planning notes is kept.
func (s *session) openInventory(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp("", "spmirror-inventory-")
	if err != nil {
		return err
	}
	copied := filepath.Join(dir, "inventory.db")
	s.closers = append(s.closers, func() {
		for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
			_ = os.Remove(copied + suffix)
		}
		_ = os.Remove(dir)
	})
	if err := copyFile(name, copied); err != nil {
		return &problem{code: "SPM0721", summary: "Cannot open the inventory", err: err}
	}
	if s.store, err = state.Open(ctx, copied, state.Options{Now: s.env.now}); err != nil {
		return &problem{code: "SPM0721", summary: fmt.Sprintf("%q is no inventory", name), err: err}
	}
	if kind, err := s.store.Meta(ctx, state.MetaInventory); err != nil || kind == "" {
		return &problem{code: "SPM0721", summary: fmt.Sprintf("%q is no inventory", name), err: err,
			detail: "Make one with `spmirror state export -inventory -out=FILE` where the state is."}
	}
	s.inventory = true
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// notInventory refuses an inventory in the place of a state: it knows less than was
// done, and a run on top of it would do harm.
func (s *session) notInventory(ctx context.Context) error {
	kind, err := s.store.Meta(ctx, state.MetaInventory)
	if err != nil || kind == "" {
		return err
	}
	return &problem{code: "SPM0722", summary: fmt.Sprintf("%q is an inventory, not a state", s.cfg.Backend.Path),
		detail: "Nothing was changed. Plan with -inventory=FILE, or correct the path of the backend."}
}

// exportInventory writes an inventory to w.
func (s *session) exportInventory(ctx context.Context, c *cli.Command, w io.Writer) error {
	hide := state.Hide{}
	if c.String("names") == view.NamesHashed {
		var err error
		if hide, err = s.hideNames(ctx); err != nil {
			return err
		}
	}
	made, err := s.store.Inventory(ctx, hide)
	if err != nil {
		return err
	}
	defer os.Remove(made)
	f, err := os.Open(made)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

// hideNames replaces the names of files by pseudonyms that keep the extension. Their
// key is forgotten, so nobody can try names out; a new inventory has new pseudonyms.
func (s *session) hideNames(ctx context.Context) (state.Hide, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return state.Hide{}, err
	}
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return state.Hide{}, err
	}
	portable := make(map[state.MirrorKey]bool)
	for _, row := range rows {
		m := s.configOf(row)
		portable[row.Key] = m != nil && m.TargetNames == "portable"
	}
	remote := func(name string) string {
		sum := hmac.New(sha256.New, key)
		io.WriteString(sum, name)
		return hex.EncodeToString(sum.Sum(nil)[:8]) + path.Ext(name)
	}
	return state.Hide{Remote: remote, Local: func(mirror state.MirrorKey, name string) string {
		if original, err := (target.Naming{Portable: portable[mirror]}).Remote(target.LocalName(name)); err == nil {
			name = original
		}
		return remote(name)
	}}, nil
}

// sameTarget is where a target recorded elsewhere is here: a path that is relative in
// the configuration is below another directory on another machine.
func sameTarget(recorded, configured, dir string) string {
	base, err := filepath.Abs(dir)
	if err != nil {
		return recorded
	}
	rel, err := filepath.Rel(base, configured)
	if err == nil && filepath.IsLocal(rel) && strings.HasSuffix(recorded, string(filepath.Separator)+rel) {
		return configured
	}
	return recorded
}
