package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// sharePath routes shares/u!{address}, the way from an address to an item.
func (c *call) sharePath(rest string) action {
	token, rest, _ := strings.Cut(rest, "/")
	var it *item
	find := func(c *call) (d *Drive, e *graphError) {
		d, it, e = c.shared(token)
		return d, e
	}
	then := func(kind Kind, run func(*call, *Drive) *graphError) action {
		c.kind = kind
		return onDrive(find, run)
	}
	switch head, op, _ := strings.Cut(rest, "/"); {
	case head == "driveItem" || head == "root":
		return c.itemPath(find, func(*Drive) *item { return it }, op)
	case rest == "":
		return then(KindItem, func(c *call, d *Drive) *graphError { return c.sendShare(token, d, it) })
	case rest == "listItem":
		return then(KindItem, func(c *call, d *Drive) *graphError { return c.sendListItem(d, it) })
	case rest == "list":
		return then(KindDrives, (*call).sendListOf)
	case rest == "site":
		return then(KindSite, func(c *call, d *Drive) *graphError { return c.sendSite(d.site) })
	}
	return nil
}

// shared finds what a sharing token stands for.
func (c *call) shared(token string) (*Drive, *item, *graphError) {
	encoded, ok := strings.CutPrefix(token, "u!")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if !ok || err != nil {
		return nil, nil, errorf(http.StatusBadRequest, "invalidRequest", "The sharing token is not valid.")
	}
	d, it := c.t.byWebURL(string(raw))
	if it == nil {
		return nil, nil, errorf(http.StatusNotFound, "itemNotFound", "The sharing link no longer exists, or you do not have permission to access it.")
	}
	return d, it, nil
}

// shareMembers are the members of sharedDriveItem that $select may name.
var shareMembers = []string{"id", "name", "owner", "driveItem", "items", "list", "listItem", "root", "site"}

func (c *call) sendShare(token string, d *Drive, it *item) *graphError {
	c.t.mu.RLock()
	m := map[string]any{"id": token, "name": it.name, "owner": json.RawMessage(d.t.users[d.owner].json)}
	e := c.expandInto(m, "site", d.site.members(), siteMembers, "sharepointIds")
	c.t.mu.RUnlock()
	if e != nil {
		return e
	}
	if m, e = c.choose(m, shareMembers); e != nil {
		return e
	}
	m["@odata.context"] = c.base + "/$metadata#shares/$entity"
	return c.sendMap(m)
}

// byWebURL finds the item at an address.
func (t *Tenant) byWebURL(address string) (*Drive, *item) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, d := range t.drives {
		base, err := url.Parse(d.texts.webURL)
		if err != nil || !strings.EqualFold(base.Host, u.Host) {
			continue
		}
		if rest := strings.TrimSuffix(u.Path, "/"); len(rest) >= len(base.Path) && strings.EqualFold(rest[:len(base.Path)], base.Path) {
			if rest = rest[len(base.Path):]; rest == "" || rest[0] == '/' {
				return d, d.walk(rest)
			}
		}
	}
	return nil, nil
}
