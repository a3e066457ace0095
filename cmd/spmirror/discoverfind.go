package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/view"
)

// findSites lists the sites of the tenant.
func findSites(ctx context.Context, d *discovering, c *cli.Command) error {
	return d.eachSite(ctx, c.String("search"), c.Bool("personal"), func(s graph.Site) error {
		if s.Problem != "" {
			return d.refuse(source{Name: s.DisplayName, URL: s.WebURL, SiteID: string(s.ID)}, siteProblem(s))
		}
		return d.show(source{Type: "site", Name: s.DisplayName, URL: s.WebURL, SiteID: string(s.ID), Archive: s.Archive}, &config.NewMirror{
			About: s.DisplayName, Kind: "site", Name: siteName(s), Ways: siteWays(s, "", ""),
		})
	})
}

// siteProblem is the error that stands in a list in place of a site (S6).
func siteProblem(s graph.Site) error {
	return &problem{code: "SPM0612", summary: "The service lists this site with an error", err: errors.New(s.Problem)}
}

// siteName is the part of the address that names a site: display names repeat more often.
func siteName(s graph.Site) string {
	if p := strings.Trim(sitePath(s.WebURL), "/"); p != "" {
		return path.Base(p)
	}
	return "root"
}

func siteWays(s graph.Site, drive, folder string) []config.Source {
	return []config.Source{{Site: s.WebURL, Drive: drive, Folder: folder}, {SiteID: string(s.ID), Drive: drive, Folder: folder}}
}

