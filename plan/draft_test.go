package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestOfAMirrorThatFailedHalfwayNothingIsInThePlan(t *testing.T) {
	for name, detail := range map[string]string{"in memory": "", "on disk": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			d, err := NewDraft(&Header{}, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			failed, whole := &Mirror{Address: "mirror.a", Unchanged: 7, Compared: 8}, &Mirror{Address: "mirror.a2"}
			for _, m := range []*Mirror{failed, whole} {
				d.Mirror(m)
				for range 30 { // more than a spool holds in memory
					c := Change{Mirror: m.Address, Path: "d/f", ItemID: "1", Actions: []Action{Delete}, Cause: BySource, Detail: detail}
					if err := errors.Join(d.Add(c), d.AddDrift(Drift{Mirror: m.Address, Path: "d/f", Kind: DriftMissing})); err != nil {
						t.Fatal(err)
					}
				}
			}
			failed.Problem = &Diagnostic{Code: "SPM0801"} // after its first changes
			p := d.Finish(time.Unix(0, 0), nil, nil)
			defer p.Close()
			if got := p.Totals; got.Changes() != 30 || got.Causes[BySource] != 30 {
				t.Errorf("the totals are %+v", got)
			}
			if failed.Summary[Delete].Items+failed.Unchanged+failed.Compared != 0 || len(failed.Samples[Delete])+len(failed.Folders)+len(d.TopDeletes("mirror.a")) != 0 {
				t.Errorf("the header counts %+v of a mirror that was not planned", failed)
			}
			n := 0
			for c, err := range p.Changes() {
				if err != nil || c.Mirror != whole.Address {
					t.Fatal(c.Mirror, c.Path, err)
				}
				n++
			}
			for f, err := range p.Drifts() {
				if err != nil || f.Mirror != whole.Address {
					t.Fatal(f, err)
				}
				n++
			}
			if n != 60 {
				t.Errorf("%d lines of the other mirror are left, of 60", n)
			}
		})
	}
}

func TestAHeaderDoesNotTellInWhichOrderTheChangesCame(t *testing.T) {
	headers := make(map[string]bool)
	for seed := range uint64(20) {
		var list []Change
		for i := range 60 { // many that are alike
			list = append(list, Change{
				Mirror: "mirror.a", Path: RelPath(fmt.Sprintf("%c/%d/f", 'a'+i%3, i%4)), ItemID: ItemID(fmt.Sprint(i)), Actions: []Action{Blocked}, Cause: BySource, Remote: &Remote{Size: 3},
			})
		}
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		d, err := NewDraft(&Header{}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		d.Mirror(&Mirror{Address: "mirror.a"})
		for _, c := range list {
			if err := d.Add(c); err != nil {
				t.Fatal(err)
			}
		}
		p := d.Finish(time.Unix(0, 0), nil, nil)
		digest, err := p.ContentDigest()
		if err := errors.Join(err, p.Close()); err != nil {
			t.Fatal(err)
		}
		headers[digest] = true
	}
	if len(headers) != 1 {
		t.Errorf("the same changes made %d plans", len(headers))
	}
}

func TestAPendingItemThatHasGoneIsNotCompared(t *testing.T) {
	for _, full := range []bool{true, false} {
		w := newWorld()
		w.put(Item{ID: "f", Parent: "root", Name: "f", Class: ClassFile, Size: 1})
		w.pending["gone"] = Pending{Item: "gone", Action: string(Add)}
		m := &Mirror{Address: "mirror.a", Source: SourceRef{FolderID: w.root}}
		changes := 0
		req := Request{
			Mirror: m, Previous: &Select{}, PreviousFolder: w.root, Full: full, Verify: VerifyNone, Names: foldingNames{},
			Store: Store{Inventory: w, Observed: observedWorld{w}, Applied: appliedWorld{w}},
			Emit:  func(Change) error { changes++; return nil }, Drift: func(Drift) error { return nil },
		}
		if err := req.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if changes != 1 || m.Compared != m.Unchanged+1 { // the root is unchanged, the file is new
			t.Errorf("full %v: %d changes, %d unchanged, %d compared", full, changes, m.Unchanged, m.Compared)
		}
	}
}
