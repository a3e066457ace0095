package target

import "time"

// SetTime gives a regular file another time of modification, on its descriptor (I-12), if it is the expected one.
// It returns the fingerprint afterwards.
func (d *Dir) SetTime(rel RelPath, expect Fingerprint, mtime time.Time) (Fingerprint, error) {
	p, err := d.ownPlace("set time", rel)
	if err != nil {
		return Fingerprint{}, err
	}
	defer p.release()
	f, err := p.dir.openFile(p.name, openRead, 0)
	if err != nil {
		return Fingerprint{}, fail("set time", rel, err)
	}
	defer f.Close()
	found, err := statFile(f)
	if err != nil {
		return Fingerprint{}, fail("set time", rel, err)
	}
	if !expect.Same(found) {
		return Fingerprint{}, &Error{Op: "set time", Path: rel, Kind: ErrChanged, Found: &found}
	}
	if mtime = ClampTime(mtime); mtime.IsZero() {
		return found, nil
	}
	if err := d.before(OpTimes, rel); err != nil {
		return Fingerprint{}, err
	}
	if err := setTimes(f, mtime); err != nil {
		return Fingerprint{}, fail("set time", rel, err)
	}
	now, err := statFile(f)
	return now, fail("set time", rel, err)
}
