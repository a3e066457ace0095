package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// unreadable is an item that the service described in a way that breaks the
// protocol (H-05): it keeps what was known of it, and the source does not offer it
// again. So it is remembered and told with every plan, until it changes.
type unreadable struct {
	ID     state.ItemID `json:"id"`
	Reason string       `json:"reason"`
	// ETag is that of the item as it is known, "" if it is not.
	ETag string `json:"etag,omitempty"`
}

// maxUnreadable bounds what is remembered of one drive.
const maxUnreadable = 1_000

func unreadableKey(drive state.DriveKey) string { return fmt.Sprintf("unreadable:%d", drive) }

// noteUnreadable adds what a crawl could not read to what is remembered of a drive,
// takes out what has been described anew since, and returns the rest. A complete
// enumeration names all there is, so that it forgets what it does not name.
func (s *session) noteUnreadable(ctx context.Context, d *drive, complete bool) ([]unreadable, error) {
	key := unreadableKey(d.row.Key)
	before, err := s.store.Meta(ctx, key)
	if err != nil {
		return nil, err
	}
	var known, list []unreadable
	if before != "" && !complete {
		if err := json.Unmarshal([]byte(before), &known); err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
	}
	seen := make(map[state.ItemID]bool)
	for _, bad := range d.report.Bad {
		u, err := s.asKnown(ctx, d.row.Key, bad)
		if err != nil {
			return nil, err
		}
		if !seen[u.ID] && len(list) < maxUnreadable {
			seen[u.ID] = true
			list = append(list, u)
		}
	}
	for _, u := range known {
		now, err := s.asKnown(ctx, d.row.Key, graph.BadItem{ID: graph.ItemID(u.ID), Reason: u.Reason})
		if err != nil {
			return nil, err
		}
		if !seen[u.ID] && now == u && len(list) < maxUnreadable {
			list = append(list, u)
		}
	}
	if len(list) == 0 && before == "" {
		return nil, nil
	}
	data, err := json.Marshal(list)
	if err != nil || string(data) == before {
		return list, err
	}
	return list, s.store.Tx(ctx, func(tx *state.Tx) error { return tx.SetMeta(key, string(data)) })
}

// asKnown is the memory of an unreadable item beside what is known of it.
func (s *session) asKnown(ctx context.Context, drive state.DriveKey, bad graph.BadItem) (unreadable, error) {
	u := unreadable{ID: state.ItemID(bad.ID), Reason: bad.Reason}
	it, ok, err := s.store.Item(ctx, drive, u.ID)
	if ok {
		u.ETag = it.ETag
	}
	return u, err
}

// shownUnreadable is how many unreadable items a plan names.
const shownUnreadable = 5

// warnUnreadable says in a plan what of a drive is not in it.
func warnUnreadable(address string, list []unreadable) plan.Diagnostic {
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
		Summary: "The service gave no usable description of " + itemCount(len(list)),
		Detail:  strings.Join(lines, "\n") + "\nThey keep what was known of them; new ones are not in this plan.",
	}
}

func itemCount(n int) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}
