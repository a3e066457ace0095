package target

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// grow makes a random tree with links and a FIFO and returns what a walk must find.
func grow(t testing.TB, d *Dir, seed uint64, dirs, files int) map[RelPath]Kind {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	all := []RelPath{""}
	for i := range dirs {
		rel := all[rnd.IntN(len(all))].Join(LocalName(fmt.Sprintf("dir %d é", i)))
		must(t, os.Mkdir(d.abs(rel), 0o700))
		all = append(all, rel)
	}
	for i := range files {
		write(t, d.abs(all[rnd.IntN(len(all))].Join(LocalName(fmt.Sprintf("file-%d", i)))), strings.Repeat("x", rnd.IntN(50)))
	}
	for i := range 3 {
		must(t, os.Symlink("..", d.abs(all[rnd.IntN(len(all))].Join(LocalName(fmt.Sprintf("link-%d", i))))))
	}
	must(t, os.Symlink("/", d.abs("link to the root")))
	makePipe(t, d.abs("pipe"))
	want := map[RelPath]Kind{}
	must(t, filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		if e.Name() == controlDir {
			return filepath.SkipDir
		}
		if path == d.path {
			return err
		}
		kind := KindOther
		switch {
		case e.IsDir():
			kind = KindDir
		case e.Type() == fs.ModeSymlink:
			kind = KindSymlink
		case e.Type().IsRegular():
			kind = KindFile
		}
		want[RelPath(strings.TrimPrefix(path, d.path+"/"))] = kind
		return err
	}))
	return want
}

func walked(t testing.TB, d *Dir) map[RelPath]Kind {
	t.Helper()
	got := map[RelPath]Kind{}
	for listing, err := range d.Walk(context.Background(), "") {
		must(t, errors.Join(err, listing.Err))
		for _, e := range listing.Entries {
			rel := listing.Path.Join(e.Name)
			if _, twice := got[rel]; twice {
				t.Errorf("%s twice", rel)
			}
			got[rel] = e.Kind
			if fp, err := d.Stat(rel); err != nil || fp != e.Fingerprint {
				t.Errorf("%s: walk %+v, stat %+v, %v", rel, e.Fingerprint, fp, err)
			}
		}
	}
	return got
}

func TestAWalkFindsWhatTheStandardLibraryFinds(t *testing.T) {
	for seed := range uint64(5) {
		d := newTarget(t)
		want := grow(t, d, seed, 60, 500)
		if got := walked(t, d); !maps.Equal(got, want) {
			t.Errorf("seed %d: %d entries, want %d", seed, len(got), len(want))
		}
	}
}

