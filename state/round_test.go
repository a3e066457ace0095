package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ids of the observed items, in order.
func observed(t testing.TB, s *Store, drive DriveKey) (ids []ItemID) {
	t.Helper()
	for _, p := range all(t, s.PairsAll(t.Context(), Mirror{Drive: drive})) {
		ids = append(ids, p.ID())
	}
	return ids
}

func TestTombstonesRemoveWhatIsBelowUnlessTheRoundShowsItAlive(t *testing.T) {
	tree := []Item{rootItem(), folder("a", "root"), folder("b", "a"), file("c", "b"), folder("d", "b"), file("e", "d"), file("f", "root")}
	cases := []struct {
		name    string
		round   Round
		items   []Item
		want    string
		unknown int64
		err     error
	}{
		{"file", Round{}, []Item{tombstone("c")}, "a b d e f root", 0, nil},
		{"folder with all descendants", Round{}, []Item{tombstone("a")}, "f root", 0, nil},
		{"folder, nested folder listed too", Round{}, []Item{tombstone("b"), tombstone("d"), tombstone("e")}, "a f root", 0, nil},
		{"folder whose child moved out", Round{}, []Item{tombstone("a"), folder("d", "root")}, "d e f root", 0, nil},
		{"child shown alive without moving", Round{}, []Item{file("c", "b"), tombstone("a")}, "c f root", 0, nil},
		{"tombstone, then alive again", Round{}, []Item{tombstone("c"), file("c", "b")}, "a b c d e f root", 0, nil},
		{"alive, then tombstone", Round{}, []Item{file("c", "b"), tombstone("c")}, "a b d e f root", 0, nil},
		{"unknown ids", Round{}, []Item{tombstone("x"), tombstone("x"), tombstone("y")}, "a b c d e f root", 2, nil},
		{"root", Round{}, []Item{tombstone("root")}, "a b c d e f root", 0, ErrRootGone},
		{"full round without the root", Round{Full: true}, []Item{file("f", "root")}, "a b c d e f root", 0, ErrRootGone},
		{"empty full round", Round{Full: true}, nil, "a b c d e f root", 0, ErrRootGone},
		{"full round", Round{Full: true}, []Item{rootItem(), file("f", "root"), folder("b", "root")}, "b f root", 0, nil},
		{"full round that keeps", Round{Full: true, Keep: true}, []Item{tombstone("d")}, "a b c f root", 0, nil},
		{"full round in which one is unread", Round{Full: true}, []Item{rootItem(), unreadItem("c"), file("f", "root")}, "c f root", 0, nil},
		{"full round with an unread one without id", Round{Full: true}, []Item{rootItem(), unreadItem(""), tombstone("b")}, "a f root", 0, nil},
		{"full round in which the root is unread", Round{Full: true}, []Item{unreadItem("root"), file("f", "root")}, "f root", 0, nil},
		{"unread, after that deleted", Round{}, []Item{unreadItem("c"), tombstone("c")}, "a b d e f root", 0, nil},
		{"deleted, after that unread", Round{Full: true}, []Item{rootItem(), tombstone("c"), unreadItem("c")}, "c root", 0, nil},
		{"unread below a tombstone", Round{}, []Item{unreadItem("d"), tombstone("a")}, "d e f root", 0, nil},
		{"a cycle of parents, then its tombstone", Round{}, []Item{folder("a", "d"), tombstone("b")}, "f root", 0, nil},
		{"an orphan, then the tombstone of its unknown parent", Round{}, []Item{folder("o", "nowhere"), tombstone("nowhere")}, "a b c d e f root", 1, nil},
		{"orphan", Round{}, []Item{file("o", "nowhere")}, "a b c d e f o root", 0, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newState(t)
			drive := newDrive(t, s, "d")
			round(t, s, drive, Round{Full: true}, tree...)
			items := c.items
			if strings.Contains(c.name, ", then") && c.items[0].Class == Folder { // the first must exist before the tombstone
				round(t, s, drive, Round{}, items[0])
				items = items[1:]
			}
			merged, err := tryRound(s, drive, c.round, items...)
			if !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			got := fmt.Sprint(observed(t, s, drive))
			if got != "["+c.want+"]" {
				t.Errorf("left %s, want %s", got, c.want)
			}
			if merged.UnknownTombstones != c.unknown {
				t.Errorf("%+v", merged)
			}
			if err := s.Check(t.Context(), true); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOnlyMaterialDifferencesAreLogged(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Item)
		want   string // logged, stored, or nothing
	}{
		{"nothing", func(*Item) {}, "nothing"},
		{"name", func(i *Item) { i.Name = "n" }, "logged"},
		{"parent", func(i *Item) { i.Parent = "x" }, "logged"},
		{"class", func(i *Item) { i.Class = Malware }, "logged"},
		{"size", func(i *Item) { i.Size++ }, "logged"},
		{"modified", func(i *Item) { i.Modified = i.Modified.Add(1) }, "logged"},
		{"hash", func(i *Item) { i.Hash = "h2" }, "logged"},
		{"note", func(i *Item) { i.Note = "virus" }, "logged"},
		{"eTag", func(i *Item) { i.ETag = "2" }, "stored"},
		{"cTag with the same hash (D38)", func(i *Item) { i.CTag = "2" }, "stored"},
		{"cTag missing, eTag the same (D37)", func(i *Item) { i.CTag = "" }, "nothing"},
		{"name missing", func(i *Item) { i.Name = "" }, "nothing"},
		{"name and parent missing", func(i *Item) { i.Name, i.Parent = "", "" }, "nothing"},
		{"hash missing and cTag different", func(i *Item) { i.Hash, i.CTag = "", "2" }, "logged"},
		{"who modified it", func(i *Item) { i.ModifiedBy = "Adele" }, "stored"},
		{"size of a folder", func(i *Item) {
			i.ID, i.Parent, i.Name, i.Class, i.Size = "a", "root", "folder a", Folder, 99
			i.Hash = ""
		}, "stored"},
	}
	for _, c := range cases {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, full %v", c.name, full), func(t *testing.T) {
				s := newState(t)
				drive := newDrive(t, s, "d")
				before := []Item{rootItem(), folder("a", "root"), file("b", "a")}
				round(t, s, drive, Round{Full: true}, before...)
				it := before[2]
				c.change(&it)
				items := []Item{rootItem(), before[1], before[2], it}
				got := round(t, s, drive, Round{Full: full}, items...)
				want := map[string]Merged{
					"logged":  {Generation: 2, Changed: 1, Unchanged: 2, ItemsBefore: 3, ItemsAfter: 3},
					"stored":  {Generation: 1, Touched: 1, Unchanged: 2, ItemsBefore: 3, ItemsAfter: 3},
					"nothing": {Generation: 1, Unchanged: 3, ItemsBefore: 3, ItemsAfter: 3},
				}[c.want]
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestWithoutHashAndCTagTheETagTellsOfNewContent has a file of which the service tells neither (C23, D37), and whose edit kept size and
// time: to the planner the eTag decides then, so it must be told.
func TestWithoutHashAndCTagTheETagTellsOfNewContent(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	f := file("b", "root")
	f.Hash, f.CTag, f.ETag = "", "", "1"
	round(t, s, drive, Round{Full: true}, rootItem(), f)
	f.ETag = "2"
	if got := round(t, s, drive, Round{}, rootItem(), f); got.Changed != 1 {
		t.Errorf("the new eTag counts as %+v", got)
	}
	if got := round(t, s, drive, Round{}, rootItem(), f); got.Changed != 0 {
		t.Errorf("the same eTag counts as %+v", got)
	}
}

func TestParentsKnownNowhereAreReported(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	round(t, s, drive, Round{Full: true}, rootItem(), folder("a", "root"))
	for _, full := range []bool{false, true} {
		must(t, s, func(tx *Tx) error {
			if err := tx.BeginRound(drive, Round{Full: full}); err != nil {
				return err
			}
			return tx.StagePage(drive, []Item{rootItem(), file("x", "a"), folder("b", "root"), file("y", "b"), file("z", "nowhere"),
				tombstone("dead"), file("w", "dead")}, "next")
		})
		want := []ItemID{"dead", "nowhere"}
		if full { // what is observed will be replaced, so a is not known
			want = []ItemID{"a", "dead", "nowhere"}
		}
		got, err := s.StagedMissingParents(t.Context(), drive)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("full %v: %v, want %v (%v)", full, got, want, err)
		}
	}
}

func TestLiveRowsOfRemovedFoldersAreReported(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	round(t, s, drive, Round{Full: true}, rootItem(), folder("a", "root"), folder("b", "a"), file("c", "b"), file("e", "b"), folder("f", "root"))
	untold := file("e", "")
	for name, test := range map[string]struct {
		items []Item
		want  []ItemID
	}{
		"no tombstone":                     {[]Item{file("c", "b")}, nil},
		"in it, below it, parent not told": {[]Item{file("x", "a"), file("c", "b"), untold, tombstone("a")}, []ItemID{"c", "e", "x"}},
		"in a folder that is shown":        {[]Item{folder("b", "a"), file("c", "b"), tombstone("a")}, []ItemID{"b"}},
		"moved out":                        {[]Item{file("c", "f"), tombstone("a")}, nil},
		"back again":                       {[]Item{file("c", "b"), tombstone("a"), folder("a", "root"), folder("b", "a")}, nil},
		"removed as well":                  {[]Item{file("c", "b"), tombstone("a"), tombstone("c")}, nil},
		"new below new":                    {[]Item{folder("g", "root"), folder("h", "g"), file("i", "h"), tombstone("g")}, []ItemID{"h"}},
	} {
		must(t, s, func(tx *Tx) error {
			if err := tx.BeginRound(drive, Round{}); err != nil {
				return err
			}
			return tx.StagePage(drive, test.items, "next")
		})
		got, err := s.StagedBelowTombstones(t.Context(), drive, 10)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v (%v)", name, got, test.want, err)
		}
	}
}

func TestHostileTextsAndTimesComeBackBoundedAndValid(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	odd := Item{ID: "\xff\xfe", Parent: "root", Name: strings.Repeat("ä", 5<<20), Class: 200, Size: -1 << 63,
		Modified: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Created: time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), Note: "a\x00b\xffc"}
	round(t, s, drive, Round{Full: true}, rootItem(), odd)
	got, ok, err := s.Item(t.Context(), drive, odd.ID)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got.ID != "\uFFFD" || len(got.Name) != maxText || got.Class != Unknown || got.Size != -1 || got.Note != "a\x00b\uFFFDc" {
		t.Errorf("%.80q class %v size %d note %q", got.ID, got.Class, got.Size, got.Note)
	}
	if got.Modified.Year() != 2262 || got.Created.Year() != 1677 {
		t.Error(got.Modified, got.Created)
	}
}

