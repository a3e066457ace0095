package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// filtered applies $filter to users or groups. It knows the part of OData that clients send to a directory: comparisons with eq,
// startsWith, endsWith, any over a collection of texts, and, or, not and parentheses. Everything else is refused, as the service does.
func (c *call) filtered(list []map[string]any) ([]map[string]any, *graphError) {
	text := c.query["filter"]
	if text == "" {
		return list, nil
	}
	match, err := parseFilter(text, nil)
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause: %v.", err)
	}
	var out []map[string]any
	for _, m := range list {
		if match(m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// parseFilter reads a filter clause that names the known members only, or any when known is nil.
func parseFilter(text string, known []string) (matcher, error) {
	f := &filter{rest: text, known: known}
	match, err := f.either()
	if err == nil && strings.TrimSpace(f.rest) != "" {
		err = fmt.Errorf("unexpected %q", f.rest)
	}
	return match, err
}

// filter reads a filter clause from its beginning.
type filter struct {
	rest  string
	known []string
	depth int
}

type matcher func(map[string]any) bool

func (f *filter) either() (matcher, error) {
	return f.chain("or", f.both, func(a, b matcher) matcher { return func(m map[string]any) bool { return a(m) || b(m) } })
}

func (f *filter) both() (matcher, error) {
	return f.chain("and", f.term, func(a, b matcher) matcher { return func(m map[string]any) bool { return a(m) && b(m) } })
}

func (f *filter) chain(word string, part func() (matcher, error), join func(a, b matcher) matcher) (matcher, error) {
	left, err := part()
	for err == nil && f.word(word) {
		var right matcher
		if right, err = part(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

// maxFilterDepth bounds parentheses.
const maxFilterDepth = 20

func (f *filter) term() (matcher, error) {
	if f.depth++; f.depth > maxFilterDepth {
		return nil, fmt.Errorf("it is nested too deeply")
	}
	defer func() { f.depth-- }()
	switch {
	case f.word("not"):
		inner, err := f.term()
		return func(m map[string]any) bool { return !inner(m) }, err
	case f.sign("("):
		inner, err := f.either()
		if err == nil && !f.sign(")") {
			err = fmt.Errorf("a parenthesis is missing")
		}
		return inner, err
	}
	name := f.name()
	if name == "" {
		return nil, fmt.Errorf("unexpected %q", f.rest)
	}
	switch lower := strings.ToLower(name); {
	case (lower == "startswith" || lower == "endswith") && f.sign("("):
		return f.affix(lower)
	case strings.HasSuffix(lower, "/any") && f.sign("("):
		return f.any(name[:len(name)-len("/any")])
	}
	switch {
	case !f.knows(name):
		return nil, fmt.Errorf("there is no member %q", name)
	case !f.word("eq"):
		return nil, fmt.Errorf("%q is not compared with eq", name)
	}
	want, err := f.literal()
	return func(m map[string]any) bool { return strings.EqualFold(fmt.Sprint(m[name]), want) }, err
}

// affix reads startsWith(name,'text') behind its parenthesis.
func (f *filter) affix(function string) (matcher, error) {
	name := f.name()
	if !f.knows(name) || !f.sign(",") {
		return nil, fmt.Errorf("%s has a member and a text", function)
	}
	want, err := f.literal()
	if err == nil && !f.sign(")") {
		err = fmt.Errorf("a parenthesis is missing")
	}
	want = strings.ToLower(want)
	has := strings.HasPrefix
	if function == "endswith" {
		has = strings.HasSuffix
	}
	return func(m map[string]any) bool {
		text, _ := m[name].(string)
		return has(strings.ToLower(text), want)
	}, err
}

// any reads (x:x eq 'text') behind its parenthesis.
func (f *filter) any(name string) (matcher, error) {
	variable := f.name()
	if variable == "" || !f.sign(":") || f.name() != variable || !f.word("eq") {
		return nil, fmt.Errorf("any is not of the form any(x:x eq 'text')")
	}
	want, err := f.literal()
	if err == nil && !f.sign(")") {
		err = fmt.Errorf("a parenthesis is missing")
	}
	return func(m map[string]any) bool {
		list, _ := m[name].([]string)
		for _, text := range list {
			if strings.EqualFold(text, want) {
				return true
			}
		}
		return false
	}, err
}

func (f *filter) knows(name string) bool {
	return name != "" && (f.known == nil || slices.Contains(f.known, name))
}

// literal reads a quoted text, true or false.
func (f *filter) literal() (string, error) {
	f.rest = strings.TrimLeft(f.rest, " ")
	if !strings.HasPrefix(f.rest, "'") {
		if name := f.name(); name == "true" || name == "false" {
			return name, nil
		}
		return "", fmt.Errorf("a literal is missing")
	}
	var out strings.Builder
	for at := 1; at < len(f.rest); at++ {
		switch {
		case f.rest[at] != '\'':
			out.WriteByte(f.rest[at])
		case at+1 < len(f.rest) && f.rest[at+1] == '\'': // a quote is doubled
			out.WriteByte('\'')
			at++
		default:
			f.rest = f.rest[at+1:]
			return out.String(), nil
		}
	}
	return "", fmt.Errorf("a text has no end")
}

func (f *filter) sign(s string) bool {
	f.rest = strings.TrimLeft(f.rest, " ")
	rest, ok := strings.CutPrefix(f.rest, s)
	if ok {
		f.rest = rest
	}
	return ok
}

// word takes a keyword off, which something other than a letter follows.
func (f *filter) word(w string) bool {
	before := f.rest
	if strings.EqualFold(f.name(), w) {
		return true
	}
	f.rest = before
	return false
}

// name takes off the name of a property or function.
func (f *filter) name() string {
	f.rest = strings.TrimLeft(f.rest, " ")
	end := strings.IndexFunc(f.rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '/' && r != '_'
	})
	if end < 0 {
		end = len(f.rest)
	}
	name := f.rest[:end]
	f.rest = f.rest[end:]
	return name
}
