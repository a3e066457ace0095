package graph

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Resource units of calls (T10); what a plan will cost can be told from them. A download costs as much as an item.
const (
	UnitsItem        = 1
	UnitsDelta       = 1 // with a token
	UnitsList        = 2 // also delta without a token
	UnitsPermissions = 5
)

const opDelta = "read delta page"

// DeltaQuery says what a delta enumeration returns. Select and Top are written into the first address and travel inside
// the links from then on (D7); the headers must be sent with every page, and a link belongs to the headers it was
// obtained with (D46, Q102).
type DeltaQuery struct {
	Select        []string
	Top           int      // a wish only (D10); 0 leaves it to the service, which loses nothing (Q19)
	Prefer        []string // values of the Prefer header
	ExcludeParent bool     // do not return the ancestors of changed items (D19)
}

// DeltaSelect returns the members a mirror needs. The download address must be asked for under both names (D9, Q24).
func DeltaSelect() []string {
	return []string{
		"id", "name", "size", "eTag", "cTag", "webUrl", "parentReference", "file", "folder", "package", "remoteItem", "malware", "root",
		"deleted", "bundle", "specialFolder", "fileSystemInfo", "createdDateTime", "lastModifiedDateTime", "lastModifiedBy",
		"pendingOperations", "@microsoft.graph.downloadUrl", "content.downloadUrl",
	}
}

// WithSharing returns the query that also tells which items have permissions of their own, and which are listed because
// their permissions changed. The values belong together (D52); without the last, each item would name what it inherits (D50).
func (q DeltaQuery) WithSharing() DeltaQuery {
	q.Select = append(slices.Clone(q.Select), "shared")
	q.Prefer = append(slices.Clone(q.Prefer), "deltashowremovedasdeleted", "deltatraversepermissiongaps", "deltashowsharingchanges", "hierarchicalsharing")
	return q
}

// WithShortcuts returns the query that also lists the shortcuts of a OneDrive to folders of other drives (D55).
func (q DeltaQuery) WithShortcuts() DeltaQuery {
	q.Prefer = append(slices.Clone(q.Prefer), "Include-Feature=AddToOneDrive")
	return q
}

// Headers returns the header set in canonical form, to be stored beside the link. Equal sets give equal texts.
func (q DeltaQuery) Headers() string {
	parts := make([]string, 0, len(q.Prefer)+1)
	for _, v := range q.Prefer {
		if v = strings.TrimSpace(v); v != "" {
			parts = append(parts, "prefer="+v)
		}
	}
	if q.ExcludeParent {
		parts = append(parts, "deltaExcludeParent=true")
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ";")
}

// header makes the headers of a request.
func (q DeltaQuery) header() http.Header {
	h := http.Header{}
	if len(q.Prefer) > 0 {
		h.Set("Prefer", strings.Join(q.Prefer, ", ")) // one header for all values (D52)
	}
	if q.ExcludeParent {
		h["deltaExcludeParent"] = []string{"true"}
	}
	return h
}

// DeltaPage is one page of a delta enumeration. Exactly one of Next and Delta is set.
type DeltaPage struct {
	Items     []Item
	Bad       []BadItem // items whose description breaks the protocol; they are not among Items
	Next      Link      // the round goes on; an empty page does not end it (D12, Q1)
	Delta     Link      // the round is complete; start of the next one
	Bytes     int64     // decoded size of the page
	RequestID string
}

// DeltaStart returns the address that enumerates a drive from nothing. The root of the drive is the only scope that can
// be relied on (D3).
func (c *Client) DeltaStart(drive DriveID, q DeltaQuery) Link {
	var query []string
	if len(q.Select) > 0 {
		query = append(query, "$select="+url.QueryEscape(strings.Join(q.Select, ",")))
	}
	if q.Top > 0 {
		query = append(query, "$top="+strconv.Itoa(q.Top))
	}
	address := c.policy.root("/drives/" + escape(string(drive)) + "/root/delta")
	if len(query) > 0 {
		address += "?" + strings.Join(query, "&")
	}
	return Link(address)
}