// eachSite yields every site once: a search may find one twice (S3).
func (d *discovering) eachSite(ctx context.Context, search string, personal bool, do func(graph.Site) error) error {
	seen := map[graph.SiteID]bool{}
	for s, err := range d.client.Sites(ctx, search) {
		if err != nil {
			return notListed("sites", "Sites.Read.All", err)
		}
		if s.ID != "" && seen[s.ID] || s.Personal && !personal {
			continue
		}
		seen[s.ID] = true
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

// notListed says what a list needs when it is refused (S23).
func notListed(what, permission string, err error) error {
	if e, ok := graph.AsError(err); ok && (e.IsAccess() || e.IsAuth()) {
		return &problem{code: "SPM0618", summary: fmt.Sprintf("The %s cannot be listed", what), err: err,
			detail: fmt.Sprintf("Grant the application permission %s, with the consent of an administrator. With Sites.Selected nothing can be\nlisted: name the sites, as in `spmirror discover drives https://contoso.sharepoint.com/sites/people`.", permission)}
	}
	return err // it says itself what was listed
}

// sitesAtOnce bounds the requests under way; the gate of the tenant paces them.
const sitesAtOnce = 8

// findDrives lists the libraries of the named sites or of all.
func findDrives(ctx context.Context, d *discovering, c *cli.Command) error {
	if named := c.Args().Slice(); len(named) > 0 {
		if c.IsSet("search") {
			return &problem{code: "SPM0002", summary: "-search does not go with named sites", detail: "Name the sites, or search for them."}
		}
		return d.drivesOfNamed(ctx, named, c.Bool("hidden"))
	}
	var batch []graph.Site
	flush := func() error {
		err := d.drivesOf(ctx, batch, c.Bool("hidden"))
		batch = batch[:0]
		return err
	}
	err := d.eachSite(ctx, c.String("search"), false, func(s graph.Site) error {
		if s.Problem != "" {
			return d.refuse(source{Name: s.DisplayName, URL: s.WebURL, SiteID: string(s.ID)}, siteProblem(s))
		}
		if batch = append(batch, s); len(batch) < sitesAtOnce {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (d *discovering) drivesOfNamed(ctx context.Context, named []string, hidden bool) error {
	for _, name := range named {
		if !strings.HasPrefix(name, "https://") && !strings.Contains(name, ",") && !isGUID(name) && name != "root" {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("%q is neither the address of a site nor an id", name),
				detail: "An address begins with https://, an id is made of HOST,GUID,GUID; `spmirror discover sites` lists all."}
		}
		src := config.Source{Site: siteAddress(name), SiteID: siteID(name)}
		site, err := findSite(ctx, d.client, src)
		if err = notFound(src, err); err != nil {
			if !d.concerns(err) {
				return err
			}
			if err := d.refuse(source{URL: name}, err); err != nil {
				return err
			}
			continue
		}
		if err := d.drivesOf(ctx, []graph.Site{site}, hidden); err != nil {
			return err
		}
	}
	return nil
}

// concerns reports whether an error is about one source, not about the connection or the login.
func (d *discovering) concerns(err error) bool { return concernsOne(err) }

func concernsOne(err error) bool {
	var p *problem
	e, answered := graph.AsError(err)
	return errors.As(err, &p) || answered && (e.IsAccess() || e.IsNotFound() || e.IsLocked())
}

// drivesOf asks several sites at once and shows their libraries in order.
func (d *discovering) drivesOf(ctx context.Context, sites []graph.Site, hidden bool) error {
	lists, errs := make([][]graph.Drive, len(sites)), make([]error, len(sites))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sitesAtOnce)
	for i, s := range sites {
		g.Go(func() error {
			lists[i], errs[i] = d.client.Drives(gctx, s.ID)
			if errs[i] != nil && !d.concerns(errs[i]) {
				return fmt.Errorf("libraries of %s: %w", s.WebURL, errs[i])
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, s := range sites {
		if errs[i] != nil {
			if err := d.refuse(source{Name: s.DisplayName, URL: s.WebURL, SiteID: string(s.ID), Archive: s.Archive}, drivesRefused(errs[i])); err != nil {
				return err
			}
			continue
		}
		if err := d.showDrives(s, lists[i], hidden); err != nil {
			return err
		}
	}
	return nil
}

// drivesRefused gives the refusal of a site the code that a mirror of it would show.
func drivesRefused(err error) error {
	e, _ := graph.AsError(err)
	for _, known := range []struct {
		holds   bool
		code    string
		summary string
	}{
		{e.IsLocked(), "SPM0613", "The site is locked or archived"},
		{e.IsAccess(), "SPM0612", "The application may not read the libraries of this site"},
		{e.IsNotFound(), "SPM0603", "The site is not found, or the application may not see it"},
	} {
		if known.holds {
			return &problem{code: known.code, summary: known.summary, err: err}
		}
	}
	return err
}

func (d *discovering) showDrives(s graph.Site, list []graph.Drive, hidden bool) error {
	for i, drive := range list {
		if drive.System && !hidden {
			continue
		}
		err := d.show(source{
			Type: "drive", Name: drive.Name, URL: drive.WebURL, Site: s.WebURL, SiteID: string(s.ID), DriveID: string(drive.ID),
			DriveType: drive.Type, Hidden: drive.System, Bytes: sized(drive.Used),
		}, &config.NewMirror{
			About: about(s.DisplayName+" / "+drive.Name, drive.Used), Kind: "library", Name: siteName(s) + "-" + drive.Name, Ways: driveWays(s, list, i, ""),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func about(text string, size int64) string {
	if size == graph.SizeUnknown {
		return text
	}
	return text + ", " + view.Size(size)
}

// driveWays names a library by its site and name where that is plain, and else by its id.
func driveWays(s graph.Site, list []graph.Drive, i int, folder string) []config.Source {
	id := config.Source{DriveID: string(list[i].ID), Folder: folder}
	name := list[i].Name
	for j, other := range list {
		if j != i && (sameName(other.Name, name) || sameName(lastSegment(other.WebURL), name)) {
			return []config.Source{id}
		}
	}
	if name == "" {
		return []config.Source{id}
	}
	return []config.Source{{Site: s.WebURL, Drive: name, Folder: folder}, id}
}

// findFolders lists the folders of one library.
func findFolders(ctx context.Context, d *discovering, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return &problem{code: "SPM0002", summary: "discover folders takes the address of a site, or the id of a drive"}
	}
	drive, ways, err := d.library(ctx, c.Args().First(), c.String("drive"))
	if err != nil {
		return err
	}
	root, err := d.client.ItemByPath(ctx, drive.ID, c.String("folder"))
	if e, ok := graph.AsError(err); ok && e.IsNotFound() {
		return &problem{code: "SPM0605", summary: fmt.Sprintf("Folder %q not found in library %q", c.String("folder"), drive.Name), err: err}
	}
	if err != nil {
		return err
	}
	var list []graph.Item
	for item, err := range d.client.Children(ctx, drive.ID, root.ID) {
		if err != nil {
			return err
		}
		if class := item.Class(); class == graph.ClassFolder || class == graph.ClassRoot {
			list = append(list, item)
		}
	}
	slices.SortFunc(list, func(a, b graph.Item) int {
		return strings.Compare(a.Name+"\x00"+string(a.ID), b.Name+"\x00"+string(b.ID))
	})
	for i, item := range list {
		at := "/" + strings.TrimPrefix(strings.Trim(c.String("folder"), "/")+"/"+item.Name, "/")
		mirror := &config.NewMirror{About: about(drive.Name+" / "+at, item.Size), Kind: "folder", Name: item.Name, Ways: ways(at)}
		if hidesBehindTwin(list, i) {
			d.leaveOut(mirror.About, "in composed form, in which the configuration has every text, another folder has its name")
			mirror = nil
		}
		err := d.show(source{
			Type: "folder", Name: drive.Name, Path: at, URL: item.WebURL, DriveID: string(drive.ID), ItemID: string(item.ID), Bytes: sized(item.Size), Items: &item.Children,
		}, mirror)
		if err != nil {
			return err
		}
	}
	return nil
}

// hidesBehindTwin reports whether the name of a folder, as a configuration has it, may mean one of the others.
func hidesBehindTwin(list []graph.Item, i int) bool {
	name := list[i].Name
	return !norm.NFC.IsNormalString(name) && slices.ContainsFunc(list, func(other graph.Item) bool {
		return other.ID != list[i].ID && sameName(other.Name, name)
	})
}

// library finds the library that folders are asked of, and how mirrors may name it.
func (d *discovering) library(ctx context.Context, named, drive string) (graph.Drive, func(folder string) []config.Source, error) {
	if !strings.HasPrefix(named, "https://") && !strings.Contains(named, ",") {
		if drive != "" {
			return graph.Drive{}, nil, &problem{code: "SPM0002", summary: "-drive goes with a site; the id of a drive names the drive already"}
		}
		found, err := d.client.Drive(ctx, graph.DriveID(named))
		src := config.Source{DriveID: named}
		return found, func(folder string) []config.Source { return []config.Source{{DriveID: named, Folder: folder}} }, notFound(src, err)
	}
	src := config.Source{Site: siteAddress(named), SiteID: siteID(named), Drive: drive}
	found, err := new(lookups).siteDrive(ctx, d.client, src)
	return found, func(folder string) []config.Source {
		by := src
		by.Folder = folder
		return []config.Source{by, {DriveID: string(found.ID), Folder: folder}}
	}, err
}

// findUsers lists users and their OneDrives.
func findUsers(ctx context.Context, d *discovering, c *cli.Command) error {
	search := strings.ToLower(c.String("search"))
	var batch []graph.User
	flush := func() error {
		err := d.showUsers(ctx, batch)
		batch = batch[:0]
		return err
	}
	for u, err := range d.client.Users(ctx, "") {
		if err != nil {
			return notListed("users", "User.ReadBasic.All", err)
		}
		if !strings.Contains(strings.ToLower(u.PrincipalName+"\n"+u.DisplayName), search) {
			continue
		}
		if batch = append(batch, u); len(batch) == sitesAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// showUsers asks for several OneDrives at once and shows them in order. A user without one is shown
// as such, and has no mirror.
func (d *discovering) showUsers(ctx context.Context, users []graph.User) error {
	drives, errs := make([]graph.Drive, len(users)), make([]error, len(users))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sitesAtOnce)
	for i, u := range users {
		g.Go(func() error {
			drives[i], errs[i] = d.client.UserDrive(gctx, u.ID)
			if errs[i] != nil && !errors.Is(errs[i], graph.ErrNoDrive) && !d.concerns(errs[i]) {
				return fmt.Errorf("OneDrive of %s: %w", u.PrincipalName, errs[i])
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, u := range users {
		s := source{Type: "user", User: u.PrincipalName, UserID: u.ID, Name: u.DisplayName}
		var err error
		switch {
		case errors.Is(errs[i], graph.ErrNoDrive):
			s.Message = "no OneDrive"
			s.Name += " (no OneDrive)"
			err = d.show(s, nil)
		case errs[i] != nil:
			err = d.refuse(s, drivesRefused(errs[i]))
		default:
			s.DriveID, s.DriveType, s.URL, s.Bytes = string(drives[i].ID), drives[i].Type, drives[i].WebURL, sized(drives[i].Used)
			name, _, _ := strings.Cut(u.PrincipalName, "@")
			err = d.show(s, &config.NewMirror{
				About: about("OneDrive of "+u.DisplayName, drives[i].Used), Kind: "user", Name: name, Ways: []config.Source{{User: u.PrincipalName}, {User: u.ID}},
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
