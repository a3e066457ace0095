package target

// Where a rename cannot refuse an existing name, a move of a file is a link and an unlink. Between the two the file has two
// names.

// RecoverMove ends a Move or Park that was interrupted between its two names: where both are names of one file, the old one
// goes. It reports whether that was so.
func (d *Dir) RecoverMove(from, to RelPath) (bool, error) {
	src, err := d.sourcePlace("recover", from)
	if err != nil {
		return false, err
	}
	defer src.release()
	dst, err := d.sourcePlace("recover", to)
	if err != nil {
		return false, err
	}
	defer dst.release()
	if d.oneName(src, dst) {
		return false, nil
	}
	ended, err := d.dropName(src, dst)
	if err != nil || !ended {
		return false, fail("recover", from, err)
	}
	return true, d.dirtied(dst, src)
}

// oneName reports whether two names can be spellings of one directory entry.
func (d *Dir) oneName(a, b place) bool {
	names := Naming{Folding: d.caps.Folding}
	return a.dir.id == b.dir.id && names.Fold(a.rel.Base()) == names.Fold(b.rel.Base())
}

// dropName removes a name of a file, as long as the other one is seen to be the same file.
func (d *Dir) dropName(name, other place) (bool, error) {
	if other.dir == nil { // its folder is not there
		return false, nil
	}
	mine, err1 := name.stat()
	there, err2 := other.stat()
	if err1 != nil || err2 != nil || mine.Kind != KindFile || mine.Inode == 0 || mine.Inode != there.Inode {
		return false, nil // whatever it is, it is no half of a move
	}
	f, err := name.dir.openFile(name.name, openRead, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if links, err := linkCount(f); err != nil || links < 2 {
		return false, err
	}
	return true, d.unlink(name)
}
