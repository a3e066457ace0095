package target

import "errors"

// setAside reports whether rel is a local file or folder that was moved out of the mirror for a moment: parked,
// below a parked folder, or displaced by a publication.
func setAside(rel RelPath) bool {
	if rel.Dir() == stagingDir {
		return isSwap(string(rel.Base()))
	}
	return rel != parkDir && rel.Within(parkDir)
}

// sourcePlace is ownPlace for something that is to leave where it is, which may be where it was set aside.
func (d *Dir) sourcePlace(op string, rel RelPath) (place, error) {
	if !setAside(rel) {
		return d.ownPlace(op, rel)
	}
	if err := d.writable(op, rel); err != nil {
		return place{}, err
	}
	return d.at(op, rel)
}

// TrashAs moves a file that was set aside into the trash, under the path it had.
func (d *Dir) TrashAs(aside, original RelPath, expect *Fingerprint, stamp string) (RelPath, error) {
	if !setAside(aside) {
		return "", &Error{Op: "trash", Path: aside, Kind: ErrBadPath, Err: errors.New("not set aside")}
	}
	if original == "" || original.Check() != nil || d.reserved(original) {
		return "", &Error{Op: "trash", Path: original, Kind: ErrBadPath}
	}
	src, err := d.sourcePlace("trash", aside)
	if err != nil {
		return "", err
	}
	defer src.release()
	return d.trashPlace(src, original, expect, stamp)
}
