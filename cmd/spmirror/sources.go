package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// resolveDrive finds the drive of a mirror. What was found before is remembered
// in the state, so that a plan of an unchanged configuration asks for nothing but
// the delta. When the whole drive is read again, the name is looked up again too:
// it may lead to another drive by now, and require_same_source is to see that.
func (s *session) resolveDrive(ctx context.Context, m *config.Mirror, o planOptions) (state.Drive, error) {
	known, ok, err := s.knownDrive(ctx, m)
	stale := o.Full || crawl.FullDue(known.FullAt, s.env.now(), s.fullInterval())
	if err != nil || ok && (o.NoRefresh || !stale) {
		return known, err
	}
	d, err := s.lookUpDrive(ctx, m)
	if err != nil && ok && ctx.Err() == nil {
		s.log.Warn("the source cannot be looked up, its drive is read as it is known", "mirror", m.Address, "error", err)
		return known, nil
	}
	return d, err
}

// fullInterval is how often drives are enumerated in full.
func (s *session) fullInterval() time.Duration { return cmp.Or(s.fullEvery, crawl.FullInterval) }

// knownDrive is the drive that was found for a mirror's source before.
func (s *session) knownDrive(ctx context.Context, m *config.Mirror) (state.Drive, bool, error) {
	key, err := sourceKey(m)
	if err != nil {
		return state.Drive{}, false, err
	}
	id, err := s.store.Meta(ctx, key)
	if err != nil || id == "" {
		return state.Drive{}, false, err
	}
	return s.store.DriveByID(ctx, m.Tenant, state.DriveID(id))
}

// lookUpDrive asks Graph for the drive of a mirror, once for all mirrors of the same source.
func (s *session) lookUpDrive(ctx context.Context, m *config.Mirror) (state.Drive, error) {
	key, err := sourceKey(m)
	if err != nil {
		return state.Drive{}, err
	}
	return s.asked.sources.ask(key, func() (state.Drive, error) { return s.askForDrive(ctx, m, key) })
}

// askForDrive asks Graph for the drive of a mirror and records the answer.
func (s *session) askForDrive(ctx context.Context, m *config.Mirror, key string) (state.Drive, error) {
	c, err := s.client(m.Tenant)
	if err != nil {
		return state.Drive{}, err
	}
	found, shared, err := s.asked.findDrive(ctx, c, m)
	if err != nil {
		return state.Drive{}, err
	}
	row := state.Drive{
		Tenant: m.Tenant, ID: state.DriveID(found.ID), Name: found.Name, Type: found.Type, WebURL: found.WebURL, Site: m.Source.Site,
	}
	err = s.store.Tx(ctx, func(tx *state.Tx) error {
		if _, err := tx.PutDrive(row); err != nil {
			return err
		}
		if err := tx.SetMeta(sharedKey(key), string(shared)); err != nil {
			return err
		}
		return tx.SetMeta(key, string(found.ID))
	})
	if err != nil {
		return state.Drive{}, err
	}
	d, _, err := s.store.DriveByID(ctx, m.Tenant, row.ID)
	return d, err
}

// sourceKey names what a drive was resolved from.
func sourceKey(m *config.Mirror) (string, error) {
	source := m.Source
	source.Folder = ""
	data, err := json.Marshal(source)
	return "source:" + m.Tenant + ":" + string(data), err
}

// sharedKey names the folder that a sharing link led to.
func sharedKey(key string) string { return key + ":folder" }

// sharedFolder is the folder that a mirror's sharing link leads to, "" without one.
func (s *session) sharedFolder(ctx context.Context, m *config.Mirror) (state.ItemID, error) {
	if m.Source.ShareURL == "" {
		return "", nil
	}
	key, err := sourceKey(m)
	if err != nil {
		return "", err
	}
	id, err := s.store.Meta(ctx, sharedKey(key))
	return state.ItemID(id), err
}