func TestAWalkIsOfOneFolderAndWhatIsBelow(t *testing.T) {
	d := newTarget(t)
	for _, rel := range []RelPath{"a/b/f", "a/f", "c/f"} {
		put(t, d, rel, "x")
	}
	var got []RelPath
	for listing, err := range d.Walk(context.Background(), "a") {
		must(t, err)
		got = append(got, listing.Path)
	}
	if len(got) != 2 || got[0] != "a" || got[1] != "a/b" {
		t.Errorf("%q", got)
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	d := newTarget(t)
	grow(t, d, 1, 100, 100)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps := 0
	var last error
	for _, err := range d.Walk(ctx, "") {
		cancel()
		last = err
		steps++
	}
	if !errors.Is(last, context.Canceled) || steps != 2 {
		t.Errorf("ended after %d steps with %v", steps, last)
	}
}

func TestADirectoryThatCannotBeListedIsReported(t *testing.T) {
	d := newTarget(t)
	put(t, d, "a/f", "x")
	put(t, d, "b/f", "x")
	sawB, sawError := false, false
	for listing, err := range d.Walk(context.Background(), "") {
		must(t, err)
		if listing.Path == "" { // a turns into a link before it is entered
			must(t, os.Rename(d.abs("a"), d.abs("a2")))
			must(t, os.Symlink("b", d.abs("a")))
		}
		sawB = sawB || listing.Path == "b" && len(listing.Entries) == 1
		sawError = sawError || listing.Path == "a" && errors.Is(listing.Err, ErrNotPlain) && listing.Entries == nil
	}
	if _, err := d.ReadDir("a"); !errors.Is(err, ErrNotPlain) {
		t.Errorf("reading a link: %v", err)
	}
	if !sawB || !sawError {
		t.Errorf("the rest of the tree was listed: %v; the error was reported: %v", sawB, sawError)
	}
	for listing, err := range d.Walk(context.Background(), "a") {
		must(t, err)
		if !errors.Is(listing.Err, ErrNotPlain) {
			t.Errorf("walking from a link: %+v", listing)
		}
	}
}

func TestVeryDeepTreesWork(t *testing.T) {
	d := newTarget(t, WithSync(SyncNone))
	depth := 400 // H-18
	if d.fsHasNoFlush() {
		depth = 30 // paths instead of descriptors: every step walks from the root
	}
	deep := RelPath("d")
	for range depth - 1 {
		deep = deep.Join(LocalName(strings.Repeat("n", 80)))
	}
	fp := put(t, d, deep.Join("f"), "deep")
	if got, err := d.Stat(deep.Join("f")); err != nil || got != fp {
		t.Fatalf("%+v %v", got, err)
	}
	if got, err := d.Hash(context.Background(), deep.Join("f")); err != nil || got.SHA256 != sha("deep") {
		t.Errorf("%+v %v", got, err)
	}
	if got := walked(t, d); len(got) != depth+1 {
		t.Errorf("%d entries", len(got))
	}
	where, err := d.Trash(deep.Join("f"), &fp, "s")
	must(t, err)
	must(t, d.TrashDir().Purge(where))
	if _, err := d.Stat(DefaultTrash + "/s"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the trash was not tidied: %v", err)
	}
	for rel := deep; rel != ""; rel = rel.Dir() {
		must(t, d.Rmdir(rel))
	}
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestHashingReadsOnlyRegularFiles(t *testing.T) {
	d := newTarget(t, WithQuickXor(func() hash.Hash { return crc32.NewIEEE() }))
	fp := put(t, d, "f", "content")
	got, err := d.Hash(context.Background(), "f")
	must(t, err)
	crc := crc32.NewIEEE()
	crc.Write([]byte("content"))
	if got.SHA256 != sha("content") || got.QuickXor != base64.StdEncoding.EncodeToString(crc.Sum(nil)) || !got.Same(fp) {
		t.Errorf("%+v", got)
	}
	must(t, d.MkdirAll("dir"))
	must(t, os.Symlink("f", d.abs("link")))
	makePipe(t, d.abs("pipe"))
	for rel, want := range map[RelPath]error{"dir": ErrNotRegular, "pipe": ErrNotRegular, "missing": fs.ErrNotExist} {
		if _, err := d.Hash(context.Background(), rel); !errors.Is(err, want) {
			t.Errorf("%s: %v", rel, err)
		}
	}
	if _, err := d.Hash(context.Background(), "link"); !errors.Is(err, ErrNotPlain) && !errors.Is(err, ErrNotRegular) {
		t.Errorf("a link: %v", err)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Hash(done, "f"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFingerprintsCompareOnlyWhatBothSidesKnow(t *testing.T) {
	full := Fingerprint{Kind: KindFile, Size: 3, MTime: longAgo, Inode: 7, SHA256: "a", QuickXor: "q"}
	for name, change := range map[string]func(*Fingerprint){
		"kind": func(f *Fingerprint) { f.Kind = KindSymlink }, "size": func(f *Fingerprint) { f.Size = 4 },
		"time": func(f *Fingerprint) { f.MTime = longAgo.Add(1) }, "inode": func(f *Fingerprint) { f.Inode = 8 },
		"sha256": func(f *Fingerprint) { f.SHA256 = "b" }, "quickxor": func(f *Fingerprint) { f.QuickXor = "r" },
	} {
		other := full
		change(&other)
		if full.Same(other) || other.Same(full) {
			t.Errorf("%s does not count", name)
		}
	}
	if little := (Fingerprint{Size: 3}); !full.Same(little) || !little.Same(full) {
		t.Error("what is not known counts")
	}
}

func BenchmarkWalk(b *testing.B) {
	d := newTarget(b)
	const dirs, files = 100, 50
	for i := range dirs {
		rel := RelPath(fmt.Sprintf("dir-%03d", i))
		must(b, os.Mkdir(d.abs(rel), 0o700))
		for j := range files {
			write(b, d.abs(rel.Join(LocalName(fmt.Sprintf("file-%03d", j)))), "")
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range d.Walk(context.Background(), "") {
			must(b, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*dirs*files), "ns/file")
}
