package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wide matches a step that visits every row of a drive or a mirror.
var wide = regexp.MustCompile(`^SCAN (i|items|e|entries|c|children|l|change_log|staged|sharing|sidecars|versions|version_sets|pending|partials|intents|trash|run_items|unread|meta)\b` +
	`|^SEARCH (i|items|e|entries|c|children|p|pending) USING .*\((drive|mirror)=\?\)`)

// wideByNature are the statements that are about all rows; everything else must go by an index down to the row.
var wideByNature = []string{
	"FROM items i WHERE i.drive = ? ORDER BY i.id",       // PairsAll
	"FROM entries e WHERE e.mirror = ? ORDER BY +e.item", // PairsAll
	"ORDER BY e.parent, e.fold",                          // EntriesByParent
	"INDEXED BY items_folders",                           // Folders, covering
	"FROM items WHERE drive = ?",                         // Names
	"INDEXED BY entries_folders",                         // EntryFolders
	"FROM pending p WHERE p.mirror = ? ORDER",            // PendingItems
	"GROUP BY verdict",                                   // Verdicts counts all
	"DELETE FROM entries WHERE mirror = ?\n",             // a mirror ends
	"DELETE FROM pending WHERE mirror = ?\n",
	"UNION SELECT item FROM pending",                        // PairsSince offers everything that is pending
	"INSERT INTO children (drive, parent, id) SELECT drive", // first load
	"DELETE FROM staged",
	"coalesce(v.tag, '') <>",                                               // versions are looked for entry by entry
	"coalesce(s.tag, '') <> i.etag",                                        // columns are compared item by item
	"NOT EXISTS (SELECT 1 FROM final f WHERE f.id = i.id AND f.live <> 0)", // full round
}

func TestStatementsReachTheirRowsByIndex(t *testing.T) {
	s := newState(t)
	ctx := context.Background()
	drive := newDrive(t, s, "d")
	m := newMirror(t, s, drive, "m")
	a := file("a", "root")
	round(t, s, drive, Round{Full: true}, rootItem(), a, folder("b", "root"))
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutEntries(m.Key, []Entry{entryOf(a)}), tx.PutPending(m.Key, []Pending{{Item: "a"}}), tx.PutPartial(m.Key, Partial{Item: "a"}),
			tx.PutIntents(m.Key, []Intent{{Item: "a"}}), tx.PutTrash(m.Key, []Trashed{{Path: "a"}}))
	})
	for _, r := range []Round{{}, {Full: true}, {Full: true, Keep: true}} {
		a.Name += "x"
		round(t, s, drive, r, rootItem(), a, tombstone("b"), tombstone("c"), unreadItem("u"))
	}
	all(t, s.PairsAll(ctx, m))
	all(t, s.PairsSince(ctx, m, 1))
	all(t, s.PairsOf(ctx, m, slices.Values([]ItemID{"a"})))
	all(t, s.Subtree(ctx, m, "root"))
	all(t, s.EntrySubtree(ctx, m, ""))
	all(t, s.Children(ctx, drive, "root"))
	all(t, s.Turned(ctx, m))
	all(t, s.Folders(ctx, drive))
	all(t, s.Names(ctx, drive))
	all(t, s.EntryFolders(ctx, m.Key))
	all(t, s.EntriesByParent(ctx, m.Key))
	all(t, s.EntryChildren(ctx, m.Key, ""))
	all(t, s.PendingItems(ctx, m.Key))
	if n, err := s.Verdicts(ctx, m.Key); err != nil || n[entryOf(a).Verdict] != 1 {
		t.Error(n, err)
	}
	_, err1 := s.EntryPath(ctx, m.Key, "a")
	_, _, err2 := s.Entry(ctx, m.Key, "a")
	_, _, err3 := s.EntryAt(ctx, m.Key, "", a.Name)
	_, _, err4 := s.Item(ctx, drive, "a")
	_, err5 := s.Unread(ctx, drive, 1)
	_, err6 := s.StagedUnread(ctx, drive, 1)
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	all(t, s.Needs(ctx, m, Wants{Permissions: true, Columns: "c", Versions: "1"}))
	all(t, s.Versions(ctx, m.Key))
	if _, err := s.VersionsOf(ctx, m.Key, "a"); err != nil {
		t.Fatal(err)
	}
	all(t, s.Sidecars(ctx, m))
	if _, err := s.HasSidecars(ctx, m.Key); err != nil {
		t.Fatal(err)
	}
	all(t, s.Partials(ctx, m.Key))
	all(t, s.Intents(ctx, m.Key))
	all(t, s.Trash(ctx, m.Key))
	all(t, s.RunItems(ctx, 1))
	_, err7 := s.StagedMissingParents(ctx, drive)
	_, _, err8 := s.Partial(ctx, m.Key, "a")
	_, err9 := s.LeftAt(ctx, m.Address)
	_, _, _, err10 := s.EntryCount(ctx, m.Key)
	_, err11 := s.StagedBelowTombstones(ctx, drive, 1)
	if err := errors.Join(err7, err8, err9, err10, err11); err != nil {
		t.Fatal(err)
	}
	must(t, s, func(tx *Tx) error {
		ids := []ItemID{"a"}
		beside := []Sidecar{{Item: "a", Permissions: "[]", Columns: "{}"}}
		return errors.Join(tx.NoteSharing(drive, 1, []Shared{{ID: "a", Own: true}, {ID: "b"}}), tx.DropUnshared(drive, 1),
			tx.PutPermissions(m, beside), tx.PutColumns(m, beside, "c"), tx.DropPermissions(m.Key, ids), tx.CompleteVersions(m, ids, "1"), tx.PutVersions(m.Key, []Version{{Item: "a", ID: "1.0"}}), tx.TrimSidecars(m, false, false),
			tx.RenameEntry(m.Key, "a", "z"), tx.DeleteEntries(m.Key, ids), tx.ClearPending(m.Key, ids), tx.DeletePartials(m.Key, ids), tx.ClearIntents(m.Key, ids),
			tx.DeleteTrash(m.Key, []string{"a"}), tx.TrimLog(), tx.ClearMirror(m.Key), tx.SetApplied(m.Key, "x"), tx.RenameMirror(m.Key, "n"), tx.ForgetMirror(m.Key))
	})

	queries := slices.Collect(maps.Keys(s.writer.stmts))
	for _, c := range s.idle {
		queries = slices.AppendSeq(queries, maps.Keys(c.stmts))
	}
	for _, q := range queries {
		if !strings.HasPrefix(q, "PRAGMA") {
			explain(t, s.writer, q)
		}
	}
}

// explain fails for a statement whose plan is wide without being wide by nature.
func explain(t *testing.T, c *conn, query string) {
	t.Helper()
	stmt, err := c.stmt("EXPLAIN QUERY PLAN " + query)
	if err != nil {
		t.Fatal(err)
	}
	args := make([]any, stmt.NumInput())
	for i := range args {
		args[i] = "1"
	}
	err = c.each(t.Context(), "EXPLAIN QUERY PLAN "+query, args, func(row []driver.Value) error {
		step, _ := row[3].(string)
		natural := slices.ContainsFunc(wideByNature, func(part string) bool { return strings.Contains(query+"\n", part) })
		if wide.MatchString(step) && !natural {
			t.Errorf("%s\n%s", step, query)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
