package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
)

// guardCase is a mirror's counts and what its guards say of them.
type guardCase struct {
	name     string
	tracked  int64
	limits   Limits
	changes  []Change
	tops     map[string]TopFolder
	minFree  *int64
	space    Space
	blocking string // the guards that block, in order
}

func limit[T int64 | float64](n T) *T { return &n }

// files are n changes of one action, of one KiB each, in a folder of its own for each.
func files(n int, a Action, r Reason) []Change {
	var list []Change
	for i := range n {
		c := Change{Mirror: "mirror.m", Path: RelPath(fmt.Sprintf("dir-%d/f", i)), ItemID: ItemID(fmt.Sprint(a, i)), Actions: []Action{a}, Cause: BySource, Reason: r}
		if a == Delete || a == Forget {
			c.Local = &Local{Size: 1024}
		} else {
			c.Remote = &Remote{Size: 1024}
		}
		list = append(list, c)
	}
	return list
}

func folders(n int, a Action) []Change {
	list := files(n, a, Removed)
	for i := range list {
		list[i].Folder, list[i].ItemID = true, list[i].ItemID+"folder"
	}
	return list
}

// around makes the cases limit-1, limit and limit+1 of one guard.
func around(name string, at int, build func(n int) guardCase) (list []guardCase) {
	for _, n := range []int{at - 1, at, at + 1} {
		c := build(n)
		c.name = fmt.Sprintf("%s at %d of %d", name, n, at)
		if n > at {
			c.blocking = name
		}
		list = append(list, c)
	}
	return list
}

