package sandbox

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// replica is the reference client: it follows links, lets the last occurrence of an id win, deletes
// what has the facet, and knows nothing else.
type replica struct {
	items map[string]map[string]any
	link  string
}

// round follows one round and applies it.
func (r *replica) round(t testing.TB, tn *Tenant, start string) {
	t.Helper()
	link := start
	if r.link != "" {
		link = r.link
	} else {
		r.items = map[string]map[string]any{}
	}
	for pages := 0; ; pages++ {
		if pages > 2000 {
			t.Fatal("the round does not end")
		}
		m := object(t, ask(tn, link), 200)
		for _, it := range values(m) {
			id := it["id"].(string)
			if _, gone := it["deleted"]; gone {
				delete(r.items, id)
				continue
			}
			r.items[id] = it
		}
		next, final := text(m, "@odata.nextLink"), text(m, "@odata.deltaLink")
		if (next == "") == (final == "") {
			t.Fatalf("a page has to have one of the two links: %q, %q", next, final)
		}
		if final != "" {
			r.link = final
			break
		}
		link = next
	}
	r.prune()
}

// prune drops what lies below something deleted: tombstones of files below are not promised (D30).
func (r *replica) prune() {
	for again := true; again; {
		again = false
		for id, it := range r.items {
			p := text(it["parentReference"].(map[string]any), "id")
			if p != "" && r.items[p] == nil {
				delete(r.items, id)
				again = true
			}
		}
	}
}

