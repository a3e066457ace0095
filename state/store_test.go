package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadsGoOnWhileAnIteratorIsOpenAndATransactionCommits(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	m := newMirror(t, s, drive, "m")
	items := []Item{rootItem()}
	for i := range 2000 {
		items = append(items, file(ItemID(fmt.Sprintf("%04d", i)), "root"))
	}
	round(t, s, drive, Round{Full: true}, items...)
	n := 0
	for p, err := range s.PairsAll(t.Context(), m) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if n%500 != 0 {
			continue
		}
		if _, ok, err := s.Item(t.Context(), drive, p.ID()); !ok || err != nil {
			t.Fatal(ok, err)
		}
		for range s.Children(t.Context(), drive, "root") {
			break
		}
		must(t, s, func(tx *Tx) error { return tx.PutEntries(m.Key, []Entry{entryOf(*p.Item)}) })
	}
	if n != len(items) {
		t.Error(n)
	}
	if files, _, _, _ := s.EntryCount(t.Context(), m.Key); files != 4 {
		t.Error(files)
	}
}

func TestATransactionThatFailsOrPanicsLeavesNothing(t *testing.T) {
	s := newState(t)
	stop := errors.New("stop")
	put := func(tx *Tx) { _, _ = tx.PutDrive(Drive{Tenant: "t", ID: "x"}) }
	if err := s.Tx(t.Context(), func(tx *Tx) error { put(tx); return stop }); err != stop {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Tx(t.Context(), func(tx *Tx) error { put(tx); panic("x") })
	}()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Tx(cancelled, func(tx *Tx) error { put(tx); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if d, err := s.Drives(t.Context()); len(d) != 0 || err != nil {
		t.Error(d, err)
	}
	newDrive(t, s, "after")
}

func TestTheSerialGrowsOnlyWithTheAppliedSide(t *testing.T) {
	s := newState(t)
	serial := func() int64 {
		n, err := s.Serial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	drive := newDrive(t, s, "d")
	round(t, s, drive, Round{Full: true}, rootItem())
	if serial() != 0 {
		t.Error("a crawl changed the serial")
	}
	m := newMirror(t, s, drive, "m")
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutEntries(m.Key, []Entry{entryOf(file("a", "root"))}), tx.AdvanceMirror(m.Key))
	})
	if serial() != 2 {
		t.Error(serial())
	}
	if m := mirrorOf(t, s, "m"); m.Generation != 1 {
		t.Errorf("%+v", m)
	}
}

func TestTheRunLogIsAppendOnly(t *testing.T) {
	s := newState(t)
	run := Run{Kind: "apply", PlanDigest: "p", Commit: "c", Actor: "a", Host: "h", Version: "v", Started: testTime, Overrides: "{}", Summary: "{}"}
	items := []RunItem{
		{Mirror: "m", Item: "i", Path: "a\nb", Action: "create", Outcome: "done", RequestID: "r", Verdict: Verified, Hash: "h", SHA256: "s",
			ETag: "e", Bytes: 7, Duration: 3, At: testTime},
		{Mirror: "m", Item: "j", Outcome: "failed", Code: "c", Message: "m", At: testTime},
	}
	must(t, s, func(tx *Tx) (err error) {
		run.ID, err = tx.BeginRun(run)
		return err
	})
	for i := range items {
		must(t, s, func(tx *Tx) error { return tx.PutRunItems(run.ID, items[i:i+1]) })
	}
	end := RunEnd{Ended: testTime.Add(1), Result: "partial", ExitCode: 4, Summary: `{"failed":1}`}
	must(t, s, func(tx *Tx) error { return tx.EndRun(run.ID, end) })
	if err := s.Tx(t.Context(), func(tx *Tx) error { return tx.EndRun(run.ID, end) }); err == nil {
		t.Error("a run ended twice")
	}
	for _, q := range []string{`UPDATE run_items SET outcome = 'done'`, `DELETE FROM run_items`, `DELETE FROM runs`} {
		if err := s.Tx(t.Context(), func(tx *Tx) error { _, err := tx.exec(q); return err }); err == nil {
			t.Error(q, "was allowed")
		}
	}
	run.Ended, run.Result, run.ExitCode, run.Summary = end.Ended, end.Result, end.ExitCode, end.Summary
	runs, err := s.Runs(t.Context(), 5)
	if diff := cmp.Diff([]Run{run}, runs); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if diff := cmp.Diff(items, all(t, s.RunItems(t.Context(), run.ID))); diff != "" {
		t.Error(diff)
	}
}

