package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// long reports whether the long tier of the tests was asked for.
func long() bool { return os.Getenv("SPMIRROR_LONG") != "" }

// realTree is the directory that plays the library: about 300 files with nasty
// names, in the long tier the source of the Go distribution, some 10,000 files.
func realTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "library")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	plant(t, dir)
	if long() {
		if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join(goRoot(t), "src"))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestARealTreeIsMirroredByteForByte(t *testing.T) {
	dir := realTree(t)
	w := newWorld(t, sandbox.DriveSpec{Directory: dir})
	start := time.Now()
	w.run(exitOK, "plan", "-out=first.spplan")
	w.run(exitOK, "apply", "first.spplan")
	t.Logf("%d items mirrored in %s", len(w.tenant.Drive("people/Documents").Tree()), time.Since(start).Round(time.Millisecond))
	diff, err := compareTrees(dir, w.path("mirror"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diff {
		t.Error(d)
	}
	if long() {
		out, err := exec.Command("diff", "-r", "--exclude=.spmirror", dir, w.path("mirror")).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("diff -r: %v\n%s", err, out)
		}
	}
	w.unchanged()
	w.unchanged()
	w.wellBehaved()
}

func TestAPlanNamesExactlyTheEditsAndApplyMakesThem(t *testing.T) {
	t.Run("library", func(t *testing.T) { makeEdits(t, newWorld(t, library(t, realTree(t)))) })
	t.Run("folder", func(t *testing.T) { makeEdits(t, newWorldOf(t, library(t, realTree(t)), "/names")) })
}

func makeEdits(t *testing.T, w *world) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w.run(exitOK, "apply", "-auto-approve")
	w.matchesTenant()
	rounds := 3
	if long() {
		rounds = 10
	}
	for round := range rounds {
		e := editor{t: t, w: w, rand: rand.New(rand.NewPCG(seed, uint64(round)))}
		before := w.truth()
		for range 200 {
			e.edit()
		}
		want, bytes := expected(before, w.truth())
		w.run(exitOK, "plan", "-out=edits.spplan")
		got := w.planned("edits.spplan")
		for id, action := range want {
			if got[id] != action {
				t.Errorf("round %d: %s is planned as %q, want %q", round, id, got[id], action)
			}
			delete(got, id)
		}
		for id, action := range got {
			t.Errorf("round %d: %s is planned as %q, but nobody touched it", round, id, action)
		}
		w.tenant.ResetStats()
		w.run(exitOK, "apply", "edits.spplan")
		if sent := w.tenant.Stats().ContentBytes; sent != bytes {
			t.Errorf("round %d: %d bytes of content were sent, want %d: renames and moves download nothing", round, sent, bytes)
		}
		w.matchesTenant()
		w.unchanged()
		w.wellBehaved()
		if t.Failed() {
			t.FailNow()
		}
	}
}

// snapshot is the truth of the tenant by id, with the id of each parent.
type snapshot struct {
	items  map[sandbox.ItemID]sandbox.Truth
	parent map[sandbox.ItemID]sandbox.ItemID
}

func (w *world) truth() snapshot {
	s := snapshot{items: make(map[sandbox.ItemID]sandbox.Truth), parent: make(map[sandbox.ItemID]sandbox.ItemID)}
	tree := w.tenant.Drive("people/Documents").Tree()
	byPath := make(map[string]sandbox.ItemID, len(tree))
	for _, item := range tree {
		byPath[item.Path] = item.ID
	}
	for _, item := range tree {
		if strings.HasPrefix(item.Path, w.folder+"/") && item.Path != "/" {
			s.items[item.ID] = item
			s.parent[item.ID] = byPath[path.Dir(item.Path)]
		}
	}
	return s
}

// expected compares two states of the tenant without any help of the program: what
// a plan must do about each item, and how many bytes that takes.
func expected(before, after snapshot) (actions map[sandbox.ItemID]string, bytes int64) {
	actions = make(map[sandbox.ItemID]string)
	for id := range before.items {
		if _, ok := after.items[id]; !ok {
			actions[id] = "delete"
		}
	}
	for id, now := range after.items {
		was, ok := before.items[id]
		if !ok {
			actions[id] = "add"
			bytes += fileBytes(now)
			continue
		}
		var list []string
		if before.parent[id] != after.parent[id] || path.Base(was.Path) != path.Base(now.Path) {
			list = append(list, "move")
		}
		switch {
		case now.Folder:
		case now.QuickXorHash != was.QuickXorHash || now.Size != was.Size:
			list = append(list, "update")
			bytes += fileBytes(now)
		case !now.Modified.Equal(was.Modified):
			list = append(list, "metadata")
		}
		if len(list) > 0 {
			actions[id] = strings.Join(list, "+")
		}
	}
	return actions, bytes
}

