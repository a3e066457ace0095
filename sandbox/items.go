package sandbox

import (
	"cmp"
	"encoding/base64"
	"math"
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
	v := &view{fields: f, b: c.t.behaviour(), now: c.start.Unix(), host: c.content, base: c.base, delta: delta}
	if e := c.expand(v); e != nil {
		return nil, e
	}
	return v, c.prefer(v)
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
	tags := entityTags(strings.Join(c.r.Header.Values("If-None-Match"), ","))
	etag, ctag := `"`+string(d.appendETag(nil, it))+`"`, `"`+string(d.appendCTag(nil, it))+`"`
	if !slices.ContainsFunc(tags, func(t string) bool { return t == etag || t == ctag || t == "*" }) {
		return false
	}
	c.headers()
	c.w.Header().Set("ETag", etag)
	c.status = http.StatusNotModified
	c.w.WriteHeader(http.StatusNotModified)
	return true
}

// entityTags reads a list of tags in quotes, in which there may be commas (D35), or the asterisk that stands for any.
func entityTags(list string) []string {
	if strings.TrimSpace(list) == "*" {
		return []string{"*"}
	}
	var tags []string
	for {
		_, rest, ok := strings.Cut(list, `"`)
		tag, after, closed := strings.Cut(rest, `"`)
		if !ok || !closed {
			return tags
		}
		tags, list = append(tags, `"`+tag+`"`), after
	}
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
// edits between pages lose nothing that stayed. In an order or a selection it is the number of the last one.
func (c *call) sendChildren(d *Drive, it *item) *graphError {
	v, e := c.view(false)
	if e != nil {
		return e
	}
	pick, e := c.arrangement()
	if e != nil {
		return e
	}
	top, after, e := c.pageOf(v.b)
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	count := -1
	var page []shown
	var more bool
	if pick == nil {
		page, more = d.childPage(it, after, top, v)
	} else {
		list, _ := d.childPage(it, -1, math.MaxInt, v)
		list = pick(d, list)
		count = len(list)
		from := int(min(after+1, int64(count)))
		page, more = list[from:min(from+top, count)], from+top < count
		after += int64(len(page))
	}
	c.t.mu.RUnlock()
	if pick == nil && more {
		after = int64(page[len(page)-1].it.ord)
	}
	if c.query["count"] != "true" {
		count = -1
	}
	return c.sendPage(d.addressOf(c.base, it)+"/children", d, it, v, page, more, after, count)
}

// pageOf reads $top and $skiptoken.
func (c *call) pageOf(b Behaviour) (top int, after int64, e *graphError) {
	top, after = cmp.Or(b.PageSize, defaultPage), -1
	if s := c.query["top"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return 0, 0, errorf(http.StatusBadRequest, "invalidRequest", "The value '%s' of $top is not valid.", s)
		}
		top = min(n, cmp.Or(b.MaxPage, maximumPage))
	}
	if s := c.query["skiptoken"]; s != "" {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		n, err2 := strconv.ParseInt(string(raw), 36, 64)
		if err != nil || err2 != nil || n < 0 {
			c.violate("bad link", "the $skiptoken is not one that was handed out")
			return 0, 0, errorf(http.StatusBadRequest, "invalidRequest", "The paging token is not valid.")
		}
		after = n
	}
	return top, after, nil
}

// addressOf is the address of an item by its id.
func (d *Drive) addressOf(base string, it *item) string {
	return base + "/drives/" + string(d.id) + "/items/" + string(d.itemID(it))
}

// sendPage answers a page of items with the link to the next one; a count of -1 is left out.
func (c *call) sendPage(address string, d *Drive, it *item, v *view, page []shown, more bool, last int64, count int) *graphError {
	d.hashAhead(page, v)
	c.t.mu.RLock()
	b := appendString([]byte(`{"@odata.context":`), c.base+"/$metadata#drives('"+url.QueryEscape(string(d.id))+"')/items('"+string(d.itemID(it))+"')/children")
	if count >= 0 {
		b = appendInt(append(b, `,"@odata.count":`...), int64(count))
	}
	if more && len(page) > 0 {
		b = appendString(append(b, `,"@odata.nextLink":`...), linkBehind(address, c.query, last))
	}
	b = append(b, `,"value":`...)
	b = d.appendItems(b, page, v)
	c.t.mu.RUnlock()
	c.reply(http.StatusOK, append(b, '}'))
	return nil
}

// linkBehind is the address of what follows a position of a collection, with the options of the call.
func linkBehind(address string, options query, last int64) string {
	q := url.Values{"$skiptoken": {base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last, 36)))}}
	for _, k := range []string{"select", "top", "expand", "orderby", "filter", "count"} {
		if s := options[k]; s != "" {
			q.Set("$"+k, s)
		}
	}
	return address + "?" + q.Encode()
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
