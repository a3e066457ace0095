package plan

import "testing"

// Mirrors on one disk are judged by what is left when all of them are done, each by its own limit.
func TestMirrorsOnOneDiskShareItsSpace(t *testing.T) {
	mirror := func(address string, add int64) *Mirror {
		return &Mirror{Address: address, Summary: map[Action]Sum{Add: {Files: 1, Bytes: add}}}
	}
	failed := mirror("mirror.failed", 1000)
	failed.Problem = &Diagnostic{}
	on := func(device string) Space { return Space{Known: true, Device: device, Free: 100} }
	limit := func(n int64) *int64 { return &n }
	results := GuardSpace([]Demand{
		{Mirror: mirror("mirror.a", 40), Limit: limit(10), Space: on("1")},
		{Mirror: mirror("mirror.b", 50), Limit: limit(11), Space: on("1")},
		{Mirror: mirror("mirror.c", 90), Limit: limit(10), Space: on("2")},
		{Mirror: mirror("mirror.none", 0), Limit: limit(99), Space: on("1")},
		{Mirror: mirror("mirror.lifted", 91), Space: on("3")},
		{Mirror: mirror("mirror.unknown", 91), Limit: limit(1), Space: Space{}},
		{Mirror: failed, Limit: limit(1), Space: on("2")},
	})
	want := map[string]string{"mirror.a": GuardPass, "mirror.b": GuardBlocked, "mirror.c": GuardPass}
	if len(results) != len(want) {
		t.Errorf("%d results, want %d: %+v", len(results), len(want), results)
	}
	for _, g := range results {
		if g.Status != want[g.Mirror] {
			t.Errorf("%s: %s with %s left of limit %s", g.Mirror, g.Status, g.Value, g.Limit)
		}
	}
}
