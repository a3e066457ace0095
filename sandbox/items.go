package sandbox

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// view is how this call shows items.
func (c *call) view(delta bool) (*view, *graphError) {
	f, err := parseSelect(c.query["select"], itemFields, fDefault)
	if err != nil {
		c.violate("bad select", err.Error())
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Parsing OData Select and Expand failed: %s.", err)
	}
	v := &view{fields: f, b: c.t.behaviour(), now: c.start.Unix(), host: c.content, delta: delta}
	if e := c.expand(v); e != nil {
		return nil, e
	}
	return v, c.prefer(v)
}

// expand answers $expand: delta refuses it (D6), permissions are never expanded (V7), listItem is not
// built here beyond what the facts say (V4).
func (c *call) expand(v *view) *graphError {
	switch e := strings.ToLower(c.query["expand"]); {
	case e == "":
		return nil
	case strings.Contains(e, "permissions"):
		return errorf(http.StatusBadRequest, "notSupported", "Permission is not supported in this item.")
	case v.delta:
		return errorf(http.StatusBadRequest, "invalidRequest", "Expand is not supported on this call.")
	case strings.HasPrefix(e, "listitem"):
		v.fields |= fListItem
		return nil
	default:
		return errorf(http.StatusBadRequest, "invalidRequest", "The expansion '%s' is not supported.", c.query["expand"])
	}
}

// prefer reads the headers of 1.6. The three sharing values belong together (D52).
func (c *call) prefer(v *view) *graphError {
	var removed, gaps bool
	for _, line := range c.r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			switch strings.ToLower(strings.TrimSpace(p)) {
			case "deltashowsharingchanges":
				v.sharing = true
			case "deltashowremovedasdeleted":
				removed = true
			case "deltatraversepermissiongaps":
				gaps = true
			case "hierarchicalsharing":
				v.roots = true
			case "include-feature=addtoonedrive":
				v.feature = true
			}
		}
	}
	v.exclude = len(c.r.Header.Values("deltaExcludeParent")) > 0 // a header of its own, whatever it says (D19)
	if v.sharing && (!removed || !gaps) {
		return errorf(http.StatusBadRequest, "invalidRequest", "Must also prefer deltashowremovedasdeleted and deltatraversepermissiongaps when preferring deltashowsharingchanges for a user request.")
	}
	return nil
}

// notModified answers 304 when the client has this eTag or cTag already (C9).
func (c *call) notModified(d *Drive, it *item) bool {
	match := c.r.Header.Get("If-None-Match")
	if match == "" {
		return false
	}
	etag, ctag := `"`+string(d.appendETag(nil, it))+`"`, `"`+string(d.appendCTag(nil, it))+`"`
	for m := range strings.SplitSeq(match, ", ") {
		if m = strings.TrimPrefix(strings.TrimSpace(m), "W/"); m == etag || m == ctag {
			c.headers()
			c.status = http.StatusNotModified
			c.w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

func (c *call) sendItem(d *Drive, it *item) *graphError {
	v, e := c.view(false)
	if e != nil {
		return e
	}
	d.hashAhead([]shown{{it: it}}, v)
	c.t.mu.RLock()
	if c.notModified(d, it) {
		c.t.mu.RUnlock()
		return nil
	}
	b := appendString([]byte(`{"@odata.context":`), c.base+"/$metadata#drives('"+url.QueryEscape(string(d.id))+"')/items/$entity")
	item := d.appendItem(nil, it, v)
	if v.fields&fListItem != 0 {
		item = append(d.appendListItem(append(item[:len(item)-1], `,"listItem":`...), it), '}')
	}
	c.t.mu.RUnlock()
	if len(item) > len("{}") {
		b = append(append(b, ','), item[1:]...)
	} else {
		b = append(b, '}')
	}
	c.reply(http.StatusOK, b)
	return nil
}

// sendChildren lists a folder in pages; the position in the link is the ordinal of the last child, so
// edits between pages lose nothing that stayed.
func (c *call) sendChildren(d *Drive, it *item) *graphError {
	v, e := c.view(false)
	if e != nil {
		return e
	}
	top, after := cmp.Or(v.b.PageSize, defaultPage), int64(-1)
	if s := c.query["top"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return errorf(http.StatusBadRequest, "invalidRequest", "The value '%s' of $top is not valid.", s)
		}
		top = min(n, cmp.Or(v.b.MaxPage, maximumPage))
	}
	if s := c.query["skiptoken"]; s != "" {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		n, err2 := strconv.ParseInt(string(raw), 36, 64)
		if err != nil || err2 != nil {
			c.violate("bad link", "the $skiptoken is not one that was handed out")
			return errorf(http.StatusBadRequest, "invalidRequest", "The paging token is not valid.")
		}
		after = n
	}
	c.t.mu.RLock()
	page, more := d.childPage(it, after, top, v)
	c.t.mu.RUnlock()
	d.hashAhead(page, v)
	c.t.mu.RLock()
	b := appendString([]byte(`{"@odata.context":`), c.base+"/$metadata#drives('"+url.QueryEscape(string(d.id))+"')/items('"+string(d.itemID(it))+"')/children")
	if len(page) > 0 && more {
		q := url.Values{}
		for _, k := range []string{"select", "top", "expand"} {
			if s := c.query[k]; s != "" {
				q.Set("$"+k, s)
			}
		}
		q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(int64(page[len(page)-1].it.ord), 36))))
		b = appendString(append(b, `,"@odata.nextLink":`...), c.base+"/drives/"+string(d.id)+"/items/"+string(d.itemID(it))+"/children?"+q.Encode())
	}
	b = append(b, `,"value":`...)
	b = d.appendItems(b, page, v)
	c.t.mu.RUnlock()
	c.reply(http.StatusOK, append(b, '}'))
	return nil
}

