package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pages keeps the buffers of delta pages: a page of thousands of items has megabytes.
var pages = sync.Pool{New: func() any { return new([]byte) }}

// sendDelta answers the delta function.
func (c *call) sendDelta(d *Drive, it *item) *graphError {
	v, e := c.view(true)
	if e != nil {
		return e
	}
	if it != d.root() && !v.b.ItemDelta {
		return errorf(http.StatusBadRequest, "notSupported", "view.delta can only be called on the root.")
	}
	d.rescanIfDue(c.start)
	k, e := c.deltaStart(d, v)
	if e != nil {
		return e
	}
	if err := c.loadFlags(&k, v); err != nil {
		return c.lostToken(d, err)
	}
	b := pages.Get().(*[]byte)
	defer pages.Put(b)
	out, err := c.deltaPage(d, it, k, v, (*b)[:0])
	if err != nil {
		return c.lostToken(d, err)
	}
	*b = out
	c.reply(http.StatusOK, out)
	return nil
}

// deltaStart reads the token of a call, whatever its form (D4, D5).
func (c *call) deltaStart(d *Drive, v *view) (deltaToken, *graphError) {
	text := c.query["token"]
	k := deltaToken{flags: flagsOf(v), sel: c.query["select"], issued: c.start.Unix()}
	if s := c.query["top"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return k, errorf(http.StatusBadRequest, "invalidRequest", "The value '%s' of $top is not valid.", s)
		}
		k.top = uint64(n)
	}
	if text == "" {
		return k, nil
	}
	if text == "latest" {
		c.latest = true
		return k, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		c.t.mu.RLock()
		defer c.t.mu.RUnlock()
		if at.Unix() < d.root().created {
			return k, nil // older than the drive: everything changed since
		}
		k.drive, k.since = d.tag(), d.seqBefore(at)
		k.upto = k.since
		k.chain, _ = d.chainAt(k.upto)
		return k, nil
	}
	old, err := c.t.decodeToken(text)
	if err != nil {
		return k, c.lostToken(d, err)
	}
	if given := c.query["select"]; given != "" && given != old.sel {
		c.violate("altered link", "$select differs from the one in the token (D7)")
	}
	if old.flags != k.flags && !v.b.KeepPrefer {
		return k, c.lostToken(d, errDead) // another header set under an existing token (D46)
	}
	if k.top == 0 || old.top != 0 {
		k.top = old.top
	}
	old.top = k.top
	return old, nil
}

func flagsOf(v *view) tokenFlags {
	var f tokenFlags
	for bit, on := range map[tokenFlags]bool{flagExclude: v.exclude, flagSharing: v.sharing, flagRoots: v.roots, flagFeature: v.feature} {
		if on {
			f |= bit
		}
	}
	return f
}

// loadFlags makes the view the one for which the round began: $select is carried in the link (D7).
func (c *call) loadFlags(k *deltaToken, v *view) error {
	f, err := parseSelect(k.sel, itemFields, fDefault)
	if err != nil {
		return err
	}
	v.fields = f
	v.exclude, v.sharing = k.flags&flagExclude != 0, k.flags&flagSharing != 0
	v.roots, v.feature = k.flags&flagRoots != 0, k.flags&flagFeature != 0
	return nil
}

// deltaPage makes and writes one page.
func (c *call) deltaPage(d *Drive, top *item, k deltaToken, v *view, b []byte) ([]byte, error) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	var p deltaPage
	if c.latest {
		p = deltaPage{next: d.latest(k), final: true}
	} else {
		opened, err := d.openRound(k, c.start)
		if err != nil {
			return nil, err
		}
		if p, err = d.page(opened, v); err != nil {
			return nil, err
		}
	}
	if top != d.root() {
		p.items = only(p.items, top)
	}
	if d.dir != nil {
		c.t.mu.RUnlock()
		d.hashAhead(p.items, v)
		c.t.mu.RLock()
	}
	p.next.issued = c.start.Unix()
	b = appendString(append(b, `{"@odata.context":`...), c.base+"/$metadata#Collection(driveItem)")
	b = c.appendLinks(b, d, top, p)
	b = append(b, `,"value":`...)
	b = d.appendItems(b, p.items, v)
	return append(b, '}'), nil
}