// tree is the replica as sorted lines.
func (r *replica) tree() []string {
	var out []string
	for id, it := range r.items {
		path := ""
		for at := it; ; {
			parent := text(at["parentReference"].(map[string]any), "id")
			if parent == "" {
				break
			}
			path = "/" + text(at, "name") + path
			at = r.items[parent]
		}
		line := fmt.Sprintf("%s %s %s", path, id, it["eTag"])
		if _, isFile := it["file"]; isFile {
			line += fmt.Sprintf(" %v %v %v", it["size"], it["cTag"], it["file"])
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// modelTree is the model in the same form.
func modelTree(d *Drive) []string {
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	var out []string
	for _, it := range d.items {
		if it.deleted {
			continue
		}
		line := fmt.Sprintf("%s %s \"%s\"", it.path(), d.itemID(it), d.appendETag(nil, it))
		if it.kind == kindFile {
			h, _ := d.quickXor(it)
			hashes := fmt.Sprintf("map[hashes:map[quickXorHash:%s] mimeType:%s]", quickXorText(h), mimeType(it.name))
			if it.noHash {
				hashes = fmt.Sprintf("map[mimeType:%s]", mimeType(it.name))
			}
			line += fmt.Sprintf(" %v \"%s\" %s", float64(it.size), d.appendCTag(nil, it), hashes)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// consistent checks of a fresh enumeration what later rounds do not repeat: paths of parents and the
// sizes of folders, which are sums (V12).
func (r *replica) consistent(t testing.TB, d *Drive) {
	t.Helper()
	sums := map[string]float64{}
	for _, it := range r.items {
		if it["file"] == nil {
			continue
		}
		for at := it; ; {
			id := text(at["parentReference"].(map[string]any), "id")
			if id == "" {
				break
			}
			sums[id] += it["size"].(float64)
			at = r.items[id]
		}
	}
	for id, it := range r.items {
		if it["folder"] != nil && it["size"] != sums[id] {
			t.Errorf("the folder %v has size %v, its files %v", it["name"], it["size"], sums[id])
		}
		found := d.find(ItemID(id))
		ref := it["parentReference"].(map[string]any)
		if path, ok := ref["path"]; ok && path != "/drives/"+string(d.id)+"/root:"+found.parent.path() {
			t.Errorf("the parent of %s has the path %v", found.path(), path)
		}
		if u := text(it, "webUrl"); found.folder != nil && u != d.WebURL()+escapePath(found.path()) {
			t.Errorf("%s has the address %s", found.path(), u)
		}
	}
}

func sameTree(t testing.TB, r *replica, d *Drive) {
	t.Helper()
	got, want := r.tree(), modelTree(d)
	if !slices.Equal(got, want) {
		t.Fatalf("the replica differs from the model\nreplica:\n%s\nmodel:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var folders = []string{"/", "/a", "/b", "/a/c", "/a/c/d", "/ä ö"}
var names = []string{"x.txt", "X.TXT", "y.docx", "z", "日本.pdf", "q.bin"}

// randomEdit draws an edit; some do not fit, which is part of the game.
func randomEdit(t *rapid.T, d *Drive) Edit {
	dir := rapid.SampledFrom(folders).Draw(t, "folder")
	path := strings.TrimSuffix(dir, "/") + "/" + rapid.SampledFrom(names).Draw(t, "name")
	e := Edit{Drive: string(d.id), Path: path, Op: rapid.SampledFrom([]string{OpPut, OpPut, OpPut, OpMkdir, OpRename, OpMove, OpMove, OpSwap, OpDelete,
		OpDelete, OpRestore, OpTouch, OpNoHash, OpShare, OpTransfer}).Draw(t, "op")}
	other := strings.TrimSuffix(rapid.SampledFrom(folders).Draw(t, "other folder"), "/") + "/" + rapid.SampledFrom(names).Draw(t, "other name")
	if rapid.IntRange(0, 2).Draw(t, "on folder") == 0 && dir != "/" {
		e.Path = dir
	}
	switch e.Op {
	case OpPut:
		e.Path, e.Size = path, ptr(rapid.Int64Range(0, 400000).Draw(t, "size"))
	case OpMkdir:
		e.Path = dir
	case OpRename:
		e.To = rapid.SampledFrom(names).Draw(t, "to")
	case OpMove, OpSwap:
		e.To = other
	case OpTransfer:
		e.ToDrive = "sites/b/Documents"
	}
	return e
}

func randomBehaviour(t *rapid.T) Behaviour {
	return Behaviour{
		Order:        rapid.SampledFrom([]Order{OrderNatural, OrderParentFirst, OrderChildFirst, OrderShuffled}).Draw(t, "order"),
		PageSize:     rapid.IntRange(1, 9).Draw(t, "page"),
		ShortPages:   rapid.Bool().Draw(t, "short"),
		EmptyPages:   rapid.IntRange(0, 60).Draw(t, "empty"),
		Duplicates:   rapid.IntRange(0, 60).Draw(t, "duplicates"),
		Stale:        rapid.IntRange(0, 60).Draw(t, "stale"),
		EmptyFinal:   rapid.Bool().Draw(t, "empty final"),
		FolderDelete: rapid.SampledFrom([]FolderDelete{DeleteFolders, DeleteFolderOnly, DeleteEverything}).Draw(t, "folder delete"),
		NoParentPath: rapid.Bool().Draw(t, "no path"), FunctionLinks: rapid.Bool().Draw(t, "function links"),
		TombstonesInFull: rapid.Bool().Draw(t, "tombstones"), CTagOnRename: rapid.Bool().Draw(t, "ctag"),
		BareTombstones: rapid.Bool().Draw(t, "bare"), ZeroHashTombstones: rapid.Bool().Draw(t, "zero"),
	}
}

func TestAReplicaThatFollowsDeltaEqualsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tn, d := smallTenant(t, func(o *Options) { o.Behaviour = randomBehaviour(rt); o.Seed = rapid.Uint64().Draw(rt, "seed") })
		r := &replica{}
		for range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 12).Draw(rt, "edits") {
				if _, err := tn.Apply(randomEdit(rt, d)); err != nil {
					continue // an edit that does not fit changes nothing
				}
			}
			r.round(t, tn, driveURL(d, "/root/delta"))
			sameTree(t, r, d)
		}
		// A fresh enumeration shows the same as all rounds together.
		full := &replica{}
		full.round(t, tn, driveURL(d, "/root/delta"))
		if !maps.EqualFunc(full.items, r.items, func(a, b map[string]any) bool { return a["eTag"] == b["eTag"] }) {
			t.Fatal("a full enumeration differs from the sum of the rounds")
		}
		full.consistent(t, d)
		if v := tn.Violations(); len(v) > 0 {
			t.Fatalf("a good client was blamed: %v", v)
		}
	})
}

func TestAJournalReplaysAnyHistory(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.RemoveAll(state); err != nil {
			rt.Fatal(err)
		}
		keep := func(o *Options) { o.StateFile, o.Behaviour = state, randomBehaviour(rt) }
		tn, d := smallTenant(t, keep)
		for range rapid.IntRange(0, 25).Draw(rt, "edits") {
			_, _ = tn.Apply(randomEdit(rt, d))
		}
		tn.Close()
		again, d2 := smallTenant(t, keep)
		if !slices.Equal(modelTree(d), modelTree(d2)) || d.chain != d2.chain || d.seq != d2.seq {
			rt.Fatalf("the replayed tenant differs:\n%v\n%v", modelTree(d), modelTree(d2))
		}
		again.Close()
	})
}

func TestEditsDuringPagingAreInThatRoundOrTheNext(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := randomBehaviour(rt)
		tn, d := smallTenant(t, func(o *Options) { o.Behaviour = b })
		for range 15 {
			_, _ = tn.Apply(randomEdit(rt, d))
		}
		r := &replica{items: map[string]map[string]any{}}
		link := driveURL(d, "/root/delta")
		for {
			m := object(t, ask(tn, link), 200)
			for _, it := range values(m) {
				if _, gone := it["deleted"]; gone {
					delete(r.items, it["id"].(string))
					continue
				}
				r.items[it["id"].(string)] = it
			}
			if link = text(m, "@odata.deltaLink"); link != "" {
				break
			}
			link = text(m, "@odata.nextLink")
			if rapid.IntRange(0, 2).Draw(rt, "edit now") == 0 {
				_, _ = tn.Apply(randomEdit(rt, d))
			}
		}
		r.link = link
		r.round(t, tn, "")
		sameTree(t, r, d)
	})
}

func TestDownloadedBytesHaveTheHashThatDeltaShows(t *testing.T) {
	tn, d := smallTenant(t, nil)
	r := &replica{}
	r.round(t, tn, driveURL(d, "/root/delta"))
	files := 0
	for _, it := range r.items {
		address := text(it, "@microsoft.graph.downloadUrl")
		if address == "" {
			continue
		}
		files++
		resp := ask(tn, address)
		h := newQuickXor()
		n, _ := io.Copy(h, resp.Body)
		var sum [20]byte
		copy(sum[:], h.Sum(nil))
		want := it["file"].(map[string]any)["hashes"].(map[string]any)["quickXorHash"]
		if resp.StatusCode != 200 || float64(n) != it["size"] || quickXorText(sum) != want {
			t.Errorf("%v: status %d, %d bytes of %v, hash %s of %v", it["name"], resp.StatusCode, n, it["size"], quickXorText(sum), want)
		}
	}
	if files != 4 {
		t.Errorf("%d files had a download URL, want 4", files)
	}
}
