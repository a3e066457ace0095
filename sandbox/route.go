package sandbox

import (
	"net/http"
	"strings"
)

// Kind is the kind of a call, by which calls are counted, charged and matched by faults.
type Kind string

// The kinds of calls.
const (
	KindToken       Kind = "token"
	KindLogin       Kind = "login"
	KindSite        Kind = "site"
	KindSites       Kind = "sites"
	KindSitesDelta  Kind = "sites-delta"
	KindDrive       Kind = "drive"
	KindDrives      Kind = "drives"
	KindUsers       Kind = "users"
	KindItem        Kind = "item"
	KindChildren    Kind = "children"
	KindDelta       Kind = "delta"   // with a token
	KindDeltaFull   Kind = "listing" // delta without a token
	KindContent     Kind = "content" // the redirect on Graph
	KindVersions    Kind = "versions"
	KindPermissions Kind = "permissions"
	KindSubscribe   Kind = "subscriptions"
	KindBatch       Kind = "batch"
	KindDownload    Kind = "download" // on the content host
	KindUnknown     Kind = "unknown"
	// What the tenant itself sends to the addresses of subscriptions.
	KindValidation   Kind = "validation"
	KindNotification Kind = "notification"
)

// sent tells whether the tenant makes these calls itself.
func (k Kind) sent() bool { return k == KindValidation || k == KindNotification }

// units are the resource units of each kind (T10); downloads are charged where they redirect.
var units = map[Kind]int{KindSite: 1, KindSites: 2, KindSitesDelta: 2, KindDrive: 1, KindDrives: 2, KindUsers: 2, KindItem: 1, KindChildren: 2,
	KindDelta: 1, KindDeltaFull: 2, KindContent: 1, KindVersions: 2, KindPermissions: 5, KindSubscribe: 2, KindDownload: 1, KindUnknown: 1}

// action answers a call that was routed.
type action func(*call) *graphError

// versionPrefixes are the beginnings of Graph paths; the second is the same service under the host of
// a site (CLIENTS 2).
var versionPrefixes = []string{"/v1.0", "/_api/v2.0"}

func (c *call) serveGraph() {
	c.kind = KindUnknown
	run, e := c.route()
	if e == nil {
		e = c.admit()
	}
	if e != nil {
		if c.kind == KindUnknown {
			c.violate("unknown call", e.message)
		}
		c.fail(e)
		return
	}
	c.withFault(func() *graphError { return run(c) })
}

// route finds the action for a path.
func (c *call) route() (action, *graphError) {
	path, version := c.r.URL.Path, versionOf(c.r.URL.Path)
	if version == "" {
		c.setHosts("/v1.0")
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Invalid version.")
	}
	c.setHosts(version)
	c.path = strings.Trim(path[len(version):], "/")
	if e := c.parseQuery(); e != nil {
		return nil, e
	}
	run := c.find(canonicalPath(c.path))
	if c.kind != KindSubscribe && c.kind != KindBatch && c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		c.kind = KindUnknown
		e := errorf(http.StatusMethodNotAllowed, "notAllowed", "The sandbox is read-only over Graph: %s is not answered.", c.r.Method)
		e.header = map[string]string{"Allow": "GET, HEAD"}
		return nil, e
	}
	if run == nil {
		c.kind = KindUnknown
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", lastSegment(c.path))
	}
	return run, c.checkOptions()
}

