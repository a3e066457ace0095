package plan

import "testing"

func TestOnlyWhatSteppedAsideHasAPathForAName(t *testing.T) {
	for _, c := range []struct {
		parent ItemID
		name   string
		ok     bool
	}{
		{"folder", "a.txt", true},
		{"folder", ".spmirror/park/spm-1", false},
		{"folder", "a/b", false},
		{ParkedParent, ".spmirror/park/spm-1", true},
		{ParkedParent, ".spmirror/park/../marker.json", false},
		{ParkedParent, ".spmirror/park/..", false},
		{ParkedParent, ".spmirror/marker.json", false},
		{ParkedParent, "../park/spm-1", false},
	} {
		change := Change{Actions: []Action{Delete}, Path: "a.txt", Parent: c.parent, Name: c.name}
		if err := change.check(); (err == nil) != c.ok {
			t.Errorf("%q below %q: %v", c.name, c.parent, err)
		}
	}
}
