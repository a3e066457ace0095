package apply

import (
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
)

// pages are the extensions of files that are web pages themselves. The service may
// rewrite these (C18).
var pages = []string{".htm", ".html", ".xhtml", ".shtml", ".aspx", ".asp", ".mht", ".mhtml"}

// instead reports whether what came is a page or a message in place of the file: a
// sign-in, a block page, an error with the status of success (H-61), or nothing at
// all (Q69). Hosts and proxies send the same one each time, so that it looks like a
// file that the service rewrites. What has the hash of the file is the file, whatever
// its type.
func (f *fetch) instead() bool {
	if f.offset == 0 {
		return f.item.Size > 0 || f.item.Size < 0 && f.item.QuickXorHash != ""
	}
	return isPage(f.kind, f.head, f.change.Name)
}

// isPage reports whether content of a type, or with that beginning, cannot be a file of
// a name.
func isPage(said string, head func() []byte, name string) bool {
	switch kind := mediaType(said, head); {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return true // the service rewrites documents, never data
	case kind == "text/html" || kind == "application/xhtml+xml":
		return !slices.Contains(pages, strings.ToLower(path.Ext(name)))
	}
	return false
}

// mediaType is what the host says the content is, however it says it; where it says
// nothing, the first bytes do.
func mediaType(said string, head func() []byte) string {
	if said == "" {
		said = http.DetectContentType(head())
	}
	kind, _, _ := strings.Cut(said, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// headBytes is as much as is looked at to tell a type.
const headBytes = 512

// head is how the staged file begins.
func (f *fetch) head() []byte {
	head := make([]byte, headBytes)
	n, err := f.staged.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return head[:n]
}

func (f *fetch) page() error {
	if f.offset == 0 {
		return integrity("the service sent nothing in place of the file, twice")
	}
	return integrity("the service sent a page in place of the file, twice the same")
}
