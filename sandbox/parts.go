package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What hangs on an item besides its members: the columns of the list, versions, permissions, pictures.

// listItemMembers are the members of listItem that $select may name.
var listItemMembers = []string{"id", "eTag", "fields", "contentType", "createdBy", "createdDateTime", "description", "driveItem", "lastModifiedBy", "lastModifiedDateTime",
	"name", "parentReference", "sharepointIds", "versions", "webUrl"}

// sendListItem answers the columns of an item with what every library has (V4).
func (c *call) sendListItem(d *Drive, it *item) *graphError {
	var columns []string
	for _, m := range readMembers(c.query["expand"]) {
		if strings.EqualFold(m.name, "fields") && m.options["select"] != "" {
			columns = strings.Split(m.options["select"], ",")
		}
	}
	c.t.mu.RLock()
	b := d.appendListItem(nil, it, columns)
	c.t.mu.RUnlock()
	return c.sendChosen(b, listItemMembers)
}

// sendChosen answers one object with the members that $select names.
func (c *call) sendChosen(b []byte, known []string) *graphError {
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return errorf(http.StatusInternalServerError, "generalException", "%v", err)
	}
	m, e := c.choose(m, known)
	if e != nil {
		return e
	}
	return c.sendMap(m)
}

// appendListItem appends a list item with the columns that are wanted, all of them when columns is nil.
func (d *Drive) appendListItem(b []byte, it *item, columns []string) []byte {
	b = append(appendInt(append(b, `{"id":"`...), int64(it.ord)), '"')
	b = append(d.appendETag(append(b, `,"eTag":"\"`...), it), `\"","fields":{`...)
	wanted := func(name string) bool {
		return columns == nil || slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(strings.TrimSpace(c), name) })
	}
	if wanted("FileLeafRef") {
		b = append(appendString(append(b, `"FileLeafRef":`...), it.name), ',')
	}
	if wanted("Modified") {
		b = append(appendTime(append(b, `"Modified":`...), it.modified), ',')
	}
	if it.more != nil {
		for _, name := range slices.Sorted(maps.Keys(it.more.columns)) {
			if wanted(name) {
				b = append(appendString(b, name), ':')
				b = append(appendString(b, it.more.columns[name]), ',')
			}
		}
	}
	return append(closeObject(b), '}')
}

// sendThumbnails says that there are no pictures of an item.
func (c *call) sendThumbnails(rest string) *graphError {
	if rest != "" {
		return errNotFound()
	}
	return c.sendList("thumbnails", nil, nil)
}

// versionMembers are the members of driveItemVersion that $select may name.
var versionMembers = []string{"id", "content", "lastModifiedBy", "lastModifiedDateTime", "publication", "size"}

// sendVersions lists the versions of a file, newest first and the present one among them (V3), or answers one of them.
func (c *call) sendVersions(d *Drive, it *item, rest string) *graphError {
	if it.kind != kindFile {
		return errorf(http.StatusBadRequest, "invalidRequest", "The item has no versions.")
	}
	id, op, _ := strings.Cut(rest, "/")
	if op != "" {
		number, err := strconv.ParseUint(strings.TrimSuffix(id, ".0"), 10, 32)
		if err != nil || op != "content" {
			return errNotFound()
		}
		return c.sendContent(d, it, uint32(number))
	}
	c.t.mu.RLock()
	list := []map[string]any{d.versionOf(version{number: it.content, size: it.size, modified: it.modified, by: it.modifiedBy})}
	if it.more != nil {
		for _, o := range slices.Backward(it.more.versions) {
			list = append(list, d.versionOf(o))
		}
	}
	path := "drives/" + string(d.id) + "/items/" + string(d.itemID(it)) + "/versions"
	c.t.mu.RUnlock()
	return c.sendListOr(path, list, id, versionMembers)
}

// sendListOr answers a collection, or the one member of it that has the id.
func (c *call) sendListOr(path string, list []map[string]any, id string, known []string) *graphError {
	if id == "" {
		return c.sendList(path, list, known)
	}
	at := slices.IndexFunc(list, func(m map[string]any) bool { return m["id"] == id })
	if at < 0 {
		return errNotFound()
	}
	m, e := c.choose(list[at], known)
	if e != nil {
		return e
	}
	m["@odata.context"] = c.base + "/$metadata#" + path + "/$entity"
	return c.sendMap(m)
}

func (d *Drive) versionOf(o version) map[string]any {
	return map[string]any{"id": strconv.FormatUint(uint64(o.number), 10) + ".0", "lastModifiedBy": json.RawMessage(d.t.users[o.by].json),
		"lastModifiedDateTime": time.Unix(o.modified, 0).UTC().Format(time.RFC3339), "size": o.size}
}

// permissionMembers are the members of permission that $select may name.
var permissionMembers = []string{"id", "expirationDateTime", "grantedTo", "grantedToIdentities", "grantedToIdentitiesV2", "grantedToV2", "hasPassword", "inheritedFrom",
	"invitation", "link", "roles", "shareId"}

// sendPermissions lists effective permissions, or answers one; inheritedFrom is not there on business drives (V6).
func (c *call) sendPermissions(d *Drive, it *item, id string) *graphError {
	c.t.mu.RLock()
	if c.notModified(d, it) {
		c.t.mu.RUnlock()
		return nil
	}
	list := []map[string]any{{"id": "owner", "roles": []string{"owner"}, "grantedToV2": json.RawMessage(d.t.users[d.owner].json)}}
	if scope := d.sharedScope(it, false); scope != "" {
		people := []json.RawMessage{}
		if scope == "users" && len(d.t.users) > 1 {
			people = append(people, d.t.users[1].json)
		}
		link := map[string]any{"type": "view", "scope": scope, "webUrl": d.site.webURL() + "/:b:/s/secret-link"} // opens the door (V6)
		list = append(list, map[string]any{"id": "link-" + scope, "roles": []string{"read"}, "shareId": "u!c2VjcmV0LXNoYXJl", "link": link,
			"grantedToIdentitiesV2": people})
	}
	path := "drives/" + string(d.id) + "/items/" + string(d.itemID(it)) + "/permissions"
	c.t.mu.RUnlock()
	return c.sendListOr(path, list, id, permissionMembers)
}
