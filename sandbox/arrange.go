package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// sortable are the members by which libraries select and sort: business drives know the name and the address only, and refuse all others.
var sortable = []string{"name", "url", "webUrl"}

// arrangement reads $filter, $orderby and $count of a list of children. It is nil when the list is wanted as it is; otherwise the
// function selects and sorts all children, with the lock of the tenant held.
func (c *call) arrangement() (func(*Drive, []shown) []shown, *graphError) {
	text, order := c.query["filter"], strings.Fields(c.query["orderby"])
	if text == "" && len(order) == 0 && c.query["count"] != "true" {
		return nil, nil
	}
	refused := errorf(http.StatusBadRequest, "notSupported", "Operation not supported")
	keep := func(map[string]any) bool { return true }
	if text != "" {
		var err error
		if keep, err = parseFilter(text, sortable); err != nil {
			return nil, refused
		}
	}
	descending := len(order) == 2 && strings.EqualFold(order[1], "desc")
	if len(order) > 2 || len(order) == 2 && !descending && !strings.EqualFold(order[1], "asc") ||
		len(order) > 0 && !slices.ContainsFunc(sortable, func(s string) bool { return strings.EqualFold(s, order[0]) }) {
		return nil, refused
	}
	return func(d *Drive, list []shown) []shown {
		list = slices.DeleteFunc(list, func(s shown) bool {
			address := string(d.appendWebURL(nil, s.it))
			return !keep(map[string]any{"name": s.it.name, "url": address, "webUrl": address})
		})
		if len(order) > 0 {
			slices.SortStableFunc(list, func(a, b shown) int { return cmp.Compare(strings.ToLower(a.it.name), strings.ToLower(b.it.name)) })
		}
		if descending {
			slices.Reverse(list)
		}
		return list
	}, nil
}

// sendFound answers a search below an item by name. The service asks an index, which lags; here everything is found at once.
func (c *call) sendFound(d *Drive, top *item, text string) *graphError {
	v, e := c.view(false)
	if e != nil {
		return e
	}
	size, after, e := c.pageOf(v.b)
	if e != nil {
		return e
	}
	address := d.addressOf(c.base, top) + "/search(q='" + url.PathEscape(strings.ReplaceAll(text, "'", "''")) + "')"
	text = strings.ToLower(text)
	var page []shown
	more := false
	c.t.mu.RLock()
	for _, it := range d.items {
		if int64(it.ord) <= after || it.deleted || it.kind == kindRaw || it == top || !it.below(top) || !strings.Contains(strings.ToLower(it.name), text) {
			continue
		}
		if more = len(page) == size; more {
			break
		}
		page = append(page, shown{it: it})
	}
	c.t.mu.RUnlock()
	last := int64(0)
	if more {
		last = int64(page[len(page)-1].it.ord)
	}
	return c.sendPage(address, d, top, v, page, more, last, -1)
}
