package target

import (
	"errors"
	"io/fs"
)

// MkdirAll makes a directory and its missing ancestors, one component at a time, and flushes every parent
// that got a new entry. Anything but a plain directory in the way is ErrNotPlain (I-20).
func (d *Dir) MkdirAll(rel RelPath) error {
	if rel == "" {
		return nil
	}
	p, err := d.ownPlace("mkdir", rel)
	switch {
	case err == nil:
		defer p.release()
		err = d.makeDir(p, d.dirMode)
		if err == nil {
			err = d.requireDir(p)
		}
		return fail("mkdir", rel, err)
	case !isMissing(err):
		return err
	}
	made, err := d.makeDirs(rel, d.dirMode)
	if err != nil {
		return err
	}
	made.release()
	return nil
}

func (d *Dir) requireDir(p place) error {
	found, err := p.stat()
	if err == nil && found.Kind != KindDir {
		err = &Error{Op: "mkdir", Path: p.rel, Kind: ErrNotPlain, Found: &found}
	}
	return err
}

// Move renames a file or a folder, with everything in it, onto a free name whose parent exists. A non-nil
// expect must match what is moved, before and after; after a mismatch it is moved back. A name that differs from
// the old one only in ways the target folds is reached through a parked name (N7).
func (d *Dir) Move(from, to RelPath, expect *Fingerprint) error {
	src, err := d.sourcePlace("move", from)
	if err != nil {
		return err
	}
	defer src.release()
	dst, err := d.ownPlace("move", to)
	if err != nil {
		return err
	}
	defer dst.release()
	if err := d.matches("move", src, expect); err != nil {
		return err
	}
	err = d.moveFree(src, dst)
	if errors.Is(err, fs.ErrExist) {
		err = d.respell(src, dst, err)
	}
	if err != nil {
		return fail("move", from, err)
	}
	d.parents.drop(from)
	if err := d.matchesAfter("move", dst, src, expect); err != nil {
		return err
	}
	return d.dirtied(dst, src)
}

// matches compares files by fingerprint and folders by identity.
func (d *Dir) matches(op string, p place, expect *Fingerprint) error {
	if expect == nil {
		return nil
	}
	found, err := p.stat()
	if err != nil {
		return fail(op, p.rel, err)
	}
	if !expect.Same(found) {
		return &Error{Op: op, Path: p.rel, Kind: ErrChanged, Found: &found}
	}
	return nil
}

// matchesAfter is the look after a rename that closes the gap between the first look and the rename.
func (d *Dir) matchesAfter(op string, now, was place, expect *Fingerprint) error {
	err := d.matches(op, now, expect)
	changed, ok := errors.AsType[*Error](err)
	if !ok || changed.Kind != ErrChanged {
		return err
	}
	kept, back := d.moveBack(now, was)
	return errors.Join(&Error{Op: op, Path: was.rel, Kind: ErrChanged, Err: back, Found: changed.Found, Kept: kept}, d.dirtied(now, was))
}

// respell changes only the spelling of a name, in two steps. That the occupant is the thing itself is decided
// by the target's folding and the inode together: two hard links may share an inode too.
func (d *Dir) respell(src, dst place, occupiedErr error) error {
	there, err := dst.stat()
	if err != nil {
		return err
	}
	mine, err := src.stat()
	if err != nil {
		return err
	}
	if !d.oneName(src, dst) || there.Inode != mine.Inode {
		return occupied("move", dst, occupiedErr)
	}
	between := d.parkPlace("respell " + string(src.rel))
	if err := d.moveFree(src, between); err != nil {
		return err
	}
	if err := d.moveFree(between, dst); err != nil {
		kept, back := d.moveBack(between, src)
		return errors.Join(&Error{Op: "move", Path: src.rel, Kind: kindOf(err), Err: err, Kept: kept}, back)
	}
	return nil
}

