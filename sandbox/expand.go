package sandbox

import (
	"net/http"
	"strings"
)

// expansion is what $expand asks for beside an item.
type expansion struct {
	listItem   bool
	columns    []string // of the list item, nil means all
	thumbnails bool
	children   *view
}

// expand reads $expand: delta refuses it (D6), permissions are never expanded (V7), list items work (V4).
func (c *call) expand(v *view) *graphError {
	text := c.query["expand"]
	switch {
	case text == "":
		return nil
	case strings.Contains(strings.ToLower(text), "permissions"):
		return errorf(http.StatusBadRequest, "notSupported", "Permission is not supported in this item.")
	case v.delta:
		return errorf(http.StatusBadRequest, "invalidRequest", "Expand is not supported on this call.")
	}
	v.expand = &expansion{}
	for _, m := range readMembers(text) {
		switch strings.ToLower(m.name) {
		case "listitem":
			v.expand.listItem, v.expand.columns = true, m.columns()
		case "thumbnails":
			v.expand.thumbnails = true
		case "children":
			f, err := parseSelect(m.options["select"], itemFields, fDefault)
			if err != nil {
				return errorf(http.StatusBadRequest, "BadRequest", "Parsing OData Select and Expand failed: %s.", err)
			}
			inner := *v
			inner.fields, inner.expand = f, nil
			v.expand.children = &inner
		default:
			return errorf(http.StatusBadRequest, "invalidRequest", "The expansion '%s' is not supported.", m.name)
		}
	}
	return nil
}

// member is one name of $expand with the options in its parentheses.
type member struct {
	name    string
	options map[string]string
}

// readMembers splits "a,b($select=c,d;$top=2)".
func readMembers(text string) []member {
	var list []member
	for _, part := range splitOutside(text, ',') {
		name, inner, _ := strings.Cut(part, "(")
		m := member{strings.TrimSpace(name), map[string]string{}}
		for _, option := range splitOutside(strings.TrimSuffix(strings.TrimSpace(inner), ")"), ';') {
			k, v, _ := strings.Cut(option, "=")
			m.options[strings.ToLower(strings.TrimPrefix(strings.TrimSpace(k), "$"))] = v
		}
		list = append(list, m)
	}
	return list
}

// columns are those named in expand=fields(select=…) inside the member, nil when none is.
func (m member) columns() []string {
	for _, inner := range readMembers(m.options["expand"]) {
		if strings.EqualFold(inner.name, "fields") && inner.options["select"] != "" {
			return strings.Split(inner.options["select"], ",")
		}
	}
	return nil
}

// splitOutside splits at a separator that stands outside of parentheses.
func splitOutside(text string, separator byte) []string {
	var parts []string
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case separator:
			if depth == 0 {
				parts, from = append(parts, text[from:i]), i+1
			}
		}
	}
	return append(parts, text[from:])
}

// appendExpanded appends what $expand asked for, each member followed by a comma.
func (d *Drive) appendExpanded(b []byte, it *item, v *view) []byte {
	x := v.expand
	if x.listItem && it.parent != nil { // the root is no item of the list
		b = append(d.appendListItem(append(b, `"listItem":`...), it, x.columns), ',')
	}
	if x.thumbnails {
		b = append(b, `"thumbnails":[],`...)
	}
	if x.children == nil {
		return b
	}
	page, more := d.childPage(it, -1, defaultPage, x.children)
	if more {
		b = appendString(append(b, `"children@odata.nextLink":`...), linkBehind(d.addressOf(v.base, it)+"/children", nil, int64(page[len(page)-1].it.ord)))
		b = append(b, ',')
	}
	return append(d.appendItems(append(b, `"children":`...), page, x.children), ',')
}

// expandInto puts a relation into the members of a resource when $expand names it, with the members of its own $select. Any other
// expansion is refused.
func (c *call) expandInto(m map[string]any, relation string, related map[string]any, known []string, hidden ...string) *graphError {
	if c.query["expand"] == "" {
		return nil
	}
	for _, asked := range readMembers(c.query["expand"]) {
		if !strings.EqualFold(asked.name, relation) {
			return errorf(http.StatusBadRequest, "notSupported", "Operation not supported: the expansion '%s' is not answered here.", asked.name)
		}
		chosen, e := c.chosen(asked.options["select"], related, known, hidden...)
		if e != nil {
			return e
		}
		m[relation] = chosen
	}
	return nil
}
