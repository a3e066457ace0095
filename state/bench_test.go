package state

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// benchItems is the size of the benchmarks' drive; the goals in DEPS.md are for 1000000.
var benchItems = flag.Int("items", 2000, "items in the drive of the benchmarks")

// cpu reports the processor time since it was called as a metric per operation.
func cpu(b *testing.B) func() {
	b.Helper()
	now := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	b.ResetTimer()
	start := now()
	return func() {
		b.StopTimer()
		b.ReportMetric((now()-start).Seconds()/float64(b.N), "cpu-s/op")
	}
}

// library is a drive's worth of items in random id order, with names and tags of the length that the service uses.
func library(n int) []Item {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	r := rand.New(rand.NewPCG(1, 2))
	id := func() string {
		b := []byte("01ABCDEFGH")
		for len(b) < 34 {
			b = append(b, letters[r.IntN(len(letters))])
		}
		return string(b)
	}
	items := []Item{rootItem()}
	folders := []ItemID{"root"}
	for i := 1; i < n; i++ {
		it := Item{ID: ItemID(id()), Parent: folders[r.IntN(len(folders))], Modified: testTime.Add(time.Duration(i)), Created: testTime,
			ModifiedBy: "Adele Vance"}
		guid := string(it.ID[2:])
		it.ETag = `"{` + guid + `},3"`
		if i%50 == 1 {
			it.Class, it.Name = Folder, fmt.Sprintf("Project %d", i)
			folders = append(folders, it.ID)
		} else {
			it.Class, it.Name, it.Size, it.CTag = File, fmt.Sprintf("Quarterly report %d.docx", i), int64(i), `"c:{`+guid+`},2"`
			it.Hash, it.MimeType = guid[:27]+"=", "application/vnd.openxmlformats"
		}
		items = append(items, it)
	}
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// stageAll stages items in pages of 200, ten pages to a transaction.
func stageAll(b testing.TB, s *Store, drive DriveKey, r Round, items []Item) {
	must(b, s, func(tx *Tx) error { return tx.BeginRound(drive, r) })
	for len(items) > 0 {
		var pages []Page
		for range 10 {
			n := min(200, len(items))
			pages = append(pages, Page{Items: items[:n], Next: "next"})
			items = items[n:]
		}
		must(b, s, func(tx *Tx) error { return tx.StagePages(drive, pages) })
	}
}

func mergeAll(b testing.TB, s *Store, drive DriveKey) (m Merged) {
	must(b, s, func(tx *Tx) (err error) {
		m, err = tx.MergeRound(drive, Merge{DeltaLink: "link", At: testTime})
		return err
	})
	return m
}

// loaded returns a state with a drive of benchItems, and with everything applied to a mirror if asked for.
func loaded(b *testing.B, applied bool) (*Store, Mirror, []Item) {
	b.Helper()
	s := newState(b)
	drive := newDrive(b, s, "d")
	m := newMirror(b, s, drive, "m")
	items := library(*benchItems)
	stageAll(b, s, drive, Round{Full: true}, items)
	mergeAll(b, s, drive)
	if applied {
		applyAll(b, s, m, items)
	}
	return s, m, items
}

// applyAll puts an entry for every item but the root, 1,000 to a transaction.
func applyAll(b *testing.B, s *Store, m Mirror, items []Item) {
	for len(items) > 0 {
		n := min(1000, len(items))
		var entries []Entry
		for _, it := range items[:n] {
			if it.Class != Root {
				entries = append(entries, entryOf(it))
			}
		}
		must(b, s, func(tx *Tx) error { return tx.PutEntries(m.Key, entries) })
		items = items[n:]
	}
}

func drain(b *testing.B, seq iter.Seq2[Pair, error]) (n int) {
	for _, err := range seq {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}

func BenchmarkFirstLoad(b *testing.B) {
	items := library(*benchItems)
	b.Run("stage and merge", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := newState(b)
			drive := newDrive(b, s, "d")
			b.StartTimer()
			stop := cpu(b)
			stageAll(b, s, drive, Round{Full: true}, items)
			b.Logf("staged after %v", b.Elapsed())
			mergeAll(b, s, drive)
			stop()
		}
	})
}

func BenchmarkFullResyncWithoutChange(b *testing.B) {
	s, m, items := loaded(b, false)
	for b.Loop() {
		stop := cpu(b)
		stageAll(b, s, m.Drive, Round{Full: true}, items)
		if r := mergeAll(b, s, m.Drive); r.Unchanged != int64(len(items)) {
			b.Fatal(r)
		}
		stop()
	}
}

func BenchmarkSmallRound(b *testing.B) {
	s, m, items := loaded(b, false)
	n := 0
	stop := cpu(b)
	for b.Loop() {
		n++
		changed := append([]Item(nil), items[:100]...)
		for i := range changed {
			changed[i].Note = fmt.Sprint(n)
		}
		round(b, s, m.Drive, Round{}, changed...)
	}
	stop()
}

func BenchmarkPairs(b *testing.B) {
	for _, applied := range []bool{false, true} {
		name := "nothing applied"
		if applied {
			name = "all applied"
		}
		s, m, items := loaded(b, applied)
		ctx := context.Background()
		measure := func(what string, want int, f func() int) {
			b.Run(name+"/"+what, func(b *testing.B) {
				stop := cpu(b)
				for b.Loop() {
					if got := f(); want >= 0 && got != want {
						b.Fatal(got, want)
					}
				}
				stop()
			})
		}
		measure("all", len(items), func() int { return drain(b, s.PairsAll(ctx, m)) })
		measure("differing", map[bool]int{false: len(items), true: 1}[applied], func() int { return drain(b, s.PairsDiffering(ctx, m)) })
		measure("folders", -1, func() (n int) {
			for range s.Folders(ctx, m.Drive) {
				n++
			}
			return n
		})
		measure("entries by parent", -1, func() (n int) {
			for range s.EntriesByParent(ctx, m.Key) {
				n++
			}
			return n
		})
		measure("missing parents", 0, func() int {
			ids, err := s.StagedMissingParents(ctx, m.Drive)
			if err != nil {
				b.Fatal(err)
			}
			return len(ids)
		})
		for i := range 100 {
			items[i].Note = "changed"
		}
		round(b, s, m.Drive, Round{}, items[:100]...)
		measure("since, 100 logged", 100, func() int { return drain(b, s.PairsSince(ctx, m, 1)) })
	}
}

func BenchmarkPutEntries(b *testing.B) {
	items := library(*benchItems)
	for b.Loop() {
		b.StopTimer()
		s := newState(b)
		m := newMirror(b, s, newDrive(b, s, "d"), "m")
		b.StartTimer()
		stop := cpu(b)
		applyAll(b, s, m, items)
		stop()
	}
}

func BenchmarkOpen(b *testing.B) {
	s, _, _ := loaded(b, true)
	path := filepath.Join(filepath.Dir(s.Path()), "copy.db")
	backup, err := s.Backup(context.Background(), 1)
	if err != nil {
		b.Fatal(err)
	}
	_ = path
	stop := cpu(b)
	for b.Loop() {
		s, err := Open(context.Background(), backup, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Drives(context.Background()); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Mirrors(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}
