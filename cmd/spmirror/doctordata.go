package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

// readData reads the data blocks, so that mirrors which depend on them are looked at, too.
func (d *doctor) readData(ctx context.Context, c *cli.Command) {
	if len(d.cfg.Deferred) == 0 {
		return
	}
	check := looked("config", d.cfg.Deferred[0], "data")
	if len(d.failed) > 0 {
		d.skip(check, "%s on data that cannot be read before the tenants answer", agree(len(d.cfg.Deferred), "block depends", "blocks depend"))
		return
	}
	data := newDiscovery(ctx, d.log)
	defer data.close()
	o := loadOptions(d.env, c)
	o.Data = &refusals{source: data, doctor: d}
	before := len(d.checks)
	cfg, diags := config.Load(o)
	switch {
	case len(d.checks) > before: // told with what to grant
	case diags.HasErrors():
		d.fail(check, fmt.Errorf("data cannot be read: %w", diags.Errs()[0]), "`spmirror plan` shows all that is wrong, with its place in the configuration.")
	case len(cfg.Gaps) > 0:
		d.fail(check, fmt.Errorf("%s lacks entries that cannot be read", cfg.Gaps[0]), "`spmirror plan` names them. Grant what is missing, or leave them out with exclude.")
		d.cfg = cfg
	default:
		d.ok(check, "data was read; mirrors declared with it: %d", len(cfg.Mirrors))
		d.cfg = cfg
	}
}

// refusals tells what a data block needs when it is refused, and hands everything on.
type refusals struct {
	source config.DataSource
	mu     sync.Mutex // guards doctor
	doctor *doctor
}

// ReadData implements config.DataSource.
func (r *refusals) ReadData(q config.DataRequest) (map[string]any, error) {
	found, err := r.source.ReadData(q)
	if e, ok := graph.AsError(err); ok && e.IsAccess() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.doctor.fail(looked("config", q.Address, "data"), err, "Grant "+dataNeeds(q)+", with the consent of an administrator.")
	}
	return found, err
}

// dataNeeds is the least permission of a data block (docs/permissions.md).
func dataNeeds(q config.DataRequest) string {
	switch {
	case q.Kind == "users" && q.Group != "":
		return "GroupMember.Read.All and User.ReadBasic.All"
	case q.Kind == "users":
		return "User.ReadBasic.All"
	case q.Kind == "groups":
		return "GroupMember.Read.All"
	case q.Kind == "sites":
		return "Sites.Read.All; with Sites.Selected nothing can be listed, and sites are named one by one"
	}
	return "Sites.Read.All, or Sites.Selected with a grant for the site (POST /sites/{id}/permissions, role read)"
}
