package plan

import (
	"testing"
	"time"
)

func TestAMirrorThatFailedHalfwayCountsForNothing(t *testing.T) {
	d, err := NewDraft(&Header{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	failed, whole := &Mirror{Address: "mirror.a", Problem: &Diagnostic{Code: "SPM0801"}}, &Mirror{Address: "mirror.b"}
	for _, m := range []*Mirror{failed, whole} {
		d.Mirror(m)
		c := Change{Mirror: m.Address, Path: "f", ItemID: "1", Actions: []Action{Add}, Cause: BySource, Remote: &Remote{Size: 3}}
		if err := d.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	p := d.Finish(time.Unix(0, 0), nil, nil)
	defer p.Close()
	if got := p.Totals; got.Changes() != 1 || got.DownloadBytes != 3 || got.Causes[BySource] != 1 {
		t.Errorf("the totals are %+v", got)
	}
}
