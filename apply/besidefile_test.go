package apply

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/spmirror/spmirror/state"
)

// TestAListNamesWhatSteppedAsideByItsOldPlace has a file and a folder that a run left at their parking places, because what
// was to become of them failed: the lists beside the marker are written nevertheless, and say where people know them.
func TestAListNamesWhatSteppedAsideByItsOldPlace(t *testing.T) {
	w := newWorld(t)
	folder := func(id, parent, name string) state.Entry {
		return state.Entry{Item: state.ItemID(id), Parent: state.ItemID(parent), Name: name, Fold: name, Folder: true}
	}
	file := func(id, parent, name string) state.Entry {
		return state.Entry{Item: state.ItemID(id), Parent: state.ItemID(parent), Name: name, Fold: name, Size: 1}
	}
	row, ok, err := w.store.MirrorByAddress(context.Background(), "mirror.m")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.check(w.store.Tx(context.Background(), func(tx *state.Tx) error {
		entries := []state.Entry{folder("d", "", "dir"), parked(file("f", "d", "f.txt"), "dir/f.txt"), parked(folder("e", "d", "sub"), "dir/sub"), file("g", "e", "g.txt")}
		if err := tx.PutEntries(w.key, entries); err != nil {
			return err
		}
		return tx.PutPermissions(row, []state.Sidecar{{Item: "f", Permissions: "[]"}, {Item: "g", Permissions: "[]"}})
	}))
	m := newMirrorRun(&running{Job: Job{Store: w.store}, ctx: context.Background()}, &Mirror{Key: w.key, Dir: w.dir, Plan: w.plan().Mirrors[0]})
	m.tree, err = loadTree(context.Background(), w.store, w.key)
	w.check(err)
	w.check(m.writeBeside(context.Background(), row))
	got, err := os.ReadFile(filepath.Join(w.root(), ".spmirror", besideName))
	w.check(err)
	const want = `{"path":"/dir/f.txt","id":"f","permissions":[]}` + "\n" + `{"path":"/dir/sub/g.txt","id":"g","permissions":[]}` + "\n"
	if string(got) != want {
		t.Errorf("the list is\n%s", got)
	}
}
