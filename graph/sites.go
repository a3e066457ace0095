package graph

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// Site is a SharePoint site.
type Site struct {
	ID          SiteID
	Name        string // last part of the address
	DisplayName string
	WebURL      string
	Host        string // host name of the site collection
	Personal    bool   // a OneDrive; also recognised by its address where the service does not say (S6)
	Archive     string // archive status, "" for a live site (S20)
	Problem     string // code of the error that stands in place of the site in a list (S6)
}

// Site reads a site by id. "root" is the root site of the tenant (S1).
func (c *Client) Site(ctx context.Context, id SiteID) (Site, error) {
	return one(ctx, c, "get site", "/sites/"+escape(string(id)), UnitsItem, (*scanner).site)
}

// SiteByURL finds the site at an address such as https://contoso.sharepoint.com/sites/people. The address must name the
// site alone: what cannot be a site is refused with ErrSiteURL, and where there is none the service says not found.
func (c *Client) SiteByURL(ctx context.Context, address string) (Site, error) {
	path, err := sitePath(address)
	if err != nil {
		return Site{}, opError("find site", err)
	}
	return one(ctx, c, "find site", path, UnitsItem, (*scanner).site)
}

// sitePath turns the address of a site into the path that finds it (S2).
func sitePath(address string) (string, error) {
	fail := func(reason string) (string, error) { return "", fmt.Errorf("%w: %s", ErrSiteURL, reason) }
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return fail("it cannot be parsed")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https":
		return fail("it does not begin with https://")
	case u.User != nil || u.Port() != "":
		return fail("it has a user name or a port")
	case !hostName(host):
		return fail("its host name is not valid")
	case u.RawQuery != "" || u.Fragment != "":
		return fail("it has a query; give the address of the site alone")
	}
	trimmed := strings.Trim(u.Path, "/")
	if trimmed == "" {
		return "/sites/" + escape(host), nil // the root site of the host
	}
	segments := strings.Split(trimmed, "/")
	for i, segment := range segments {
		lower := strings.ToLower(segment)
		switch {
		case segment == "" || segment == "." || segment == "..":
			return fail("its path has an empty or a dot segment")
		case strings.HasPrefix(segment, ":") || strings.HasPrefix(lower, "_") || lower == "forms" || strings.HasSuffix(lower, ".aspx"):
			return fail("it names a page or a sharing link, not the site")
		}
		segments[i] = escape(segment)
	}
	return "/sites/" + escape(host) + ":/" + strings.Join(segments, "/"), nil
}

// Sites lists sites: those a search finds, or, without a search, all of the tenant. The search is no inventory (S3); the
// complete list needs an application token (S5). Entries that failed have only a Problem.
func (c *Client) Sites(ctx context.Context, search string) iter.Seq2[Site, error] {
	path := "/sites/getAllSites"
	if search != "" {
		path = "/sites?search=" + queryEscape(search)
	}
	return all(ctx, c, "list sites", path, UnitsList, func(s *scanner, into *Site) bool { s.site(into); return true })
}

// queryEscape writes a value of a query. A plus sign means a blank to some and itself to others, so neither is written.
func queryEscape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }

// site reads one site.
func (s *scanner) site(into *Site) {
	told := false
	s.object(func(key []byte) {
		switch string(key) {
		case "id":
			into.ID = SiteID(s.text())
		case "name":
			into.Name = s.text()
		case "displayName":
			into.DisplayName = s.text()
		case "webUrl":
			into.WebURL = s.text()
		case "isPersonalSite":
			if s.peek() != 'n' {
				told = true
			}
			into.Personal = s.flag()
		case "siteCollection":
			s.optional(func(key []byte) { s.siteCollection(into, key) })
		case "error":
			s.optional(s.only("code", &into.Problem))
		default:
			s.skip()
		}
	})
	if !told {
		into.Personal = looksPersonal(into.WebURL)
	}
	if into.ID == "" && into.Problem == "" {
		s.note("a site has no id")
	}
}

// siteCollection reads a member of the site collection, whose host name has two spellings (S13).
func (s *scanner) siteCollection(into *Site, key []byte) {
	switch string(key) {
	case "hostname", "hostName":
		into.Host = s.text()
	case "archivalDetails":
		s.optional(s.only("archiveStatus", &into.Archive))
	default:
		s.skip()
	}
}

// looksPersonal recognises a OneDrive by its address (S6).
func looksPersonal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	return strings.HasSuffix(first, "-my") && strings.HasPrefix(strings.ToLower(u.Path), "/personal/")
}