// DeltaPage reads the page at a link, which is a start, next or delta link of this tenant, or the Location of a 410. The
// link is sent as it is.
func (c *Client) DeltaPage(ctx context.Context, link Link, q DeltaQuery) (DeltaPage, error) {
	u, err := c.policy.api(string(link))
	if err != nil {
		return DeltaPage{}, opError(opDelta, err)
	}
	units := UnitsList
	if carriesToken(link) {
		units = UnitsDelta
	}
	var result DeltaPage
	err = c.do(ctx, call{op: opDelta, url: u, units: units, header: q.header(), list: true, link: true, read: func(body []byte, h http.Header) error {
		var err error
		result, err = c.readDelta(u, body, h)
		return err
	}})
	if err != nil {
		return DeltaPage{}, err
	}
	if result.Next == link {
		return DeltaPage{}, opError(opDelta, ErrLoop) // H-36; longer cycles show only to who keeps the links
	}
	return result, nil
}

// carriesToken guesses, for the bill only, whether a link continues something.
func carriesToken(link Link) bool { return strings.Contains(string(link), "token=") }

// readDelta reads a page and checks its links.
func (c *Client) readDelta(asked *url.URL, body []byte, h http.Header) (DeltaPage, error) {
	result := DeltaPage{Bytes: int64(len(body)), RequestID: cleanID(h.Get("request-id"))}
	result.Items = make([]Item, 0, len(body)/1200+1) // an item has 700 to 1,500 bytes
	p, err := readPage(opDelta, body, h, func(s *scanner) {
		result.Items = append(result.Items, Item{})
		last := len(result.Items) - 1
		if bad := s.item(&result.Items[last]); bad != nil {
			result.Items = result.Items[:last]
			result.Bad = append(result.Bad, *bad)
		}
	})
	if err != nil {
		return DeltaPage{}, err
	}
	result.Next, result.Delta = Link(absolute(asked, string(p.next))), Link(absolute(asked, string(p.delta)))
	if reason := c.badLink(asked, result); reason != "" {
		return DeltaPage{}, &protocolError{op: opDelta, reason: reason, requestID: result.RequestID}
	}
	return result, nil
}

// badLink tells why the link of a page cannot be followed, "" if it can (H-34, H-41, I-57).
func (c *Client) badLink(asked *url.URL, p DeltaPage) string {
	link := cmp.Or(p.Next, p.Delta)
	if link == "" {
		return "the page has neither a next nor a delta link"
	}
	u, err := c.policy.api(string(link))
	if err != nil {
		return "the page has a link that cannot be followed: " + err.Error()
	}
	if p.Delta != "" && isLatest(u) {
		return "the delta link asks for the latest state and would never report a change"
	}
	have, want := driveOf(u.Opaque), driveOf(asked.Opaque)
	if have != "" && want != "" && !SameDrive(have, want) {
		return "the page has a link to another drive"
	}
	return ""
}

// isLatest recognises a delta link that still carries token=latest: it never reports anything again.
func isLatest(u *url.URL) bool {
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if strings.EqualFold(part, "token=latest") {
			return true
		}
	}
	return hasSuffixFold(u.Opaque, "(token='latest')") || hasSuffixFold(u.Opaque, "(token=latest)")
}

// driveOf recognises the drive in a path of either common form, /drives/{id}/ and /drives('{id}')/. Links are opaque:
// "" means that nothing was recognised, and nothing may be concluded from it.
func driveOf(path string) DriveID {
	before := ""
	for segment := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return ""
		}
		if before == "drives" {
			return DriveID(plain)
		}
		if id, ok := strings.CutPrefix(plain, "drives('"); ok && strings.HasSuffix(id, "')") {
			return DriveID(strings.TrimSuffix(id, "')"))
		}
		before = plain
	}
	return ""
}