func fileBytes(item sandbox.Truth) int64 {
	if item.Folder {
		return 0
	}
	return item.Size
}

// editor makes random edits in the tenant.
type editor struct {
	t    *testing.T
	w    *world
	rand *rand.Rand
	made int
}

func (e *editor) edit() {
	e.t.Helper()
	drive := e.w.tenant.Drive("people/Documents")
	var files, folders []string
	for _, item := range drive.Tree() {
		switch {
		case item.Path == "/" || item.Path == e.w.folder:
		case item.Folder:
			folders = append(folders, item.Path)
		default:
			files = append(files, item.Path)
		}
	}
	slices.Sort(files)
	slices.Sort(folders)
	e.made++
	file, folder, other := e.pick(files), e.pick(folders), e.pick(folders)
	fresh := fmt.Sprintf("made %d-%d", e.made, e.rand.IntN(1e9))
	var err error
	switch n := e.rand.IntN(20); {
	case n < 5:
		_, err = drive.Put(path.Join(folder, fresh), strings.Repeat(fresh, e.rand.IntN(300)))
	case n < 9:
		_, err = drive.Put(file, fresh)
	case n < 11:
		_, err = drive.Delete(file)
	case n < 13:
		_, err = drive.Rename(file, fresh)
	case n < 15:
		_, err = drive.Move(file, path.Join(folder, fresh))
	case n < 16:
		_, err = drive.Rename(folder, fresh)
	case n < 17:
		if folder == other || strings.HasPrefix(other, folder+"/") {
			return
		}
		_, err = drive.Move(folder, path.Join(other, fresh))
	case n < 18:
		_, err = drive.Mkdir(path.Join(folder, fresh, "below"))
	case n < 19:
		if with := e.pick(files); with != file {
			_, err = drive.Swap(file, with)
		}
	default:
		if e.rand.IntN(10) == 0 && len(folders) > 10 {
			_, err = drive.Delete(folder)
		}
	}
	if err != nil {
		e.t.Fatalf("edit %d: %v", e.made, err)
	}
}

func (e *editor) pick(list []string) string { return list[e.rand.IntN(len(list))] }

func TestTreesThatDifferAreToldApart(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"equal": "x", "other": "a", "left": "l", "kind": "k"} {
		if err := os.WriteFile(filepath.Join(a, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"equal": "x", "other": "b", "right": "r", "kind/inside": "k"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(b, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := compareTrees(a, b)
	want := []string{"kind: file and folder", "only left: left", "other bytes: other", "only right: kind/inside", "only right: right"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("differences %q, %v, want %q", got, err, want)
	}
}

func TestEditsAndLocalDamageTogetherEndInTheTreeOfTheSource(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	plant(t, dir)
	w := newWorld(t, library(t, dir))
	w.run(exitOK, "apply", "-auto-approve")
	for round := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		e := editor{t: t, w: w, rand: random}
		for range 100 {
			e.edit()
		}
		damage(t, w.path("mirror"), random)
		w.run(exitOK, "apply", "-auto-approve")
		w.matchesTenant()
		w.unchanged()
		w.wellBehaved()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// damage removes and changes files of a mirror, and removes whole folders.
func damage(t *testing.T, mirror string, random *rand.Rand) {
	t.Helper()
	found, err := kinds(mirror)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		full := filepath.Join(mirror, name)
		if _, err := os.Lstat(full); err != nil {
			continue // gone with its folder
		}
		switch n := random.IntN(100); {
		case found[name] == "folder" && n < 3, found[name] == "file" && n < 5:
			err = os.RemoveAll(full)
		case found[name] == "file" && n < 10:
			err = os.WriteFile(full, []byte("damaged"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// goRoot is where the Go distribution lies.
func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