func guardCases() []guardCase {
	list := slices.Concat(
		around("max_delete_count", 10, func(n int) guardCase {
			return guardCase{tracked: 1000, limits: Limits{MaxDeleteCount: limit[int64](10)}, changes: files(n, Delete, Removed)}
		}),
		around("max_delete_count", 10, func(n int) guardCase { // folders count as well
			return guardCase{tracked: 1000, limits: Limits{MaxDeleteCount: limit[int64](10)}, changes: append(files(4, Delete, Removed), folders(n-4, Delete)...)}
		}),
		around("max_delete_percent", 10, func(n int) guardCase {
			return guardCase{tracked: 100, limits: Limits{MaxDeletePercent: limit(10.0)}, changes: files(n, Delete, Removed)}
		}),
		around("max_delete_percent", 10, func(n int) guardCase { // adds do not dilute deletes
			return guardCase{tracked: 100, limits: Limits{MaxDeletePercent: limit(10.0)}, changes: append(files(n, Delete, Removed), files(500, Add, NewAtSource)...)}
		}),
		around("max_delete_bytes", 10, func(n int) guardCase {
			return guardCase{tracked: 100, limits: Limits{MaxDeleteBytes: limit[int64](10 << 10)}, changes: files(n, Delete, Removed)}
		}),
		around("max_folder_delete_percent", 25, func(n int) guardCase {
			return guardCase{tracked: 10_000, limits: Limits{MaxFolderDeletePercent: limit(25.0)}, changes: files(n, Delete, Removed),
				tops: map[string]TopFolder{"a": {Tracked: 100, Deleted: int64(n)}, "b": {Tracked: 100, Deleted: 1}}}
		}),
		around("max_change_percent", 50, func(n int) guardCase {
			return guardCase{tracked: 100, limits: Limits{MaxChangePercent: limit(50.0)}, changes: append(files(20, Delete, Removed), files(n-20, Update, ContentChanged)...)}
		}),
		around("max_download_bytes", 10, func(n int) guardCase {
			return guardCase{tracked: 100, limits: Limits{MaxDownloadBytes: limit[int64](10 << 10)}, changes: append(files(3, Update, ContentChanged), files(n-3, Add, NewAtSource)...)}
		}),
		around("max_files", 110, func(n int) guardCase {
			return guardCase{tracked: 100, limits: Limits{MaxFiles: limit[int64](110)}, changes: append(files(5, Delete, Removed), files(n-95, Add, NewAtSource)...)}
		}),
		around("min_free_space", 10, func(n int) guardCase {
			return guardCase{tracked: 100, minFree: limit[int64](90 << 10), changes: files(n, Add, NewAtSource), space: Space{Known: true, Free: 100 << 10}}
		}),
	)
	empty := Limits{RequireNonemptySource: true}
	return append(list,
		guardCase{name: "all files go", tracked: 5, limits: empty, changes: files(5, Delete, Removed), blocking: "require_nonempty_source"},
		guardCase{name: "all but one go", tracked: 5, limits: empty, changes: files(4, Delete, Removed)},
		guardCase{name: "all go, one of them only out of the state", tracked: 5, limits: empty,
			changes: append(files(4, Delete, Removed), files(1, Forget, Removed)...), blocking: "require_nonempty_source"},
		guardCase{name: "all are forgotten", tracked: 5, limits: empty, changes: files(5, Forget, Removed)},
		guardCase{name: "all go and others come", tracked: 5, limits: empty, changes: append(files(5, Delete, Removed), files(1, Add, NewAtSource)...)},
		guardCase{name: "files missing on the disk come back", tracked: 100, limits: Limits{MaxFiles: limit[int64](100)}, changes: files(60, Add, MissingOnDisk)},
		guardCase{name: "too many files, and none are added", tracked: 100, limits: Limits{MaxFiles: limit[int64](50)}, changes: files(10, Delete, Removed)},
		guardCase{name: "no space known", tracked: 1, minFree: limit[int64](1 << 40), changes: files(1, Add, NewAtSource)},
		guardCase{name: "little space and nothing to download", tracked: 1, minFree: limit[int64](1 << 40), space: Space{Known: true}},
		guardCase{name: "a limit of zero", tracked: 1000, limits: Limits{MaxDeleteCount: limit[int64](0)}, changes: files(1, Delete, Removed), blocking: "max_delete_count"},
		guardCase{name: "no limits", tracked: 5, changes: files(5, Delete, Removed)},
		guardCase{name: "moves are no deletes", tracked: 10, limits: Limits{MaxDeleteCount: limit[int64](0), MaxChangePercent: limit(0.0)}, changes: files(10, Move, Renamed)},
		guardCase{name: "what is held back is no delete", tracked: 10, limits: Limits{MaxDeleteCount: limit[int64](0)}, changes: files(10, Blocked, BlockedPreventDelete)},
		guardCase{name: "a folder of twenty files", tracked: 1000, limits: Limits{MaxFolderDeletePercent: limit(25.0)}, tops: map[string]TopFolder{"a": {Tracked: 20, Deleted: 20}}},
		guardCase{name: "a folder of twenty-one files", tracked: 1000, limits: Limits{MaxFolderDeletePercent: limit(25.0)},
			tops: map[string]TopFolder{"a": {Tracked: 21, Deleted: 6}}, blocking: "max_folder_delete_percent"},
		guardCase{name: "two top folders", tracked: 1000, limits: Limits{MaxFolderDeletePercent: limit(25.0)},
			tops: map[string]TopFolder{"b": {Tracked: 100, Deleted: 90}, "a": {Tracked: 40, Deleted: 11}}, blocking: "max_folder_delete_percent max_folder_delete_percent"},
	)
}