// ParkName returns where Park puts the thing with this key.
func ParkName(key string) RelPath { return parkDir.Join(LocalName(tagged(key))) }

// Park moves a file or folder out of the way, so that cycles of names can be untied (Q88, N10). What is of another kind
// is somebody's own, who would not look for it there: it stays.
func (d *Dir) Park(from RelPath, key string, kind Kind) error {
	src, err := d.ownPlace("park", from)
	if err != nil {
		return err
	}
	defer src.release()
	found, err := src.stat()
	if err != nil {
		return fail("park", from, err)
	}
	if found.Kind != kind {
		return &Error{Op: "park", Path: from, Kind: ErrChanged, Found: &found}
	}
	dst := d.parkPlace(key)
	if err := d.moveFree(src, dst); err != nil {
		return fail("park", from, err)
	}
	d.parents.drop(from)
	return d.dirtied(dst, src)
}

// Rmdir removes an empty directory; one that is not empty stays, with ErrNotEmpty (I-17).
func (d *Dir) Rmdir(rel RelPath) error {
	p, err := d.sourcePlace("rmdir", rel)
	if err != nil {
		return err
	}
	defer p.release()
	d.parents.drop(rel)
	if err := d.rmdir(p); err != nil {
		return fail("rmdir", rel, err)
	}
	return d.dirtied(p)
}

func (d *Dir) rmdir(p place) error {
	if err := d.before(OpRmdir, p.rel); err != nil {
		return err
	}
	return p.dir.rmdir(p.name)
}

// Remove deletes a regular file for good. The file is first taken aside, compared with expect, and only then
// unlinked; if it is another one it goes back (I-14).
func (d *Dir) Remove(rel RelPath, expect Fingerprint) error {
	src, err := d.sourcePlace("remove", rel)
	if err != nil {
		return err
	}
	defer src.release()
	if _, err := expected("remove", src, expect); err != nil {
		return fail("remove", rel, err)
	}
	if rel.Dir() == stagingDir { // a displaced file is out of everybody's reach already
		if err := d.unlink(src); err != nil {
			return fail("remove", rel, err)
		}
		return d.dirtied(src)
	}
	aside, err := d.toSwap(d.stagingPlace(StageName("remove "+string(rel))), func(swap place) error { return d.moveFree(src, swap) })
	if err != nil {
		return fail("remove", rel, err)
	}
	if found, err := expected("remove", aside, expect); err != nil {
		kept, back := d.moveBack(aside, src)
		return &Error{Op: "remove", Path: rel, Kind: ErrChanged, Err: errors.Join(err, back), Found: &found, Kept: kept}
	}
	if err := d.unlink(aside); err != nil {
		kept, back := d.moveBack(aside, src)
		return errors.Join(&Error{Op: "remove", Path: rel, Kind: kindOf(err), Err: err, Kept: kept}, back)
	}
	return d.dirtied(src)
}

// RecoverRemove ends a Remove that was interrupted, by looking; expect is what it was called with. It reports whether
// the file is gone. Local bytes that were taken aside and are not the expected ones are returned.
func (d *Dir) RecoverRemove(rel RelPath, expect Fingerprint) (gone bool, displaced Displaced, err error) {
	staged := d.stagingPlace(StageName("remove " + string(rel)))
	state, there := PublishLost, false
	src, err := d.sourcePlace("recover", rel)
	if err == nil {
		defer src.release()
		var found Fingerprint
		found, err = src.stat()
		there = err == nil
		if there && expect.Same(found) {
			state = PublishDone // nothing is to be looked for elsewhere
		}
	}
	if err != nil && !isMissing(err) {
		return false, Displaced{}, fail("recover", rel, err)
	}
	displaced, err = d.recoverSwaps(staged, src, expect, &state)
	if err == nil && state == PublishStaged {
		err = d.DiscardStaged(staged.name)
	}
	return !there, displaced, fail("recover", rel, err)
}
