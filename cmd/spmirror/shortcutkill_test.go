package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// TestAKilledRunThatFollowsShortcutsIsFinishedByTheSameCommand kills the real program while directories of shortcuts move
// with the folders above them and what is in them changes, runs the same command again, and wants each file once, in the
// place of today.
func TestAKilledRunThatFollowsShortcutsIsFinishedByTheSameCommand(t *testing.T) {
	points := 6
	if long() {
		points = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := newFollowing(t, random)
	k := &killer{t: t, w: f.world, bin: buildBinary(t), rand: random}
	lengths := map[string]time.Duration{"first": k.finish("apply", "-auto-approve")}
	f.check()
	f.edit()
	lengths["fresh"] = k.finish("apply", "-auto-approve")
	f.check()
	f.edit()
	k.finish("plan", "-out=p.spplan")
	lengths["saved"] = k.finish("apply", "p.spplan")
	f.check()
	for i := range points {
		f.edit()
		k.strike([]string{"fresh", "saved"}[i%2], lengths)
		f.check()
		f.run(exitOK, "plan", "-detailed-exitcode")
		if t.Failed() {
			t.Fatalf("after kill %d: %s", i, k.last)
		}
	}
	t.Logf("%d of %d runs were killed before they ended", k.killed, k.runs)
}

// following is a tenant with a library whose folders hold shortcuts to folders of another one, and what the mirror
// of the first has to hold.
type following struct {
	*world
	rand   *rand.Rand
	places [2]string            // of the shortcuts
	files  [2]map[string]string // of what they lead to
	own    string               // a file beside the first
	n      int
}

func newFollowing(t *testing.T, random *rand.Rand) *following {
	f := &following{rand: random, places: [2]string{"team/one", "two"}, own: "team/own.txt"}
	f.world = newWorldOf(t, sandbox.DriveSpec{}, "", func(o *sandbox.Options) {
		o.Sites = append(o.Sites, sandbox.SiteSpec{Path: "sites/finance", Name: "Finance", Drives: []sandbox.DriveSpec{{Name: "Invoices", Segment: "Invoices"}}})
	})
	text, err := os.ReadFile(f.world.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("main.hcl", strings.Replace(string(text), `target = "mirror"`, "target = \"mirror\"\n  content {\n    shortcuts = \"follow\"\n  }", 1))
	f.put("people/Documents", "/"+f.own)
	for i := range f.places {
		f.files[i] = map[string]string{}
		for n := range 40 {
			f.add(i, fmt.Sprintf("sub%d/%d.txt", n%5, n))
		}
		f.apply(sandbox.Edit{Op: sandbox.OpShortcut, Drive: "people/Documents", Path: "/" + f.places[i], ToDrive: "finance/Invoices", To: fmt.Sprintf("/%d", i)})
	}
	return f
}

func (f *following) apply(e sandbox.Edit) {
	f.t.Helper()
	if _, err := f.tenant.Apply(e); err != nil {
		f.t.Fatalf("%+v: %v", e, err)
	}
}

func (f *following) put(drive, path string) string {
	f.t.Helper()
	f.n++
	text := strings.Repeat(fmt.Sprint(f.n, " "), 1+f.rand.IntN(20_000))
	f.apply(sandbox.Edit{Op: sandbox.OpPut, Drive: drive, Path: path, Text: &text})
	return text
}

func (f *following) add(i int, name string) {
	f.t.Helper()
	f.files[i][name] = f.put("finance/Invoices", fmt.Sprintf("/%d/%s", i, name))
}

// edit moves shortcuts and the folder above one, and changes what they lead to.
func (f *following) edit() {
	f.t.Helper()
	const drive = "people/Documents"
	f.n++
	folder, to := path.Dir(f.own), fmt.Sprintf("team%d", f.n)
	f.apply(sandbox.Edit{Op: sandbox.OpRename, Drive: drive, Path: "/" + folder, To: to})
	for _, p := range []*string{&f.places[0], &f.places[1], &f.own} {
		if rest, ok := strings.CutPrefix(*p, folder+"/"); ok {
			*p = to + "/" + rest
		}
	}
	switch f.rand.IntN(3) {
	case 0:
		f.apply(sandbox.Edit{Op: sandbox.OpSwap, Drive: drive, Path: "/" + f.places[0], To: "/" + f.places[1]})
		f.places[0], f.places[1] = f.places[1], f.places[0]
	case 1:
		name := fmt.Sprintf("other%d/one%d", f.rand.IntN(3), f.n)
		f.apply(sandbox.Edit{Op: sandbox.OpMove, Drive: drive, Path: "/" + f.places[0], To: "/" + name})
		f.places[0] = name
	}
	for i := range f.files {
		for range 10 {
			f.add(i, fmt.Sprintf("sub%d/%d.txt", f.rand.IntN(5), f.rand.IntN(60)))
		}
	}
}

// check compares every file below the target, but for those of spmirror itself.
func (f *following) check() {
	f.t.Helper()
	want := map[string]string{}
	for i, files := range f.files {
		for name, text := range files {
			want[f.places[i]+"/"+name] = text
		}
	}
	got := map[string]string{}
	root := f.path("mirror")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".spmirror":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(root, name)
		if rel = filepath.ToSlash(rel); rel != f.own {
			got[rel] = string(data)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	for name := range want {
		if got[name] != want[name] {
			f.t.Errorf("%s is not what the source has", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			f.t.Errorf("%s is not at the source", name)
		}
	}
}
