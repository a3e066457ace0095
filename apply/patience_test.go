package apply

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// The client tries a request several times. A download that does so as well would multiply the two (I-54).
func TestADownloadThatBrokeLeavesNoTryingAgainToTheClient(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		var once []bool
		w.tenant.onOpen = func(_ *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
			once = append(once, q.Once)
			return nil, unavailable(), true
		}
		wantProblems(t, w.run(), map[string]string{"file": CodeNetwork})
		if len(once) != maxBreaks+1 || once[0] {
			t.Fatalf("%v", once)
		}
		for i, alone := range once[1:] {
			if !alone {
				t.Errorf("attempt %d may be repeated by the client", i+2)
			}
		}
	})
}

// A content host that is ill fails every file. The run does not wait for each of them as long as for one, and asks the
// host a bounded number of times; a file that arrives all the same shows that it is well again.
func TestAHostThatFailsEveryFileIsNotWaitedForFileByFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const files = 400
		w := newWorld(t)
		defer w.close()
		for i := range files {
			w.tenant.put(fmt.Sprintf("f%03d", i), random(i, 100))
		}
		well := ""
		w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
			return nil, unavailable(), n.name != well
		}
		began := time.Now()
		r := w.run()
		if r.Counts.Failed != files || w.tenant.opens > (maxForsaken+w.workers)*(maxBreaks+1)+files*(fewBreaks+1) {
			t.Errorf("%+v after %d requests", r.Counts, w.tenant.opens)
		}
		if took := time.Since(began); took > time.Hour {
			t.Errorf("it took %s", took)
		}

		well = "f300"
		w.tenant.resetCounts()
		r = w.run()
		if r.Counts.Failed != files-1 || r.Counts.Added != 1 {
			t.Errorf("%+v with one file that is well", r.Counts)
		}
		patient := 0
		for _, p := range r.Problems {
			if strings.Contains(p.Message, fmt.Sprintf("after %d broken", maxBreaks+1)) {
				patient++
			}
		}
		if patient < maxForsaken+1 {
			t.Errorf("%d files had the full patience, though one arrived in between", patient)
		}
		w.tenant.onOpen = nil
		w.sync()
		w.same()
	})
}