func (d *Drive) childPage(it *item, after int64, top int, v *view) (page []shown, more bool) {
	if it.folder == nil {
		return nil, false
	}
	from, _ := slices.BinarySearchFunc(it.folder.children, after+1, func(c *item, ord int64) int { return cmp.Compare(int64(c.ord), ord) })
	for _, ch := range it.folder.children[from:] {
		if ch.deleted || ch.kind == kindRemote && !d.showsShortcuts(v) {
			continue
		}
		if len(page) == top {
			return page, true
		}
		page = append(page, shown{it: ch})
	}
	return page, false
}

// appendItems appends an array of items.
func (d *Drive) appendItems(b []byte, page []shown, v *view) []byte {
	b = append(b, '[')
	for i, s := range page {
		if i > 0 {
			b = append(b, ',')
		}
		if s.stale {
			b = d.appendItem(b, olderForm(s.it), v)
			continue
		}
		b = d.appendItem(b, s.it, v)
	}
	return append(b, ']')
}

// olderForm is what an item might have looked like before its last change.
func olderForm(it *item) *item {
	old := &item{guid: it.guid, name: "older " + it.name, parent: it.parent, size: it.size + 1, created: it.created, modified: it.created,
		fsModified: it.created, ord: it.ord, content: it.content, createdBy: it.createdBy, modifiedBy: it.createdBy, kind: it.kind, noHash: true}
	return old
}

// hashAhead computes the hashes of a page that lie on disk or are not known yet, outside of the lock
// and in parallel.
func (d *Drive) hashAhead(page []shown, v *view) {
	if d.dir == nil || v.fields&fFile == 0 {
		return
	}
	var todo []hashJob
	d.t.mu.RLock()
	for _, s := range page {
		if it := s.it; it.kind == kindFile && !it.deleted && it.hash.Load() == nil {
			todo = append(todo, hashJob{it, d.body(it), it.content})
		}
	}
	d.t.mu.RUnlock()
	d.t.runHashes(todo)
}

// sendListItem answers the columns of an item with what every library has (V4).
func (c *call) sendListItem(d *Drive, it *item) *graphError {
	c.t.mu.RLock()
	b := d.appendListItem(nil, it)
	c.t.mu.RUnlock()
	c.reply(http.StatusOK, b)
	return nil
}

func (d *Drive) appendListItem(b []byte, it *item) []byte {
	b = append(appendInt(append(b, `{"id":"`...), int64(it.ord)), '"')
	b = append(d.appendETag(append(b, `,"eTag":"\"`...), it), `\""`...)
	b = appendString(append(b, `,"fields":{"FileLeafRef":`...), it.name)
	b = appendTime(append(b, `,"Modified":`...), it.modified)
	if it.more != nil {
		for _, name := range slices.Sorted(maps.Keys(it.more.columns)) {
			b = append(appendString(append(b, ','), name), ':')
			b = appendString(b, it.more.columns[name])
		}
	}
	return append(b, `}}`...)
}

