package main

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
)

// users lists users by their principal name: all of the tenant, those of a group, those
// that a filter names, and of them those that upns names.
func (d *discovery) users(c *client, r config.DataRequest) (map[string]any, error) {
	keep, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	list, err := d.listUsers(c, r)
	if err != nil {
		return nil, err
	}
	missing := slices.Clone(r.UPNs)
	found := make(map[string]any)
	for u, err := range list {
		if err != nil {
			return nil, err
		}
		named := func(upn string) bool { return strings.EqualFold(upn, u.PrincipalName) }
		if len(r.UPNs) > 0 && !slices.ContainsFunc(r.UPNs, named) {
			continue
		}
		missing = slices.DeleteFunc(missing, named)
		if !keep(u.PrincipalName) {
			continue
		}
		data := map[string]any{"id": u.ID, "upn": u.PrincipalName, "name": u.DisplayName}
		if err := put(r, found, u.PrincipalName, data); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s found no user %s", r.Address, missing[0])
	}
	return map[string]any{"users": found}, nil
}

func (d *discovery) listUsers(c *client, r config.DataRequest) (iter.Seq2[graph.User, error], error) {
	if r.Group == "" {
		return c.Users(d.ctx, r.Filter), nil
	}
	id := r.Group
	if !isGUID(id) {
		named, err := c.GroupNamed(d.ctx, r.Group)
		switch {
		case err != nil:
			return nil, err
		case len(named) != 1:
			return nil, fmt.Errorf("%d groups are called %q; give the id of the group", len(named), r.Group)
		}
		id = named[0].ID
	}
	return c.GroupUsers(d.ctx, id), nil
}

// isGUID reports whether text has the form of an id of the directory.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, r := range text {
		if (i == 8 || i == 13 || i == 18 || i == 23) != (r == '-') || r != '-' && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// groups lists groups with a site by their mail address, which is unique where names are not.
func (d *discovery) groups(c *client, r config.DataRequest) (map[string]any, error) {
	keep, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	found := make(map[string]any)
	for g, err := range c.Groups(d.ctx, graph.GroupQuery{Filter: r.Filter, Teams: r.TeamsOnly}) {
		if err != nil {
			return nil, err
		}
		if !keep(g.DisplayName) {
			continue
		}
		data := map[string]any{"id": g.ID, "name": g.DisplayName, "mail": g.Mail}
		if err := put(r, found, cmp.Or(g.Mail, g.ID), data); err != nil {
			return nil, err
		}
	}
	return map[string]any{"groups": found}, nil
}
