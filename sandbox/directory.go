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

// scanned is one difference that a scan found, and one line of the journal's scan records.
type scanned struct {
	Path    string `json:"p"`
	Folder  bool   `json:"d,omitempty"`
	Size    int64  `json:"s,omitempty"`
	Mod     int64  `json:"m,omitempty"` // nanoseconds
	Gone    bool   `json:"x,omitempty"`
	MovedTo string `json:"to,omitempty"`
	Inode   uint64 `json:"i,omitempty"`
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
			s, ok := describe(e, path.Join(rel, e.Name()))
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

func describe(e fs.DirEntry, rel string) (scanned, bool) {
	if e.IsDir() {
		return scanned{Path: rel, Folder: true}, true
	}
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() {
		return scanned{}, false
	}
	return scanned{Path: rel, Size: info.Size(), Mod: info.ModTime().UnixNano(), Inode: inodeOf(info)}, true
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

// differences compares a scan with what the library shows.
func (d *Drive) differences(found []scanned) []scanned {
	shown := map[string]*item{}
	inodes := map[uint64]*item{}
	for _, it := range d.items[1:] {
		if !it.deleted && it.more != nil && it.more.disk != "" {
			shown[it.more.disk] = it
			if it.more.inode != 0 {
				inodes[it.more.inode] = it
			}
		}
	}
	var added, changed, out []scanned
	for _, s := range found {
		it := shown[s.Path]
		delete(shown, s.Path)
		switch {
		case it == nil:
			added = append(added, s)
		case s.Folder != it.kind.hasChildren():
			out = append(out, scanned{Path: s.Path, Gone: true}, s)
		case !s.Folder && (it.size != s.Size || it.more.mod != s.Mod):
			changed = append(changed, s)
		}
	}
	for i, s := range added { // a file that kept inode, size and time moved: its id stays (D24)
		old := inodes[s.Inode]
		if s.Folder || old == nil || shown[old.more.disk] != old || old.size != s.Size || old.more.mod != s.Mod {
			continue
		}
		delete(shown, old.more.disk)
		added[i].MovedTo, added[i].Path = s.Path, old.more.disk
	}
	for _, s := range added {
		if s.Folder {
			out = append(out, s)
		}
	}
	for _, s := range added {
		if !s.Folder && s.MovedTo != "" {
			out = append(out, s)
		}
	}
	gone := make([]string, 0, len(shown))
	for p := range shown {
		gone = append(gone, p)
	}
	slices.SortFunc(gone, comparePaths)
	for _, p := range gone {
		out = append(out, scanned{Path: p, Gone: true})
	}
	out = append(out, changed...)
	for _, s := range added {
		if !s.Folder && s.MovedTo == "" {
			out = append(out, s)
		}
	}
	return out
}

// editScan applies the differences of a scan.
func (d *Drive) editScan(e Edit) error {
	at := map[string]*item{"": d.root()}
	for _, it := range d.items[1:] {
		if !it.deleted && it.more != nil && it.more.disk != "" {
			at[it.more.disk] = it
		}
	}
	for _, s := range e.Scan {
		it := at[s.Path]
		switch {
		case s.Gone:
			if it != nil && !it.deleted {
				if err := d.editDelete(it, e); err != nil {
					return err
				}
			}
			delete(at, s.Path)
		case s.MovedTo != "" && (it == nil || it.deleted): // its folder was deleted before it was found again
			s.Path = s.MovedTo
			made, err := d.scanAdded(at, s, e)
			if err != nil {
				return err
			}
			at[s.Path] = made
		case s.MovedTo != "":
			parent := at[parentPath(s.MovedTo)]
			if parent == nil {
				return fmt.Errorf("scan: %w", ErrNoItem)
			}
			d.relocate(it, parent, path.Base(s.MovedTo))
			it.more.disk = s.MovedTo
			d.stamp(it, e)
			delete(at, s.Path)
			at[s.MovedTo] = it
		case it != nil && !it.deleted:
			d.scanChanged(it, s, e)
		default:
			made, err := d.scanAdded(at, s, e)
			if err != nil {
				return err
			}
			at[s.Path] = made
		}
	}
	return nil
}

func parentPath(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func (d *Drive) scanChanged(it *item, s scanned, e Edit) {
	d.resize(it.parent, s.Size-it.size)
	it.size, it.more.mod, it.fsModified, it.more.inode = s.Size, s.Mod, s.Mod/int64(time.Second), s.Inode
	it.content++
	it.etag++
	it.ctag++
	it.hash.Store(nil)
	d.stamp(it, e)
}

// scanAdded makes the item of a file or folder that is new. Names on the disk are not checked against
// the rules of SharePoint: what lies there is served. The id follows from the path.
func (d *Drive) scanAdded(at map[string]*item, s scanned, e Edit) (*item, error) {
	parent := at[parentPath(s.Path)]
	if parent == nil {
		return nil, fmt.Errorf("scan: %w", ErrNoItem)
	}
	k := kindFile
	if s.Folder {
		k = kindFolder
	}
	g := makeGUID(d.seed, "disk", s.Path)
	for d.byGUID[g] != nil { // the path was there before: what is there now is another item
		g = quickGUID(d.seed, uint64(len(d.items)))
	}
	it := d.newItem(g, k, path.Base(s.Path))
	it.created, it.modified, it.fsModified = e.At.Unix(), e.At.Unix(), e.At.Unix()
	it.createdBy, it.modifiedBy = d.owner, d.owner
	m := it.extra()
	m.disk = s.Path
	if !s.Folder {
		it.size, it.fsModified = s.Size, s.Mod/int64(time.Second)
		m.mod, m.inode = s.Mod, s.Inode
	}
	d.attach(it, parent)
	d.touch(it, e.At)
	return it, nil
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
