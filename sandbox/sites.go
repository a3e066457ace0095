package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// refusal is how a site answers that cannot be reached (S20, S21, Q78).
func (s *site) refusal() *graphError {
	status := int(s.status.Load())
	switch {
	case status == http.StatusLocked:
		e := errorf(http.StatusLocked, "notAllowed", "Access to this site has been blocked.")
		e.inner = "resourceLocked"
		return e
	case status == http.StatusForbidden:
		return errorf(http.StatusForbidden, "accessDenied", "The caller does not have permission to perform the action.")
	case status == http.StatusNotFound:
		return errNotFound()
	case status != 0:
		return errorf(status, "generalException", "The site cannot be reached.")
	case s.archive == "fullyArchived" || s.archive == "recentlyArchived":
		return errorf(http.StatusLocked, "notAllowed", "The site is archived.")
	}
	return nil
}

func (c *call) driveByID(id string) (*Drive, *graphError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if d := c.t.byID[DriveID(id)]; d != nil {
		return d, nil
	}
	for _, d := range c.t.drives { // ids come back in another case from some clients (Q34, CLIENTS 2)
		if strings.EqualFold(string(d.id), id) {
			return d, nil
		}
	}
	return nil, errNotFound()
}

// sitesPath routes what follows /sites.
func (c *call) sitesPath(rest string) action {
	id, rest, _ := strings.Cut(rest, "/")
	switch {
	case id == "" || id == "getAllSites" || id == "oneDrive.getAllSites":
		c.kind = KindSites
		return func(c *call) *graphError { return c.listSites(id) }
	}
	if token, ok := deltaCall(id); ok {
		c.kind = KindSitesDelta
		return func(c *call) *graphError { return c.sitesDelta(cmp.Or(token, c.query["token"])) }
	}
	find := func() *site { return c.t.siteByID(id) }
	if host, ok := strings.CutSuffix(id, ":"); ok { // host:/path or host:/path:/more (S2)
		path, more, _ := strings.Cut(rest, ":")
		rest = strings.TrimPrefix(more, "/")
		find = func() *site { return c.t.siteByPath(host, strings.Trim(path, "/")) }
	}
	if path, more, ok := argument(rest, "getByPath", "path"); ok { // the form of generated clients
		from := find
		rest = strings.TrimPrefix(more, "/")
		find = func() *site {
			if s := from(); s != nil {
				return c.t.siteByPath(s.host, strings.Trim(path, "/"))
			}
			return nil
		}
	}
	head, tail, _ := strings.Cut(rest, "/")
	if head == "drive" {
		return c.drivePath(func(c *call) (*Drive, *graphError) { return c.defaultDrive(find()) }, tail)
	}
	if head == "drives" && tail != "" {
		id, tail, _ := strings.Cut(tail, "/")
		return c.drivePath(func(c *call) (*Drive, *graphError) { return c.driveByID(id) }, tail)
	}
	run, kind := siteAction(rest)
	if run == nil {
		return nil
	}
	c.kind = kind
	return func(c *call) *graphError {
		c.t.mu.RLock()
		s := find()
		c.t.mu.RUnlock()
		if s == nil {
			return errorf(http.StatusNotFound, "itemNotFound", "Requested site could not be found")
		}
		if e := s.refusal(); e != nil && (rest != "" || s.archive == "") {
			return e
		}
		return run(c, s)
	}
}

func siteAction(rest string) (func(*call, *site) *graphError, Kind) {
	switch {
	case rest == "":
		return (*call).sendSite, KindSite
	case rest == "sites":
		return (*call).sendSubsites, KindSites
	case rest == "drives":
		return (*call).sendSiteDrives, KindDrives
	case rest == "permissions":
		return func(c *call, s *site) *graphError {
			c.reply(http.StatusOK, []byte(`{"value":[]}`))
			return nil
		}, KindPermissions
	case rest == "lists" || strings.HasPrefix(rest, "lists/"):
		return func(c *call, s *site) *graphError { return c.sendLists(s, strings.TrimPrefix(rest, "lists")) }, KindDrives
	}
	return nil, KindUnknown
}

// siteByID knows the forms of a site id (S1).
func (t *Tenant) siteByID(id string) *site {
	for _, s := range t.sites {
		if s.deleted {
			continue
		}
		if id == "root" && s.path == "" && s.owner < 0 || strings.EqualFold(id, string(s.id)) || s.parent == nil && strings.EqualFold(id, s.collection.String()) ||
			s.path == "" && strings.EqualFold(id, s.host) {
			return s
		}
	}
	return nil
}