// findDrive asks Graph for the drive of a mirror.
func (l *lookups) findDrive(ctx context.Context, c *client, m *config.Mirror) (d graph.Drive, shared graph.ItemID, err error) {
	src := m.Source
	switch {
	case src.DriveID != "":
		d, err = c.Drive(ctx, graph.DriveID(src.DriveID))
	case src.User != "":
		d, err = userDrive(ctx, c, src)
	case src.Group != "":
		d, err = groupDrive(ctx, c, src)
	case src.ShareURL != "":
		d, shared, err = sharedDrive(ctx, c, src.ShareURL)
	default:
		d, err = l.siteDrive(ctx, c, src)
	}
	return d, shared, notFound(src, err)
}

// notFound says which argument leads nowhere, where the service says so.
func notFound(src config.Source, err error) error {
	var told *problem
	if e, ok := graph.AsError(err); !ok || !e.IsNotFound() || errors.As(err, &told) {
		return err
	}
	for _, by := range [...]struct{ name, value string }{
		{"drive_id", src.DriveID}, {"user", src.User}, {"group", src.Group}, {"share_url", src.ShareURL}, {"site_id", src.SiteID}, {"site", src.Site},
	} {
		if by.value != "" {
			return &problem{code: "SPM0609", summary: "The service does not find the " + by.name, err: err,
				detail: fmt.Sprintf("Nothing was changed. Check %s: it leads nowhere, or to what the application may not see.\n`spmirror discover` lists what can be read.", by.name)}
		}
	}
	return err
}

func userDrive(ctx context.Context, c *client, src config.Source) (graph.Drive, error) {
	d, err := c.UserDrive(ctx, src.User)
	if errors.Is(err, graph.ErrNoDrive) {
		return d, &problem{code: "SPM0602", summary: fmt.Sprintf("%s has no OneDrive", src.User), err: err,
			detail: "The account has no licence for it, or never opened it. Files already mirrored stay."}
	}
	if err != nil || src.Drive == "" {
		return d, err
	}
	drives, err := c.UserDrives(ctx, src.User)
	if err != nil {
		return graph.Drive{}, err
	}
	return namedDrive(drives, src.Drive, "The user "+src.User)
}

func groupDrive(ctx context.Context, c *client, src config.Source) (graph.Drive, error) {
	if src.Drive == "" {
		return c.GroupDrive(ctx, src.Group)
	}
	drives, err := c.GroupDrives(ctx, src.Group)
	if err != nil {
		return graph.Drive{}, err
	}
	return namedDrive(drives, src.Drive, "The group "+src.Group)
}

// sharedDrive finds the drive and the folder that a sharing link leads to.
func sharedDrive(ctx context.Context, c *client, link string) (graph.Drive, graph.ItemID, error) {
	item, err := c.SharedItem(ctx, link)
	if err != nil {
		return graph.Drive{}, "", err
	}
	if !item.Facets.Has(graph.Folder) {
		return graph.Drive{}, "", &problem{code: "SPM0607", summary: "The sharing link does not lead to a folder",
			detail: "A mirror needs a folder as its source. Nothing was changed."}
	}
	d, err := c.Drive(ctx, item.ParentDrive)
	return d, item.ID, err
}

// siteDrive finds a library of a site, which is not asked for itself if its id is known.
func (l *lookups) siteDrive(ctx context.Context, c *client, src config.Source) (graph.Drive, error) {
	site := graph.Site{ID: graph.SiteID(src.SiteID), WebURL: src.SiteID}
	if src.SiteID == "" {
		var err error
		if site, err = l.site(ctx, c, src); err != nil {
			return graph.Drive{}, err
		}
	}
	if src.Drive == "" {
		return c.DefaultDrive(ctx, site.ID)
	}
	drives, err := l.drives(ctx, c, site.ID)
	if err != nil {
		return graph.Drive{}, err
	}
	return namedDrive(drives, src.Drive, "The site "+site.WebURL)
}

func findSite(ctx context.Context, c *client, src config.Source) (graph.Site, error) {
	if src.SiteID != "" {
		return c.Site(ctx, graph.SiteID(src.SiteID))
	}
	site, err := c.SiteByURL(ctx, src.Site)
	if e, ok := graph.AsError(err); ok && e.IsNotFound() {
		return site, &problem{code: "SPM0603", summary: fmt.Sprintf("Site %s not found", src.Site), err: err,
			detail: "Nothing was changed. Check the address, and that the application may read the site."}
	}
	return site, err
}

