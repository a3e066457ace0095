package plan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is forgotten as the memory of claims is bounded, the answers are those of one that remembers everything.
func TestBoundedClaimsAnswerAsAllWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		askers := rapid.SliceOf(rapid.IntRange(0, 30)).Draw(t, "askers") // the place that each wants
		key := func(place int) claimKey { return keyOf(ItemID(fmt.Sprint(place%3)), fmt.Sprint(place)) }
		places := func(context.Context) iter.Seq2[claimKey, error] {
			return func(yield func(claimKey, error) bool) {
				for _, place := range askers {
					if !yield(key(place), nil) {
						return
					}
				}
			}
		}
		c := newClaims(places, rapid.IntRange(1, 8).Draw(t, "most"))
		taken := map[int]bool{}
		for _, place := range askers {
			free, err := c.take(t.Context(), key(place))
			if err != nil || free == taken[place] {
				t.Fatalf("place %d free: %v (%v), taken before: %v", place, free, err, taken[place])
			}
			taken[place] = true
			if free && rapid.Bool().Draw(t, "given back") {
				c.giveBack(key(place))
				delete(taken, place)
			}
		}
	})
}

func TestClaimsOfAMillionDifferentPlacesTakeNoMemory(t *testing.T) {
	const places = 1_000_000
	keys := func(context.Context) iter.Seq2[claimKey, error] {
		return func(yield func(claimKey, error) bool) {
			for i := range places {
				if !yield(keyOf("folder", fmt.Sprint(i)), nil) {
					return
				}
			}
		}
	}
	c := newClaims(keys, maxClaims)
	for k := range keys(t.Context()) {
		if free, err := c.take(t.Context(), k); !free || err != nil {
			t.Fatal(free, err)
		}
	}
	if held := len(c.taken) + len(c.rivals); held > places/1000 {
		t.Errorf("%d keys are held for %d places", held, places)
	}
}

func TestNamesThatCannotBeReadEndThePlan(t *testing.T) {
	broken := errors.New("disk I/O error")
	c := newClaims(func(context.Context) iter.Seq2[claimKey, error] {
		return func(yield func(claimKey, error) bool) { yield(claimKey{}, broken) }
	}, 1)
	if _, err := c.take(t.Context(), keyOf("", "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.take(t.Context(), keyOf("", "b")); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A plan that remembers few claims is the plan that remembers all.
func TestPlansDoNotDependOnHowManyClaimsAreRemembered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, next := newWorld(), 0
		policy := Policy{OnRemoteDelete: "delete", OnDeselect: "delete", OnUntracked: "block", OnLocalChange: "overwrite"}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(1, 20).Draw(t, "edits") {
				someEdit(t, w, &next)
			}
			var plans [2]planned
			for i, most := range []int{0, rapid.IntRange(1, 3).Draw(t, "claims")} {
				m := &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}, Policy: policy, Tracked: w.tracked()}
				plans[i] = w.run(t, planned{mirror: m}, Request{Previous: &Select{}, PreviousFolder: w.root, Full: true, Verify: VerifyNone, claims: most})
			}
			if !slices.Equal(plans[0].lines, plans[1].lines) {
				t.Fatalf("with few claims:\n%s", difference(plans[0].lines, plans[1].lines))
			}
			if err := w.apply(plans[0].changes); err != nil {
				t.Fatal(err)
			}
		}
	})
}
