package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// directory is a real directory that a library shows. Only regular files and folders are shown;
// links and devices are not content.
type directory struct {
	root    string
	mu      sync.Mutex // one scan at a time
	scanned time.Time
}

// scanned is what a scan found at a path, one difference, and one line of the journal's scan records.
// The path of what is gone or has moved is the one before the scan, every other path is the one now.
type scanned struct {
	Path    string `json:"p"`
	Folder  bool   `json:"d,omitempty"`
	Size    int64  `json:"s,omitempty"`
	Mod     int64  `json:"m,omitempty"` // nanoseconds
	Gone    bool   `json:"x,omitempty"`
	MovedTo string `json:"to,omitempty"`
	Inode   uint64 `json:"i,omitempty"`
	Kept    bool   `json:"k,omitempty"` // only what we know of the disk changed, nothing that is shown
}

func (f *directory) path(rel string) string { return filepath.Join(f.root, filepath.FromSlash(rel)) }

// open opens the file for a whole answer.
func (f onDisk) open() (io.ReaderAt, func(), error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, nil, err
	}
	return file, func() { _ = file.Close() }, nil
}

// scan walks the directory with several readers and returns what it holds in the order of paths.
func (f *directory) scan() ([]scanned, error) {
	top, err := os.Stat(f.root)
	if err != nil {
		return nil, fmt.Errorf("scan the directory of a library: %w", err)
	}
	device := deviceOf(top)
	var mu sync.Mutex
	var found []scanned
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	var walk func(rel string) error
	walk = func(rel string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := os.ReadDir(f.path(rel))
		if err != nil {
			return err
		}
		list := make([]scanned, 0, len(entries))
		for _, e := range entries {
			s, ok := describe(e, path.Join(rel, e.Name()), device)
			if !ok {
				continue
			}
			list = append(list, s)
			if s.Folder && !group.TryGo(func() error { return walk(s.Path) }) {
				if err := walk(s.Path); err != nil {
					return err
				}
			}
		}
		mu.Lock()
		found = append(found, list...)
		mu.Unlock()
		return nil
	}
	group.Go(func() error { return walk("") })
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("scan the directory of a library: %w", err)
	}
	slices.SortFunc(found, func(a, b scanned) int { return comparePaths(a.Path, b.Path) })
	return found, nil
}

// comparePaths orders folders before what they hold.
func comparePaths(a, b string) int {
	return cmp.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

func describe(e fs.DirEntry, rel string, device uint64) (scanned, bool) {
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
		return scanned{}, false
	}
	s := scanned{Path: rel, Folder: info.IsDir(), Mod: info.ModTime().UnixNano()}
	if !s.Folder {
		s.Size = info.Size()
	}
	if deviceOf(info) == device { // on another filesystem the number would mean something else
		s.Inode = inodeOf(info)
	}
	return s, true
}

// scanAll brings all libraries that show directories up to date. The first scan of a library without
// a journal is part of its making, so an unchanged directory has an unchanged history.
func (t *Tenant) scanAll() error {
	for _, d := range t.drives {
		if d.dir != nil {
			if err := d.rescan(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rescan looks for edits in the directory of a library.
func (d *Drive) Rescan() error {
	if d.dir == nil {
		return fmt.Errorf("drive %s: %w", d.Address(), ErrOperation)
	}
	return d.rescan()
}

// rescanEvery is how old a scan may be when a delta round begins.
const rescanEvery = time.Second

func (d *Drive) rescanIfDue(now time.Time) {
	if d.dir == nil {
		return
	}
	d.dir.mu.Lock()
	due := now.Sub(d.dir.scanned) >= rescanEvery
	d.dir.mu.Unlock()
	if due {
		if err := d.rescan(); err != nil {
			d.t.log.Warn("scan of a directory", "drive", d.Address(), "error", err)
		}
	}
}

func (d *Drive) rescan() error {
	d.dir.mu.Lock()
	defer d.dir.mu.Unlock()
	found, err := d.dir.scan()
	if err != nil {
		return err
	}
	now := d.t.now()
	first := d.dir.scanned.IsZero() && len(d.items) == 1
	d.dir.scanned = now
	d.t.mu.Lock()
	changes := d.differences(found)
	d.t.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	e := Edit{Op: opScan, Drive: string(d.id), At: now.UTC(), Scan: changes}
	if first && d.t.journal == nil {
		d.t.mu.Lock()
		defer d.t.mu.Unlock()
		e.At = d.t.opts.Epoch
		if err := d.editScan(e); err != nil {
			return err
		}
		d.settle()
		return nil
	}
	_, err = d.t.Apply(e)
	return err
}

// hashJob is a file whose hash is needed.
type hashJob struct {
	it      *item
	body    body
	content uint32 // the version that body is of
}

// runHashes computes hashes in parallel. A file that cannot be read has none, which is normal (C23).
func (t *Tenant) runHashes(jobs []hashJob) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		group.Go(func() error {
			h, err := j.body.sum()
			if err != nil {
				return nil
			}
			t.mu.RLock()
			defer t.mu.RUnlock()
			if j.it.content == j.content { // else an edit came between
				j.it.hash.Store(&h)
			}
			return nil
		})
	}
	_ = group.Wait() // the jobs return no errors
}