// namedDrive finds a library by its name, or by the part of the address that
// names it in every language (Q45).
func namedDrive(drives []graph.Drive, name, owner string) (graph.Drive, error) {
	if d, ok := libraryCalled(drives, name); ok {
		return d, nil
	}
	var known []string
	for _, d := range drives {
		known = append(known, fmt.Sprintf("%q", d.Name))
	}
	slices.Sort(known)
	return graph.Drive{}, &problem{
		code: "SPM0604", summary: fmt.Sprintf("Library %q not found", name),
		detail: fmt.Sprintf("%s has these libraries: %s.\nLeave drive out to use the default one in every language.", owner, strings.Join(known, ", ")),
	}
}

// libraryCalled picks a library by its name and, if none has it, by its address. A library keeps its address when it is renamed, so
// the name of one may stand in the address of another.
func libraryCalled(drives []graph.Drive, name string) (graph.Drive, bool) {
	for _, told := range []func(graph.Drive) string{
		func(d graph.Drive) string { return d.Name },
		func(d graph.Drive) string { return lastSegment(d.WebURL) },
		func(d graph.Drive) string { return path.Base(d.WebURL) }, // as a browser shows it
	} {
		at := slices.IndexFunc(drives, func(d graph.Drive) bool { return sameName(told(d), name) })
		if at >= 0 {
			return drives[at], true
		}
	}
	return graph.Drive{}, false
}

// lastSegment is the last part of an address as people read it.
func lastSegment(address string) string {
	last := path.Base(address)
	if plain, err := url.PathUnescape(last); err == nil {
		return plain
	}
	return last
}

// resolveFolder finds a folder below another in what was observed.
func (s *session) resolveFolder(ctx context.Context, drive state.Drive, from state.ItemID, folder string) (state.ItemID, error) {
	at := from
	for _, name := range strings.Split(strings.Trim(folder, "/"), "/") {
		if name == "" {
			continue
		}
		next, err := s.childFolder(ctx, drive.Key, at, name)
		if err != nil {
			return "", err
		}
		if next == "" {
			return "", &problem{
				code: "SPM0605", summary: fmt.Sprintf("Folder %q not found in library %q", folder, drive.Name),
				detail: "It was renamed, moved or deleted at the source, or never was there. The mirror keeps everything;\ncorrect `folder`, or remove the mirror.",
			}
		}
		at = next
	}
	return at, nil
}

// childFolder finds a folder by name. One that is written exactly so goes before others of the same name.
func (s *session) childFolder(ctx context.Context, drive state.DriveKey, parent state.ItemID, name string) (like state.ItemID, err error) {
	for item, err := range s.store.Children(ctx, drive, parent) {
		switch {
		case err != nil:
			return "", err
		case !item.Class.IsFolder():
		case item.Name == name:
			return item.ID, nil
		case like == "" && sameName(item.Name, name):
			like = item.ID
		}
	}
	return like, nil
}

// sameName compares names and paths of the source with those of the configuration: without regard to case, as the service does (N7), and
// composed, because HCL composes every text while names come as somebody made them (N8).
func sameName(a, b string) bool { return strings.EqualFold(norm.NFC.String(a), norm.NFC.String(b)) }

// folderPath is where an observed folder is in its drive, "" if it is nowhere.
func (s *session) folderPath(ctx context.Context, drive state.Drive, id state.ItemID) (string, error) {
	path, ok, err := s.pathFrom(ctx, drive, drive.Root, id)
	if !ok {
		return "", err
	}
	return "/" + path, nil
}

// pathFrom is where an observed item is below a folder; ok is false if it is not there.
func (s *session) pathFrom(ctx context.Context, drive state.Drive, folder, id state.ItemID) (path string, ok bool, err error) {
	var names []string
	for depth := 0; depth < 500; depth++ {
		if id == folder {
			slices.Reverse(names)
			return strings.Join(names, "/"), true, nil
		}
		item, ok, err := s.store.Item(ctx, drive.Key, id)
		if err != nil || !ok {
			return "", false, err
		}
		names = append(names, item.Name)
		id = item.Parent
	}
	return "", false, nil
}
