package apply

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
)

func TestFilesOfAFreshPlanCostOneRequestEach(t *testing.T) {
	w := newWorld(t)
	w.addr = NewAddresses(func() time.Time { return w.clock })
	for i := range 20 {
		w.tenant.put(fmt.Sprintf("f%d", i), random(i, 100))
	}
	w.sync()
	if w.tenant.items != 0 || w.tenant.opens != 20 {
		t.Errorf("%d questions and %d downloads, want 0 and 20", w.tenant.items, w.tenant.opens)
	}
	w.same()
	t.Run("and two when the address is old, or is refused, or of another version", func(t *testing.T) {
		w.tenant.put("f0", "old address")
		p := w.plan()
		w.clock = w.clock.Add(addressLife)
		w.tenant.resetCounts()
		w.execute(p)
		w.tenant.put("f1", "refused")
		w.script([]answer{refuse(expired())})
		w.sync()
		w.tenant.put("f2", "two")
		p = w.plan()
		n := w.tenant.put("f2", "2.0")
		it := n.item()
		w.addr.Keep("drive", &it)
		wantProblems(t, w.execute(p), map[string]string{"f2": CodeSuperseded})
		if w.tenant.items != 3 {
			t.Errorf("%d questions, want 3", w.tenant.items)
		}
		w.sync()
		w.same()
	})
	t.Run("and none with a saved plan", func(t *testing.T) {
		w.tenant.put("f3", "saved")
		p := w.plan()
		w.addr = nil
		w.tenant.resetCounts()
		w.execute(p)
		if w.tenant.items != 1 || w.tenant.opens != 1 {
			t.Errorf("%d questions and %d downloads", w.tenant.items, w.tenant.opens)
		}
	})
}

func TestItemsWithoutAnAddressAndVeryLargeOnesGetAFreshOne(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "a")
	w.tenant.onItem = func(n *node, _ int) (graph.Item, error, bool) {
		it := n.item()
		it.DownloadURL = graph.SecretURL{}
		return it, nil, true
	}
	w.sync()
	if w.tenant.addresses != 1 {
		t.Errorf("%d addresses were asked for", w.tenant.addresses)
	}
	w.same()
	large := &graph.Item{ID: "x", Size: largeFile + 1, ETag: "e", Facets: graph.File, DownloadURL: graph.NewSecretURL("https://host.example/x")}
	a := NewAddresses(time.Now)
	a.Keep("d", large)
	f := &fetch{mirrorRun: &mirrorRun{running: &running{Job: Job{Now: time.Now}}, Mirror: &Mirror{Addresses: a, Plan: w.plan().Mirrors[0]}}}
	f.Plan.Source.DriveID, f.change.ItemID, f.change.Remote = "d", "x", remoteOf(large)
	if f.remembered() {
		t.Error("the address of a very large file was trusted")
	}
}

func TestAddressesAreFewAndGivenOutOnce(t *testing.T) {
	a := NewAddresses(time.Now)
	a.limit = 10
	for i := range 25 {
		a.Keep("d", &graph.Item{ID: graph.ItemID(fmt.Sprint(i)), Facets: graph.File, DownloadURL: graph.NewSecretURL("https://secret.example/?tempauth=x")})
	}
	if len(a.kept) != 10 {
		t.Errorf("%d addresses are kept", len(a.kept))
	}
	if _, ok := a.take("d", "24", time.Now()); !ok {
		t.Error("the newest is not there")
	}
	if _, ok := a.take("d", "24", time.Now()); ok {
		t.Error("it was given out twice")
	}
	if _, ok := a.take("d", "3", time.Now()); ok {
		t.Error("the oldest is still there")
	}
	a.Keep("d", &graph.Item{ID: "20", Facets: graph.Deleted})
	if _, ok := a.take("d", "20", time.Now()); ok {
		t.Error("the address of a deleted item was given out")
	}
	if text := fmt.Sprintf("%v %+v %#v", a.kept, a.kept, a.kept); strings.Contains(text, "secret") {
		t.Error("an address can be printed")
	}
	var none *Addresses
	none.Keep("d", &graph.Item{})
	if _, ok := none.take("d", "x", time.Now()); ok {
		t.Error("nothing gave something out")
	}
}
