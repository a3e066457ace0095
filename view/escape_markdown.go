package view

import (
	"html"
	"strings"
)

// code encodes a foreign name as a Markdown code span: no mention, link, image,
// reference or HTML is made of it (T-07).
func code(name string) string { return fence(Name(name)) }

// sentence is code for a foreign message.
func sentence(message string) string { return fence(Message(message)) }

// fence makes a code span of one line. The fence is longer than any run of
// backticks in it. A pipe would end a table cell, so it becomes visible.
func fence(s string) string {
	s = strings.ReplaceAll(s, "|", `\x7c`)
	if s == "" {
		return ""
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// codeHTML is code for the places where Markdown is not read, such as summary.
func codeHTML(s string) string { return "<code>" + html.EscapeString(Name(s)) + "</code>" }

// comment encodes text for an HTML comment, which no sequence in it can end.
func comment(s string) string {
	return strings.NewReplacer("<", "_", ">", "_", "--", "__").Replace(Name(s))
}
