package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// counter counts operations.
type counter struct {
	mu  sync.Mutex
	ops []string
}

func (c *counter) Before(op, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op)
	return nil
}

func (c *counter) of(op string) (n int) {
	for _, o := range c.ops {
		if o == op {
			n++
		}
	}
	return n
}

// ordinal strikes at the n-th operation, once or for good, and lets a reader look before every one.
type ordinal struct {
	n, seen int
	forGood bool
	look    func(op string)
}

var errStruck = fmt.Errorf("struck: %w", syscall.EIO)

func (o *ordinal) Before(op, _ string) error {
	if o.look != nil {
		o.look(op)
	}
	o.seen++
	if o.seen == o.n || o.forGood && o.seen > o.n {
		return errStruck
	}
	return nil
}

// update is one update of a tracked file as apply does it: folder, staging, publication, trash.
func update(d *Dir, old Fingerprint) (stagedFP Fingerprint, err error) {
	if err := d.MkdirAll("new folder/x"); err != nil {
		return stagedFP, err
	}
	s, err := d.Stage(StageName("k"), StageOptions{})
	if err != nil {
		return stagedFP, err
	}
	for _, part := range []string{"new ", "content"} {
		if _, err := s.Write([]byte(part)); err != nil {
			return stagedFP, errors.Join(err, s.Close())
		}
	}
	if stagedFP, err = s.Finish(longAgo, 0o644); err != nil {
		return stagedFP, err
	}
	res := d.PublishBatch([]PublishOp{{Staged: s.Name(), To: "f", Expect: &old}})[0]
	if res.Err != nil {
		return stagedFP, res.Err
	}
	_, err = d.TrashAs(res.Displaced.Path, "f", &res.Displaced.Fingerprint, "20200102T030405Z")
	return stagedFP, err
}

// At every operation, an error or a kill leaves the old or the new file under its name and the old bytes
// somewhere; afterwards looking and repeating brings the update to its end (I-01, I-02, I-14, I-16).
func TestAFaultAtAnyOperationLosesNothing(t *testing.T) {
	for _, platform := range platforms {
		for _, policy := range []SyncPolicy{SyncFile, SyncBatch} {
			for _, forGood := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, policy %d, kill %v", platform.name, policy, forGood), func(t *testing.T) {
					for n := 1; ; n++ {
						if !strikeAt(t, n, forGood, WithCapabilities(platform.force), WithSync(policy)) {
							if n < 10 {
								t.Errorf("only %d operations", n)
							}
							return
						}
					}
				})
			}
		}
	}
}

// strikeAt reports whether there was an n-th operation.
func strikeAt(t *testing.T, n int, forGood bool, opts ...Option) bool {
	t.Helper()
	return strikeIn(t, memoryDir(t), n, forGood, opts...)
}

func strikeIn(t *testing.T, base string, n int, forGood bool, opts ...Option) bool {
	t.Helper()
	dir := base + "/t"
	must(t, Init(dir, testMarker))
	d := reopen(t, dir, opts...)
	defer d.Close()
	old := put(t, d, "f", "old content")
	bare := !d.caps.Exchange && !d.caps.HardLinks
	look := func(when string) {
		text, err := os.ReadFile(d.abs("f"))
		if bare && errors.Is(err, fs.ErrNotExist) {
			return // Weaknesses says so
		}
		if err != nil || string(text) != "old content" && string(text) != "new content" {
			t.Fatalf("operation %d, %s: f holds %q, %v", n, when, text, err)
		}
	}
	keptOld := func(when string) {
		if !holds(t, d.path, "old content") {
			t.Fatalf("operation %d, %s: the old bytes are gone: %v", n, when, texts(t, d.path))
		}
	}
	o := &ordinal{n: n, forGood: forGood, look: func(op string) { look("before " + op); keptOld("before " + op) }}
	d.faults = o
	fp, err := update(d, old)
	if o.seen < n {
		must(t, err)
		return false
	}
	look("after the fault")
	keptOld("after the fault")

	d.Close() // a new run
	d = reopen(t, dir, opts...)
	defer d.Close()
	finish(t, d, fp, old)
	look("after recovery")
	keptOld("after recovery")
	if text := read(t, d.abs("f")); text != "new content" {
		t.Fatalf("operation %d: recovery ended with %q", n, text)
	}
	return true
}

// finish does what a next run does: look, clear away, and do the update again if need be.
func finish(t *testing.T, d *Dir, fp, old Fingerprint) {
	t.Helper()
	state, displaced := PublishLost, Displaced{}
	if fp.Kind == KindFile {
		var err error
		state, displaced, err = d.Recover(StageName("k"), "f", fp)
		must(t, err)
	}
	if state != PublishDone {
		if _, err := d.Stat("f"); errors.Is(err, fs.ErrNotExist) {
			must(t, d.Move(displaced.Path, "f", nil))
			displaced = Displaced{}
		}
	}
	if displaced.Path != "" {
		_, err := d.TrashAs(displaced.Path, "f", nil, "20200102T030405Z")
		must(t, err)
	}
	foreign, err := d.Sweep(nil)
	must(t, err)
	for _, name := range foreign {
		if !isSwap(name) {
			t.Fatalf("foreign %s", name)
		}
	}
	if state != PublishDone {
		_, err := update(d, old)
		must(t, err)
	}
}

