package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/view"
)

// source tries what a plan and an apply of a mirror would do: find the drive, read a page, find the
// folder, read a byte.
func (d *doctor) source(ctx context.Context, m *config.Mirror) {
	check := looked("source", m.Address, "drive")
	if d.failed[m.Tenant] {
		d.skip(check, "%s cannot be asked", m.Tenant)
		return
	}
	c, err := d.client(m.Tenant)
	if err != nil {
		d.fail(check, err, "")
		return
	}
	drive, shared, err := new(lookups).findDrive(ctx, c, m)
	if err != nil {
		d.fail(check, err, d.grantFor(m, stepFind, err))
		return
	}
	size := ""
	if drive.Used != graph.SizeUnknown {
		size = ", holds " + view.Size(drive.Used)
	}
	d.ok(check, "%s (%s)%s", drive.Name, orText(drive.Type, "drive"), size)
	d.folder(ctx, c, m, drive, shared)
	if !d.drives[drive.ID] { // mirrors of one drive share one crawl
		d.drives[drive.ID] = true
		d.reads(ctx, c, m, drive)
	}
}

func (d *doctor) folder(ctx context.Context, c *client, m *config.Mirror, drive graph.Drive, shared graph.ItemID) {
	if shared != "" || m.Source.Folder == "/" || m.Source.Folder == "" {
		return
	}
	check := looked("source", m.Address, "folder")
	_, err := c.ItemByPath(ctx, drive.ID, m.Source.Folder)
	if e, ok := graph.AsError(err); ok && e.IsNotFound() {
		err = &problem{code: "SPM0605", summary: fmt.Sprintf("Folder %q not found in library %q", m.Source.Folder, drive.Name), err: err,
			detail: "It was renamed, moved or deleted at the source, or never was there. Correct `folder`."}
	}
	if err != nil {
		d.fail(check, err, d.grantFor(m, stepRead, err))
		return
	}
	d.ok(check, "%s is there", m.Source.Folder)
}

// sampled is how many items are asked for to find one with content.
const sampled = 50

// reads reads the first page of a drive, and the first byte of the first file on it.
func (d *doctor) reads(ctx context.Context, c *client, m *config.Mirror, drive graph.Drive) {
	check := looked("source", m.Address, "listing")
	query := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: sampled}
	page, err := c.DeltaPage(ctx, c.DeltaStart(drive.ID, query), query)
	if err != nil {
		d.fail(check, err, d.grantFor(m, stepRead, err))
		return
	}
	d.ok(check, "a page with %s was read", plural(len(page.Items), "item"))
	check.Check = "content"
	for _, item := range page.Items {
		if item.Class() == graph.ClassFile && item.Size > 0 && !item.Facets.Has(graph.Malware) {
			d.content(ctx, c, m, item)
			return
		}
	}
	d.skip(check, "there is no file among the first items")
}

// content reads one byte of a file, which shows that the content host can be reached.
func (d *doctor) content(ctx context.Context, c *client, m *config.Mirror, item graph.Item) {
	check := looked("source", m.Address, "content")
	at := item.DownloadURL
	var err error
	if at.IsZero() {
		at, err = c.DownloadURL(ctx, item.Drive, item.ID)
	}
	var content *graph.Content
	if err == nil {
		content, err = c.Open(ctx, graph.ContentRequest{URL: at, Length: 1})
	}
	if err == nil {
		_, err = io.ReadFull(content.Body, make([]byte, 1))
		err = errors.Join(err, content.Body.Close())
	}
	if err != nil {
		advice := d.grantFor(m, stepRead, err)
		if _, answered := graph.AsError(err); !answered {
			advice = "Content comes from other hosts than Graph, such as *.sharepoint.com: firewall and proxy must let them through.\nFurther host names of your tenant go into allowed_hosts."
		}
		d.fail(check, err, advice)
		return
	}
	d.ok(check, "the content host delivers")
}

// What was refused.
const (
	stepFind = "find"
	stepRead = "read"
)

// grantFor says what to grant when a request for a mirror is refused, in the words of docs/permissions.md;
// "" leaves the advice to the error itself.
func (d *doctor) grantFor(m *config.Mirror, step string, err error) string {
	e, answered := graph.AsError(err)
	if !answered || !e.IsAccess() && !e.IsNotFound() {
		return ""
	}
	kind := "the application permission"
	if t := d.tenant(m.Tenant); t != nil && (t.Auth.Method == "device_code" || t.Auth.Method == "azure_cli") {
		kind = "the delegated permission"
	}
	src := m.Source
	site := src.Site != "" || src.SiteID != ""
	selected := "Sites.Selected with a grant for the site (POST /sites/{id}/permissions, role read)"
	has := ""
	if list := d.roles[m.Tenant]; len(list) > 0 {
		has = "\nThe token has " + strings.Join(list, ", ") + "."
	}
	switch {
	case e.IsNotFound() && site && step == stepFind:
		return "Check the address. Graph answers 404 also for a site that the application may not see: grant " + kind + "\nSites.Read.All, or " + selected + "." + has
	case e.IsNotFound():
		return ""
	case site && step == stepFind:
		return "Grant " + kind + " Sites.Read.All, or " + selected + ".\nFiles.Read.All is enough where the library is named by drive_id." + has
	case site:
		return "Grant " + kind + " Files.Read.All or Sites.Read.All, or " + selected + "." + has
	}
	return "Grant " + kind + " Files.Read.All; Sites.Read.All is enough as well." + has
}

// tenant returns the configuration of a tenant, nil if it is not declared.
func (d *doctor) tenant(address string) *config.Tenant {
	for i := range d.cfg.Tenants {
		if d.cfg.Tenants[i].Address == address {
			return &d.cfg.Tenants[i]
		}
	}
	return nil
}
