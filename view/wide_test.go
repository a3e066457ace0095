package view

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

func TestMarkdownNamesAsManyMirrorsAsItsBudgetAllows(t *testing.T) {
	p := newTestPlan(t)
	for i := range 2000 {
		address := fmt.Sprintf("mirror.site[\"/sites/s%04d\"]", i)
		p.mirror(address)
		c := plan.Change{
			Mirror: address, Path: "a.docx", ItemID: plan.ItemID(fmt.Sprintf("01%030d", i)), Actions: []plan.Action{plan.Add}, Cause: plan.ByConfig,
			Reason: plan.MirrorAdded, Name: "a.docx", Fold: "a.docx", Remote: &plan.Remote{ETag: "1", Size: 1000, Modified: planned},
		}
		if i == 1999 {
			c.Actions, c.Reason, c.Remote = []plan.Action{plan.Delete}, plan.Removed, nil
			c.Local = &plan.Local{Size: 1000}
		}
		p.add(c)
	}
	done := p.finish(nil, nil)
	for limit, want := range map[int]int{60_000: 300, 15_000: 50} {
		out := markdownOf(t, done, MarkdownOptions{MaxBytes: limit})
		if got := strings.Count(out, "`mirror.site["); got < want {
			t.Errorf("%d mirrors are named in %d of %d bytes", got, len(out), limit)
		}
		if !strings.Contains(out, "s1999") {
			t.Errorf("the mirror that deletes is not named in %d bytes", limit)
		}
	}
}