func lastSegment(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// find routes by the first segment.
func (c *call) find(p string) action {
	head, rest, _ := strings.Cut(p, "/")
	switch head {
	case "drives":
		id, rest, _ := strings.Cut(rest, "/")
		return c.drivePath(func(c *call) (*Drive, *graphError) { return c.driveByID(id) }, rest)
	case "sites":
		return c.sitesPath(rest)
	case "users", "me", "groups":
		return c.ownerPath(head, rest)
	case "shares":
		return c.sharePath(rest)
	case "subscriptions":
		c.kind = KindSubscribe
		return func(c *call) *graphError { return c.subscription(rest) }
	case "$batch":
		c.kind = KindBatch
		return (*call).batch
	}
	return nil
}

// driveFinder finds the drive that a path begins with.
type driveFinder func(*call) (*Drive, *graphError)

// drivePath routes what follows a drive.
func (c *call) drivePath(find driveFinder, rest string) action {
	if rest == "" {
		c.kind = KindDrive
		return func(c *call) *graphError {
			d, e := find(c)
			if e != nil {
				return e
			}
			return c.sendDrive(d)
		}
	}
	var locate func(*Drive) *item
	var op string
	switch {
	case rest == "list":
		c.kind = KindDrives
		return func(c *call) *graphError {
			d, e := find(c)
			if e != nil {
				return e
			}
			return c.sendListOf(d)
		}
	case strings.HasPrefix(rest, "search("):
		op, locate = rest, (*Drive).root
	case rest == "root" || strings.HasPrefix(rest, "root/"):
		op = strings.TrimPrefix(strings.TrimPrefix(rest, "root"), "/")
		locate = (*Drive).root
	case strings.HasPrefix(rest, "root:"):
		var path string
		path, op = splitPath(rest[len("root:"):])
		locate = func(d *Drive) *item { return d.walk(path) }
	case strings.HasPrefix(rest, "items/"):
		id, tail := rest[len("items/"):], ""
		if i := strings.IndexAny(id, "/:"); i >= 0 {
			id, tail = id[:i], id[i:]
		}
		path := ""
		if after, ok := strings.CutPrefix(tail, ":"); ok {
			path, op = splitPath(after)
		} else {
			op = strings.TrimPrefix(tail, "/")
		}
		locate = func(d *Drive) *item {
			if it := d.find(ItemID(id)); it != nil && !it.deleted && it.kind != kindRaw {
				return walkFrom(it, path)
			}
			return nil
		}
	default:
		return nil
	}
	return c.itemPath(find, locate, op)
}

// splitPath parts "/a/b:/children" into the path and what is asked of it.
func splitPath(s string) (path, op string) {
	path, op, _ = strings.Cut(s, ":")
	return path, strings.TrimPrefix(op, "/")
}

// onDrive does something with a drive, if its site lets it be seen.
func onDrive(find driveFinder, run func(*call, *Drive) *graphError) action {
	return func(c *call) *graphError {
		d, e := find(c)
		if e != nil {
			return e
		}
		if e := d.site.refusal(); e != nil {
			return e
		}
		return run(c, d)
	}
}

// itemPath routes what is asked of an item.
func (c *call) itemPath(find driveFinder, locate func(*Drive) *item, op string) action {
	with := func(kind Kind, run func(*call, *Drive, *item) *graphError) action {
		c.kind = kind
		return onDrive(find, func(c *call, d *Drive) *graphError { return run(c, d, nil) })
	}
	located := func(kind Kind, run func(*call, *Drive, *item) *graphError) action {
		return with(kind, func(c *call, d *Drive, _ *item) *graphError {
			c.t.mu.RLock()
			it := locate(d)
			c.t.mu.RUnlock()
			if it == nil {
				return errorf(http.StatusNotFound, "itemNotFound", "Item does not exist")
			}
			return run(c, d, it)
		})
	}
	head, rest, _ := strings.Cut(op, "/")
	switch {
	case op == "":
		return located(KindItem, (*call).sendItem)
	case op == "children":
		return located(KindChildren, (*call).sendChildren)
	case op == "content":
		return located(KindContent, func(c *call, d *Drive, it *item) *graphError { return c.sendContent(d, it, 0) })
	case head == "versions":
		return located(KindVersions, func(c *call, d *Drive, it *item) *graphError { return c.sendVersions(d, it, rest) })
	case head == "permissions":
		return located(KindPermissions, func(c *call, d *Drive, it *item) *graphError { return c.sendPermissions(d, it, rest) })
	case head == "thumbnails":
		return located(KindItem, func(c *call, _ *Drive, _ *item) *graphError { return c.sendThumbnails(rest) })
	case op == "listItem":
		return located(KindItem, (*call).sendListItem)
	case op == "retentionLabel":
		return located(KindItem, func(*call, *Drive, *item) *graphError { return errNotFound() })
	}
	if text, tail, ok := argument(op, "search", "q"); ok && tail == "" {
		return located(KindChildren, func(c *call, d *Drive, it *item) *graphError { return c.sendFound(d, it, text) })
	}
	if token, ok := deltaCall(op); ok {
		if token != "" {
			c.query["token"] = token
		}
		kind := KindDelta
		if c.query["token"] == "" {
			kind = KindDeltaFull
		}
		return located(kind, (*call).sendDelta)
	}
	return nil
}

// deltaCall recognises the forms of the delta function (D2) and takes its parameter out.
func deltaCall(op string) (token string, ok bool) {
	if op == "delta" {
		return "", true
	}
	token, rest, ok := argument(op, "delta", "token")
	return token, ok && rest == ""
}
