package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// maxUnreadable bounds the unread items of a drive that a plan counts.
const maxUnreadable = 1_000

// unread lists the items of a drive that the service described in a way that breaks
// the protocol (H-43): they keep what was known of them, and every plan tells of them
// until they are read.
func (s *session) unread(ctx context.Context, d *drive) ([]state.Unread, error) {
	return s.store.Unread(ctx, d.row.Key, maxUnreadable)
}

// shownUnreadable is how many unreadable items a plan names.
const shownUnreadable = 5

// warnUnreadable says in a plan what of a drive is not in it.
func warnUnreadable(address string, list []state.Unread) plan.Diagnostic {
	var lines []string
	for _, u := range list[:min(len(list), shownUnreadable)] {
		id := string(u.ID)
		if id == "" {
			id = "(without id)"
		}
		lines = append(lines, fmt.Sprintf("item %s: %s", id, u.Reason))
	}
	if more := len(list) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return plan.Diagnostic{
		Severity: "warning", Code: "SPM0617", Address: address,
		Summary: "The service gave no usable description of " + plural(len(list), "item"),
		Detail: strings.Join(lines, "\n") +
			"\nThey keep what was known of them; new ones are not in this plan. Every plan asks the source for them again.",
	}
}