func TestEachGuardBlocksBeyondItsLimitAndNotBefore(t *testing.T) {
	for _, test := range guardCases() {
		t.Run(test.name, func(t *testing.T) {
			m := &Mirror{Address: "mirror.m", Tracked: Sum{Items: test.tracked, Files: test.tracked}}
			d, err := NewDraft(&Header{}, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			d.Mirror(m)
			for _, c := range test.changes {
				if err := d.Add(c); err != nil {
					t.Fatal(err)
				}
			}
			results := append(test.limits.Guard(m, test.tops), GuardSpace([]Demand{{Mirror: m, Limit: test.minFree, Space: test.space}})...)
			var blocking []string
			for _, g := range results {
				if g.Mirror != "mirror.m" || g.Value == "" || g.Limit == "" {
					t.Errorf("%+v does not say what of which mirror was held against which limit", g)
				}
				if g.Blocks() {
					blocking = append(blocking, g.Name)
				}
			}
			if got := strings.Join(blocking, " "); got != test.blocking {
				t.Errorf("blocking are %q, want %q", got, test.blocking)
			}
			p := d.Finish(time.Time{}, results, nil)
			defer p.Close()
			if p.Blocked != (test.blocking != "") {
				t.Errorf("the plan is blocked: %v", p.Blocked)
			}
		})
	}
}

// Deletes of a top folder are counted wherever they are below it, and its files as far
// as the limit needs them.
func TestDeletesAreCountedByTopFolder(t *testing.T) {
	w := newWorld()
	entry := func(id, parent ItemID, name string, folder bool) {
		w.entries[id] = Entry{Item: id, Parent: parent, Name: name, Fold: foldingNames{}.Fold(name), Folder: folder}
	}
	entry("big", "", "Big", true)
	entry("sub", "big", "sub", true)
	for i := range 40 {
		entry(ItemID(fmt.Sprint("f", i)), "big", fmt.Sprint("f", i), false)
		entry(ItemID(fmt.Sprint("s", i)), "sub", fmt.Sprint("s", i), false)
	}
	d, err := NewDraft(&Header{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &Mirror{Address: "mirror.m"}
	d.Mirror(m)
	for i, path := range []string{"Big/f1", "Big/sub/s1", "Big/sub/s2", "loose", "other/x"} {
		c := Change{Mirror: m.Address, Path: RelPath(path), ItemID: ItemID(fmt.Sprint(i)), Actions: []Action{Delete}, Local: &Local{}}
		if err := d.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Add(Change{Mirror: m.Address, Path: "Big/sub", Folder: true, ItemID: "sub", Actions: []Action{Delete}}); err != nil {
		t.Fatal(err)
	}
	limits := Limits{MaxFolderDeletePercent: limit(2.0)}
	tops, err := limits.TopFolders(context.Background(), d.TopDeletes(m.Address), appliedWorld{w}, foldingNames{})
	if err != nil {
		t.Fatal(err)
	}
	if got := tops["Big"]; got.Deleted != 3 || got.Tracked != 80 {
		t.Errorf("Big has %+v, want 3 deleted of 80", got)
	}
	if len(tops) != 1 {
		t.Errorf("folders that are not applied are counted: %v", tops)
	}
	limits = Limits{MaxFolderDeletePercent: limit(10.0)}
	counted := &countingChildren{Applied: appliedWorld{w}}
	if tops, err = limits.TopFolders(context.Background(), d.TopDeletes(m.Address), counted, foldingNames{}); err != nil {
		t.Fatal(err)
	}
	if got := tops["Big"].Tracked; got != 31 || counted.read > 33 {
		t.Errorf("%d files counted by reading %d entries; 31 are enough to know that 3 are less than a tenth", got, counted.read)
	}
}

// countingChildren counts the entries that are read.
type countingChildren struct {
	Applied
	read int
}

func (c *countingChildren) Children(ctx context.Context, folder ItemID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range c.Applied.Children(ctx, folder) {
			c.read++
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestTheOverrideOfferedIsEnough(t *testing.T) {
	guards := []GuardResult{
		{Name: "max_files", Status: GuardPass}, {Name: "max_delete_count", Status: GuardBlocked},
		{Name: "max_delete_count", Status: GuardBlocked}, {Name: "max_delete_bytes", Status: GuardOverridden},
	}
	check := CheckResult{Name: "c", Status: "fail", Enforcement: "mandatory"}
	for name, test := range map[string]struct {
		header Header
		want   []string
	}{
		"amounts":             {Header{Guards: guards}, []string{"max_delete_count", "max_delete_bytes"}},
		"identity as well":    {Header{Guards: append(slices.Clone(guards), GuardResult{Name: "require_marker", Status: GuardBlocked})}, nil},
		"a check as well":     {Header{Guards: guards, Checks: []CheckResult{check}}, nil},
		"nothing that blocks": {Header{Guards: guards[:1]}, nil},
	} {
		if got := test.header.Overrides(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