// siteMembers are the members of site that $select may name.
var siteMembers = []string{"id", "createdDateTime", "description", "displayName", "lastModifiedDateTime", "name", "webUrl", "root", "siteCollection",
	"isPersonalSite", "sharepointIds", "eTag", "error", "parentReference", "drive", "drives", "lists", "sites", "createdBy", "lastModifiedBy", "permissions"}

var driveMembers = []string{"id", "createdDateTime", "description", "driveType", "name", "owner", "quota", "webUrl", "lastModifiedDateTime",
	"createdBy", "lastModifiedBy", "system", "sharePointIds", "sharepointIds", "list", "root", "eTag", "parentReference", "items"}

// choose applies $select to a map of members. Annotations and what is expanded come whatever is selected.
func (c *call) choose(m map[string]any, known []string, hidden ...string) (map[string]any, *graphError) {
	out, e := c.chosen(c.query["select"], m, known, hidden...)
	if e != nil {
		return nil, e
	}
	for _, expanded := range readMembers(c.query["expand"]) {
		for k, v := range m {
			if strings.EqualFold(k, expanded.name) {
				out[k] = v
			}
		}
	}
	return out, nil
}

// chosen are the members that a text of $select names, all but the hidden ones when it is empty.
func (c *call) chosen(sel string, m map[string]any, known []string, hidden ...string) (map[string]any, *graphError) {
	out := map[string]any{}
	for k, v := range m {
		if k[0] == '@' {
			out[k] = v
		}
	}
	for part := range strings.SplitSeq(sel, ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "" || part == "*":
			for k, v := range m {
				if !slices.Contains(hidden, k) {
					out[k] = v
				}
			}
		case slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, part) }):
			for k, v := range m {
				if strings.EqualFold(k, part) {
					out[k] = v
				}
			}
		default:
			c.violate("bad select", "no member "+part)
			return nil, errorf(http.StatusBadRequest, "BadRequest", "Could not find a property named '%s'.", part)
		}
	}
	return out, nil
}

func (s *site) members() map[string]any {
	when := s.created.UTC().Format("2006-01-02T15:04:05Z")
	m := map[string]any{"id": s.id, "createdDateTime": when, "lastModifiedDateTime": when, "name": lastSegment(s.path), "displayName": s.name,
		"webUrl": s.webURL(), "isPersonalSite": s.owner >= 0}
	if s.path == "" {
		m["name"] = "root"
	}
	if s.parent == nil {
		m["root"] = struct{}{}
		collection := map[string]any{"hostname": s.host}
		if s.path == "" {
			collection["root"] = struct{}{}
		}
		if s.archive != "" {
			collection["archivalDetails"] = map[string]any{"archiveStatus": s.archive}
		}
		m["siteCollection"] = collection
	}
	m["sharepointIds"] = map[string]any{"siteId": s.collection.String(), "webId": s.web.String(), "siteUrl": s.webURL(), "tenantId": s.t.id.String()}
	return m
}

func (c *call) sendMap(m map[string]any) *graphError {
	b, err := json.Marshal(m)
	if err != nil {
		return errorf(http.StatusInternalServerError, "generalException", "%v", err)
	}
	c.reply(http.StatusOK, b)
	return nil
}

func (c *call) sendSite(s *site) *graphError {
	m, e := c.choose(s.members(), siteMembers, "sharepointIds")
	if e != nil {
		return e
	}
	m["@odata.context"] = c.base + "/$metadata#sites/$entity"
	return c.sendMap(m)
}

// sendList answers a collection in pages, the position being in $skiptoken (S19).
func (c *call) sendList(path string, list []map[string]any, known []string, hidden ...string) *graphError {
	from, top := 0, defaultPage
	if s := c.query["skiptoken"]; s != "" {
		raw, _ := base64.RawURLEncoding.DecodeString(s)
		n, err := strconv.Atoi(strings.TrimPrefix(string(raw), "p"))
		if err != nil || n < 0 {
			c.violate("bad link", "the $skiptoken is not one that was handed out")
			return errorf(http.StatusBadRequest, "invalidRequest", "The paging token is not valid.")
		}
		from = n
	}
	if s := c.query["top"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return errorf(http.StatusBadRequest, "invalidRequest", "The value '%s' of $top is not valid.", s)
		}
		top = min(n, 999)
	}
	from = min(from, len(list))
	end := min(from+top, len(list))
	value := make([]map[string]any, 0, end-from)
	for _, m := range list[from:end] {
		chosen, e := c.choose(m, known, hidden...)
		if e != nil {
			return e
		}
		value = append(value, chosen)
	}
	out := map[string]any{"@odata.context": c.base + "/$metadata#" + path, "value": value}
	if c.query["count"] == "true" {
		out["@odata.count"] = len(list)
	}
	if end < len(list) {
		q := url.Values{"$skiptoken": {base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "p%d", end))}}
		for _, k := range []string{"select", "top", "search", "filter", "expand", "count"} {
			if c.query[k] != "" {
				q.Set(map[bool]string{true: "search", false: "$" + k}[k == "search"], c.query[k])
			}
		}
		out["@odata.nextLink"] = c.base + "/" + path + "?" + q.Encode()
	}
	return c.sendMap(out)
}