// A real reader, beside the checks between operations.
func TestAReaderNeverSeesAPartialOrMissingFile(t *testing.T) {
	d := newTarget(t, WithSync(SyncNone))
	needExchange(t, d)
	fp := put(t, d, "f", texture(0))
	ctx, cancel := context.WithCancel(context.Background())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			text, err := os.ReadFile(d.abs("f"))
			if err != nil || len(text) != textureSize || string(text) != texture(int(text[0])) {
				t.Errorf("%d bytes, %v", len(text), err)
				return
			}
		}
	})
	for i := range 300 {
		name, next := stage(t, d, "k", texture(i%100))
		dis, err := d.Publish(name, "f", &fp)
		must(t, err)
		must(t, d.Remove(dis.Path, fp))
		fp = next
	}
	cancel()
	reader.Wait()
}

const textureSize = 50_000

// texture is a text that betrays any mixture with another one.
func texture(i int) string {
	b := make([]byte, textureSize)
	for j := range b {
		b[j] = byte(i)
	}
	return string(b)
}

// A link swapped in for a folder at any moment leads no operation outside (I-20, I-63, F14).
func TestRacingLinksLeadNothingOutside(t *testing.T) {
	d := newTarget(t, WithSync(SyncNone))
	if d.fsHasNoFlush() {
		t.Skip("only descriptors promise this")
	}
	outside := t.TempDir()
	must(t, os.MkdirAll(outside+"/sub", 0o700))
	write(t, outside+"/f", "outside")
	write(t, outside+"/sub/f", "outside")
	before := snapshot(t, outside)
	must(t, d.MkdirAll("dir/sub"))
	must(t, os.Symlink(outside, d.abs("link")))

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for ctx.Err() == nil {
			_ = os.Rename(d.abs("dir"), d.abs("aside"))
			_ = os.Rename(d.abs("link"), d.abs("dir"))
			_ = os.Rename(d.abs("dir"), d.abs("link"))
			_ = os.Rename(d.abs("aside"), d.abs("dir"))
		}
	})
	tries, wins := 0, 0
	for i := 0; ctx.Err() == nil; i++ {
		dir := []RelPath{"dir", "dir/sub"}[i%2]
		name, _ := stage(t, d, fmt.Sprint(i), "inside")
		_, err := d.Publish(name, dir.Join("n"), nil)
		if err == nil {
			wins++
		}
		_ = d.DiscardStaged(name)
		if fp, err := d.Stat(dir.Join("n")); err == nil {
			_ = d.Remove(dir.Join("n"), fp)
		}
		_ = d.MkdirAll(dir.Join("made/deep"))
		_ = d.Rmdir(dir.Join("made/deep"))
		_ = d.Rmdir(dir.Join("made"))
		if fp, err := d.Hash(ctx, dir.Join("f")); err == nil {
			t.Fatalf("read %+v outside", fp)
		}
		_, _ = d.Trash(dir.Join("f"), nil, "s")
		_ = d.Move(dir.Join("f"), "stolen", nil)
		if found, err := d.ReadDir(dir); err == nil {
			for _, e := range found {
				if e.Name == "f" {
					t.Fatal("listed the outside")
				}
			}
		}
		tries++
	}
	swapper.Wait()
	if after := snapshot(t, outside); after != before {
		t.Errorf("outside before:\n%s\nafter:\n%s", before, after)
	}
	if wins == 0 || wins == tries {
		t.Logf("%d of %d publications went through: the race was not much of one", wins, tries)
	}
}

// Several workers share the held directories.
func TestManyWorkersPublishAtOnce(t *testing.T) {
	d := newTarget(t, WithSync(SyncBatch))
	const workers, files, dirs = 8, 40, maxParents + 10
	for i := range dirs {
		must(t, d.MkdirAll(RelPath(fmt.Sprintf("d%d", i))))
	}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range files {
				to := RelPath(fmt.Sprintf("d%d/%d-%d", (i*workers+w)%dirs, w, i))
				name, fp := stage(t, d, string(to), string(to))
				if _, err := d.Publish(name, to, nil); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					if err := d.Reidentify(); err != nil {
						t.Error(err)
					}
				}
				if got, err := d.Stat(to); err != nil || got != fp {
					t.Errorf("%s: %+v %v", to, got, err)
				}
			}
		})
	}
	group.Wait()
	must(t, d.SyncAll())
	if got := len(texts(t, d.path)); got != workers*files+1 {
		t.Errorf("%d files", got)
	}
	d.parents.clear()
	if n := len(d.parents.byPath); n != 0 {
		t.Errorf("%d directories are still held", n)
	}
}
