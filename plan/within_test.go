package plan

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func planOf(mirrors []*Mirror, changes ...Change) Reviewed {
	h := &Header{Mode: ModeNormal, Mirrors: mirrors, State: StateRef{Lineage: "l"}, Configuration: Configuration{Digest: "d"}}
	for _, m := range mirrors {
		m.Summary = make(map[Action]Sum)
		for _, c := range changes {
			if c.Mirror == m.Address {
				s := m.Summary[c.Action()]
				s.add(&c)
				m.Summary[c.Action()] = s
			}
		}
	}
	return Reviewed{h, sequence(changes)}
}

func sequence(changes []Change) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func one(address string) []*Mirror {
	return []*Mirror{{Address: address, Generation: GenerationRef{Base: 1}, Source: SourceRef{DriveID: "d", FolderID: "f"}}}
}

func change(id string, a Action, by Cause) Change {
	c := Change{Mirror: "m", ItemID: ItemID(id), Path: RelPath(id), Actions: []Action{a}, Cause: by, Remote: &Remote{Size: 100}}
	if a == Delete {
		c.Disposal = DisposeTrash
	}
	return c
}

func disposed(c Change, how string) Change { c.Disposal = how; return c }

func many(n int, a Action, by Cause) []Change {
	var list []Change
	for i := range n {
		list = append(list, change("x"+string(rune('a'+i)), a, by))
	}
	return list
}

