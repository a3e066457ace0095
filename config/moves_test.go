package config

import "testing"

// What a mirror of the state is called now follows from the moved blocks alone.
func TestMovedBlocksGiveRecordedMirrorsTheirNewAddress(t *testing.T) {
	c := &Config{
		declared: map[string]bool{"mirror.kept": true},
		Moved: []Moved{
			{From: "mirror.a", To: "mirror.b"}, {From: "mirror.b", To: "mirror.c"},
			{From: `mirror.each["old"]`, To: `mirror.each["new"]`},
			{From: "mirror.one", To: `mirror.many["x"]`}, {From: `mirror.many2["x"]`, To: "mirror.one2"},
			{From: "module.m", To: "module.n"}, {From: "module.solo", To: `module.set["k"]`},
			{From: "mirror.kept", To: "mirror.elsewhere"},
			{From: "mirror.in", To: "module.box.mirror.in"},
		},
	}
	for address, want := range map[string]string{
		"mirror.a":                    "mirror.c",
		`mirror.a["k"]`:               `mirror.c["k"]`,
		`mirror.each["old"]`:          `mirror.each["new"]`,
		`mirror.each["other"]`:        `mirror.each["other"]`,
		"mirror.one":                  `mirror.many["x"]`,
		`mirror.one["y"]`:             `mirror.one["y"]`,
		`mirror.many2["x"]`:           "mirror.one2",
		"module.m.mirror.a":           "module.n.mirror.a",
		`module.m["k"].mirror.a["l"]`: `module.n["k"].mirror.a["l"]`,
		"module.solo.mirror.a":        `module.set["k"].mirror.a`,
		"module.mm.mirror.a":          "module.mm.mirror.a",
		"mirror.kept":                 "mirror.kept",
		"mirror.in":                   "module.box.mirror.in",
		"mirror.unknown":              "mirror.unknown",
	} {
		if got := c.Now(address); got != want {
			t.Errorf("%s is %s now, want %s", address, got, want)
		}
	}
}

func TestMovedBlocksInACircleMoveNothing(t *testing.T) {
	c := &Config{Moved: []Moved{{From: "module.a", To: "module.b"}, {From: "module.b.mirror.x", To: "module.a.mirror.x"}}}
	if got := c.Now("module.a.mirror.x"); got != "module.a.mirror.x" {
		t.Errorf("led to %s", got)
	}
}