// listSites answers /sites with and without search, and getAllSites.
func (c *call) listSites(name string) *graphError {
	if e := c.needRole("Sites.Read.All", "Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"); e != nil {
		if name == "" && c.query["search"] == "" && c.query["filter"] == "" {
			c.reply(http.StatusOK, []byte(`{"value":[]}`)) // Sites.Selected sees an empty list (S23)
			return nil
		}
		return e
	}
	search := strings.ToLower(strings.Trim(c.query["search"], `"*`))
	if f := c.query["filter"]; f != "" && f != "siteCollection/root ne null" {
		return errorf(http.StatusBadRequest, "invalidRequest", "The filter is not supported.")
	}
	c.t.mu.RLock()
	var list []map[string]any
	for _, s := range c.t.sites {
		switch {
		case s.deleted, s.parent != nil && name != "" && search == "": // whether sub-webs are included is not said (S5)
			continue
		case c.query["filter"] != "" && s.path != "":
			continue
		case search != "" && !strings.Contains(strings.ToLower(s.name+" "+s.path), search):
			continue
		}
		list = append(list, s.members())
	}
	b := c.t.behave
	c.t.mu.RUnlock()
	path := "sites"
	if name != "" {
		path = "sites/getAllSites"
		if b.GetAllSitesName {
			path = "sites/oneDrive.getAllSites"
		}
	}
	return c.sendList(path, list, siteMembers, "sharepointIds")
}

// sitesDelta has the protocol of the other delta (S7); its sites change only by being there or not.
func (c *call) sitesDelta(token string) *graphError {
	since := 0
	if token != "" && token != "latest" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		n, err2 := strconv.Atoi(string(raw))
		if err != nil || err2 != nil {
			e := errorf(http.StatusGone, "resyncRequired", resyncMessage)
			e.header = map[string]string{"Location": c.base + "/sites/delta"}
			return e
		}
		since = n
	}
	value, all, e := c.sitesSince(since, token == "latest")
	if e != nil {
		return e
	}
	link := c.base + "/sites/delta?token=" + base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(all)))
	if sel := c.query["select"]; sel != "" { // is carried in the link (D7)
		link += "&$select=" + url.QueryEscape(sel)
	}
	return c.sendMap(map[string]any{"@odata.context": c.base + "/$metadata#sites", "@odata.deltaLink": link, "value": value})
}

// sitesSince are the sites behind a position, none for the latest, and how many there are in all.
func (c *call) sitesSince(since int, latest bool) (value []map[string]any, all int, e *graphError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	value = []map[string]any{}
	for i, s := range c.t.sites {
		if i < since || latest || s.deleted {
			continue
		}
		m, e := c.choose(s.members(), siteMembers, "sharepointIds")
		if e != nil {
			return nil, 0, e
		}
		value = append(value, m)
	}
	return value, len(c.t.sites), nil
}

func (c *call) sendSubsites(s *site) *graphError {
	c.t.mu.RLock()
	var list []map[string]any
	for _, o := range c.t.sites {
		if o.parent == s && !o.deleted {
			list = append(list, o.members())
		}
	}
	c.t.mu.RUnlock()
	return c.sendList("sites/"+string(s.id)+"/sites", list, siteMembers, "sharepointIds")
}

func (d *Drive) members() map[string]any {
	when := d.site.created.UTC().Format("2006-01-02T15:04:05Z")
	u := d.t.users[d.owner]
	m := map[string]any{"id": d.id, "createdDateTime": when, "lastModifiedDateTime": when, "name": d.name, "driveType": d.texts.driveType,
		"webUrl": d.texts.webURL, "description": "", "owner": json.RawMessage(u.json),
		"createdBy": json.RawMessage(u.json), "lastModifiedBy": json.RawMessage(u.json),
		"quota": map[string]any{"deleted": 0, "remaining": int64(25<<40) - d.root().size, "state": "normal", "total": int64(25 << 40), "used": d.root().size}}
	m["sharePointIds"] = map[string]any{"listId": d.list.String(), "siteId": d.site.collection.String(), "webId": d.site.web.String(),
		"siteUrl": d.site.webURL(), "tenantId": d.t.id.String()}
	if d.hidden {
		m["system"] = struct{}{}
	}
	return m
}

