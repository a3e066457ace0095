package state

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 22, 6, 0, 0, 123456789, time.UTC)

// newState creates a state in a temporary directory.
func newState(t testing.TB) *Store {
	t.Helper()
	s, err := Create(t.Context(), filepath.Join(t.TempDir(), "prod.db"), Options{Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// must runs a transaction that has to succeed.
func must(t testing.TB, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.Tx(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// all collects an iterator.
func all[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// newDrive puts a drive with a root.
func newDrive(t testing.TB, s *Store, id DriveID) DriveKey {
	t.Helper()
	var key DriveKey
	must(t, s, func(tx *Tx) (err error) {
		key, err = tx.PutDrive(Drive{Tenant: "contoso", ID: id, Name: "Documents", Type: "documentLibrary", Root: "root"})
		return err
	})
	return key
}

// newMirror puts a mirror of a drive's root.
func newMirror(t testing.TB, s *Store, drive DriveKey, address string) Mirror {
	t.Helper()
	must(t, s, func(tx *Tx) error {
		_, err := tx.PutMirror(Mirror{Address: address, Drive: drive, Target: "/srv/" + address, Created: testTime})
		return err
	})
	return mirrorOf(t, s, address)
}

func mirrorOf(t testing.TB, s *Store, address string) Mirror {
	t.Helper()
	m, ok, err := s.MirrorByAddress(t.Context(), address)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return m
}

// round stages items in one page and merges them.
func round(t testing.TB, s *Store, drive DriveKey, r Round, items ...Item) Merged {
	t.Helper()
	merged, err := tryRound(s, drive, r, items...)
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

func tryRound(s *Store, drive DriveKey, r Round, items ...Item) (merged Merged, err error) {
	err = s.Tx(context.Background(), func(tx *Tx) error {
		if err := tx.BeginRound(drive, r); err != nil {
			return err
		}
		if err := tx.StagePage(drive, items, ""); err != nil {
			return err
		}
		merged, err = tx.MergeRound(drive, Merge{DeltaLink: "https://graph.example/delta", Headers: "h", At: testTime})
		return err
	})
	return merged, err
}

func rootItem() Item { return Item{ID: "root", Name: "root", Class: Root} }

func folder(id, parent ItemID) Item {
	return Item{ID: id, Parent: parent, Name: "folder " + string(id), Class: Folder, Modified: testTime}
}

func file(id, parent ItemID) Item {
	return Item{ID: id, Parent: parent, Name: "file " + string(id), Class: File, Size: 7, Modified: testTime, Created: testTime,
		ETag: `"{` + string(id) + `},1"`, CTag: `"c:{` + string(id) + `},1"`, Hash: "hash of " + string(id)}
}

func tombstone(id ItemID) Item { return Item{ID: id, Deleted: true} }

func unreadItem(id ItemID) Item { return Item{ID: id, Unread: true, Note: "odd"} }

// entryOf is the entry of an item that was applied as it is.
func entryOf(it Item) Entry {
	parent := it.Parent
	if parent == "root" {
		parent = ""
	}
	return Entry{Item: it.ID, Parent: parent, Name: it.Name, Fold: it.Name, Folder: it.Class.IsFolder(), Size: max(it.Size, 0), MTime: it.Modified,
		Inode: 1<<64 - 1, Hash: it.Hash, SHA256: "sha", RemoteHash: it.Hash, RemoteSize: it.Size, Modified: it.Modified, ETag: it.ETag,
		CTag: it.CTag, Verdict: Verified, Run: 3, At: testTime}
}

// names lists ids of pairs with what is there: i for item, e for entry, p for pending.
func names(pairs []Pair) []string {
	var out []string
	for _, p := range pairs {
		sides := ""
		if p.Item != nil {
			sides += "i"
		}
		if p.Entry != nil {
			sides += "e"
		}
		if p.Pending != nil {
			sides += "p"
		}
		out = append(out, fmt.Sprintf("%s:%s", p.ID(), sides))
	}
	return out
}
