package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// query is the query of a Graph call. Options are taken with and without the dollar sign: some
// clients write select= (CLIENTS 2).
type query map[string]string

// graphOptions are the query options that some call knows.
var graphOptions = []string{"select", "top", "expand", "skiptoken", "token", "search", "filter", "orderby", "count", "skip", "format"}

// honoured are the options that the calls of a kind answer. A call with another one is refused: an answer that took no notice of a
// filter would be a wrong one. There is no $filter in delta (D11).
var honoured = map[Kind][]string{
	KindSite:        {"select"},
	KindSites:       {"select", "top", "skiptoken", "search", "filter", "count"},
	KindSitesDelta:  {"select", "top", "token"},
	KindDrive:       {"select", "expand"},
	KindDrives:      {"select", "top", "skiptoken", "expand", "count"},
	KindUsers:       {"select", "top", "skiptoken", "filter", "count"},
	KindItem:        {"select", "expand"},
	KindChildren:    {"select", "top", "skiptoken", "expand", "orderby", "filter", "count"},
	KindDelta:       {"select", "top", "expand", "token"},
	KindDeltaFull:   {"select", "top", "expand", "token"},
	KindVersions:    {"select", "top", "skiptoken", "count"},
	KindPermissions: {"select", "top", "skiptoken", "count"},
}

// parseQuery reads the options of a call. Parameters without a dollar sign that nobody knows are no business of OData and are let pass,
// as the service does, yet noted: they may be options with a slip of the pen.
func (c *call) parseQuery() *graphError {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return errorf(http.StatusBadRequest, "invalidRequest", "The query is malformed.")
	}
	c.query = query{}
	for k, v := range values {
		name := strings.ToLower(strings.TrimPrefix(k, "$"))
		switch {
		case slices.Contains(graphOptions, name):
			c.query[name] = v[0]
		case name == "avoverride": // of a client that takes infected files as well (CLIENTS 2)
		case strings.HasPrefix(k, "$"):
			return errorf(http.StatusBadRequest, "invalidRequest", "The query option '%s' is not known.", k)
		default:
			c.violate("unknown option", "the query parameter "+k)
		}
	}
	return nil
}

// checkOptions refuses the options that this kind of call does not answer.
func (c *call) checkOptions() *graphError {
	if c.kind == KindSubscribe || c.kind == KindBatch {
		return nil
	}
	for name, value := range c.query {
		if name == "format" && strings.EqualFold(value, "json") || slices.Contains(honoured[c.kind], name) {
			continue
		}
		return errorf(http.StatusBadRequest, "notSupported", "Operation not supported: the query option '%s' is not answered here.", name)
	}
	return nil
}
