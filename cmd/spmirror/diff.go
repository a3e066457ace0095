package main

import (
	"fmt"
	"slices"
	"strings"
)

// unifiedDiff shows how a file changes as one hunk between its first and last
// difference, which is enough for a formatter.
func unifiedDiff(name, before, after string) string {
	a, b := strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n")
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- old/%s\n+++ new/%s\n@@ -%d,%d +%d,%d @@\n", name, name, head+1, len(a)-head-tail, head+1, len(b)-head-tail)
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", a[head : len(a)-tail]}, {"+", b[head : len(b)-tail]}} {
		for _, line := range slices.DeleteFunc(slices.Clone(side.lines), func(s string) bool { return s == "" }) {
			out.WriteString(side.mark + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return out.String()
}
