package apply

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

// office is people who work in a library of which one folder is mirrored.
type office struct {
	*tenant
	rand *rand.Rand
	n    int
}

// any returns a path of an item, or one of a folder.
func (o *office) any(folder bool) string {
	var paths []string
	for path, text := range o.tree() {
		if path != "Keep" && (!folder || text == "/") {
			paths = append(paths, path)
		}
	}
	if folder {
		paths = append(paths, "Keep", "Keep")
	}
	slices.Sort(paths)
	if len(paths) == 0 {
		return ""
	}
	return paths[o.rand.IntN(len(paths))]
}

// fresh is a path in some folder at which nothing is.
func (o *office) fresh() string {
	dir, name := o.any(true), ""
	if o.rand.IntN(2) == 0 {
		name = "tmp"
	}
	if name == "" || o.at(dir+"/"+name) != nil {
		o.n++
		name = fmt.Sprintf("n%d", o.n)
	}
	return dir + "/" + name
}

func (o *office) edits(n int) {
	for range n {
		o.edit()
	}
}

func (o *office) edit() {
	path, to := o.any(false), o.fresh()
	o.n++
	switch text := fmt.Sprintf("text %d", o.n); o.rand.IntN(8) {
	case 0, 1:
		o.put(to, text)
	case 2:
		o.put(to+"/in", text)
	case 3, 4, 5:
		if path != "" && !strings.HasPrefix(to+"/", path+"/") {
			o.move(o.find(path), to)
		}
	case 6:
		if path != "" && o.tree()[path] != "/" {
			o.put(path, text)
		}
	case 7:
		if path != "" {
			o.remove(path)
		}
	}
}

// kept is what the mirror is to hold.
func (w *world) kept() map[string]string {
	sel, err := w.sel.Compile()
	w.check(err)
	out := make(map[string]string)
	for path, text := range w.tenant.tree() {
		rel, ok := strings.CutPrefix(path, "Keep/")
		probe := rel
		if text == "/" {
			probe += "/what is in it"
		}
		if ok && sel.Selects(plan.RemotePath(probe), false) {
			out[rel] = text
		}
	}
	return out
}

// part carries out a part of a plan.
func (w *world) part(r *rand.Rand) {
	w.t.Helper()
	switch r.IntN(3) {
	case 0: // killed
		_, _, _ = w.applyKilled(&killer{at: 1 + r.IntN(80)}, w.plan(), 0)
		w.check(Recover(context.Background(), w.store, w.key, w.dir))
	case 1: // narrowed to some of what is to be done
		for c, err := range w.plan().Changes() {
			w.check(err)
			if r.IntN(3) == 0 {
				w.narrow = append(w.narrow, "/"+string(c.Path))
			}
		}
		w.run()
		w.narrow = nil
	default: // with files that cannot be had
		p := w.plan()
		w.lock(r, true)
		w.execute(p)
		w.lock(r, false)
	}
}

func (w *world) lock(r *rand.Rand, some bool) {
	for _, id := range slices.Sorted(maps.Keys(w.tenant.nodes)) {
		w.tenant.nodes[id].gone = some && r.IntN(3) == 0
	}
}

// Whatever part of whatever plans was carried out: one plan of what has changed, carried
// out whole, makes the mirror what the source is (Q27, I-50).
func TestAWholeRunAfterPartsOfOthersLeavesNothingOut(t *testing.T) {
	inMemory(t)
	seeds := uint64(100)
	if os.Getenv("SPMIRROR_LONG") != "" {
		seeds = 2000
	}
	for seed := range seeds {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { wholeAfterParts(t, rand.New(rand.NewPCG(seed, 1))) }) {
			return
		}
	}
}

func wholeAfterParts(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	w.workers, w.changes, w.policy.OnDeselect = 1, true, "trash"
	w.folder = plan.ItemID(w.tenant.mkdir("Keep"))
	o := &office{tenant: w.tenant, rand: r}
	o.edits(12)
	w.sync()
	for range 1 + r.IntN(4) {
		o.edits(r.IntN(5))
		w.sel = plan.Select{}
		if r.IntN(4) == 0 {
			w.sel.Exclude = []string{"tmp/"}
		}
		w.part(r)
	}
	o.edits(r.IntN(5))
	w.sync()
	w.equal(w.kept())
	w.settled()
	w.changes = false
	w.settled()
}

// A folder that takes the place of another is not asked for what lies in that one.
func TestANewFolderInThePlaceOfAnotherHoldsNothingOfIt(t *testing.T) {
	for _, text := range []string{"the same text", "another text"} {
		w := newWorld(t)
		w.tenant.put("dir/in", "the same text")
		w.tenant.put("dir/sub/in", "the same text")
		w.sync()
		w.tenant.move(w.tenant.find("dir"), "was dir")
		w.tenant.put("dir/in", text)
		w.tenant.put("dir/sub/in", text)
		w.sync()
		w.same()
	}
}
