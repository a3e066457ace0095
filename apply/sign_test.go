package apply

import (
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/target"
)

// commits counts those of a run, and how many there were when the run was named at the target.
type commits struct{ all, named int }

type commitCounter struct{ *commits }

func (c commitCounter) Before(op string) error {
	if op == "committed" {
		c.all++
	}
	return nil
}

type nameFinder struct{ *commits }

func (c nameFinder) Before(op, path string) error {
	if strings.Contains(path, "last-run") && c.named == 0 {
		c.named = c.all
	}
	return nil
}

// Whatever a power cut takes from the state, be it all of its latest transaction, the state knows the run that the target
// names: the record of that run is an earlier one.
func TestARunIsNamedAtTheTargetAfterAnotherTransactionThanItsOwn(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("file", "text")
	p := w.plan()
	c := new(commits)
	w.diskFaults, w.rowFaults = nameFinder{c}, commitCounter{c}
	w.reopen()
	w.execute(p)
	if c.named < 2 {
		t.Errorf("the run was named after %d of %d transactions", c.named, c.all)
	}
	if last := w.dir.LastRun(); last.Run == 0 || last.Lineage != w.store.Lineage() {
		t.Errorf("the target names %+v", last)
	}
	w.knowsLastRun()
}

// A run that changed nothing of a mirror, or had no result, names itself nowhere.
func TestARunWithoutResultsIsNotNamed(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("file", "text")
	w.sync()
	before := w.dir.LastRun()
	w.sync()
	if after := w.dir.LastRun(); after != before || before == (target.LastRun{}) {
		t.Errorf("the target names %+v, before %+v", after, before)
	}
	w.clock = w.clock.Add(time.Hour)
	w.tenant.put("file", "other")
	w.sync()
	if after := w.dir.LastRun(); after == before {
		t.Errorf("the target still names %+v", after)
	}
}