// sendVersions lists the versions of a file, newest first and the present one among them (V3).
func (c *call) sendVersions(d *Drive, it *item, rest string) *graphError {
	if it.kind != kindFile {
		return errorf(http.StatusBadRequest, "invalidRequest", "The item has no versions.")
	}
	id, op, _ := strings.Cut(rest, "/")
	number := 0
	if id != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(id, ".0"))
		if err != nil || op != "" && op != "content" {
			return errNotFound()
		}
		number = n
	}
	if op == "content" {
		return c.sendContent(d, it, uint32(number))
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	list := []version{{number: it.content, size: it.size, modified: it.modified, by: it.modifiedBy}}
	if it.more != nil {
		for _, o := range slices.Backward(it.more.versions) {
			list = append(list, o)
		}
	}
	if number == 0 {
		b := []byte(`{"value":[`)
		for i, o := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = d.appendVersion(b, o)
		}
		c.reply(http.StatusOK, append(b, `]}`...))
		return nil
	}
	for _, o := range list {
		if o.number == uint32(number) {
			c.reply(http.StatusOK, d.appendVersion(nil, o))
			return nil
		}
	}
	return errNotFound()
}

func (d *Drive) appendVersion(b []byte, o version) []byte {
	b = appendInt(append(b, `{"id":"`...), int64(o.number))
	b = append(append(b, `.0","lastModifiedBy":`...), d.t.users[o.by].json...)
	b = appendTime(append(b, `,"lastModifiedDateTime":`...), o.modified)
	return append(appendInt(append(b, `,"size":`...), o.size), '}')
}

// sendPermissions lists effective permissions; inheritedFrom is not there on business drives (V6).
func (c *call) sendPermissions(d *Drive, it *item) *graphError {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if c.notModified(d, it) {
		return nil
	}
	b := []byte(`{"value":[`)
	owner := d.t.users[d.owner]
	b = append(b, `{"id":"owner","roles":["owner"],"grantedToV2":`...)
	b = append(append(b, owner.json...), '}')
	if scope := d.sharedScope(it, false); scope != "" {
		b = append(b, `,{"id":"link-`...)
		b = append(append(b, scope...), `","roles":["read"],"shareId":"u!c2VjcmV0LXNoYXJl","link":{"type":"view","scope":`...)
		b = appendString(append(appendString(b, scope), `,"webUrl":`...), d.site.webURL()+"/:b:/s/secret-link") // opens the door (V6)
		b = append(b, `},"grantedToIdentitiesV2":[`...)
		if scope == "users" && len(d.t.users) > 1 {
			b = append(b, d.t.users[1].json...)
		}
		b = append(b, `]}`...)
	}
	c.reply(http.StatusOK, append(b, `]}`...))
	return nil
}

// sendContent redirects to the content host (C1). Range is not looked at here (C11).
func (c *call) sendContent(d *Drive, it *item, number uint32) *graphError {
	v := c.t.behaviour()
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if c.notModified(d, it) {
		return nil
	}
	if e := d.contentRefusal(it); e != nil {
		return e
	}
	if number != 0 && number != it.content && d.versionBody(it, number) == nil {
		return errNotFound()
	}
	grant := urlGrant{version: it.content, pinned: number, expires: c.start.Add(c.t.urlLifetime()).Unix(), hops: uint8(v.DownloadHops)}
	c.headers()
	c.w.Header().Set("Location", string(d.appendURL(nil, it, grant, c.content)))
	c.status = http.StatusFound
	c.w.WriteHeader(http.StatusFound)
	return nil
}

// contentRefusal says why an item has no content to hand out.
func (d *Drive) contentRefusal(it *item) *graphError {
	m := it.more
	switch {
	case it.kind != kindFile:
		return errorf(http.StatusBadRequest, "notSupported", "Only files have content.")
	case m == nil:
		return nil
	case m.malware != "":
		e := errorf(http.StatusForbidden, "malwareDetected", "Malware has been detected in the item.")
		e.header = map[string]string{"X-Virus-Infected": m.malware}
		return e
	case m.locked:
		e := errorf(http.StatusLocked, "notAllowed", "The item is locked.")
		e.inner = "resourceLocked"
		return e
	case m.status != 0:
		return errorf(m.status, "generalException", "The content cannot be delivered.")
	}
	return nil
}

func (t *Tenant) urlLifetime() time.Duration { return cmp.Or(t.opts.URLLifetime, time.Hour) }
