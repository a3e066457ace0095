package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

// target looks at the directory of a mirror and tries what its file system can do.
func (d *doctor) target(ctx context.Context, m *config.Mirror) {
	at := m.Target
	row, known := d.row(ctx, m.Address)
	if known {
		at = targetOf(row, m)
	}
	probed, ok := d.marker(ctx, m, at, row, known)
	if !ok {
		return
	}
	d.disk(m, probed)
	d.space(m, probed)
	if known {
		check := looked("target", m.Address, "pending")
		switch n, err := d.countPending(ctx, row); {
		case err != nil:
			d.fail(check, err, "")
		case n > 0:
			d.warn(check, "The next apply tries again; `spmirror runs show` says why.", "%s", agree(n, "item is pending", "items are pending"))
		}
	}
}

// marker says whose the directory is, and where its file system can be tried.
func (d *doctor) marker(ctx context.Context, m *config.Mirror, at string, row state.Mirror, known bool) (probed string, ok bool) {
	shown := relative(d.cfg.Dir, at)
	check := looked("target", m.Address, "marker")
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist) && known:
		d.fail(check, fmt.Errorf("%s: %w", shown, target.ErrNotMounted), "Is the disk mounted? If the files are gone for good, `spmirror state rm` forgets the mirror.")
		return "", false
	case errors.Is(err, fs.ErrNotExist):
		d.ok(check, "%s does not exist; init or the first apply makes it", shown)
		return existing(at), true
	case err != nil || !info.IsDir():
		d.fail(check, errors.Join(err, fmt.Errorf("%s: %w", shown, target.ErrNotDirectory)), "The target of a mirror is a directory.")
		return "", false
	}
	marker, marked := readMarker(at)
	switch {
	case !marked && known:
		d.fail(check, fmt.Errorf("%s: %w", shown, target.ErrNoMarker), "")
		return "", false
	case !marked:
		d.ok(check, "%s has no marker yet; init or the first apply makes it", shown)
		return at, true
	case known && marker.UUID == row.Marker && marker.Lineage == d.store.Lineage(), !known && d.store != nil && marker.Lineage == d.store.Lineage():
		if err := d.notOlderThan(ctx, m.Address, at, marker); err != nil {
			d.fail(check, err, "")
			return "", false
		}
		d.ok(check, "%s is this mirror's", shown)
	case d.store == nil:
		d.skip(check, "%s belongs to the state with lineage %s, which cannot be read", shown, marker.Lineage)
	default:
		d.fail(check, &problem{code: "SPM0802", summary: fmt.Sprintf("%s belongs to %s of the state with lineage %s", shown, marker.Mirror, marker.Lineage),
			detail: "Check the target and the path of the backend. If that state is lost, `spmirror state rebuild` takes the target over."}, "")
		return "", false
	}
	return filepath.Join(at, ".spmirror"), true
}

// existing is the nearest directory above a path that is there.
func existing(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		up := filepath.Dir(path)
		if up == path {
			return path
		}
		path = up
	}
}

// disk tries renames, links, flushing, names and times.
func (d *doctor) disk(m *config.Mirror, at string) {
	check := looked("target", m.Address, "disk")
	caps, err := target.Probe(at)
	if err != nil {
		d.fail(check, err, "The directory must be writable for "+actor(d.env)+", and its file system not mounted read-only.")
		return
	}
	weak := caps.Weaknesses()
	name := orText(caps.FSType, "file system")
	if len(weak) == 0 {
		d.ok(check, "%s: renames without replacing, exchanges and flushed folders work", name)
	} else {
		d.warn(check, "The mirror works with that. A local Linux file system (ext4, XFS, Btrfs) has none of these limits.", "%s: %s", name, strings.Join(weak, "; "))
	}
	check.Check = "name length"
	longest := longestName(at)
	if longest < maxNameBytes {
		d.warn(check, "Longer names fail one by one (SPM0510) and stay pending.", "names may have %d bytes, less than the %d that local names are cut to", longest, maxNameBytes)
		return
	}
	d.ok(check, "names of %d bytes are possible", longest)
}

// maxNameBytes is what names are cut to (N5).
const maxNameBytes = 255

// longestName finds the longest name that a directory takes by asking for files that are not there.
func longestName(dir string) int {
	low, high := 1, maxNameBytes
	for low < high {
		n := (low + high + 1) / 2
		if _, err := os.Lstat(filepath.Join(dir, strings.Repeat("n", n))); errors.Is(err, syscall.ENAMETOOLONG) {
			high = n - 1
		} else {
			low = n
		}
	}
	return low
}

// space compares what is free with what the guard wants to stay free.
func (d *doctor) space(m *config.Mirror, at string) {
	check := looked("target", m.Address, "space")
	free, _, err := target.FreeAt(at)
	if err != nil {
		d.fail(check, err, "")
		return
	}
	if least := m.Guard.MinFreeSpace; least != nil && free >= 0 && free < *least {
		d.fail(check, &problem{code: "SPM0513", summary: fmt.Sprintf("%s are free, less than guard.min_free_space = %s", view.Size(free), view.Size(*least))},
			"Plans that download are blocked. Free some space, or lower the limit.")
		return
	}
	if free < 0 {
		d.skip(check, "the file system does not tell its free space")
		return
	}
	d.ok(check, "%s are free", view.Size(free))
}

// shownNames is how many names are given as examples.
const shownNames = 3

// names finds items that the target cannot hold, as far as the source was read before.
func (d *doctor) names(ctx context.Context, m *config.Mirror) {
	row, known := d.row(ctx, m.Address)
	if !known {
		return
	}
	check := looked("names", m.Address, "names")
	naming := target.NamingOf(m.TargetNames)
	var items, refused, shortened int64
	var examples []string
	for pair, err := range d.store.PairsAll(ctx, row) {
		if err != nil {
			d.fail(check, err, "")
			return
		}
		if pair.Item == nil || pair.Item.ID == row.Folder {
			continue
		}
		items++
		local, err := naming.Local(pair.Item.Name)
		switch {
		case err != nil:
			refused++
			if len(examples) < shownNames {
				examples = append(examples, d.shown(pair.Item.Name, false))
			}
		case local.Shortened():
			shortened++
		}
	}
	text := fmt.Sprintf("%d known items of the drive", items)
	if shortened > 0 {
		text += fmt.Sprintf(", %d with names that are cut", shortened)
	}
	if refused > 0 {
		d.warn(check, "Rename them at the source; until then plans list them as blocked. Examples: "+strings.Join(examples, ", "), "%s, %d of them with names that no target can hold", text, refused)
		return
	}
	d.ok(check, "%s, all with names that the target can hold", text)
}
