package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
)

// discovery answers data blocks over Microsoft Graph, for one load of a
// configuration. A result that would be cut off is an error, never a short list:
// a mirror that is missing from it would look like one that is gone.
type discovery struct {
	ctx     context.Context
	log     *slog.Logger
	mu      sync.Mutex // guards clients: instances of one block are read at the same time
	clients map[string]*client
}

func newDiscovery(ctx context.Context, log *slog.Logger) *discovery {
	return &discovery{ctx: ctx, log: log, clients: make(map[string]*client)}
}

func (d *discovery) close() {
	for _, c := range d.clients {
		c.close()
	}
}

// ReadData implements config.DataSource.
func (d *discovery) ReadData(r config.DataRequest) (map[string]any, error) {
	c, err := d.client(&r.Tenant)
	if err != nil {
		return nil, err
	}
	found, err := d.read(c, r)
	if found == nil && concernsOne(err) {
		err = config.Gaps{{Entry: cmp.Or(r.URL, r.Site, r.SiteID, r.Group, r.Address), Err: refusedSite(err)}}
	}
	return found, err
}

// refusedSite names the code that a mirror of the site would show.
func refusedSite(err error) error {
	var told *problem
	if !errors.As(err, &told) {
		err = drivesRefused(err)
	}
	return fmt.Errorf("%w [%s]", err, explained(err).code)
}

func (d *discovery) read(c *client, r config.DataRequest) (map[string]any, error) {
	switch r.Kind {
	case "site":
		return d.site(c, r)
	case "sites":
		return d.sites(c, r)
	case "drives":
		return d.drives(c, r)
	case "users":
		return d.users(c, r)
	case "groups":
		return d.groups(c, r)
	}
	return nil, fmt.Errorf("data %q is not supported by this version", r.Kind)
}

func (d *discovery) client(t *config.Tenant) (*client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.clients[t.Address]; c != nil {
		return c, nil
	}
	c, err := connect(t, connecting{log: d.log, watch: func(graph.GateEvent) {}})
	if err != nil {
		return nil, err
	}
	d.clients[t.Address] = c
	return c, nil
}

func (d *discovery) findSite(c *client, address, id string) (graph.Site, error) {
	return findSite(d.ctx, c, config.Source{Site: address, SiteID: id})
}

func (d *discovery) site(c *client, r config.DataRequest) (map[string]any, error) {
	site, err := d.findSite(c, r.URL, r.SiteID)
	if err != nil {
		return nil, err
	}
	return siteData(site), nil
}

func siteData(s graph.Site) map[string]any {
	return map[string]any{"id": string(s.ID), "url": s.WebURL, "name": s.DisplayName}
}

// sites lists sites by their path. Personal sites are many and rarely meant: they come
// with all = true only.
func (d *discovery) sites(c *client, r config.DataRequest) (map[string]any, error) {
	found := make(map[string]any)
	keep, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	var gaps config.Gaps
	for s, err := range c.Sites(d.ctx, r.Search) {
		if err != nil {
			return nil, err
		}
		key, nameless := sitePath(s.WebURL), s.WebURL == ""
		if !nameless && (s.Personal && !r.All || !strings.HasPrefix(s.WebURL, r.URLPrefix) || !keep(key)) {
			continue
		}
		if s.Problem != "" || nameless { // it stands in the list for a site (S6)
			gaps = append(gaps, config.Gap{Entry: cmp.Or(s.WebURL, s.DisplayName, string(s.ID), "an entry without a name"),
				Err: fmt.Errorf("the service lists it with an error: %s [SPM0612]", cmp.Or(s.Problem, "it has no address"))})
			continue
		}
		data := siteData(s)
		if err := put(r, found, key, data); err != nil {
			return nil, err
		}
	}
	if len(gaps) > 0 {
		return map[string]any{"sites": found}, gaps
	}
	return map[string]any{"sites": found}, nil
}

// put adds a result under its key. A search may bring one site twice (S3); two things
// under one key would hide one of them, and more than max_results would be cut off.
func put(r config.DataRequest, found map[string]any, key string, value map[string]any) error {
	if old, known := found[key].(map[string]any); known && !maps.Equal(old, value) {
		return fmt.Errorf("%s found two results called %s; narrow the search so that it finds one of them", r.Address, key)
	}
	found[key] = value
	return full(r, len(found))
}

// sitePath is the part of a site's address by which results are keyed.
func sitePath(address string) string {
	if u, err := url.Parse(address); err == nil && u.Path != "" {
		return u.Path
	}
	return "/"
}

func (d *discovery) drives(c *client, r config.DataRequest) (map[string]any, error) {
	id := graph.SiteID(cmp.Or(siteID(r.Site), r.SiteID))
	if id == "" {
		site, err := d.findSite(c, siteAddress(r.Site), "")
		if err != nil {
			return nil, err
		}
		id = site.ID
	}
	keep, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	list, err := c.Drives(d.ctx, id)
	if err != nil {
		return nil, err
	}
	found := make(map[string]any)
	for _, drive := range list {
		if drive.System && !r.Hidden || !keep(drive.Name) {
			continue
		}
		data := map[string]any{"drive_id": string(drive.ID), "url": drive.WebURL, "name": drive.Name}
		if err := put(r, found, drive.Name, data); err != nil {
			return nil, err
		}
	}
	return map[string]any{"drives": found}, nil
}

// siteAddress and siteID tell apart the two forms in which a site may be given.
func siteAddress(s string) string {
	if strings.HasPrefix(s, "https://") {
		return s
	}
	return ""
}

func siteID(s string) string {
	if strings.HasPrefix(s, "https://") {
		return ""
	}
	return s
}

// filterOf makes the include and exclude lists of a data block into a function.
func filterOf(r config.DataRequest) (func(string) bool, error) {
	sel, err := plan.Select{Include: r.Include, Exclude: r.Exclude}.Compile()
	if err != nil {
		return nil, err
	}
	return func(name string) bool {
		return sel.Selects(plan.RemotePath(strings.TrimPrefix(path.Clean(name), "/")), true)
	}, nil
}

// full refuses a result that is longer than the configuration allows.
func full(r config.DataRequest, n int) error {
	if r.MaxResults > 0 && int64(n) > r.MaxResults {
		return fmt.Errorf("%s found more than max_results = %d; raise it or narrow the search", r.Address, r.MaxResults)
	}
	return nil
}
