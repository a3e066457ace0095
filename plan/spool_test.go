package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

func spoolOf(t *testing.T) *Spool {
	t.Helper()
	s, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func linesOf(t *testing.T, s *Spool) (lines []string) {
	t.Helper()
	for line, err := range s.Lines() {
		if err != nil {
			t.Error(err)
			return nil
		}
		lines = append(lines, string(line))
	}
	return lines
}

// What was written out in several runs and what is in memory come in one order, equal keys in that of their lines.
func TestASpoolSortsMoreThanItHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, count := range []int{0, 1, 100, 3 * spoolChunk / 200} {
		s := spoolOf(t)
		type value struct{ key, line string }
		var want []value
		for range count {
			v := value{fmt.Sprintf("m%d\x00%06d", random.IntN(2), random.IntN(1000)), strings.Repeat("x", random.IntN(300)) + fmt.Sprint(random.IntN(100))}
			want = append(want, v)
			if err := s.Add([]byte(v.key), v.line); err != nil {
				t.Fatal(err)
			}
		}
		if runs := len(s.runs); (count > 1000) != (runs > 1) {
			t.Fatalf("%d values in %d runs", count, runs)
		}
		slices.SortFunc(want, func(a, b value) int {
			if a.key != b.key {
				return strings.Compare(a.key, b.key)
			}
			return strings.Compare(a.line+`"`, b.line+`"`)
		})
		var all, kept []string
		for _, v := range want {
			all = append(all, `"`+v.line+"\"\n")
			if !strings.HasPrefix(v.key, "m0") {
				kept = append(kept, `"`+v.line+"\"\n")
			}
		}
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				if got := linesOf(t, s); !slices.Equal(got, all) {
					t.Errorf("%d values come back as %d, in another order", count, len(got))
				}
			})
		}
		readers.Wait()
		s.Drop("m0")
		if got := linesOf(t, s); !slices.Equal(got, kept) {
			t.Errorf("%d values are left after dropping, not %d", len(got), len(kept))
		}
	}
}

func TestASpoolKeepsNothingOfAValueThatCannotBeWritten(t *testing.T) {
	s := spoolOf(t)
	if err := s.Add([]byte("b"), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Add([]byte("a"), func() {}); err == nil {
		t.Error("a function has become JSON")
	}
	if got := linesOf(t, s); !slices.Equal(got, []string{"1\n"}) {
		t.Errorf("%q", got)
	}
}
