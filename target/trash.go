package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// stampLayout begins every stamp, so that the age of trash can be read from its name.
const stampLayout = "20060102T150405Z"

// Stamp returns the name of a trash folder: the time, and a label to tell runs apart.
func Stamp(at time.Time, label string) string {
	stamp := at.UTC().Format(stampLayout)
	if label == "" {
		return stamp
	}
	return stamp + "-" + label
}

func stampTime(stamp string) (time.Time, bool) {
	if len(stamp) < len(stampLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(stampLayout, stamp[:len(stampLayout)])
	return t, err == nil
}

// Trash moves a regular file of the mirror into the trash and returns where it is now. A non-nil expect must
// match, before and after the move; an unexpected file goes back to its name (I-14).
func (d *Dir) Trash(path RelPath, expect *Fingerprint, stamp string) (RelPath, error) {
	src, err := d.ownPlace("trash", path)
	if err != nil {
		return "", err
	}
	defer src.release()
	return d.trashPlace(src, path, expect, stamp)
}

// maxTrashTries bounds the search for a free place; a thousand versions of one path in one run is a bug.
const maxTrashTries = 1000

func (d *Dir) trashPlace(src place, original RelPath, expect *Fingerprint, stamp string) (RelPath, error) {
	if err := checkComponent(stamp); err != nil {
		return "", &Error{Op: "trash", Path: RelPath(stamp), Kind: ErrBadPath, Err: err}
	}
	found, err := src.stat()
	if err != nil {
		return "", fail("trash", src.rel, err)
	}
	if found.Kind != KindFile {
		return "", &Error{Op: "trash", Path: src.rel, Kind: ErrNotRegular, Found: &found}
	}
	if err := d.matches("trash", src, expect); err != nil {
		return "", err
	}
	for n := range maxTrashTries {
		dst, err := d.trashTry(src, original, stamp, n)
		if errors.Is(err, ErrOccupied) || errors.Is(err, ErrNotPlain) && !errors.Is(err, ErrCrossDevice) {
			continue
		}
		if err != nil {
			return "", err
		}
		defer dst.release()
		if err := d.matchesAfter("trash", dst, src, expect); err != nil {
			return "", err
		}
		return dst.rel, d.dirtied(dst, src)
	}
	return "", &Error{Op: "trash", Path: original, Kind: ErrOccupied, Err: fmt.Errorf("%d places taken", maxTrashTries)}
}

// trashTry moves to the n-th choice of a place. What makes a path unique is the stamp, not the file name,
// which may already be as long as a name can be.
func (d *Dir) trashTry(src place, original RelPath, stamp string, n int) (place, error) {
	if n > 0 {
		stamp = fmt.Sprintf("%s~%d", stamp, n)
	}
	rel := d.trash.Join(LocalName(stamp)) + "/" + original
	dir, err := d.makeDirs(rel.Dir(), 0o700)
	if err != nil {
		return place{}, err
	}
	dst := place{dir: dir.handle, name: string(rel.Base()), rel: rel, held: dir}
	if err := d.moveFree(src, dst); err != nil {
		dir.release()
		return place{}, fail("trash", rel, err)
	}
	return dst, nil
}

// TrashDir looks after the trash of a target.
type TrashDir struct{ d *Dir }

// TrashDir returns the trash.
func (d *Dir) TrashDir() TrashDir { return TrashDir{d} }

// Trashed is one file in the trash.
type Trashed struct {
	Path     RelPath // where it is
	Original RelPath // where it was
	Stamp    string
	At       time.Time // zero for a folder that carries no stamp of ours
	Fingerprint
}

// List yields every file in the trash. An entry that is not a regular file is yielded too, with its kind; it
// is not ours.
func (t TrashDir) List(ctx context.Context) iter.Seq2[Trashed, error] {
	return func(yield func(Trashed, error) bool) {
		for listing, err := range t.d.Walk(ctx, t.d.trash) {
			if err = errors.Join(err, listing.Err); err != nil {
				if errors.Is(err, fs.ErrNotExist) && listing.Path == t.d.trash {
					return // nothing was ever trashed
				}
				if !yield(Trashed{}, err) {
					return
				}
				continue
			}
			for _, e := range listing.Entries {
				if e.Kind != KindDir && !yield(t.describe(listing.Path.Join(e.Name), e.Fingerprint), nil) {
					return
				}
			}
		}
	}
}

func (t TrashDir) describe(path RelPath, fp Fingerprint) Trashed {
	below := strings.TrimPrefix(string(path), string(t.d.trash)+"/")
	stamp, original, _ := strings.Cut(below, "/")
	at, _ := stampTime(stamp)
	return Trashed{Path: path, Original: RelPath(original), Stamp: stamp, At: at, Fingerprint: fp}
}

// Restore moves a file from the trash to a free path of the mirror and removes the folders it leaves empty.
func (t TrashDir) Restore(path, to RelPath) error {
	src, err := t.place("restore", path)
	if err != nil {
		return err
	}
	defer src.release()
	if err := t.d.MkdirAll(to.Dir()); err != nil {
		return err
	}
	dst, err := t.d.ownPlace("restore", to)
	if err != nil {
		return err
	}
	defer dst.release()
	if err := t.d.moveFree(src, dst); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return occupied("restore", dst, err)
		}
		return fail("restore", path, err)
	}
	if err := t.d.dirtied(dst, src); err != nil {
		return err
	}
	t.tidy(path.Dir())
	return nil
}

// Purge deletes one file from the trash for good.
func (t TrashDir) Purge(path RelPath) error {
	p, err := t.place("purge", path)
	if err != nil {
		return err
	}
	defer p.release()
	found, err := p.stat()
	if err != nil {
		return fail("purge", path, err)
	}
	if found.Kind != KindFile {
		return &Error{Op: "purge", Path: path, Kind: ErrNotRegular, Found: &found}
	}
	if err := t.d.unlink(p); err != nil {
		return fail("purge", path, err)
	}
	t.tidy(path.Dir())
	return nil
}

// Empty purges, file by file, what was trashed before a time and what keep does not claim, and returns what
// was freed. Folders without a stamp of ours and entries that are not regular files are left alone.
func (t TrashDir) Empty(ctx context.Context, before time.Time, keep func(Trashed) bool) (files int, bytes int64, err error) {
	for e, err := range t.List(ctx) {
		if err != nil {
			return files, bytes, err
		}
		if e.At.IsZero() || !e.At.Before(before) || e.Kind != KindFile || keep != nil && keep(e) {
			continue
		}
		if err := t.Purge(e.Path); err != nil {
			return files, bytes, err
		}
		files, bytes = files+1, bytes+e.Size
	}
	return files, bytes, nil
}

func (t TrashDir) place(op string, path RelPath) (place, error) {
	if err := t.d.writable(op, path); err != nil {
		return place{}, err
	}
	if path == t.d.trash || !path.Within(t.d.trash) {
		return place{}, &Error{Op: op, Path: path, Kind: ErrBadPath, Err: errors.New("not in the trash")}
	}
	return t.d.at(op, path)
}

// tidy removes empty folders from dir upwards, never the trash itself. What cannot be removed stays.
func (t TrashDir) tidy(dir RelPath) {
	for ; dir != t.d.trash && dir.Within(t.d.trash); dir = dir.Dir() {
		p, err := t.d.at("tidy", dir)
		if err != nil {
			return
		}
		t.d.parents.drop(dir)
		err = t.d.rmdir(p)
		p.release()
		if err != nil {
			return
		}
	}
}