func TestSmallTablesGiveBackWhatTheyWereGiven(t *testing.T) {
	s := newState(t)
	ctx := t.Context()
	m := newMirror(t, s, newDrive(t, s, "d"), "m")
	pending := Pending{Item: "a", Action: "update", Code: "c", Reason: "r", Path: "p", Attempts: 2, First: testTime, Last: testTime.Add(9), RequestID: "q"}
	partial := Partial{Item: "a", Staging: "s", Offset: 5, QuickXor: []byte{1, 0, 255}, SHA256: []byte{2}, Ahead: []Span{{7, 8}}, ETag: "e", CTag: "c", Hash: "h", Size: 9, At: testTime}
	intent := Intent{Item: "a", Kind: "publish", From: "f", To: "t", Inode: 1<<64 - 1, Entry: []byte(`{}`), Displaced: "b"}
	trashed := Trashed{Path: "x", Original: "o", Item: "a", Size: 3, At: testTime, Run: 1, Reason: "deleted"}
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutPending(m.Key, []Pending{pending}), tx.PutPartial(m.Key, partial), tx.PutIntents(m.Key, []Intent{intent}),
			tx.PutTrash(m.Key, []Trashed{trashed}), tx.SetMeta("k", "v"))
	})
	again := pending
	again.First, again.Attempts = testTime.AddDate(1, 0, 0), 3
	must(t, s, func(tx *Tx) error { return tx.PutPending(m.Key, []Pending{again}) })
	again.First = pending.First
	got := []any{all(t, s.PendingItems(ctx, m.Key)), all(t, s.Partials(ctx, m.Key)), all(t, s.Intents(ctx, m.Key)), all(t, s.Trash(ctx, m.Key))}
	if diff := cmp.Diff([]any{[]Pending{again}, []Partial{partial}, []Intent{intent}, []Trashed{trashed}}, got); diff != "" {
		t.Error(diff)
	}
	if v, err := s.Meta(ctx, "k"); v != "v" || err != nil {
		t.Error(v, err)
	}
	if got := names(all(t, s.PairsSince(ctx, m, 0))); !slices.Equal(got, []string{"a:p"}) {
		t.Error("a pending id without either side is not offered:", got)
	}
	must(t, s, func(tx *Tx) error { return tx.RenameMirror(m.Key, "n") })
	must(t, s, func(tx *Tx) error {
		a := []ItemID{"a"}
		return errors.Join(tx.ClearPending(m.Key, a), tx.DeletePartials(m.Key, a), tx.ClearIntents(m.Key, a), tx.DeleteTrash(m.Key, []string{"x"}))
	})
	for _, table := range []string{"pending", "partials", "intents", "trash"} {
		if n, err := s.int(ctx, `SELECT count(*) FROM `+table); n != 0 || err != nil {
			t.Error(table, n, err)
		}
	}
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutEntries(m.Key, []Entry{entryOf(file("a", "root"))}), tx.ForgetMirror(m.Key))
	})
	if err := s.Check(ctx, true); err != nil {
		t.Error(err)
	}
}

func TestSubtreesFollowChildrenAndEndInCycles(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	m := newMirror(t, s, drive, "m")
	round(t, s, drive, Round{Full: true}, rootItem(), folder("a", "root"), folder("b", "a"), file("c", "b"), folder("x", "y"), folder("y", "x"))
	for start, want := range map[ItemID]string{"a": "[b:i c:i]", "root": "[a:i b:i c:i]", "x": "[y:i]", "c": "[]"} {
		got := names(all(t, s.Subtree(t.Context(), m, start)))
		slices.Sort(got)
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", start, got, want)
		}
	}
	var folders []ItemID
	for _, it := range all(t, s.Folders(t.Context(), drive)) {
		folders = append(folders, it.ID)
	}
	if fmt.Sprint(folders) != "[a b root x y]" {
		t.Error(folders)
	}
}

func TestAMirrorThatLeavesTakesItsNoteAndLeavesAMark(t *testing.T) {
	s := newState(t)
	ctx := t.Context()
	m := newMirror(t, s, newDrive(t, s, "d"), "a")
	must(t, s, func(tx *Tx) error { return tx.SetApplied(m.Key, "by a plan") })
	if left, err := s.LeftAt(ctx, "a"); left != 0 || err != nil {
		t.Error("it is there and has left:", left, err)
	}
	must(t, s, func(tx *Tx) error { return tx.RenameMirror(m.Key, "b") })
	serial, err := s.Serial(ctx)
	if left, e := s.LeftAt(ctx, "a"); left != serial || errors.Join(err, e) != nil {
		t.Errorf("renamed with serial %d, noted %d (%v, %v)", serial, left, err, e)
	}
	if note, err := s.Applied(ctx, m.Key); note != "by a plan" || err != nil {
		t.Errorf("a renamed mirror lost its note: %q %v", note, err)
	}
	must(t, s, func(tx *Tx) error { return tx.ForgetMirror(m.Key) })
	serial, err = s.Serial(ctx)
	if left, e := s.LeftAt(ctx, "b"); left != serial || errors.Join(err, e) != nil {
		t.Errorf("forgotten with serial %d, noted %d (%v, %v)", serial, left, err, e)
	}
	if note, err := s.Applied(ctx, m.Key); note != "" || err != nil {
		t.Errorf("the note %q outlived its mirror, %v", note, err)
	}
}