// only keeps what lies below an item.
func only(list []shown, top *item) []shown {
	kept := list[:0]
	for _, s := range list {
		if s.it.below(top) {
			kept = append(kept, s)
		}
	}
	return kept
}

// appendLinks appends the nextLink or deltaLink. Faults may bend it: see [Fault].
func (c *call) appendLinks(b []byte, d *Drive, top *item, p deltaPage) []byte {
	name := `,"@odata.nextLink":`
	if p.final {
		name = `,"@odata.deltaLink":`
	}
	link := c.deltaLink(d, top, p.next)
	switch f := c.fault; {
	case f == nil:
	case f.Action == ActionLoop: // D49, H-36
		name, link = `,"@odata.nextLink":`, c.base+c.r.URL.RequestURI()[len(versionOf(c.r.URL.Path)):]
	case f.Action == ActionForeignLink: // Q6, H-66
		link = f.Body + "/v1.0/drives/" + string(d.id) + "/root/delta?token=" + c.t.encodeToken(p.next)
	case f.Action == ActionNoLink: // H-34
		return b
	case f.Action == ActionBothLinks: // H-34
		b = appendString(append(b, `,"@odata.nextLink":`...), link)
		name = `,"@odata.deltaLink":`
	}
	return appendString(append(b, name...), link)
}

// versionOf is the version that a path begins with, in whatever case (N7).
func versionOf(path string) string {
	for _, v := range versionPrefixes {
		if n := len(v); len(path) > n && path[n] == '/' && strings.EqualFold(path[:n], v) {
			return v
		}
	}
	return ""
}

// deltaLink writes a link in one of the forms that occur (D2). $select is repeated in it as the
// service does; what counts is the token.
func (c *call) deltaLink(d *Drive, top *item, k deltaToken) string {
	token := c.t.encodeToken(k)
	sel := ""
	if k.sel != "" {
		sel = "$select=" + url.QueryEscape(k.sel)
	}
	at := "/root"
	if top != d.root() {
		at = "/items/" + string(d.itemID(top))
	}
	if c.t.behave.FunctionLinks {
		link := c.base + "/drives('" + url.PathEscape(string(d.id)) + "')" + at + "/microsoft.graph.delta(token='" + token + "')"
		if sel != "" {
			link += "?" + sel
		}
		return link
	}
	if sel != "" {
		sel += "&"
	}
	return c.base + "/drives/" + string(d.id) + at + "/delta?" + sel + "token=" + token
}

// resyncMessage is the text of the live service, which alone tells the kind (D43).
const resyncMessage = "Resync required. Replace any local items with the server's version (including deletes) if you're sure that the service was up to date with your local changes when you last sync'd. Upload any local changes that the server doesn't know about."

// lostToken answers a token that is of no use (D42, D43, Q7).
func (c *call) lostToken(d *Drive, err error) *graphError {
	if errors.Is(err, errToken) {
		c.violate("bad token", "a delta token that was never handed out for this drive")
	}
	return c.lossAnswer(d, c.t.behaviour().TokenLoss)
}

func (c *call) lossAnswer(d *Drive, loss TokenLoss) *graphError {
	e := errorf(http.StatusGone, "resyncRequired", resyncMessage)
	e.header = map[string]string{"Location": c.base + "/drives/" + string(d.id) + "/root/delta"}
	if sel := c.query["select"]; sel != "" {
		e.header["Location"] += "?$select=" + url.QueryEscape(sel)
	}
	switch loss {
	case LossApply:
		e.code, e.message = "resyncChangesApplyDifferences", "Replace any local items with the server's version."
	case LossUpload:
		e.code, e.message = "resyncChangesUploadDifferences", "Upload any local items that the service did not return."
	case LossNoLocation:
		e.header = nil
	case LossStateNotFound:
		e.code, e.message, e.header = "syncStateNotFound", "The sync state is not found.", nil
	case LossNotFound:
		return errorf(http.StatusNotFound, "itemNotFound", "The resource could not be found.")
	case LossInvalid:
		return errorf(http.StatusBadRequest, "invalidRequest", "The paging token is invalid.")
	}
	return e
}
