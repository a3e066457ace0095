package crawl

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/spmirror/spmirror/state"
)

// commits counts the transactions of a state.
type commits int

func (c *commits) Before(op string) error {
	if op == state.OpCommit {
		*c++
	}
	return nil
}

// A tenant may have thousands of drives in which nothing changed, and a transaction waits for the disk.
func TestADriveInWhichNothingChangedCostsTwoTransactions(t *testing.T) {
	l := newLibrary(t)
	var n commits
	store, err := state.Create(context.Background(), filepath.Join(t.TempDir(), "counted.db"), state.Options{Faults: &n})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l.store = store
	l.pages[""] = last("1", rootJSON, file("a", "root"))
	l.pages["1"] = last("2", rootJSON)
	l.pages["2"] = last("3", rootJSON)
	l.refresh(false)
	row := l.row()
	n = 0
	if _, err := l.crawler().Refresh(context.Background(), row, false); err != nil {
		t.Fatal(err)
	}
	if n != 2 {
		t.Errorf("%d transactions for one page without news", n)
	}
}
