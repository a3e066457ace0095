package view

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// cells counts the columns that a text takes on a terminal: two for wide East
// Asian characters and emoji, none for combining marks and joiners (H-28).
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// left pads a text on its right to n columns, right on its left.
func left(s string, n int) string  { return s + strings.Repeat(" ", max(0, n-cells(s))) }
func right(s string, n int) string { return strings.Repeat(" ", max(0, n-cells(s))) + s }

// cut stands for what a shortened name leaves out.
const cut = "..."

// fit shortens an encoded text in its middle to n columns, never at its end: the
// extension stays readable (H-08).
func fit(s string, n int) string {
	if cells(s) <= n || n <= len(cut)+2 {
		return s
	}
	runes := []rune(s)
	keep := n - len(cut)
	tail := len(runes)
	for used := 0; tail > 0 && used+runeCells(runes[tail-1]) <= keep*2/3; tail-- {
		used += runeCells(runes[tail-1])
	}
	// An escape is not torn apart, and no mark loses its letter.
	for tail < len(runes) && (unicode.Is(unicode.M, runes[tail]) || insideEscape(runes, tail)) {
		tail++
	}
	rest := keep - cells(string(runes[tail:]))
	head := 0
	for used := 0; head < tail && used+runeCells(runes[head]) <= rest; head++ {
		used += runeCells(runes[head])
	}
	for head > 0 && (unicode.Is(unicode.M, runes[min(head, len(runes)-1)]) || insideEscape(runes, head)) {
		head--
	}
	return string(runes[:head]) + cut + string(runes[tail:])
}

// insideEscape reports whether a cut at i would split \xNN, \uNNNN or \\.
func insideEscape(runes []rune, i int) bool {
	for start := max(0, i-9); start < i; start++ {
		if runes[start] != '\\' || (start > 0 && backslashes(runes, start)%2 == 1) {
			continue
		}
		length := map[rune]int{'x': 4, 'u': 6, 'U': 10, '\\': 2}[at(runes, start+1)]
		if start+length > i {
			return true
		}
	}
	return false
}

// backslashes counts those directly before i.
func backslashes(runes []rune, i int) int {
	n := 0
	for i > 0 && runes[i-1] == '\\' {
		i, n = i-1, n+1
	}
	return n
}

func at(runes []rune, i int) rune {
	if i < len(runes) {
		return runes[i]
	}
	return 0
}