func (c *call) sendDrive(d *Drive) *graphError {
	if e := d.site.refusal(); e != nil {
		return e
	}
	c.t.mu.RLock()
	members, e := c.withList(d)
	c.t.mu.RUnlock()
	if e != nil {
		return e
	}
	m, e := c.choose(members, driveMembers, "sharePointIds")
	if e != nil {
		return e
	}
	m["@odata.context"] = c.base + "/$metadata#drives/$entity"
	return c.sendMap(m)
}

// sendSiteDrives lists libraries; hidden ones only when system is selected (S9).
func (c *call) sendSiteDrives(s *site) *graphError {
	system := strings.Contains(c.query["select"], "system")
	list, e := c.each(s.drives, func(d *Drive) (map[string]any, *graphError) {
		if d.hidden && !system {
			return nil, nil
		}
		return c.withList(d)
	})
	if e != nil {
		return e
	}
	return c.sendList("sites/"+string(s.id)+"/drives", list, driveMembers, "sharePointIds")
}

func (c *call) defaultDrive(s *site) (*Drive, *graphError) {
	if s == nil {
		return nil, errNotFound()
	}
	if e := s.refusal(); e != nil {
		return nil, e
	}
	if len(s.drives) == 0 {
		return nil, errNotFound()
	}
	return s.drives[0], nil
}

// listMembers is the library as a list (S10).
func (d *Drive) listMembers() map[string]any {
	return map[string]any{"id": d.list.String(), "name": d.segment, "displayName": d.name, "webUrl": d.texts.webURL,
		"list": map[string]any{"contentTypesEnabled": false, "hidden": d.hidden, "template": "documentLibrary"}}
}

// listNames are the members of list that $select may name.
var listNames = []string{"id", "name", "displayName", "webUrl", "list", "system", "drive", "createdDateTime", "description", "eTag", "lastModifiedDateTime",
	"parentReference", "sharepointIds"}

// sendLists answers the libraries of a site as lists, one of them, or its drive (S10).
func (c *call) sendLists(s *site, rest string) *graphError {
	id, op, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	if id == "" {
		return c.sendAllLists(s)
	}
	d := s.library(id)
	switch {
	case d == nil:
		return errNotFound()
	case op == "drive":
		return c.sendDrive(d)
	case op == "":
		return c.sendListOf(d)
	}
	return errNotFound()
}

// library finds a list by its id or title.
func (s *site) library(id string) *Drive {
	at := slices.IndexFunc(s.drives, func(d *Drive) bool { return strings.EqualFold(id, d.list.String()) || strings.EqualFold(id, d.name) })
	if at < 0 {
		return nil
	}
	return s.drives[at]
}

func (c *call) sendAllLists(s *site) *graphError {
	list, e := c.each(s.drives, c.withDrive)
	if e != nil {
		return e
	}
	return c.sendList("sites/"+string(s.id)+"/lists", list, listNames)
}

// each are the members of resources of drives, without those that have none. An answer is sent without the lock: whoever reads it slowly
// must not keep edits, and with them everybody else, waiting.
func (c *call) each(drives []*Drive, members func(*Drive) (map[string]any, *graphError)) ([]map[string]any, *graphError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	var list []map[string]any
	for _, d := range drives {
		m, e := members(d)
		if e != nil {
			return nil, e
		}
		if m != nil {
			list = append(list, m)
		}
	}
	return list, nil
}

// withDrive are the members of a list, with its drive where $expand asks for it.
func (c *call) withDrive(d *Drive) (map[string]any, *graphError) {
	m := d.listMembers()
	return m, c.expandInto(m, "drive", d.members(), driveMembers, "sharePointIds")
}

// withList are the members of a drive, with its list where $expand asks for it.
func (c *call) withList(d *Drive) (map[string]any, *graphError) {
	m := d.members()
	return m, c.expandInto(m, "list", d.listMembers(), listNames)
}

// sendListOf answers the list that a drive shows.
func (c *call) sendListOf(d *Drive) *graphError {
	if e := d.site.refusal(); e != nil {
		return e
	}
	c.t.mu.RLock()
	m, e := c.withDrive(d)
	c.t.mu.RUnlock()
	if e != nil {
		return e
	}
	if m, e = c.choose(m, listNames); e != nil {
		return e
	}
	m["@odata.context"] = c.base + "/$metadata#lists/$entity"
	return c.sendMap(m)
}