func TestTheLogIsTrimmedToWhatEveryMirrorHasSettled(t *testing.T) {
	s := newState(t)
	drive := newDrive(t, s, "d")
	a, b := newMirror(t, s, drive, "a"), newMirror(t, s, drive, "b")
	newMirror(t, s, drive, "never settled")
	round(t, s, drive, Round{Full: true}, rootItem())
	for i := range 4 {
		round(t, s, drive, Round{}, file(ItemID(fmt.Sprint(i)), "root"))
	}
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.Settle(a.Key, 4, "select"), tx.Settle(b.Key, 3, "select"), tx.TrimLog())
	})
	if got := names(all(t, s.PairsSince(t.Context(), b, 3))); fmt.Sprint(got) != "[2:i 3:i]" {
		t.Error(got)
	}
	for _, err := range s.PairsSince(t.Context(), a, 2) {
		if !errors.Is(err, ErrLogTrimmed) {
			t.Error(err)
		}
	}
	if n, err := s.int(t.Context(), `SELECT count(*) FROM change_log`); n != 2 || err != nil {
		t.Error(n, err)
	}
	if m := mirrorOf(t, s, "a"); m.Settled != 4 || m.Select != "select" {
		t.Errorf("%+v", m)
	}
}

func TestTwoDrivesCrawlSideBySide(t *testing.T) {
	s := newState(t)
	a, b := newDrive(t, s, "a"), newDrive(t, s, "b")
	must(t, s, func(tx *Tx) error {
		return errors.Join(tx.BeginRound(a, Round{Full: true}), tx.BeginRound(b, Round{Full: true}),
			tx.StagePage(a, []Item{rootItem(), file("x", "root")}, "1"), tx.StagePage(b, []Item{rootItem()}, "1"),
			tx.StagePage(a, []Item{file("y", "root")}, "2"))
	})
	must(t, s, func(tx *Tx) error { return tx.AbandonRound(b) })
	must(t, s, func(tx *Tx) error { _, err := tx.MergeRound(a, Merge{}); return err })
	if got := fmt.Sprint(observed(t, s, a), observed(t, s, b)); got != "[root x y] []" {
		t.Error(got)
	}
	err := s.Tx(t.Context(), func(tx *Tx) error { _, err := tx.MergeRound(b, Merge{}); return err })
	if !errors.Is(err, ErrNoRound) {
		t.Error(err)
	}
}
