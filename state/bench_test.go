//go:build unix

package state

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// benchItems is the size of the benchmarks' drive; the goals in DEPS.md are for 1000000.
var benchItems = flag.Int("items", 2000, "items in the drive of the benchmarks")

// measure runs f once per iteration and reports the processor time of it alone; before prepares each iteration.
func measure(b *testing.B, before, f func()) {
	b.Helper()
	now := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	var used time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		if before != nil {
			before()
		}
		start := now()
		b.StartTimer()
		f()
		used += now() - start
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
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

// applyAll puts an entry for every item but the root, folder by folder as a plan is applied, 1,000 to a transaction.
func applyAll(b *testing.B, s *Store, m Mirror, items []Item) {
	items = slices.SortedFunc(slices.Values(items), func(a, b Item) int { return cmp.Compare(a.Parent, b.Parent) })
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

func drain[T any](b *testing.B, seq iter.Seq2[T, error]) (n int) {
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
	var s *Store
	var drive DriveKey
	fresh := func() {
		s = newState(b)
		drive = newDrive(b, s, "d")
	}
	b.Run("stage", func(b *testing.B) {
		measure(b, fresh, func() { stageAll(b, s, drive, Round{Full: true}, items) })
	})
	b.Run("merge", func(b *testing.B) {
		measure(b, func() {
			fresh()
			stageAll(b, s, drive, Round{Full: true}, items)
		}, func() { mergeAll(b, s, drive) })
	})
}

func BenchmarkRound(b *testing.B) {
	s, m, items := loaded(b, false)
	b.Run("full without change", func(b *testing.B) {
		measure(b, nil, func() {
			stageAll(b, s, m.Drive, Round{Full: true}, items)
			if r := mergeAll(b, s, m.Drive); r.Unchanged != int64(len(items)) {
				b.Fatal(r)
			}
		})
	})
	b.Run("100 changes", func(b *testing.B) {
		n := 0
		measure(b, nil, func() {
			n++
			changed := append([]Item(nil), items[:100]...)
			for i := range changed {
				changed[i].Note = fmt.Sprint(n)
			}
			round(b, s, m.Drive, Round{}, changed...)
		})
	})
}

func BenchmarkPairsNothingApplied(b *testing.B) { benchPairs(b, false) }
func BenchmarkPairsAllApplied(b *testing.B)     { benchPairs(b, true) }

func benchPairs(b *testing.B, applied bool) {
	s, m, items := loaded(b, applied)
	ctx := context.Background()
	expect := func(name string, want int, f func() int) {
		b.Run(name, func(b *testing.B) {
			measure(b, nil, func() {
				if got := f(); want >= 0 && got != want {
					b.Fatal(got, want)
				}
			})
		})
	}
	expect("all", len(items), func() int { return drain(b, s.PairsAll(ctx, m)) })
	expect("folders", -1, func() int { return drain(b, s.Folders(ctx, m.Drive)) })
	expect("entries by parent", -1, func() int { return drain(b, s.EntriesByParent(ctx, m.Key)) })
	for i := range 100 {
		items[i].Note = "changed"
	}
	round(b, s, m.Drive, Round{}, items[:100]...)
	expect("since, 100 logged", 100, func() int { return drain(b, s.PairsSince(ctx, m, 1)) })
}

func BenchmarkPutEntries(b *testing.B) {
	items := library(*benchItems)
	var s *Store
	var m Mirror
	measure(b, func() {
		s = newState(b)
		m = newMirror(b, s, newDrive(b, s, "d"), "m")
	}, func() { applyAll(b, s, m, items) })
}

func BenchmarkOpen(b *testing.B) {
	ctx := context.Background()
	s, _, _ := loaded(b, true)
	backup, err := s.Backup(ctx, 1)
	if err != nil {
		b.Fatal(err)
	}
	measure(b, nil, func() {
		s, err := Open(ctx, backup, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Drives(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Mirrors(ctx); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
}