func TestAReviewedPlanCoversWhatItSaysAndWhatTheSourceBrings(t *testing.T) {
	four := many(4, Add, BySource)
	typeChange := change("t", Add, BySource)
	typeChange.Actions, typeChange.Disposal = []Action{Delete, Add}, DisposeTrash
	for _, test := range []struct {
		name            string
		reviewed, fresh []Change
		uncovered       int64
		exceeded        bool
	}{
		{"the same", append(four, change("d", Delete, BySource)), append(four, change("d", Delete, BySource)), 0, false},
		{"less", append(four, change("d", Delete, BySource)), four[:2], 0, false},
		{"nothing", four, nil, 0, false},
		{"one more from the source", four, append(slices.Clone(four), change("n", Add, BySource)), 0, false},
		{"two more from the source", four, append(slices.Clone(four), change("n", Add, BySource), change("o", Update, BySource)), 0, true},
		{"a new item that the reviewed rule selects", four, append(slices.Clone(four[1:]), change("n", Add, ByConfig)), 0, false},
		{"an update that was an add", four, []Change{change("xa", Update, BySource)}, 0, false},
		{"a delete that was not reviewed", four, append(slices.Clone(four), change("d", Delete, BySource)), 1, false},
		{"a delete of another item", []Change{change("c", Delete, BySource)}, []Change{change("d", Delete, BySource)}, 1, false},
		{"a delete that is retried", []Change{change("d", Delete, BySource)}, []Change{change("d", Delete, ByRetry)}, 0, false},
		{"a delete reviewed as a forget", []Change{change("d", Forget, ByConfig)}, []Change{change("d", Delete, BySource)}, 1, false},
		{"a forget reviewed as a delete", []Change{change("d", Delete, BySource)}, []Change{change("d", Forget, ByConfig)}, 1, false},
		{"a delete that is now for good", []Change{change("d", Delete, BySource)}, []Change{disposed(change("d", Delete, BySource), DisposeDelete)}, 1, false},
		{"a delete for good that now goes to the trash", []Change{disposed(change("d", Delete, BySource), DisposeDelete)}, []Change{change("d", Delete, BySource)}, 0, false},
		{"a file that becomes a folder", four, append(slices.Clone(four), typeChange), 1, false},
		{"a forget", four, []Change{change("f", Forget, BySource)}, 1, false},
		{"a local change that gives way", four, []Change{disposed(change("u", Update, ByDrift), DisposeTrash)}, 1, false},
		{"a local change that gives way to a source update", four, []Change{disposed(change("xa", Update, BySource), DisposeTrash)}, 1, false},
		{"a reviewed local change", []Change{disposed(change("u", Update, ByDrift), DisposeTrash)}, []Change{disposed(change("u", Update, ByDrift), DisposeTrash)}, 0, false},
		{"a file that is missing on disk", four, []Change{change("m", Add, ByDrift)}, 0, false},
		{"a move by the configuration", four, []Change{change("m", Move, ByConfig)}, 1, false},
		{"a move by the source", four, []Change{change("m", Move, BySource)}, 0, false},
		{"an update by the configuration", four, []Change{change("u", Update, ByConfig)}, 1, false},
		{"what is held back", nil, []Change{{Mirror: "m", ItemID: "b", Actions: []Action{Blocked}, Wanted: Delete}}, 0, false},
		{"a delete that was held back", []Change{{Mirror: "m", ItemID: "d", Actions: []Action{Blocked}, Wanted: Delete}}, []Change{change("d", Delete, BySource)}, 1, false},
	} {
		got, err := Within(planOf(one("m"), test.reviewed...), planOf(one("m"), test.fresh...), DefaultTolerance)
		if err != nil {
			t.Fatal(err)
		}
		if got.Count != test.uncovered || got.Items.Exceeded != test.exceeded || got.Covered() != (test.uncovered == 0 && !test.exceeded) {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestBytesCountAgainstTheToleranceToo(t *testing.T) {
	big := change("xa", Add, BySource)
	big.Remote = &Remote{Size: 1000}
	reviewed := many(4, Add, BySource)
	got, err := Within(planOf(one("m"), reviewed...), planOf(one("m"), big), DefaultTolerance)
	if err != nil || got.Items.Exceeded || !got.Bytes.Exceeded || got.Bytes != (Amount{400, 1000, true}) {
		t.Errorf("%v %+v", err, got)
	}
	if got, err := Within(planOf(one("m")), planOf(one("m"), big), AnyTolerance); err != nil || !got.Covered() {
		t.Errorf("without a bound: %v %+v", err, got)
	}
	if got, err := Within(planOf(one("m"), reviewed...), planOf(one("m"), big), 1.5); err != nil || !got.Covered() {
		t.Errorf("with 150 %%: %v %+v", err, got)
	}
}

func TestMirrorsAsAWholeMustBeReviewed(t *testing.T) {
	for name, alter := range map[string]func(*Mirror){
		"added":          func(m *Mirror) { m.Address = "other" },
		"removed":        func(m *Mirror) { m.ActionReason = string(MirrorRemoved) },
		"other drive":    func(m *Mirror) { m.Source.DriveID = "e" },
		"other folder":   func(m *Mirror) { m.Source.FolderID = "e" },
		"made anew":      func(m *Mirror) { m.Generation.Base = 0 },
		"moved":          func(m *Mirror) { m.PreviousAddress = "n" },
		"other patterns": func(m *Mirror) { m.Select.Include = []string{"a"} },
	} {
		reviewed, fresh := one("m"), one("m")
		alter(fresh[0])
		c := change("n", Add, BySource)
		c.Mirror = fresh[0].Address
		got, err := Within(planOf(reviewed, many(8, Add, BySource)...), planOf(fresh, c), DefaultTolerance)
		if err != nil || got.Count != 1 || got.Uncovered[0].Change != nil || got.Uncovered[0].Why == "" {
			t.Errorf("%s: %v %+v", name, err, got)
		}
	}
	broken := one("m")
	broken[0].Problem = &Diagnostic{}
	if got, err := Within(planOf(broken), planOf(one("m"), change("n", Add, BySource)), AnyTolerance); err != nil || got.Count != 1 {
		t.Errorf("not planned when reviewed: %v %+v", err, got)
	}
	if got, err := Within(planOf(nil), planOf(one("m")), 0); err != nil || !got.Covered() {
		t.Errorf("a mirror without changes: %v %+v", err, got)
	}
}

func TestPlansOfDifferentGroundsAreNotCompared(t *testing.T) {
	for want, alter := range map[error]func(*Header){
		ErrOtherState:         func(h *Header) { h.State.Lineage = "k" },
		ErrOtherConfiguration: func(h *Header) { h.Configuration.Digest = "e" },
		ErrOtherScope:         func(h *Header) { h.Options.TargetPaths = []string{"a/**"} },
	} {
		fresh := planOf(one("m"))
		alter(fresh.Header)
		if _, err := Within(planOf(one("m")), fresh, AnyTolerance); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestDeletesAreNamedFirstAndTheListIsBounded(t *testing.T) {
	var fresh []Change
	for i := range 1000 {
		c := change(string(rune('a'+i%26))+string(rune('0'+i/26)), []Action{Forget, Delete}[i%2], BySource)
		fresh = append(fresh, c)
	}
	got, err := Within(planOf(one("m")), planOf(one("m"), fresh...), AnyTolerance)
	if err != nil || got.Count != 1000 || len(got.Uncovered) != 2*uncoveredLimit {
		t.Fatalf("%v: %d of %d", err, len(got.Uncovered), got.Count)
	}
	for i, u := range got.Uncovered {
		if want := []Action{Delete, Forget}[i/uncoveredLimit]; u.Change.Action() != want {
			t.Fatalf("%d is %s", i, u.Change.Action())
		}
	}
}

func TestEveryPlanCoversItselfAndItsParts(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		drawn := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Change {
			c := change(rapid.StringMatching(`[a-f]{1,3}`).Draw(r, "id"), rapid.SampledFrom(Actions[:]).Draw(r, "action"), rapid.SampledFrom(Causes[:]).Draw(r, "cause"))
			c.Disposal = rapid.SampledFrom([]string{"", DisposeTrash, DisposeDelete, DisposeRename}).Draw(r, "disposal")
			return c
		}), 0, 12).Draw(r, "changes")
		kept := rapid.SliceOfN(rapid.Bool(), len(drawn), len(drawn)).Draw(r, "kept")
		var part []Change
		for i, c := range drawn {
			if kept[i] {
				part = append(part, c)
			}
		}
		got, err := Within(planOf(one("m"), drawn...), planOf(one("m"), part...), 0)
		if err != nil || !got.Covered() {
			r.Fatalf("%v %+v", err, got)
		}
		// What removes or overwrites is covered only by itself.
		for _, c := range drawn {
			if d := c.decisions(); d != 0 {
				if got, err := Within(planOf(one("m")), planOf(one("m"), c), AnyTolerance); err != nil || got.Covered() {
					r.Fatalf("%+v passes unreviewed: %v", c, err)
				}
			}
		}
	})
}
