package state

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAnInventoryHasWhatPlanningReadsAndNothingElse(t *testing.T) {
	ctx := context.Background()
	s := newState(t)
	drive := newDrive(t, s, "b!drive")
	m := newMirror(t, s, drive, "mirror.docs")
	round(t, s, drive, Round{Full: true}, Item{ID: "root", Class: Root, Name: "root"},
		Item{ID: "f", Parent: "root", Class: Folder, Name: "Folder"},
		Item{ID: "i", Parent: "f", Class: File, Name: "payroll.xlsx", ModifiedBy: "A. Meyer", Hash: "hash", Size: 7})
	var run RunID
	must(t, s, func(tx *Tx) (err error) {
		if run, err = tx.BeginRun(Run{Kind: "apply", Actor: "somebody", Host: "storage"}); err != nil {
			return err
		}
		if err := tx.SetMeta("source:x", "b!drive"); err != nil {
			return err
		}
		if err := tx.SetMeta("plan:last", "private"); err != nil {
			return err
		}
		return tx.PutEntries(m.Key, []Entry{
			{Item: "f", Name: "Folder", Fold: "Folder", Folder: true},
			{Item: "i", Parent: "f", Name: "payroll.xlsx", Fold: "payroll.xlsx", Size: 7, RemoteHash: "hash", SHA256: "digest-of-bytes", Inode: 4711, Run: run, Verdict: "verified"},
		})
	})
	for _, hide := range []Hide{{}, {
		Remote: func(name string) string { return "r-" + strings.TrimPrefix(name, "payroll") },
		Local:  func(key MirrorKey, name string) string { return "l-" + strings.TrimPrefix(name, "payroll") },
	}} {
		start := time.Now()
		path, err := s.Inventory(ctx, hide)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("made in %s", time.Since(start))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		secrets := []string{"A. Meyer", "somebody", "storage", "digest-of-bytes", "private"}
		if hide.Remote != nil {
			secrets = append(secrets, "payroll")
		}
		for _, secret := range secrets {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("the file holds %q", secret)
			}
		}
		copied, err := Open(ctx, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		kind, _ := copied.Meta(ctx, MetaInventory)
		source, _ := copied.Meta(ctx, "source:x")
		item, ok, err := copied.Item(ctx, drive, "i")
		entry, found, errEntry := copied.Entry(ctx, m.Key, "i")
		if err != nil || errEntry != nil || !ok || !found || item.Hash != "hash" || item.Size != 7 || entry.RemoteHash != "hash" ||
			source != "b!drive" || copied.Lineage() != s.Lineage() {
			t.Errorf("%v %v %+v %+v %q", err, errEntry, item, entry, source)
		}
		wantKind, wantItem, wantEntry := "full", "payroll.xlsx", "payroll.xlsx"
		if hide.Remote != nil {
			wantKind, wantItem, wantEntry = "hashed", "r-.xlsx", "l-.xlsx"
		}
		if kind != wantKind || item.Name != wantItem || entry.Name != wantEntry || entry.Fold != wantEntry {
			t.Errorf("%s: %q %q %q", kind, item.Name, entry.Name, entry.Fold)
		}
		if folder, _, _ := copied.Item(ctx, drive, "f"); folder.Name != "Folder" {
			t.Errorf("a folder is %q", folder.Name)
		}
		if d, _, _ := copied.DriveByID(ctx, "contoso", "b!drive"); d.DeltaLink != "" {
			t.Error("the delta link is there")
		}
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if runs, err := s.Runs(ctx, 10); err != nil || len(runs) != 1 {
		t.Errorf("the state itself lost its runs: %v %v", runs, err)
	}
}
