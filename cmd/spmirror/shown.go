package main

import "github.com/spmirror/spmirror/view"

// shown is a path as the text of a command prints it: escaped, and as the setting "names" has it.
func (s *session) shown(path string, folder bool) string { return s.out.ShownPath(path, folder) }

// quoting is a sentence that may quote names of files, or nothing if names are not shown.
func (s *session) quoting(sentence string) string {
	if s.out.Names == view.NamesFull || s.out.Names == "" {
		return sentence
	}
	return ""
}
