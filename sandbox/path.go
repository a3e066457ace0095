package sandbox

import (
	"slices"
	"strings"
)

// words are the parts of paths that name a resource or a function, as the router spells them.
var words = []string{"$batch", "children", "content", "delta", "drive", "driveItem", "drives", "getAllSites", "getByPath", "groups", "items", "list", "listItem",
	"lists", "me", "members", "oneDrive.getAllSites", "permissions", "reauthorize", "retentionLabel", "root", "search", "shares", "site", "sites", "subscriptions",
	"thumbnails", "transitiveMembers", "users", "versions"}

// keyed are the collections whose members may be named in parentheses.
var keyed = []string{"drives", "groups", "items", "lists", "permissions", "shares", "sites", "subscriptions", "users", "versions"}

// namespace may stand before functions and types.
const namespace = "microsoft.graph."

// canonicalPath brings a path into the one form that is routed: words in their usual case (N7), drives('x') as drives/x (D2), functions
// without their namespace. What stands between two colons is the path of an item or a site and stays as it is.
func canonicalPath(p string) string {
	parts := strings.Split(p, ":")
	for i := 0; i < len(parts); i += 2 {
		segments := strings.Split(parts[i], "/")
		for j, s := range segments {
			segments[j] = canonicalSegment(s)
		}
		parts[i] = strings.Join(segments, "/")
	}
	return strings.Join(parts, ":")
}

func canonicalSegment(s string) string {
	name, arguments, call := strings.Cut(s, "(")
	if n := len(namespace); len(name) > n && strings.EqualFold(name[:n], namespace) {
		name = name[n:]
	}
	at := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, name) })
	if at < 0 {
		return s
	}
	name = words[at]
	if !call || arguments == ")" {
		return name
	}
	if key, ok := strings.CutPrefix(arguments, "'"); ok && slices.Contains(keyed, name) {
		if key, ok = strings.CutSuffix(key, "')"); ok {
			return name + "/" + strings.ReplaceAll(key, "''", "'") // a quote is doubled
		}
	}
	return name + "(" + arguments
}

// argument takes the text argument of a function call off a path: name(parameter='text') and what follows.
func argument(p, function, parameter string) (text, rest string, ok bool) {
	p, ok = strings.CutPrefix(p, function+"("+parameter+"='")
	if !ok {
		return "", "", false
	}
	text, rest, ok = strings.Cut(p, "')")
	return strings.ReplaceAll(text, "''", "'"), rest, ok
}
