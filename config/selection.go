package config

import (
	"slices"
	"strings"
)

// selection reads and checks a select block.
func (r *reader) selection() Select {
	s := Select{
		Include: r.globs("include"), Exclude: r.globs("exclude"),
		MinSize: r.size("min_size"), MaxSize: r.size("max_size"),
		ModifiedAfter: r.moment("modified_after"), ModifiedBefore: r.moment("modified_before"),
		Extensions: r.extensions("extensions"), ExcludeExtensions: r.extensions("exclude_extensions"),
	}
	r.checkSelection(s)
	return s
}

// canonical is the selection with its lists sorted and without repetitions.
func (s Select) canonical() Select {
	for _, list := range []*[]string{&s.Include, &s.Exclude, &s.Extensions, &s.ExcludeExtensions} {
		sorted := slices.Sorted(slices.Values(*list))
		*list = slices.Compact(sorted)
	}
	return s
}

// extensions reads a list of file name extensions as lower case without dot.
func (r *reader) extensions(name string) []string {
	var out []string
	for i, e := range r.texts(name) {
		ext := strings.ToLower(strings.TrimPrefix(e, "."))
		if ext == "" || strings.ContainsAny(ext, "*?[]{}/\\\"<>|:. ") {
			r.rejectElement(name, i, CodeExtension, "Invalid extension", "%q is not an extension. Write \"pdf\" or \".pdf\"; patterns go into include and exclude.", visible(e))
			continue
		}
		out = append(out, ext)
	}
	return out
}

// checkSelection reports arguments that contradict each other.
func (r *reader) checkSelection(s Select) {
	if s.MinSize != nil && s.MaxSize != nil && *s.MinSize > *s.MaxSize {
		r.reject("min_size", CodeSelectNothing, "Nothing is selected", "min_size is larger than max_size, so no file can be selected.")
	}
	if s.ModifiedAfter != nil && s.ModifiedBefore != nil && !s.ModifiedAfter.Before(*s.ModifiedBefore) {
		r.reject("modified_after", CodeSelectNothing, "Nothing is selected", "modified_after is not before modified_before, so no file can be selected.")
	}
	r.checkExtensions(s)
	r.checkCovered(s)
}

func (r *reader) checkExtensions(s Select) {
	var both []string
	for _, e := range s.Extensions {
		if slices.Contains(s.ExcludeExtensions, e) {
			both = append(both, e)
		}
	}
	switch {
	case len(both) == 0:
	case len(both) == len(s.Extensions):
		r.reject("exclude_extensions", CodeSelectNothing, "Nothing is selected", "Every extension that extensions allows is excluded again by exclude_extensions.")
	default:
		r.advise("exclude_extensions", CodeExtension, "Contradicting extensions", "%s is both allowed and excluded; excluding wins.", wordList(both, "and"))
	}
}

// checkCovered reports includes that an exclude takes back entirely: an error when that
// leaves nothing, else a warning.
func (r *reader) checkCovered(s Select) {
	var dead []string
	for _, include := range s.Include {
		if why := covered(include, s); why != "" {
			dead = append(dead, "for "+quoteText(include)+", "+why)
		} else if why := extensionClash(include, s); why != "" {
			r.advise("include", CodeGlobNever, "Pattern will hardly match", "The pattern %q of include names files by extension, but %s.", visible(include), why)
		}
	}
	switch {
	case len(dead) == 0:
	case len(dead) == len(s.Include):
		r.reject("include", CodeSelectNothing, "Nothing is selected", "No pattern of include can select a file: %s. Excluding wins.", strings.Join(dead[:min(len(dead), 5)], "; "))
	default:
		r.advise("include", CodeGlobNever, "Pattern can never match", "Some patterns of include select nothing: %s. Excluding wins.", strings.Join(dead[:min(len(dead), 5)], "; "))
	}
}
