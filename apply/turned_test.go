package apply

import (
	"slices"
	"testing"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// turn makes a file of a folder, or the reverse, that keeps its id. What was in the folder is gone.
func (s *tenant) turn(path, text string) *node {
	n := s.find(path)
	if n.folder {
		for id, other := range s.nodes {
			if other.parent == n.id {
				delete(s.nodes, id)
			}
		}
	}
	n.folder, n.text = !n.folder, text
	n.version, n.change = n.version+1, n.change+1
	return n
}

// reasonsOf are the actions and reasons of a plan by item, and what becomes of the local bytes.
func reasonsOf(t *testing.T, p *plan.Plan) map[string]string {
	t.Helper()
	got := map[string]string{}
	for c, err := range p.Changes() {
		if err != nil {
			t.Fatal(err)
		}
		got[string(c.ItemID)] = string(c.Action()) + " " + string(c.Reason)
	}
	return got
}

// An item that turns from a file into a folder, or back, is deleted as what it was and added as what it is.
func TestAnItemThatTurnsFromAFileIntoAFolderIsDeletedAndAdded(t *testing.T) {
	for name, c := range map[string]struct {
		edit    func(s *tenant)
		want    map[string]string
		trashed []string
		local   func(w *world)
	}{
		"a file becomes a folder": {
			edit:    func(s *tenant) { s.turn("f", ""); s.put("f/in", "new") },
			want:    map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed", "i0005": "add new"},
			trashed: []string{"file"},
		},
		"a file becomes an empty folder": {
			edit:    func(s *tenant) { s.turn("f", "") },
			want:    map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed"},
			trashed: []string{"file"},
		},
		"a folder becomes a file": {
			edit:    func(s *tenant) { s.turn("d", "now a file") },
			want:    map[string]string{"i0002": "add type_changed", "i0002!was-folder": "delete type_changed", "i0003": "delete removed", "i0004": "delete removed"},
			trashed: []string{"one", "two"},
		},
		"a folder becomes a file, and what was in it moves": {
			edit: func(s *tenant) {
				n := s.find("d/1")
				s.move(n, "1")
				s.turn("d", "now a file")
			},
			want:    map[string]string{"i0002": "add type_changed", "i0002!was-folder": "delete type_changed", "i0003": "move moved", "i0004": "delete removed"},
			trashed: []string{"two"},
		},
		"both exchange what they are": {
			edit: func(s *tenant) { s.turn("d", "now a file"); s.turn("f", "") },
			want: map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed", "i0002": "add type_changed",
				"i0002!was-folder": "delete type_changed", "i0003": "delete removed", "i0004": "delete removed"},
			trashed: []string{"file", "one", "two"},
		},
		"it moves on the way": {
			edit:    func(s *tenant) { s.move(s.turn("f", ""), "d/g"); s.put("d/g/in", "new") },
			want:    map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed", "i0005": "add new"},
			trashed: []string{"file"},
		},
		"it takes the place of another": {
			edit:    func(s *tenant) { s.remove("d/1"); s.move(s.turn("f", ""), "d/1") },
			want:    map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed", "i0003": "delete removed"},
			trashed: []string{"file", "one"},
		},
		"somebody has changed the file": {
			edit:    func(s *tenant) { s.turn("f", "") },
			local:   func(w *world) { w.write("f", "changed on disk") },
			want:    map[string]string{"i0001": "add type_changed", "i0001!was-file": "delete type_changed"},
			trashed: []string{"changed on disk"},
		},
		"another item comes in its place": { // these are two items, and no change of a type
			edit:    func(s *tenant) { s.remove("f"); s.put("f/in", "new"); s.remove("d"); s.put("d", "now a file") },
			want:    map[string]string{"i0001": "delete removed", "i0002": "delete removed", "i0003": "delete removed", "i0004": "delete removed", "i0005": "add new", "i0006": "add new", "i0007": "add new"},
			trashed: []string{"file", "one", "two"},
		},
	} {
		for _, changes := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", what changed", false: ", everything"}[changes], func(t *testing.T) {
				w := newWorld(t)
				w.changes = changes
				w.tenant.put("f", "file")
				w.tenant.put("d/1", "one")
				w.tenant.put("d/2", "two")
				w.sync()
				c.edit(w.tenant)
				if c.local != nil {
					c.local(w)
				}
				p := w.plan()
				if got := reasonsOf(t, p); !equalMaps(got, c.want) {
					t.Errorf("the plan is %v, want %v", got, c.want)
				}
				if r := w.execute(p); r.Counts.Incomplete() {
					t.Errorf("incomplete: %+v", r.Problems)
				}
				w.same()
				if got := w.trashed(); !slices.Equal(got, c.trashed) {
					t.Errorf("in the trash are %q, want %q", got, c.trashed)
				}
			})
		}
	}
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// What is kept when it is deleted at the source stays in its place, and the new item waits for the place.
func TestWhatIsKeptKeepsItsPlaceWhenItTurns(t *testing.T) {
	for _, setting := range []string{"keep", "prevented", "delete"} {
		t.Run(setting, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.put("f", "file")
			w.tenant.put("d/1", "one")
			w.sync()
			w.policy.OnRemoteDelete = setting
			if setting == "prevented" {
				w.policy.OnRemoteDelete, w.policy.PreventDelete = "trash", true
			}
			w.tenant.turn("f", "")
			w.tenant.put("f/in", "new")
			w.tenant.turn("d", "now a file")
			for range 3 {
				w.run()
			}
			if setting == "delete" {
				w.same()
				if got := w.trashed(); len(got) > 0 {
					t.Errorf("in the trash are %q", got)
				}
				return
			}
			w.equal(map[string]string{"f": "file", "d": "/", "d/1": "one"})
			if setting == "keep" {
				return
			}
			w.policy.PreventDelete = false
			w.sync()
			w.same()
		})
	}
}

