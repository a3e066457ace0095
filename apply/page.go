package apply

import (
	"mime"
	"path"
	"slices"
	"strings"
)

// pages are the extensions of files that are web pages themselves. The service may
// rewrite these (C18).
var pages = []string{".htm", ".html", ".xhtml", ".shtml", ".aspx", ".asp", ".mht", ".mhtml"}

// instead reports whether what came is a page or a message in place of the file: a
// sign-in, a block page, an error with the status of success (H-61). Hosts and
// proxies send the same one each time, so that it looks like a file that the
// service rewrites. What has the hash of the file is the file, whatever its type.
func (f *fetch) instead() bool {
	kind, _, err := mime.ParseMediaType(f.kind)
	if err != nil {
		return false
	}
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return true // the service rewrites documents, never data
	case kind == "text/html" || kind == "application/xhtml+xml":
		return !slices.Contains(pages, strings.ToLower(path.Ext(f.change.Name)))
	}
	return false
}

func (f *fetch) page() error {
	return integrity("the service sent a page in place of the file, twice the same")
}
