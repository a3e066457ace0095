package recorded

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"go.uber.org/goleak"

	"github.com/spmirror/spmirror/plan"
)

// counted yields n pairs in one reused value, as the state does, and then an error.
func counted(n int, end error) iter.Seq2[plan.Pair, error] {
	return func(yield func(plan.Pair, error) bool) {
		var item plan.Item
		for i := range n {
			item = plan.Item{ID: plan.ItemID(fmt.Sprint(i))}
			p := plan.Pair{Item: &item}
			if i%2 == 1 {
				p = plan.Pair{Entry: &plan.Entry{Item: item.ID}}
			}
			if !yield(p, nil) {
				return
			}
		}
		if end != nil {
			yield(plan.Pair{}, end)
		}
	}
}

func TestReadingAheadChangesNeitherPairsNorTheirOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, n := range []int{0, 1, pairsAhead - 1, pairsAhead, pairsAhead + 1, 5*pairsAhead + 7} {
		i := 0
		for p, err := range ahead(counted(n, nil)) {
			if err != nil {
				t.Fatal(err)
			}
			id := plan.ItemID(fmt.Sprint(i))
			if (p.Item != nil) != (i%2 == 0) || p.Item != nil && p.Item.ID != id || p.Entry != nil && p.Entry.Item != id {
				t.Fatalf("pair %d of %d is %+v", i, n, p)
			}
			i++
		}
		if i != n {
			t.Fatalf("%d pairs of %d", i, n)
		}
	}
}

func TestReadingAheadEndsWithTheErrorAndAfterAllBeforeIt(t *testing.T) {
	defer goleak.VerifyNone(t)
	broken := errors.New("broken")
	seen := 0
	for _, err := range ahead(counted(pairsAhead+3, broken)) {
		if err != nil {
			if !errors.Is(err, broken) || seen != pairsAhead+3 {
				t.Fatalf("error %v after %d pairs", err, seen)
			}
			return
		}
		seen++
	}
	t.Fatal("the error was lost")
}

func TestReadingAheadStopsWithItsReader(t *testing.T) {
	defer goleak.VerifyNone(t)
	for range ahead(counted(100*pairsAhead, nil)) {
		break
	}
}
