package plan

import (
	"testing"
	"time"
)

func TestHashAndSizeDecideAndTagsOnlyWithoutThem(t *testing.T) {
	for _, test := range []struct {
		name string
		item Item
		was  Entry
		same bool
	}{
		{"equal hash and size", Item{Hash: "h", Size: 3}, Entry{RemoteHash: "h", RemoteSize: 3}, true},
		{"equal hash and size, other tags (D36, Q39)", Item{Hash: "h", Size: 3, CTag: "2", ETag: "2"}, Entry{RemoteHash: "h", RemoteSize: 3, CTag: "1", ETag: "1"}, true},
		{"another hash, equal tags (D38)", Item{Hash: "g", Size: 3, CTag: "1", ETag: "1"}, Entry{RemoteHash: "h", RemoteSize: 3, CTag: "1", ETag: "1"}, false},
		{"equal hash, another size", Item{Hash: "h", Size: 4}, Entry{RemoteHash: "h", RemoteSize: 3}, false},
		{"equal hash, size not told now (Q35)", Item{Hash: "h", Size: -1}, Entry{RemoteHash: "h", RemoteSize: 3}, true},
		{"equal hash, size not told then", Item{Hash: "h", Size: 3}, Entry{RemoteHash: "h", RemoteSize: -1}, true},
		{"hashes are compared byte for byte (D40)", Item{Hash: "H", Size: 3}, Entry{RemoteHash: "h", RemoteSize: 3}, false},

		{"no hash, equal cTag", Item{Size: 3, CTag: "1", ETag: "2"}, Entry{RemoteSize: 3, CTag: "1", ETag: "1"}, true},
		{"no hash, another cTag", Item{Size: 3, CTag: "2", ETag: "1"}, Entry{RemoteSize: 3, CTag: "1", ETag: "1"}, false},
		{"no hash, equal cTag, another size", Item{Size: 4, CTag: "1"}, Entry{RemoteSize: 3, CTag: "1"}, false},
		{"no hash, cTag only now (D37)", Item{Size: 3, CTag: "1", ETag: "1"}, Entry{RemoteSize: 3, ETag: "1"}, true},
		{"no hash, no cTag, equal eTag", Item{Size: 3, ETag: "1"}, Entry{RemoteSize: 3, ETag: "1"}, true},
		{"no hash, no cTag, another eTag", Item{Size: 3, ETag: "2"}, Entry{RemoteSize: 3, ETag: "1"}, false},
		{"tags are compared byte for byte (D35)", Item{Size: 3, CTag: `"c"`}, Entry{RemoteSize: 3, CTag: `c`}, false},
		{"nothing is known", Item{Size: 3}, Entry{RemoteSize: 3}, false},
		{"nothing is known of the size either", Item{Size: -1}, Entry{RemoteSize: -1}, false},

		{"the hash came late and is that of the bytes on disk (Q37)", Item{Hash: "h", Size: 3, CTag: "2"}, Entry{Hash: "h", Size: 3, RemoteSize: 3, CTag: "1"}, true},
		{"the hash came late and is another one", Item{Hash: "g", Size: 3, CTag: "2"}, Entry{Hash: "h", Size: 3, RemoteSize: 3, CTag: "1"}, false},
		{"the hash came late, the cTag stayed: the service rewrites the file (C18)", Item{Hash: "g", Size: 3, CTag: "1"}, Entry{Hash: "h", Size: 3, RemoteSize: 3, CTag: "1"}, true},
		{"the hash came late, the size on disk is another (C24)", Item{Hash: "h", Size: 4, CTag: "2"}, Entry{Hash: "h", Size: 3, RemoteSize: -1, CTag: "1"}, false},
		{"the hash went, the cTag stayed", Item{Size: 3, CTag: "1"}, Entry{RemoteHash: "h", Hash: "h", Size: 3, RemoteSize: 3, CTag: "1"}, true},
		{"the hash went, the cTag changed", Item{Size: 3, CTag: "2"}, Entry{RemoteHash: "h", Hash: "h", Size: 3, RemoteSize: 3, CTag: "1"}, false},
		{"served other bytes than listed, and listed alike (Q42)", Item{Hash: "h", Size: 3}, Entry{RemoteHash: "h", RemoteSize: 3, Hash: "x", Size: 5}, true},
	} {
		if got := contentSame(&test.item, &test.was); got != test.same {
			t.Errorf("%s: same %v, want %v", test.name, got, test.same)
		}
	}
}

func TestTimesAreComparedByWholeSeconds(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		item, entry time.Time
		same        bool
	}{
		{at, at, true}, {at.Add(900 * time.Millisecond), at, true}, {at.Add(time.Second), at, false}, {at.In(time.FixedZone("", 3600)), at, true},
		{time.Time{}, at, true}, // not told
	} {
		if got := timeSame(&Item{Modified: test.item}, &Entry{Modified: test.entry}); got != test.same {
			t.Errorf("%s and %s: same %v, want %v", test.item, test.entry, got, test.same)
		}
	}
}