// The deletes of a mirror wait when the source does not confirm that the item is something else by now.
func TestAnItemThatTurnedIsLookedUpBeforeItIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("f", "file")
	w.tenant.put("stays", "stays")
	w.sync()
	n := w.tenant.turn("f", "")
	p := w.plan()
	n.folder = false // a passing fault of the service
	r := w.execute(p)
	if r.Counts.Destroyed > 0 {
		t.Errorf("deleted: %+v", r.Counts)
	}
	if got := w.disk()["f"]; got != "file" {
		t.Errorf("f is %q", got)
	}
	w.tenant.put("f", "file")
	for range 2 {
		w.run()
	}
	w.same()
}

// A run that is narrowed to the new place of an item does not lose the row of what it was.
func TestANarrowedRunKnowsWhatAnItemWas(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a/f", "file")
	w.tenant.mkdir("b")
	w.sync()
	w.tenant.move(w.tenant.turn("a/f", ""), "b/f")
	w.narrow = []string{"b/**"}
	w.run()
	w.equal(map[string]string{"a": "/", "a/f": "file", "b": "/", "b/f": "/"})
	w.narrow = nil
	w.sync()
	w.same()
	if got := w.trashed(); !slices.Equal(got, []string{"file"}) {
		t.Errorf("in the trash are %q", got)
	}
}

// It turns, and turns back, while what it was at first waits for its delete.
func TestAnItemThatTurnsAgainAndAgainEndsAsWhatItIs(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("f", "file 1")
	w.tenant.put("x", "x")
	w.sync()
	w.policy.PreventDelete = true
	for i := range 4 {
		n := w.tenant.turn("f", "")
		n.text = ""
		if !n.folder {
			n.text = random(i, 20)
		}
		w.tenant.move(n, []string{"g", "f"}[i%2])
		w.run()
		w.tenant.move(n, "f")
	}
	w.policy.PreventDelete = false
	for range 3 {
		w.run()
	}
	w.same()
	for e, err := range w.store.EntriesByParent(t.Context(), w.key) {
		w.check(err)
		if _, _, old := plan.ItemID(e.Item).Was(); old {
			t.Errorf("the state still has %s: %+v", e.Item, state.ItemID(e.Name))
		}
	}
}
